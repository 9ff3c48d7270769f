//! Taking times.

use std::time::{Duration, Instant};

use crate::server::Server;

/// Of many runs: median, 99th percentile, and the server's processor time of one on average.
pub struct Times {
    pub p50: Duration,
    pub p99: Duration,
    pub cpu: Duration,
    pub runs: usize,
}

/// Runs `work` again and again for `seconds`.
pub fn repeat(server: &Server, seconds: f64, mut work: impl FnMut()) -> Times {
    for _ in 0..10 {
        work();
    }
    let (started, cpu) = (Instant::now(), server.cpu_time());
    let mut times = Vec::new();
    while times.len() < 3 || started.elapsed().as_secs_f64() < seconds {
        let run = Instant::now();
        work();
        times.push(run.elapsed());
    }
    let cpu = (server.cpu_time() - cpu) / times.len() as u32;
    times.sort_unstable();
    Times {
        p50: times[times.len() / 2],
        p99: times[times.len() * 99 / 100],
        cpu,
        runs: times.len(),
    }
}

/// A time with three digits and its unit.
pub fn show(time: Duration) -> String {
    let micros = time.as_secs_f64() * 1e6;
    match micros {
        _ if micros < 1000.0 => format!("{micros:.1} µs"),
        _ if micros < 1e6 => format!("{:.2} ms", micros / 1e3),
        _ => format!("{:.2} s", micros / 1e6),
    }
}

pub fn load_average() -> String {
    std::fs::read_to_string("/proc/loadavg")
        .unwrap_or_default()
        .trim()
        .to_owned()
}
