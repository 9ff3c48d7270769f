//! Clients that do as little as a client can, because they share the machine with what they measure.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// How clients connect.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Connections {
    /// One for all requests of a client.
    Kept,
    /// A new one for each request, as the SDK's bursts do.
    NewEach,
}

impl Connections {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Kept => "kept",
            Self::NewEach => "new each",
        }
    }
}

/// What clients saw.
#[derive(Default)]
pub struct Measured {
    times: Vec<Duration>,
    took: Duration,
    pub refused: usize,
}

impl Measured {
    pub fn count(&self) -> usize {
        self.times.len()
    }

    pub fn per_second(&self) -> f64 {
        self.times.len() as f64 / self.took.as_secs_f64().max(1e-9)
    }

    pub fn percentile(&self, percent: usize) -> Duration {
        let at = self.times.len() * percent / 100;
        self.times
            .get(at.min(self.times.len().saturating_sub(1)))
            .copied()
            .unwrap_or_default()
    }
}

/// A request, ready to be sent.
pub fn request(method: &str, path: &str, key: &str, media: &str, body: &[u8]) -> Vec<u8> {
    let mut bytes = format!(
        "{method} {path} HTTP/1.1\r\nHost: bench\r\nContent-Type: {media}\r\nContent-Length: {}\r\n",
        body.len()
    )
    .into_bytes();
    if !key.is_empty() {
        bytes.extend(format!("Authorization: Bearer {key}\r\n").into_bytes());
    }
    bytes.extend_from_slice(b"\r\n");
    bytes.extend_from_slice(body);
    bytes
}

/// Sends what `make` makes, from so many clients at once, for so long. The numbers that a client's requests get
/// go on from those of the measurement before.
pub async fn measure(
    address: &str,
    clients: usize,
    connections: Connections,
    time: Duration,
    make: impl Fn(usize, u64) -> Vec<u8>,
) -> Measured {
    run(address, clients, connections, Some(time), u64::MAX, &make).await
}

/// Sends so many requests from each client.
pub async fn send(address: &str, clients: usize, each: u64, make: impl Fn(usize, u64) -> Vec<u8>) {
    run(address, clients, Connections::Kept, None, each, &make).await;
}

/// Requests are made by the task that runs the measurement, and sent by those of the clients.
async fn run(
    address: &str,
    clients: usize,
    connections: Connections,
    time: Option<Duration>,
    each: u64,
    make: &impl Fn(usize, u64) -> Vec<u8>,
) -> Measured {
    static BEGUN: AtomicUsize = AtomicUsize::new(0);
    let first = (BEGUN.fetch_add(1, Ordering::Relaxed) as u64) * 1_000_000;
    let first = if time.is_none() { 0 } else { first };
    let address: Arc<str> = address.into();
    let begun = Instant::now();
    let mut tasks = JoinSet::new();
    let mut feeds = Vec::new();
    for _ in 0..clients {
        let (feed, mut requests) = tokio::sync::mpsc::channel::<Vec<u8>>(2);
        feeds.push(feed);
        let address = Arc::clone(&address);
        tasks.spawn(async move {
            let mut seen = Measured::default();
            let mut connection = None;
            while let Some(request) = requests.recv().await {
                let sent = Instant::now();
                let status = exchange(&address, &mut connection, &request).await;
                if connections == Connections::NewEach {
                    connection = None;
                }
                match status {
                    200..=299 => seen.times.push(sent.elapsed()),
                    429 | 503 => {
                        seen.refused += 1;
                        tokio::time::sleep(Duration::from_millis(100)).await;
                    }
                    other => panic!("answered with {other}"),
                }
            }
            seen
        });
    }
    let feeding = feeds.into_iter().enumerate().map(|(client, feed)| async move {
        let mut number = 0;
        while number < each && time.is_none_or(|time| begun.elapsed() < time) {
            if feed.send(make(client, first + number)).await.is_err() {
                break;
            }
            number += 1;
        }
    });
    join(feeding.collect()).await;
    let mut all = Measured::default();
    while let Some(seen) = tasks.join_next().await {
        let seen = seen.expect("a client does not fail");
        all.times.extend(seen.times);
        all.refused += seen.refused;
    }
    all.took = begun.elapsed();
    all.times.sort_unstable();
    all
}

/// Drives all of them on this task.
async fn join<F: Future<Output = ()>>(futures: Vec<F>) {
    let mut waiting: Vec<_> = futures.into_iter().map(Box::pin).collect();
    std::future::poll_fn(|context| {
        waiting.retain_mut(|future| future.as_mut().poll(context).is_pending());
        if waiting.is_empty() {
            std::task::Poll::Ready(())
        } else {
            std::task::Poll::Pending
        }
    })
    .await;
}

/// Sends a request and gives the status of its answer, which is read to its end.
async fn exchange(address: &str, kept: &mut Option<TcpStream>, request: &[u8]) -> u16 {
    let mut stream = match kept.take() {
        Some(stream) => stream,
        None => {
            let stream = TcpStream::connect(address).await.expect("the server accepts");
            stream.set_nodelay(true).expect("a socket takes its options");
            stream
        }
    };
    stream.write_all(request).await.expect("the server reads");
    let mut answer = Vec::with_capacity(1_024);
    let head = loop {
        let read = stream.read_buf(&mut answer).await.expect("the server answers");
        assert!(read > 0, "the server hung up");
        if let Some(end) = answer.windows(4).position(|four| four == b"\r\n\r\n") {
            break end + 4;
        }
    };
    let text = String::from_utf8_lossy(&answer[..head]).to_ascii_lowercase();
    let status = text
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok())
        .expect("a status");
    let length: usize = text
        .lines()
        .find_map(|line| line.strip_prefix("content-length:"))
        .map_or(0, |length| length.trim().parse().expect("a length"));
    while answer.len() < head + length {
        let read = stream.read_buf(&mut answer).await.expect("the server answers");
        assert!(read > 0, "the server hung up");
    }
    *kept = Some(stream);
    status
}
