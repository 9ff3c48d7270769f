//! Spending a page's budget fairly.

use super::page::Hit;

/// Cuts `hits` down to about `budget` bytes: the first match of every file comes before
/// the second of any, and so on. Files for which not even the first match is left are
/// dropped, to be on the next page; the first file keeps its first match in any case.
/// Tells whether something was cut.
pub(super) fn share(hits: &mut Vec<Hit>, budget: usize) -> bool {
    let mut left = budget;
    let mut kept = vec![0; hits.len()];
    let mut cut = false;
    for (at, hit) in hits.iter().enumerate() {
        let cost = hit.own_cost() + hit.matches.first().map_or(0, super::page::Match::cost);
        if cost > left && at > 0 {
            kept.truncate(at);
            cut = true;
            break;
        }
        left = left.saturating_sub(cost);
        kept[at] = 1;
    }
    hits.truncate(kept.len());
    let mut open: Vec<usize> = (0..hits.len()).collect();
    while !open.is_empty() {
        open.retain(|&at| match hits[at].matches.get(kept[at]) {
            Some(next) if next.cost() <= left => {
                left -= next.cost();
                kept[at] += 1;
                true
            }
            _ => false,
        });
    }
    for (hit, kept) in hits.iter_mut().zip(kept) {
        if kept < hit.matches.len() {
            hit.matches.truncate(kept);
            hit.truncated = true;
            cut = true;
        }
    }
    cut
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Match;

    fn hit(path: &str, matches: usize) -> Hit {
        let one = |line| Match {
            line,
            snippet: "x".repeat(68),
            ..Match::default()
        };
        Hit {
            path: path.into(),
            matches: (1..=matches).map(one).collect(),
            lines: None,
            truncated: false,
        }
    }

    /// Every match above costs 100, every file 33.
    fn check(budget: usize, matches: &[usize], expected: &[usize]) {
        let mut hits: Vec<_> = matches.iter().map(|&count| hit("p", count)).collect();
        let cut = share(&mut hits, budget);
        let kept: Vec<_> = hits.iter().map(|hit| hit.matches.len()).collect();
        assert_eq!(kept, expected, "{budget} for {matches:?}");
        assert_eq!(cut, kept != matches);
        for (hit, had) in hits.iter().zip(matches) {
            assert_eq!(hit.truncated, hit.matches.len() < *had);
        }
    }

    #[test]
    fn every_file_gets_a_line_before_any_gets_more() {
        check(10_000, &[3, 1, 2], &[3, 1, 2]);
        check(3 * 133, &[5, 5, 5], &[1, 1, 1]);
        check(3 * 133 + 100, &[5, 5, 5], &[2, 1, 1]);
        check(3 * 133 + 400, &[9, 1, 2], &[4, 1, 2]);
        check(2 * 133, &[5, 5, 5], &[1, 1]);
        check(10, &[5, 5], &[1]);
        check(10, &[], &[]);
    }
}
