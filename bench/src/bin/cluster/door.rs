//! A TCP proxy in front of a server that can be taken away.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What becomes of connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Mode {
    /// Everything goes through.
    Pass,
    /// Nothing moves.
    Stall,
    /// Connections end as soon as they begin.
    Refuse,
    /// Every request over HTTP is answered with an error.
    Errors,
}

const ERROR: &[u8] = b"HTTP/1.1 503 Slow Down\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";

/// A way to a server.
pub struct Door {
    address: SocketAddr,
    state: Arc<State>,
}

struct State {
    mode: AtomicU8,
    number: AtomicU64,
    open: Mutex<Vec<(u64, TcpStream)>>,
}

/// `HOST:PORT` of a URL.
pub fn authority(url: &str) -> &str {
    let rest = url.split_once("://").expect("a URL").1;
    let authority = rest.split('/').next().expect("an authority");
    authority.rsplit_once('@').map_or(authority, |(_, host)| host)
}

/// The URL with the door in place of its server.
pub fn through(url: &str, door: &Door) -> String {
    url.replacen(authority(url), &door.address.to_string(), 1)
}

impl Door {
    pub fn to(server: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("an address");
        let state = Arc::new(State {
            mode: AtomicU8::new(Mode::Pass as u8),
            number: AtomicU64::new(0),
            open: Mutex::default(),
        });
        let (server, its_state) = (server.to_owned(), Arc::clone(&state));
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                its_state.take(client, &server);
            }
        });
        Self { address, state }
    }

    pub fn set(&self, mode: Mode) {
        self.state.mode.store(mode as u8, Ordering::SeqCst);
        if matches!(mode, Mode::Refuse | Mode::Errors) {
            self.cut();
        }
    }

    /// Ends the connections that are open.
    pub fn cut(&self) {
        for (_, connection) in self.state.open.lock().expect("a lock").drain(..) {
            let _ = connection.shutdown(Shutdown::Both);
        }
    }
}

impl State {
    fn is(&self, mode: Mode) -> bool {
        self.mode.load(Ordering::SeqCst) == mode as u8
    }

    fn take(self: &Arc<Self>, mut client: TcpStream, server: &str) {
        if self.is(Mode::Refuse) {
            return;
        }
        if self.is(Mode::Errors) {
            std::thread::spawn(move || {
                let _ = client.set_read_timeout(Some(Duration::from_secs(1)));
                let _ = client.read(&mut [0; 1 << 16]);
                let _ = client.write_all(ERROR);
            });
            return;
        }
        let Ok(server) = TcpStream::connect(server) else {
            return;
        };
        let _ = (client.set_nodelay(true), server.set_nodelay(true));
        let number = self.number.fetch_add(1, Ordering::SeqCst);
        for stream in [&client, &server] {
            let known = stream.try_clone().expect("a descriptor");
            self.open.lock().expect("a lock").push((number, known));
        }
        for (from, to) in [(&client, &server), (&server, &client)] {
            let (from, to) = (
                from.try_clone().expect("a descriptor"),
                to.try_clone().expect("a descriptor"),
            );
            let state = Arc::clone(self);
            std::thread::spawn(move || {
                state.copy(from, to);
                state
                    .open
                    .lock()
                    .expect("a lock")
                    .retain(|(other, _)| *other != number);
            });
        }
    }

    fn copy(&self, mut from: TcpStream, mut to: TcpStream) {
        let mut piece = vec![0; 1 << 16];
        while let Ok(length @ 1..) = from.read(&mut piece) {
            while self.is(Mode::Stall) {
                std::thread::sleep(Duration::from_millis(20));
            }
            if to.write_all(&piece[..length]).is_err() {
                break;
            }
        }
        let _ = from.shutdown(Shutdown::Both);
        let _ = to.shutdown(Shutdown::Both);
    }
}
