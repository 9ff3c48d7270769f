use std::collections::VecDeque;

use crate::outcome::Captured;

/// Keeps the first three quarters and the last quarter of a stream within a cap.
///
/// Memory is bounded by the cap however much is pushed.
pub(crate) struct Capture {
    cap: usize,
    head: Vec<u8>,
    tail: VecDeque<u8>,
    total: u64,
}

impl Capture {
    pub(crate) fn new(cap: usize) -> Self {
        Self {
            cap,
            head: Vec::new(),
            tail: VecDeque::new(),
            total: 0,
        }
    }

    pub(crate) fn total(&self) -> u64 {
        self.total
    }

    pub(crate) fn push(&mut self, mut bytes: &[u8]) {
        self.total += bytes.len() as u64;
        let tail_cap = self.cap / 4;
        let head_room = (self.cap - tail_cap).saturating_sub(self.head.len());
        let (first, rest) = bytes.split_at(head_room.min(bytes.len()));
        self.head.extend_from_slice(first);
        bytes = rest;
        if bytes.len() >= tail_cap {
            self.tail.clear();
            self.tail.extend(&bytes[bytes.len() - tail_cap..]);
            return;
        }
        let over = (self.tail.len() + bytes.len()).saturating_sub(tail_cap);
        self.tail.drain(..over);
        self.tail.extend(bytes);
    }

    /// The text. Where something was dropped the cut avoids the middle of a character, and one marker line
    /// names the number of bytes.
    pub(crate) fn finish(mut self) -> Captured {
        let kept = (self.head.len() + self.tail.len()) as u64;
        if kept == self.total {
            let mut all = self.head;
            all.extend(self.tail);
            return Captured {
                text: lossy(all),
                truncated: false,
                total_bytes: self.total,
            };
        }
        self.head.truncate(whole_characters(&self.head));
        let tail = self.tail.make_contiguous();
        let skip = tail
            .iter()
            .take(3)
            .take_while(|byte| is_continuation(**byte))
            .count();
        let tail = &tail[skip..];
        let dropped = self.total - self.head.len() as u64 - tail.len() as u64;
        let mut text = lossy(self.head);
        if !text.is_empty() && !text.ends_with('\n') {
            text.push('\n');
        }
        text.push_str(&dropped_marker(dropped));
        text.push_str(&String::from_utf8_lossy(tail));
        Captured {
            text,
            truncated: true,
            total_bytes: self.total,
        }
    }
}

/// The line that stands for what was left out.
pub(crate) fn dropped_marker(bytes: u64) -> String {
    format!("[... {bytes} bytes dropped ...]\n")
}

fn lossy(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

fn is_continuation(byte: u8) -> bool {
    byte & 0xC0 == 0x80
}

/// Length of `bytes` without a character that is cut off at its end.
pub(crate) fn whole_characters(bytes: &[u8]) -> usize {
    let back = bytes
        .iter()
        .rev()
        .take(3)
        .take_while(|byte| is_continuation(**byte))
        .count();
    let Some(lead_at) = bytes.len().checked_sub(back + 1) else {
        return bytes.len();
    };
    let needs = match bytes[lead_at] {
        0xC2..=0xDF => 2,
        0xE0..=0xEF => 3,
        0xF0..=0xF4 => 4,
        _ => return bytes.len(),
    };
    if back + 1 < needs { lead_at } else { bytes.len() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn capture(cap: usize, pieces: &[&[u8]]) -> Captured {
        let mut capture = Capture::new(cap);
        for piece in pieces {
            capture.push(piece);
        }
        capture.finish()
    }

    #[test]
    fn keeps_everything_up_to_the_cap() {
        let kept = capture(16, &[b"0123456789", b"abcdef"]);
        assert_eq!(
            kept,
            Captured {
                text: "0123456789abcdef".into(),
                truncated: false,
                total_bytes: 16
            }
        );
    }

    #[test]
    fn keeps_three_quarters_and_the_last_quarter() {
        let kept = capture(16, &[b"0123456789ab", b"..dropped.", b"wxyz"]);
        assert_eq!(kept.text, "0123456789ab\n[... 10 bytes dropped ...]\nwxyz");
        assert!(kept.truncated);
        assert_eq!(kept.total_bytes, 26);
    }

    #[test]
    fn never_cuts_a_character() {
        let text = "é".repeat(100);
        let kept = capture(17, &[text.as_bytes()]);
        assert!(!kept.text.contains('\u{FFFD}'), "{}", kept.text);
        let dropped: u64 = kept
            .text
            .split(' ')
            .nth(1)
            .and_then(|word| word.parse().ok())
            .expect("marker");
        assert_eq!(dropped + kept.text.matches('é').count() as u64 * 2, 200);
    }

    #[test]
    fn replaces_invalid_bytes() {
        assert_eq!(capture(64, &[b"a\xff\xfeb"]).text, "a\u{FFFD}\u{FFFD}b");
    }

    #[test]
    fn is_bounded() {
        let mut capture = Capture::new(1000);
        for _ in 0..10_000 {
            capture.push(&[b'x'; 997]);
        }
        assert!(capture.head.len() + capture.tail.len() <= 1000);
        assert_eq!(capture.total(), 9_970_000);
    }
}
