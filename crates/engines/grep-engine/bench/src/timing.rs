//! Taking times.

use std::time::{Duration, Instant};

/// Median and 99th percentile of many runs.
#[derive(Clone, Copy)]
pub struct Times {
    pub p50: Duration,
    pub p99: Duration,
    pub best: Duration,
}

/// Runs `work` again and again for `seconds`, at least three times.
pub fn repeat(seconds: f64, mut work: impl FnMut()) -> Times {
    work();
    let started = Instant::now();
    let mut times = Vec::new();
    while times.len() < 3 || started.elapsed().as_secs_f64() < seconds && times.len() < 100_000 {
        let run = Instant::now();
        work();
        times.push(run.elapsed());
    }
    times.sort_unstable();
    Times { p50: times[times.len() / 2], p99: times[times.len() * 99 / 100], best: times[0] }
}

pub fn once<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let run = Instant::now();
    let result = work();
    (result, run.elapsed())
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
    std::fs::read_to_string("/proc/loadavg").unwrap_or_default().trim().to_string()
}
