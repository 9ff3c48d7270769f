//! What stands in front of the gateways: each request goes to the next one, as with `proxy_next_upstream error
//! timeout http_503` of nginx. A request that reached no gateway, or was told to come back, is sent to another.

use std::io::{self, Read, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, RwLock};
use std::time::Duration;

/// How often a request is sent before its sender is told.
const ATTEMPTS: usize = 4;
const PAUSE: Duration = Duration::from_millis(200);
/// The answer when no gateway gave one: it may have been taken all the same.
const AWAY: &[u8] =
    b"HTTP/1.1 502 Bad Gateway\r\nretry-after: 1\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
const ONE_MINUTE: Duration = Duration::from_secs(60);

pub struct Balancer {
    listener: Mutex<Option<TcpListener>>,
    base: String,
    gateways: Arc<RwLock<Vec<String>>>,
}

impl Balancer {
    pub fn bind() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let base = format!("http://{}", listener.local_addr().expect("an address"));
        Self {
            listener: Mutex::new(Some(listener)),
            base,
            gateways: Arc::default(),
        }
    }

    pub fn base(&self) -> String {
        self.base.clone()
    }

    /// Which gateways there are from now on.
    pub fn set(&self, gateways: Vec<String>) {
        *self.gateways.write().expect("a lock") = gateways;
    }

    /// Begins to pass requests on.
    pub fn serve(&self) {
        let listener = self
            .listener
            .lock()
            .expect("a lock")
            .take()
            .expect("it serves once");
        let gateways = Arc::clone(&self.gateways);
        let next = Arc::new(AtomicUsize::new(0));
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let (gateways, next) = (Arc::clone(&gateways), Arc::clone(&next));
                std::thread::spawn(move || {
                    let gateways = gateways.read().expect("a lock").clone();
                    // A client may go away at any time.
                    let _ = pass(client, &gateways, &next);
                });
            }
        });
    }
}

/// Passes one request on and its answer back; the connection ends with it.
fn pass(mut client: TcpStream, gateways: &[String], next: &AtomicUsize) -> io::Result<()> {
    client.set_nodelay(true)?;
    let Some(request) = read_request(&mut client)? else {
        return Ok(());
    };
    for attempt in 0..ATTEMPTS {
        let gateway = &gateways[next.fetch_add(1, Ordering::Relaxed) % gateways.len()];
        let Ok(mut upstream) = TcpStream::connect(gateway) else {
            std::thread::sleep(PAUSE);
            continue;
        };
        upstream.set_nodelay(true)?;
        upstream.set_read_timeout(Some(2 * ONE_MINUTE))?;
        let is_safe = request.starts_with(b"GET ");
        let mut first = vec![0; 1 << 16];
        let answered = upstream
            .write_all(&request)
            .and_then(|()| upstream.read(&mut first));
        let length = match answered {
            Ok(length @ 1..) => length,
            // It died with the request in its hands.
            _ if is_safe => continue,
            _ => break,
        };
        let comes_back = first[..length].starts_with(b"HTTP/1.1 503") && attempt + 1 < ATTEMPTS;
        if comes_back && is_safe {
            std::thread::sleep(PAUSE);
            continue;
        }
        client.write_all(&first[..length])?;
        return io::copy(&mut upstream, &mut client).map(|_| ());
    }
    client.write_all(AWAY)
}

/// A whole request, with `Connection: close` in its head.
fn read_request(client: &mut TcpStream) -> io::Result<Option<Vec<u8>>> {
    client.set_read_timeout(Some(ONE_MINUTE))?;
    let mut read = Vec::new();
    let head_end = loop {
        if let Some(end) = read.windows(4).position(|four| four == b"\r\n\r\n") {
            break end + 4;
        }
        if more(client, &mut read)? == 0 {
            return Ok(None);
        }
    };
    let head = String::from_utf8_lossy(&read[..head_end - 4]).into_owned();
    let field = |name: &str| {
        head.lines()
            .filter_map(|line| line.split_once(':'))
            .find(|(found, _)| found.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.trim().to_owned())
    };
    if field("expect").is_some() {
        client.write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
    }
    let mut body = read.split_off(head_end);
    if field("transfer-encoding").is_some_and(|coding| coding.eq_ignore_ascii_case("chunked")) {
        while !body.ends_with(b"0\r\n\r\n") && more(client, &mut body)? > 0 {}
    } else {
        let length: usize = field("content-length")
            .and_then(|text| text.parse().ok())
            .unwrap_or(0);
        while body.len() < length && more(client, &mut body)? > 0 {}
    }
    let stays = |line: &&str| {
        let name = line.split(':').next().unwrap_or_default();
        !["connection", "keep-alive", "expect"]
            .iter()
            .any(|other| name.eq_ignore_ascii_case(other))
    };
    let mut request = head
        .lines()
        .filter(stays)
        .collect::<Vec<_>>()
        .join("\r\n")
        .into_bytes();
    request.extend(b"\r\nConnection: close\r\n\r\n");
    request.extend(body);
    Ok(Some(request))
}

fn more(client: &mut TcpStream, to: &mut Vec<u8>) -> io::Result<usize> {
    let mut piece = [0; 1 << 16];
    let length = client.read(&mut piece)?;
    to.extend_from_slice(&piece[..length]);
    Ok(length)
}
