//! Counting tests from what their runners print.

use std::fmt;
use std::ops::AddAssign;

/// How many tests passed and failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    passed: u64,
    failed: u64,
}

impl Tally {
    /// What a line counts: the closing line of cargo test or of cargo nextest, else nothing.
    pub(super) fn of_line(line: &str) -> Self {
        let line = line.trim();
        let counts = if let Some(rest) = line.strip_prefix("test result: ") {
            rest.split_once(". ").map_or("", |(_, counts)| counts)
        } else if line.starts_with("Summary [") {
            line.split_once(" run: ").map_or("", |(_, counts)| counts)
        } else {
            ""
        };
        let count = |word: &str| -> u64 {
            counts
                .split([',', ';'])
                .filter_map(|part| part.trim().split_once(' '))
                .filter(|(_, what)| what.starts_with(word))
                .filter_map(|(number, _)| number.parse::<u64>().ok())
                .sum()
        };
        Self {
            passed: count("passed"),
            failed: count("failed") + count("timed out") + count("exec failed"),
        }
    }

    pub(super) fn total(self) -> u64 {
        self.passed + self.failed
    }
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed", self.passed, self.failed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn closing_lines_of_both_runners_count_and_nothing_else() {
        for (line, passed, failed) in [
            (
                "test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.02s",
                12,
                0,
            ),
            (
                "test result: FAILED. 3 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out",
                3,
                2,
            ),
            (
                "     Summary [   0.926s] 40 tests run: 40 passed, 0 skipped",
                40,
                0,
            ),
            (
                "     Summary [   9.926s] 1 test run: 0 passed, 1 timed out, 3 skipped",
                0,
                1,
            ),
            (
                "     Summary [  12.001s] 5/9 tests run: 3 passed (1 slow, 1 flaky), 1 failed, 1 exec failed, 2 skipped",
                3,
                2,
            ),
            ("        PASS [   0.005s] pentad-kernel time::tests::parses", 0, 0),
            ("12 passed, 0 failed", 0, 0),
            ("", 0, 0),
        ] {
            assert_eq!(Tally::of_line(line), Tally { passed, failed }, "{line}");
        }
    }

    #[test]
    fn the_closing_line_is_plain() {
        assert_eq!(Tally { passed: 7, failed: 1 }.to_string(), "7 passed, 1 failed");
    }
}
