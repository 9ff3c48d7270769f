//! One run, watched from outside: output, time, memory, and why it ended.

use std::fs::File;
use std::io::{self, Read};
use std::ops::ControlFlow;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::Signal;
use rustix::time::Timespec;

use super::cgroup::Group;
use super::orders::{self, Handed, began};
use super::slot::LinuxSlot;
use super::status::Report;
use super::tree;
use crate::backend::{Event, Sink};
use crate::changes::{Baseline, Changes};
use crate::error::{Error, Result};
use crate::outcome::{KilledBy, Outcome, Usage};
use crate::output::{Capture, Pieces};
use crate::spec::{READY, Run};

/// How often memory, processes and disk are looked at.
const TICK: Duration = Duration::from_millis(20);
/// How long process 1 may take to end the others before the kernel is asked to end process 1.
const PATIENCE: Duration = Duration::from_millis(500);
/// How long the end of all processes may take before the run is given up.
const GIVE_UP: Duration = Duration::from_secs(10);
/// Looks in a row at which every process was taken and more were refused: a fork bomb.
const SATURATED: u32 = 12;

/// Exit code of a run whose time was over, as `timeout(1)` has it.
const TIMED_OUT: i32 = 124;

/// Where the run stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// The program runs until its deadline.
    Running,
    /// The program's group has been asked to end.
    Terminating,
    /// Process 1 has been told to end everything.
    Ending,
    /// Process 1 has been killed.
    Killed,
}

struct Supervisor<'a> {
    slot: &'a LinuxSlot,
    sink: &'a mut dyn Sink,
    stage: Stage,
    /// When the stage is over.
    until: Instant,
    next_tick: Instant,
    started: Instant,
    first_output: Option<Duration>,
    killed_by: Option<KilledBy>,
    cancelled: bool,
    saturated: u32,
    refused: u64,
    disk_full: bool,
    peak: u64,
    out: Stream,
    err: Stream,
    grace: Duration,
    fatal_output: Option<u64>,
    buffer: Vec<u8>,
}

/// One of the program's two streams.
struct Stream {
    open: bool,
    /// The READY byte is still to come.
    awaits_ready: bool,
    capture: Capture,
    pieces: Option<Pieces>,
}

/// Carries a run out in a slot.
pub(crate) fn run(slot: &mut LinuxSlot, run: Run, sink: &mut dyn Sink) -> Result<Outcome> {
    let limits = run.limits.clone();
    let Handed {
        started,
        stdin,
        input,
        baseline,
    } = orders::hand_over(slot, run)?;
    let streams = sink.streams();
    let stream = |awaits_ready| Stream {
        open: true,
        awaits_ready,
        capture: Capture::new(limits.kept_output_bytes),
        pieces: streams.then(|| Pieces::new(limits.streamed_output_bytes)),
    };
    let mut supervisor = Supervisor {
        stage: Stage::Running,
        until: started + limits.timeout,
        next_tick: started + TICK,
        started,
        first_output: None,
        killed_by: None,
        cancelled: false,
        saturated: 0,
        refused: 0,
        disk_full: false,
        peak: 0,
        out: stream(slot.awaits_ready),
        err: stream(false),
        grace: limits.grace,
        fatal_output: limits.fatal_output_bytes,
        buffer: vec![0; 64 << 10],
        sink,
        slot,
    };
    let report = supervisor.watch(stdin, &input)?;
    supervisor.finish(report, baseline)
}

impl Supervisor<'_> {
    /// Until every process is gone.
    fn watch(&mut self, mut stdin: Option<OwnedFd>, mut input: &[u8]) -> Result<Option<Report>> {
        let mut listening = true;
        loop {
            let now = Instant::now();
            self.advance(now)?;
            let wake = [
                Some(self.until),
                Some(self.next_tick),
                self.out.due(),
                self.err.due(),
            ];
            let wait = wake
                .into_iter()
                .flatten()
                .min()
                .unwrap_or(now)
                .saturating_duration_since(now);
            let [out, err, control, death, writable] = self
                .wait(listening, stdin.as_ref(), wait)
                .map_err(Error::io("watching a run"))?;
            if out {
                self.read(true);
            }
            if err {
                self.read(false);
            }
            if control {
                listening = false;
                began(self.slot)?;
            }
            if writable && !feed(stdin.as_ref(), &mut input) {
                stdin = None;
            }
            self.hold_no_longer();
            if let Some(report) = self.slot.page.report() {
                self.drain();
                return Ok(Some(report));
            }
            if death {
                self.drain();
                if !listening || began(self.slot).is_ok() {
                    return Ok(self.slot.page.report());
                }
            }
        }
    }

    /// Waits for something to happen. With both streams at their end only the report is left to wait for,
    /// which process 1 announces without a descriptor.
    fn wait(&self, listening: bool, stdin: Option<&OwnedFd>, wait: Duration) -> io::Result<[bool; 5]> {
        if !self.out.open && !self.err.open && !listening {
            self.slot.page.wait(wait);
            return Ok([false, false, false, self.slot.reach.gone(Duration::ZERO), false]);
        }
        let timeout = Timespec {
            tv_sec: wait.as_secs() as i64,
            tv_nsec: i64::from(wait.subsec_nanos()),
        };
        let mut polled = Vec::with_capacity(5);
        let mut roles = Vec::with_capacity(5);
        let mut add = |role: usize, descriptor, flags| {
            polled.push(PollFd::from_borrowed_fd(descriptor, flags));
            roles.push(role);
        };
        if self.out.open {
            add(0, self.slot.stdout.as_fd(), PollFlags::IN);
        }
        if self.err.open {
            add(1, self.slot.stderr.as_fd(), PollFlags::IN);
        }
        if listening {
            add(2, self.slot.control.as_fd(), PollFlags::IN);
        }
        add(3, self.slot.reach.process.as_fd(), PollFlags::IN);
        if let Some(stdin) = stdin {
            add(4, stdin.as_fd(), PollFlags::OUT);
        }
        match poll(&mut polled, Some(&timeout)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        let mut happened = [false; 5];
        for (role, polled) in roles.iter().zip(&polled) {
            happened[*role] = !polled.revents().is_empty();
        }
        Ok(happened)
    }

    /// Moves on to the next stage when this one's time is over, and looks at the limits.
    fn advance(&mut self, now: Instant) -> Result<()> {
        if self.slot.reach.cancelled.load(Ordering::Relaxed) {
            self.cancelled = true;
        }
        if now >= self.until {
            match self.stage {
                Stage::Running => {
                    self.killed_by = self.killed_by.or(Some(KilledBy::Timeout));
                    self.slot.reach.signal(Signal::TERM);
                    (self.stage, self.until) = (Stage::Terminating, now + self.grace);
                }
                Stage::Terminating => self.end_everything(now),
                Stage::Ending => {
                    self.slot.reach.signal(Signal::KILL);
                    (self.stage, self.until) = (Stage::Killed, now + GIVE_UP);
                }
                Stage::Killed => return Err(Error::Survivors),
            }
        }
        if now >= self.next_tick {
            self.next_tick = now + TICK;
            if self.stage != Stage::Killed {
                self.look(now);
            }
        }
        Ok(())
    }

    fn end_everything(&mut self, now: Instant) {
        self.slot.reach.signal(Signal::INT);
        (self.stage, self.until) = (Stage::Ending, now + PATIENCE);
    }

    fn stop(&mut self, why: KilledBy) {
        if self.killed_by.is_none() && matches!(self.stage, Stage::Running) {
            self.killed_by = Some(why);
            self.end_everything(Instant::now());
        }
    }

    /// Memory, processes, disk.
    fn look(&mut self, _now: Instant) {
        let limits = &self.slot.limits;
        self.disk_full |= self.disk_is_full();
        let counted = self.slot.group.as_ref().and_then(Group::memory_now);
        match (&self.slot.group, counted) {
            (Some(group), Some(memory)) => {
                self.peak = self.peak.max(memory);
                if memory > limits.memory_bytes || group.memory_kills() > 0 {
                    return self.stop(KilledBy::Memory);
                }
            }
            _ => {
                let usage = tree::measure(self.slot.pid);
                self.peak = self.peak.max(usage.resident_bytes);
                self.refused = self.refused.max(u64::from(usage.tasks >= limits.processes));
                let over = |resident: u64| resident + usage.kernel_bytes > limits.memory_bytes;
                if over(usage.resident_bytes) && over(tree::proportional_bytes(self.slot.pid)) {
                    return self.stop(KilledBy::Memory);
                }
            }
        }
        if let Some(group) = &self.slot.group {
            let refused = group.processes_refused();
            self.saturated = if refused > self.refused {
                self.saturated + 1
            } else {
                0
            };
            self.refused = self.refused.max(refused);
            if self.saturated >= SATURATED {
                self.stop(KilledBy::Processes);
            }
        }
    }

    fn disk_is_full(&self) -> bool {
        let Some(upper) = &self.slot.upper else {
            return false;
        };
        rustix::fs::fstatfs(upper).is_ok_and(|usage| usage.f_bavail == 0 || usage.f_ffree == 0)
    }

    /// Reads what is there from one of the two streams.
    fn read(&mut self, out: bool) {
        let (mut file, stream): (&File, _) = if out {
            (&self.slot.stdout, &mut self.out)
        } else {
            (&self.slot.stderr, &mut self.err)
        };
        let got = match file.read(&mut self.buffer) {
            Ok(got) => got,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
            Err(_) => 0,
        };
        let mut bytes = &self.buffer[..got];
        if got == 0 {
            stream.open = false;
            return;
        }
        if std::mem::take(&mut stream.awaits_ready)
            && let Some((&READY, rest)) = bytes.split_first()
        {
            bytes = rest;
        }
        if bytes.is_empty() {
            return;
        }
        let now = Instant::now();
        self.first_output.get_or_insert(now - self.started);
        stream.capture.push(bytes);
        let total = stream.capture.total();
        if let Some(pieces) = &mut stream.pieces {
            let flow = pieces.push(bytes, now, &mut |text| self.sink.event(event(out, text)));
            self.heed(flow);
        }
        if self.fatal_output.is_some_and(|most| total > most) {
            self.stop(KilledBy::Output);
        }
    }

    /// Sends partial lines that have waited long enough.
    fn hold_no_longer(&mut self) {
        let now = Instant::now();
        for out in [true, false] {
            let stream = if out { &mut self.out } else { &mut self.err };
            if let Some(pieces) = &mut stream.pieces {
                let flow = pieces.tick(now, &mut |text| self.sink.event(event(out, text)));
                self.heed(flow);
            }
        }
    }

    fn heed(&mut self, flow: ControlFlow<()>) {
        if flow.is_break() && !self.cancelled {
            self.cancelled = true;
            self.out.pieces = None;
            self.err.pieces = None;
            self.slot.reach.signal(Signal::KILL);
            (self.stage, self.until) = (Stage::Killed, Instant::now() + GIVE_UP);
        }
    }

    /// Everything that is left in the pipes; all writers are gone.
    fn drain(&mut self) {
        for out in [true, false] {
            // A pipe holds at most a mebibyte.
            for _ in 0..64 {
                let stream = if out { &self.out } else { &self.err };
                if !stream.open {
                    break;
                }
                self.read(out);
            }
        }
    }

    fn finish(mut self, report: Option<Report>, baseline: Baseline) -> Result<Outcome> {
        for out in [true, false] {
            let stream = if out { &mut self.out } else { &mut self.err };
            if let Some(pieces) = stream.pieces.take() {
                let _ = pieces.finish(&mut |text| self.sink.event(event(out, text)));
            }
        }
        let elapsed = self.started.elapsed();
        self.cancelled |= self.slot.reach.cancelled.load(Ordering::Relaxed);
        // Process 1 reports when all others are gone, and goes itself; without a report it was killed.
        if report.is_none() && !self.slot.reach.gone(GIVE_UP) {
            return Err(Error::Survivors);
        }
        let (memory_kills, refused) = match &self.slot.group {
            Some(group) => (group.memory_kills(), group.processes_refused()),
            None => (0, self.refused),
        };
        let ending = report.map(|report| Ending::from_wait_status(report.wait_status));
        let ending = ending.unwrap_or(Ending {
            code: 128 + libc::SIGKILL,
            signal: Some(libc::SIGKILL),
        });
        let mut stopped = self.killed_by.is_some() || self.cancelled || report.is_none();
        if self.killed_by.is_none() && memory_kills > 0 && ending.signal == Some(libc::SIGKILL) {
            self.killed_by = Some(KilledBy::Memory);
            stopped = true;
        }
        let changes = match self.slot.upper.as_ref().map(OwnedFd::try_clone) {
            Some(Ok(upper)) => Changes::collect(upper, baseline).map_err(Error::Changes)?,
            Some(Err(error)) => return Err(Error::Changes(error)),
            None => return Err(Error::Changes(io::ErrorKind::NotFound.into())),
        };
        if self.killed_by.is_none() && ending.code != 0 && !self.cancelled {
            let too_big =
                ending.signal == Some(libc::SIGXFSZ) || changes.largest_file() >= self.slot.limits.file_bytes;
            if self.disk_full || too_big || self.disk_is_full() {
                self.killed_by = Some(KilledBy::Disk);
            } else if refused > 0 {
                self.killed_by = Some(KilledBy::Processes);
            }
        }
        let exit_code = if self.killed_by == Some(KilledBy::Timeout) {
            TIMED_OUT
        } else {
            ending.code
        };
        let peak = self.slot.group.as_ref().and_then(Group::memory_peak);
        let largest = report.map_or(0, |report| report.max_memory_bytes);
        Ok(Outcome {
            stdout: self.out.capture.finish(),
            stderr: self.err.capture.finish(),
            exit_code,
            signal: ending.signal,
            killed_by: self.killed_by,
            stopped,
            cancelled: self.cancelled,
            duration: report.map_or(elapsed, |report| report.duration),
            build: None,
            first_output: self.first_output,
            usage: Usage {
                cpu: report.map_or(Duration::ZERO, |report| report.cpu),
                max_memory_bytes: peak.unwrap_or_else(|| self.peak.max(largest)),
            },
            changes,
        })
    }
}

impl Stream {
    fn due(&self) -> Option<Instant> {
        self.pieces.as_ref().and_then(Pieces::due)
    }
}

/// Writes what fits of the program's input; false when all is written or nobody reads.
fn feed(stdin: Option<&OwnedFd>, input: &mut &[u8]) -> bool {
    let Some(stdin) = stdin else { return false };
    match rustix::io::write(stdin, input) {
        Ok(written) => {
            *input = &input[written..];
            !input.is_empty()
        }
        Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => true,
        Err(_) => false,
    }
}

fn event(out: bool, text: &str) -> Event<'_> {
    if out {
        Event::Stdout(text)
    } else {
        Event::Stderr(text)
    }
}

/// How the program itself ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Ending {
    code: i32,
    signal: Option<i32>,
}

impl Ending {
    fn from_wait_status(status: i32) -> Self {
        if libc::WIFEXITED(status) {
            return Self {
                code: libc::WEXITSTATUS(status),
                signal: None,
            };
        }
        let signal = libc::WTERMSIG(status);
        Self {
            code: 128 + signal,
            signal: Some(signal),
        }
    }
}
