//! The order of records that have one time, where the client has signed it.
//!
//! Nothing on the wire says in which order records were made, and their times are whole seconds. The manifest signs the
//! file that the client wrote, though: of the few orders that the times allow, one has that hash.

use std::ops::Range;

use pentad_kernel::secret;

use crate::Result;
use crate::bundle::{File, digest};
use crate::json::Json;

/// Most orders that are tried, and most bytes that are hashed for it.
const ORDERS: usize = 5_040;
const BYTES: usize = 16 << 20;

/// The file of the records in the signed order, or in the order given when none of those tried has that hash.
///
/// `records` stand by their time; `arrived` are the same in the order in which they came.
pub(crate) fn file<K: Ord>(
    signature: Option<&str>,
    records: Vec<Json>,
    arrived: Vec<Json>,
    time: impl Fn(&Json) -> K,
    render: impl Fn(&[Json]) -> Result<File>,
) -> Result<File> {
    let usual = render(&records)?;
    let Some(signature) = signature.filter(|signature| *signature != digest(&usual)) else {
        return Ok(usual);
    };
    let is_signed = |records: &[Json]| {
        let file = render(records).ok()?;
        (secret::sha256_hex(&file.content) == signature).then_some(file)
    };
    let mut as_they_came = arrived;
    as_they_came.sort_by_cached_key(&time);
    if let Some(file) = is_signed(&as_they_came) {
        return Ok(file);
    }
    let mut search = Search {
        groups: groups(&records, &time),
        records,
        left: ORDERS.min(BYTES / usual.content.len().max(1)),
        is_signed,
    };
    Ok(search.orders_of(0).unwrap_or(usual))
}

/// Where records that follow each other have one time.
fn groups<K: Eq>(records: &[Json], time: impl Fn(&Json) -> K) -> Vec<Range<usize>> {
    let times: Vec<K> = records.iter().map(time).collect();
    let mut groups = Vec::new();
    let mut start = 0;
    for at in 1..=times.len() {
        if at == times.len() || times[at] != times[start] {
            if at - start > 1 {
                groups.push(start..at);
            }
            start = at;
        }
    }
    groups
}

struct Search<F> {
    records: Vec<Json>,
    groups: Vec<Range<usize>>,
    /// How many orders may still be tried.
    left: usize,
    is_signed: F,
}

impl<F: Fn(&[Json]) -> Option<File>> Search<F> {
    /// Tries the orders of this group and of those after it.
    fn orders_of(&mut self, group: usize) -> Option<File> {
        match self.groups.get(group).cloned() {
            Some(range) => self.orders_from(group, range),
            None => {
                self.left = self.left.checked_sub(1)?;
                (self.is_signed)(&self.records)
            }
        }
    }

    fn orders_from(&mut self, group: usize, range: Range<usize>) -> Option<File> {
        if range.len() < 2 {
            return self.orders_of(group + 1);
        }
        for chosen in range.clone() {
            if self.left == 0 {
                return None;
            }
            self.records.swap(range.start, chosen);
            let found = self.orders_from(group, range.start + 1..range.end);
            self.records.swap(range.start, chosen);
            if found.is_some() {
                return found;
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn records(of: &[(u64, &str)]) -> Vec<Json> {
        of.iter()
            .map(|(time, text)| Json::parse(format!(r#"{{"t":{time},"x":"{text}"}}"#).as_bytes()).unwrap())
            .collect()
    }

    fn lines(records: &[Json]) -> Result<File> {
        Ok(File::lines(records))
    }

    fn time(record: &Json) -> String {
        record
            .get("t")
            .and_then(Json::whole)
            .unwrap_or_default()
            .to_string()
    }

    #[track_caller]
    fn check(signed: &[(u64, &str)], kept: &[(u64, &str)], arrived: &[(u64, &str)], found: &[(u64, &str)]) {
        let signature = digest(&File::lines(&records(signed)));
        let file = file(Some(&signature), records(kept), records(arrived), time, lines).unwrap();
        assert_eq!(file.content, File::lines(&records(found)).content);
    }

    #[test]
    fn records_of_one_time_stand_as_they_were_signed() {
        let signed = [(1, "b"), (1, "a"), (2, "c"), (3, "f"), (3, "d"), (3, "e")];
        let kept = [(1, "a"), (1, "b"), (2, "c"), (3, "d"), (3, "e"), (3, "f")];
        check(&signed, &kept, &kept, &signed);
    }

    #[test]
    fn many_stand_as_they_came() {
        let signed: Vec<(u64, &str)> = "qwertyuiopasdfghjkl"
            .split("")
            .map(|letter| (1, letter))
            .collect();
        let mut kept = signed.clone();
        kept.sort_unstable();
        check(&signed, &kept, &signed, &signed);
        // No end of orders is tried.
        let mut arrived = kept.clone();
        arrived.reverse();
        check(&signed, &kept, &arrived, &kept);
    }

    #[test]
    fn what_was_signed_otherwise_stands_as_usual() {
        let kept = [(1, "a"), (1, "b")];
        check(&[(1, "b")], &kept, &kept, &kept);
        check(&[(1, "b"), (1, "z")], &kept, &kept, &kept);
        check(
            &[(2, "a"), (1, "b")],
            &[(1, "b"), (2, "a")],
            &[(2, "a"), (1, "b")],
            &[(1, "b"), (2, "a")],
        );
    }
}
