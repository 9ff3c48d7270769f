//! Taking times.

use std::time::{Duration, Instant};

/// Median and 99th percentile of many runs, and the processor time of one on average: on a
/// busy machine that is the figure to compare.
#[derive(Clone, Copy)]
pub struct Times {
    pub p50: Duration,
    pub p99: Duration,
    pub best: Duration,
    pub cpu: Duration,
}

/// Runs `work` again and again for `seconds`, at least three times.
pub fn repeat(seconds: f64, mut work: impl FnMut()) -> Times {
    work();
    let (started, cpu) = (Instant::now(), cpu_time());
    let mut times = Vec::new();
    while times.len() < 3 || started.elapsed().as_secs_f64() < seconds && times.len() < 100_000 {
        let run = Instant::now();
        work();
        times.push(run.elapsed());
    }
    let cpu = (cpu_time() - cpu) / times.len() as u32;
    times.sort_unstable();
    Times {
        cpu,
        p50: times[times.len() / 2],
        p99: times[times.len() * 99 / 100],
        best: times[0],
    }
}

/// Processor time of this process and the children it has waited for.
fn cpu_time() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").expect("the kernel tells");
    let fields = stat
        .rsplit_once(") ")
        .expect("the name is in parentheses")
        .1
        .split(' ');
    // utime, stime, cutime, cstime, in hundredths of a second
    let ticks: u64 = fields
        .skip(11)
        .take(4)
        .map(|field| field.parse::<u64>().expect("a number"))
        .sum();
    Duration::from_millis(ticks * 10)
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
    std::fs::read_to_string("/proc/loadavg")
        .unwrap_or_default()
        .trim()
        .to_string()
}
