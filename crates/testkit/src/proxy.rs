//! A TCP proxy, by which a test takes a server away and gives it back.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// What becomes of connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Pass,
    /// They are accepted, and nothing moves.
    Stall,
    /// They end as soon as they begin.
    Refuse,
}

/// A way to a server that can be closed. Dropped, it is gone with every connection.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    mode: watch::Sender<Mode>,
    /// Rises when the open connections are to be cut.
    cuts: Arc<watch::Sender<u64>>,
    _running: JoinSet<()>,
}

impl Proxy {
    /// A proxy in front of `HOST:PORT`.
    ///
    /// # Panics
    /// When no port is free.
    pub async fn to(server: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let address = listener.local_addr().expect("a bound socket has an address");
        let (mode, modes) = watch::channel(Mode::Pass);
        let cuts = Arc::new(watch::channel(0).0);
        let mut running = JoinSet::new();
        running.spawn(serve(listener, server.to_owned(), modes, Arc::clone(&cuts)));
        Self {
            address,
            mode,
            cuts,
            _running: running,
        }
    }

    /// Where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// The URL with this proxy in place of its server.
    ///
    /// # Panics
    /// When it is no URL.
    pub fn in_front_of(&self, url: &str) -> String {
        let (scheme, rest) = url.split_once("://").expect("a URL has a scheme");
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let user = authority
            .rsplit_once('@')
            .map_or(String::new(), |(user, _)| format!("{user}@"));
        format!("{scheme}://{user}{}/{path}", self.address)
    }

    /// Lets everything through again; what stood still goes on.
    pub fn pass(&self) {
        self.mode.send_replace(Mode::Pass);
    }

    /// Lets connections stand still, open ones and new ones.
    pub fn stall(&self) {
        self.mode.send_replace(Mode::Stall);
    }

    /// Ends every connection, and every new one as soon as it begins.
    pub fn refuse(&self) {
        self.mode.send_replace(Mode::Refuse);
        self.cut();
    }

    /// Ends the connections that are open. New ones are let through.
    pub fn cut(&self) {
        self.cuts.send_modify(|cuts| *cuts += 1);
    }
}

async fn serve(
    listener: TcpListener,
    server: String,
    modes: watch::Receiver<Mode>,
    cuts: Arc<watch::Sender<u64>>,
) {
    let mut connections = JoinSet::new();
    loop {
        let Ok((client, _)) = listener.accept().await else {
            continue;
        };
        while connections.try_join_next().is_some() {}
        if *modes.borrow() == Mode::Refuse {
            continue;
        }
        let (server, modes, mut cut) = (server.clone(), modes.clone(), cuts.subscribe());
        connections.spawn(async move {
            tokio::select! {
                () = connect(client, &server, modes) => {}
                // The sender lives as long as the proxy.
                _ = cut.changed() => {}
            }
        });
    }
}

async fn connect(client: TcpStream, server: &str, modes: watch::Receiver<Mode>) {
    let Ok(server) = TcpStream::connect(server).await else {
        return;
    };
    // Many small messages go back and forth: none of them waits for company.
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let ((from_client, to_client), (from_server, to_server)) = (client.into_split(), server.into_split());
    let there = copy(from_client, to_server, modes.clone());
    let back = copy(from_server, to_client, modes);
    tokio::join!(there, back);
}

async fn copy(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut modes: watch::Receiver<Mode>) {
    let mut piece = vec![0; 64 << 10];
    while let Ok(length @ 1..) = from.read(&mut piece).await {
        if modes.wait_for(|mode| *mode != Mode::Stall).await.is_err()
            || to.write_all(&piece[..length]).await.is_err()
        {
            return;
        }
    }
    // The other direction may have more to say.
    let _ = to.shutdown().await;
}
