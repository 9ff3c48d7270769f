//! Patterns without a literal that ask for a long run of one kind of byte: hashes,
//! tokens, UUIDs. A run of at least `n` such bytes covers every `n`-th position of the
//! text at least once, so looking at those alone finds every run.

use regex_syntax::hir::{Class, Hir, HirKind};

/// Shorter runs are common in any text: then the regex engine is as fast.
const MIN_RUN: usize = 16;

/// Finds runs of at least `length` bytes of a class.
#[derive(Debug, Clone)]
pub(crate) struct RunProbe {
    class: Box<[bool; 256]>,
    length: usize,
}

impl RunProbe {
    /// The probe for a run that every match of `tree` contains, if there is a useful one.
    pub(crate) fn new(tree: &Hir) -> Option<Self> {
        let mut best: Option<Self> = None;
        let mut consider = |parts: &[Hir]| {
            let mut probe = Self {
                class: Box::new([false; 256]),
                length: 0,
            };
            for part in parts {
                add_bytes(part, &mut probe.class);
                probe.length += part.properties().minimum_len().unwrap_or(0);
            }
            let longer = best.as_ref().is_none_or(|best| probe.length > best.length);
            if probe.length >= MIN_RUN && longer && probe.is_selective() {
                best = Some(probe);
            }
        };
        match uncaptured(tree).kind() {
            HirKind::Concat(parts) if parts.len() <= 64 => {
                for start in 0..parts.len() {
                    for end in start + 1..=parts.len() {
                        consider(&parts[start..end]);
                    }
                }
            }
            _ => consider(std::slice::from_ref(tree)),
        }
        best
    }

    /// Start of the first run in `text[from..]`, which may have begun before `from`.
    pub(crate) fn find(&self, text: &[u8], from: usize) -> Option<usize> {
        let mut at = from + self.length - 1;
        while at < text.len() {
            if !self.class[usize::from(text[at])] {
                at += self.length;
                continue;
            }
            let mut start = at;
            while start > from && at - start < self.length && self.class[usize::from(text[start - 1])] {
                start -= 1;
            }
            let mut end = at + 1;
            while end < text.len() && end - start < self.length && self.class[usize::from(text[end])] {
                end += 1;
            }
            if end - start >= self.length {
                return Some(start);
            }
            // `end` is not of the class, so the next run's last byte is this far at least.
            at = end + self.length;
        }
        None
    }

    /// Prose and code are full of spaces and punctuation, so a class without them is cut
    /// into short runs by any ordinary line.
    fn is_selective(&self) -> bool {
        let ordinary = |byte: &u8| matches!(byte, b'\t' | b' '..=b')' | b',' | b':' | b';' | b'<'..=b'@' | b'['..=b']' | b'{'..=b'}');
        !(0..=u8::MAX)
            .filter(|&byte| self.class[usize::from(byte)])
            .any(|byte| ordinary(&byte) && byte != b'=')
    }
}

fn uncaptured(tree: &Hir) -> &Hir {
    match tree.kind() {
        HirKind::Capture(capture) => uncaptured(&capture.sub),
        _ => tree,
    }
}

/// Adds every byte that may occur in a match of `tree`.
fn add_bytes(tree: &Hir, class: &mut [bool; 256]) {
    match tree.kind() {
        HirKind::Empty | HirKind::Look(_) => {}
        HirKind::Literal(literal) => literal.0.iter().for_each(|&byte| class[usize::from(byte)] = true),
        HirKind::Class(Class::Bytes(bytes)) => {
            for range in bytes.ranges() {
                class[usize::from(range.start())..=usize::from(range.end())].fill(true);
            }
        }
        HirKind::Class(Class::Unicode(characters)) => {
            for range in characters.ranges() {
                let (start, end) = (range.start() as usize, range.end() as usize);
                if start < 0x80 {
                    class[start..=end.min(0x7F)].fill(true);
                }
                if end >= 0x80 {
                    class[0x80..].fill(true);
                }
            }
        }
        HirKind::Repetition(repetition) => add_bytes(&repetition.sub, class),
        HirKind::Capture(capture) => add_bytes(&capture.sub, class),
        HirKind::Concat(parts) | HirKind::Alternation(parts) => {
            parts.iter().for_each(|part| add_bytes(part, class));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::query::{Case, Mode, pattern};

    fn probe(regex: &str) -> Option<RunProbe> {
        RunProbe::new(&pattern::parse(&[regex.to_string()], Mode::Regex, Case::Sensitive, false).unwrap()[0])
    }

    #[test]
    fn long_runs_are_recognised() {
        let length = |regex: &str| probe(regex).map(|probe| probe.length);
        assert_eq!(length("[0-9a-f]{40}"), Some(40));
        assert_eq!(length(r"\b([0-9a-f]{40})\b"), Some(40));
        assert_eq!(
            length("[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"),
            Some(36)
        );
        assert_eq!(length(r"\s+\w{20,}"), Some(20));
        assert_eq!(length(r"[0-9a-f]{12}"), None, "too short");
        assert_eq!(length(r".{40}"), None, "any text is full of it");
        assert_eq!(length(r"\w*"), None);
    }

    #[test]
    fn every_run_is_found() {
        let probe = probe("[ab]{16}").unwrap();
        for before in 0..40 {
            for run in 14..20 {
                let text = format!("{}{}xx", "x".repeat(before), "ab".repeat(10).get(..run).unwrap());
                let expected = (run >= 16).then_some(before);
                let found = probe.find(text.as_bytes(), 0);
                assert_eq!(found.is_some(), expected.is_some(), "{before} {run}");
                assert!(found.is_none_or(|at| at >= before && at < before + run));
            }
        }
    }
}
