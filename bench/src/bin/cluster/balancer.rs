//! What stands in front of the gateways: each request goes to the next one, as with `proxy_next_upstream error
//! timeout http_503` of nginx. A request that reached no gateway, or was told to come back, is sent to another.

use std::fmt;
use std::io::{self, Read, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, RwLock};
use std::time::{Duration, Instant};

/// How often a request is sent before its sender is told.
const ATTEMPTS: usize = 12;
const PAUSE: Duration = Duration::from_millis(500);
/// The answer when no gateway gave one: it may have been taken all the same.
const AWAY: &[u8] =
    b"HTTP/1.1 502 Bad Gateway\r\nretry-after: 1\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
/// How a chunked body ends.
const LAST_CHUNK: &[u8] = b"0\r\n\r\n";
const ONE_MINUTE: Duration = Duration::from_secs(60);

pub struct Balancer {
    listener: Mutex<Option<TcpListener>>,
    base: String,
    gateways: Arc<RwLock<Vec<String>>>,
    told: Arc<Mutex<Option<Told>>>,
    sends_writes_again: Arc<AtomicBool>,
}

/// Answers that leave open whether a request was taken.
#[derive(Clone, Copy)]
pub struct Told {
    pub first: Instant,
    /// Those that say to come back.
    come_back: u32,
    /// Those that no gateway gave, or that ended before their end.
    lost: u32,
}

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { come_back, lost, .. } = self;
        write!(f, "told {come_back} times to come back, {lost} answers lost")
    }
}

/// What an answer left open.
enum Open {
    ComeBack,
    Lost,
}

impl Balancer {
    pub fn bind() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let base = format!("http://{}", listener.local_addr().expect("an address"));
        Self {
            listener: Mutex::new(Some(listener)),
            base,
            gateways: Arc::default(),
            told: Arc::default(),
            sends_writes_again: Arc::default(),
        }
    }

    pub fn base(&self) -> String {
        self.base.clone()
    }

    /// Which gateways there are from now on.
    pub fn set(&self, gateways: Vec<String>) {
        *self.gateways.write().expect("a lock") = gateways;
    }

    /// What clients were told since it was last forgotten.
    pub fn told(&self) -> Option<Told> {
        *self.told.lock().expect("a lock")
    }

    pub fn forget(&self) {
        *self.told.lock().expect("a lock") = None;
    }

    /// From now on whether a request that changes something is sent again, too, when it was told to come back: for
    /// clients that do not do so themselves (`non_idempotent` of nginx). It may have been taken all the same.
    pub fn send_writes_again(&self, again: bool) {
        self.sends_writes_again.store(again, Ordering::Relaxed);
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
        let (told, again) = (Arc::clone(&self.told), Arc::clone(&self.sends_writes_again));
        let next = Arc::new(AtomicUsize::new(0));
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let (gateways, told, next) = (Arc::clone(&gateways), Arc::clone(&told), Arc::clone(&next));
                let again = again.load(Ordering::Relaxed);
                std::thread::spawn(move || {
                    let gateways = gateways.read().expect("a lock").clone();
                    // A client may go away at any time.
                    let _ = pass(client, &gateways, &next, again, |open| note(&told, &open));
                });
            }
        });
    }
}

/// Writes down an answer that leaves something open.
fn note(told: &Mutex<Option<Told>>, open: &Open) {
    let mut told = told.lock().expect("a lock");
    let told = told.get_or_insert_with(|| Told {
        first: Instant::now(),
        come_back: 0,
        lost: 0,
    });
    match open {
        Open::ComeBack => told.come_back += 1,
        Open::Lost => told.lost += 1,
    }
}

/// Passes one request on and its answer back; the connection ends with it. `note` is told of an answer that leaves
/// something open before the client can have seen its end.
fn pass(
    mut client: TcpStream,
    gateways: &[String],
    next: &AtomicUsize,
    writes_again: bool,
    note: impl Fn(Open),
) -> io::Result<()> {
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
        first.truncate(length);
        if first.starts_with(b"HTTP/1.1 503") {
            if !is_safe || attempt + 1 == ATTEMPTS {
                note(Open::ComeBack);
            }
            if (is_safe || writes_again) && attempt + 1 < ATTEMPTS {
                std::thread::sleep(PAUSE);
                continue;
            }
        }
        if !answer(&mut client, &mut upstream, first, request.starts_with(b"HEAD "))? {
            note(Open::Lost);
        }
        return Ok(());
    }
    note(Open::Lost);
    client.write_all(AWAY)
}

/// Passes an answer of which the first bytes have come on to its end; whether that was its real end. Fails when the
/// client goes away.
fn answer(
    client: &mut TcpStream,
    upstream: &mut TcpStream,
    first: Vec<u8>,
    is_head: bool,
) -> io::Result<bool> {
    let mut head = Vec::new();
    let mut body = 0;
    let mut last = Vec::new();
    let mut piece = first;
    loop {
        client.write_all(&piece)?;
        match head_end(&head) {
            Some(_) => body += piece.len(),
            None => {
                head.extend_from_slice(&piece);
                body = head_end(&head).map_or(0, |end| head.len() - end);
            }
        }
        last.extend_from_slice(&piece);
        last.drain(..last.len().saturating_sub(LAST_CHUNK.len()));
        piece.resize(1 << 16, 0);
        match upstream.read(&mut piece) {
            Ok(length @ 1..) => piece.truncate(length),
            _ => break,
        }
    }
    let Some(end) = head_end(&head) else {
        return Ok(false);
    };
    let head = String::from_utf8_lossy(&head[..end]).into_owned();
    let has_no_body = is_head || ["204", "304"].iter().any(|status| head[9..].starts_with(status));
    Ok(
        match field(&head, "content-length").and_then(|text| text.parse::<usize>().ok()) {
            _ if has_no_body => true,
            Some(length) => body >= length,
            None => last == LAST_CHUNK,
        },
    )
}

/// Where the head of a message ends, with the empty line.
fn head_end(message: &[u8]) -> Option<usize> {
    let at = message.windows(4).position(|four| four == b"\r\n\r\n")?;
    Some(at + 4)
}

/// A field of a head.
fn field(head: &str, name: &str) -> Option<String> {
    head.lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(found, _)| found.eq_ignore_ascii_case(name))
        .map(|(_, value)| value.trim().to_owned())
}

/// A whole request, with `Connection: close` in its head.
fn read_request(client: &mut TcpStream) -> io::Result<Option<Vec<u8>>> {
    client.set_read_timeout(Some(ONE_MINUTE))?;
    let mut read = Vec::new();
    let head_end = loop {
        if let Some(end) = head_end(&read) {
            break end;
        }
        if more(client, &mut read)? == 0 {
            return Ok(None);
        }
    };
    let head = String::from_utf8_lossy(&read[..head_end - 4]).into_owned();
    if field(&head, "expect").is_some() {
        client.write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
    }
    let mut body = read.split_off(head_end);
    if field(&head, "transfer-encoding").is_some_and(|coding| coding.eq_ignore_ascii_case("chunked")) {
        while !body.ends_with(LAST_CHUNK) && more(client, &mut body)? > 0 {}
    } else {
        let length: usize = field(&head, "content-length")
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
