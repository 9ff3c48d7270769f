use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use super::capture::{dropped_marker, whole_characters};

/// Cuts a stream into pieces for a live reader: a piece a line, a partial line after a short wait (a
/// model's tokens), a very long line in parts, and never within a character.
pub(crate) struct Pieces {
    pending: Vec<u8>,
    /// Since when a partial line has been waiting.
    since: Option<Instant>,
    room: usize,
    dropped: u64,
}

/// How long a partial line is held back in the hope of its end.
pub(crate) const HOLD: Duration = Duration::from_millis(25);
/// A line longer than this goes out in parts.
const LONGEST: usize = 64 << 10;

type Flow = ControlFlow<()>;

impl Pieces {
    pub(crate) fn new(room: usize) -> Self {
        Self {
            pending: Vec::new(),
            since: None,
            room,
            dropped: 0,
        }
    }

    /// Takes bytes and emits every complete line.
    pub(crate) fn push(&mut self, bytes: &[u8], now: Instant, emit: &mut dyn FnMut(&str) -> Flow) -> Flow {
        let taken = bytes.len().min(self.room);
        self.room -= taken;
        self.dropped += (bytes.len() - taken) as u64;
        self.pending.extend_from_slice(&bytes[..taken]);
        let mut start = 0;
        while let Some(end) = self.pending[start..].iter().position(|byte| *byte == b'\n') {
            let line = &self.pending[start..=start + end];
            start += end + 1;
            emit(&String::from_utf8_lossy(line))?;
        }
        self.pending.drain(..start);
        if self.pending.len() > LONGEST {
            self.emit_partial(emit)?;
        }
        self.since = if self.pending.is_empty() {
            None
        } else if start > 0 {
            Some(now)
        } else {
            self.since.or(Some(now))
        };
        Flow::Continue(())
    }

    /// When a partial line has to go out.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.since.map(|since| since + HOLD)
    }

    /// Emits a partial line that has waited long enough.
    pub(crate) fn tick(&mut self, now: Instant, emit: &mut dyn FnMut(&str) -> Flow) -> Flow {
        if self.due().is_some_and(|due| now >= due) {
            self.emit_partial(emit)?;
            self.since = None;
        }
        Flow::Continue(())
    }

    /// Emits all that is left, and the marker if something was dropped.
    pub(crate) fn finish(mut self, emit: &mut dyn FnMut(&str) -> Flow) -> Flow {
        if !self.pending.is_empty() {
            emit(&String::from_utf8_lossy(&self.pending))?;
            self.pending.clear();
        }
        if self.dropped > 0 {
            emit(&dropped_marker(self.dropped))?;
        }
        Flow::Continue(())
    }

    fn emit_partial(&mut self, emit: &mut dyn FnMut(&str) -> Flow) -> Flow {
        let whole = whole_characters(&self.pending);
        if whole > 0 {
            emit(&String::from_utf8_lossy(&self.pending[..whole]))?;
            self.pending.drain(..whole);
        }
        Flow::Continue(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Log(Vec<String>);

    impl Log {
        fn emit(&mut self) -> impl FnMut(&str) -> Flow {
            |piece| {
                self.0.push(piece.to_owned());
                Flow::Continue(())
            }
        }
    }

    #[test]
    fn a_piece_a_line() {
        let (mut pieces, mut log, now) = (Pieces::new(1000), Log(vec![]), Instant::now());
        let _ = pieces.push(b"one\ntwo\nthr", now, &mut log.emit());
        let _ = pieces.push(b"ee\n", now, &mut log.emit());
        assert_eq!(log.0, ["one\n", "two\n", "three\n"]);
        assert_eq!(pieces.due(), None);
    }

    #[test]
    fn a_partial_line_waits_at_most_the_hold() {
        let (mut pieces, mut log, now) = (Pieces::new(1000), Log(vec![]), Instant::now());
        let _ = pieces.push(b"The ", now, &mut log.emit());
        let _ = pieces.tick(now, &mut log.emit());
        assert!(log.0.is_empty());
        let _ = pieces.push(b"quick ", now + HOLD / 2, &mut log.emit());
        assert_eq!(
            pieces.due(),
            Some(now + HOLD),
            "more bytes do not prolong the wait"
        );
        let _ = pieces.tick(now + HOLD, &mut log.emit());
        assert_eq!(log.0, ["The quick "]);
    }

    #[test]
    fn never_within_a_character() {
        let (mut pieces, mut log, now) = (Pieces::new(1000), Log(vec![]), Instant::now());
        let crab = "🦀".as_bytes();
        for byte in crab {
            let _ = pieces.push(&[*byte], now, &mut log.emit());
            let _ = pieces.tick(now + HOLD, &mut log.emit());
        }
        assert_eq!(log.0, ["🦀"]);
    }

    #[test]
    fn an_unfinished_character_still_leaves_at_the_end() {
        let (mut pieces, mut log) = (Pieces::new(1000), Log(vec![]));
        let _ = pieces.push(b"x\xf0\x9f", Instant::now(), &mut log.emit());
        let _ = pieces.finish(&mut log.emit());
        assert_eq!(log.0, ["x\u{FFFD}"]);
    }

    #[test]
    fn says_what_it_dropped() {
        let (mut pieces, mut log) = (Pieces::new(4), Log(vec![]));
        let _ = pieces.push(b"abc\ndef\n", Instant::now(), &mut log.emit());
        let _ = pieces.finish(&mut log.emit());
        assert_eq!(log.0, ["abc\n", "[... 4 bytes dropped ...]\n"]);
    }

    #[test]
    fn stops_when_the_reader_does() {
        let mut pieces = Pieces::new(1000);
        let mut seen = 0;
        let flow = pieces.push(b"a\nb\n", Instant::now(), &mut |_| {
            seen += 1;
            Flow::Break(())
        });
        assert_eq!((flow, seen), (Flow::Break(()), 1));
    }
}
