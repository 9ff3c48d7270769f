//! Showing lines.

use std::ops::Range;

/// A line as it is shown.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Snippet {
    pub(super) text: String,
    /// The line was too long: this is a part of it.
    pub(super) cut: bool,
}

/// Shows a line without terminator. If it is longer than `limit` bytes, shows a window of at most that many
/// that holds the start of the match at `around`, on character boundaries.
pub(super) fn snippet(line: &[u8], limit: usize, around: Option<&Range<usize>>) -> Snippet {
    if line.len() <= limit {
        return Snippet {
            text: lossy(line),
            cut: false,
        };
    }
    let at = around.map_or(0, |range| range.start.min(line.len()));
    let length = around.map_or(0, std::iter::ExactSizeIterator::len);
    // The match in the middle; more of what follows it than of what precedes a long one.
    let margin = limit.saturating_sub(length) / 2;
    let start = at.saturating_sub(margin).min(line.len().saturating_sub(limit));
    let start = boundary_at_or_after(line, start).min(boundary_at_or_before(line, at));
    let end = boundary_at_or_before(line, (start + limit).min(line.len()));
    Snippet {
        text: lossy(&line[start..end]),
        cut: true,
    }
}

/// White space cut off both ends.
pub(super) fn trimmed(line: &[u8]) -> &[u8] {
    line.trim_ascii()
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn is_boundary(line: &[u8], at: usize) -> bool {
    line.get(at).is_none_or(|byte| byte & 0xC0 != 0x80)
}

/// A character has at most three continuation bytes; more of them are not UTF-8 anyway.
fn boundary_at_or_before(line: &[u8], at: usize) -> usize {
    (at.saturating_sub(3)..=at)
        .rev()
        .find(|&at| is_boundary(line, at))
        .unwrap_or(at)
}

fn boundary_at_or_after(line: &[u8], at: usize) -> usize {
    (at..=at + 3)
        .find(|&at| is_boundary(line, at))
        .unwrap_or(at)
        .min(line.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_lines_are_shown_whole() {
        let shown = snippet(b"\t indented  ", 512, None);
        assert_eq!(
            shown,
            Snippet {
                text: "\t indented  ".into(),
                cut: false
            }
        );
        assert_eq!(snippet(b"caf\xe9", 512, None).text, "caf\u{FFFD}");
    }

    #[test]
    fn a_window_holds_the_match_and_whole_characters() {
        for (before, after) in [(0, 2000), (2000, 0), (700, 700), (5, 1000), (300, 300)] {
            for filler in ["x", "é", "漢", "𝄞"] {
                let line = format!("{}NEEDLE{}", filler.repeat(before), filler.repeat(after));
                let at = line.find("NEEDLE").unwrap();
                let shown = snippet(line.as_bytes(), 512, Some(&(at..at + 6)));
                assert!(
                    shown.cut && shown.text.contains("NEEDLE"),
                    "{before} {after} {filler}"
                );
                assert!(
                    shown.text.len() <= 512 && shown.text.len() > 500,
                    "{}",
                    shown.text.len()
                );
                assert!(!shown.text.contains('\u{FFFD}'), "{}", shown.text);
            }
        }
    }

    #[test]
    fn a_match_longer_than_the_window_is_shown_from_its_start() {
        let line = format!("{}{}", "a".repeat(1000), "b".repeat(2000));
        let shown = snippet(line.as_bytes(), 512, Some(&(1000..3000)));
        assert_eq!(shown.text, "b".repeat(512));
    }

    #[test]
    fn bytes_that_are_not_utf8_do_not_break_the_window() {
        let line = [0x80; 2000];
        let shown = snippet(&line, 512, Some(&(1500..1501)));
        assert!(shown.cut && !shown.text.is_empty());
    }
}
