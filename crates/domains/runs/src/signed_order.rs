//! The order of records that have one time, where the client has signed it.
//!
//! Nothing on the wire says in which order records were made, and their times are whole seconds. The manifest signs the
//! file that the client wrote, though: of the few orders that the times allow, one has that hash.

use pentad_kernel::secret;

use crate::Result;
use crate::bundle::{File, digest};
use crate::json::Json;

/// How many bytes may still be hashed in search of signed orders.
#[derive(Debug)]
pub(crate) struct Effort(usize);

/// What one file may take of it.
const OF_FILE: usize = 4 << 20;
/// Even the smallest file costs as much as one of this size.
const LEAST_BYTES: usize = 512;

impl Effort {
    /// For one file.
    pub(crate) const fn of_file() -> Self {
        Self(OF_FILE)
    }

    /// For all files of a run together.
    pub(crate) const fn of_run() -> Self {
        Self(16 << 20)
    }

    /// Takes away what may be spent on one thing.
    const fn take(&mut self, bytes: usize) -> Self {
        let taken = if bytes < self.0 { bytes } else { self.0 };
        self.0 -= taken;
        Self(taken)
    }

    fn spend(&mut self, bytes: usize) -> bool {
        let cost = bytes.max(LEAST_BYTES);
        let affordable = cost <= self.0;
        self.0 = self.0.saturating_sub(cost);
        affordable
    }
}

/// The file of the records in the signed order, or in the order given when none of those tried has that hash.
///
/// `records` stand by their time and then by their `place`, of which the time is a part; `arrived` are the same in
/// the order in which they came.
pub(crate) fn file<T: Ord, P: PartialEq>(
    signature: Option<&str>,
    records: Vec<Json>,
    arrived: Vec<Json>,
    time: impl Fn(&Json) -> T,
    place: impl Fn(&Json) -> P,
    render: impl Fn(&[Json]) -> Result<File>,
    effort: &mut Effort,
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
    let of_one_place = ends(&records, &place);
    let of_one_time = ends(&records, &time);
    // Posts that overtook each other did so by little; where nothing is known of how they came, places stand in order.
    let starts = [
        (as_they_came, of_one_time.clone()),
        (records.clone(), of_one_place),
        (records, of_one_time),
    ];
    let share = OF_FILE / starts.len();
    for (records, ends) in starts {
        let mut search = Search {
            records,
            ends,
            bytes: usual.content.len(),
            effort: effort.take(share),
            is_signed: &is_signed,
        };
        let found = search.nearest_first();
        effort.0 += search.effort.0;
        if let Some(file) = found {
            return Ok(file);
        }
    }
    Ok(usual)
}

/// For each record, where those that follow it with the same key end.
fn ends<K: PartialEq>(records: &[Json], key: impl Fn(&Json) -> K) -> Vec<usize> {
    let keys: Vec<K> = records.iter().map(key).collect();
    let mut ends = vec![keys.len(); keys.len()];
    for at in (1..keys.len()).rev() {
        ends[at - 1] = if keys[at - 1] == keys[at] { ends[at] } else { at };
    }
    ends
}

struct Search<'f, F> {
    records: Vec<Json>,
    ends: Vec<usize>,
    bytes: usize,
    effort: Effort,
    is_signed: &'f F,
}

impl<F: Fn(&[Json]) -> Option<File>> Search<'_, F> {
    /// Tries the order at hand, then those in which one record stands before another that it followed, then two, …
    fn nearest_first(&mut self) -> Option<File> {
        let most: usize = (0..self.ends.len()).map(|at| self.ends[at] - at - 1).sum();
        for inversions in 0..=most {
            if let Some(file) = self.with_inversions(0, inversions) {
                return Some(file);
            }
            if self.effort.0 == 0 {
                return None;
            }
        }
        None
    }

    /// Tries the orders that have this many inversions more, all of them from a position on. Each level of the
    /// recursion takes one at least, so that it goes no deeper than there are inversions.
    fn with_inversions(&mut self, from: usize, inversions: usize) -> Option<File> {
        if inversions == 0 {
            let may_go_on = self.effort.spend(self.bytes);
            return may_go_on.then(|| (self.is_signed)(&self.records)).flatten();
        }
        for at in from..self.records.len() {
            for by in 1..(self.ends[at] - at).min(inversions + 1) {
                if self.effort.0 == 0 {
                    return None;
                }
                self.records[at..=at + by].rotate_right(1);
                let found = self.with_inversions(at + 1, inversions - by);
                if found.is_some() {
                    return found;
                }
                self.records[at..=at + by].rotate_left(1);
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

    fn time(record: &Json) -> u64 {
        record.get("t").and_then(Json::whole).unwrap_or_default()
    }

    /// The time, and the first letter as the place.
    fn place(record: &Json) -> (u64, Option<char>) {
        let text = record.text_at("x").unwrap_or_default();
        (time(record), text.chars().next())
    }

    #[track_caller]
    fn check(signed: &[(u64, &str)], kept: &[(u64, &str)], arrived: &[(u64, &str)], found: &[(u64, &str)]) {
        let signature = digest(&File::lines(&records(signed)));
        let (kept, arrived) = (records(kept), records(arrived));
        let mut effort = Effort::of_file();
        let file = file(Some(&signature), kept, arrived, time, place, lines, &mut effort).unwrap();
        assert_eq!(file.content, File::lines(&records(found)).content);
    }

    fn letters(text: &str) -> Vec<(u64, &str)> {
        text.split("")
            .filter(|letter| !letter.is_empty())
            .map(|letter| (1, letter))
            .collect()
    }

    #[test]
    fn records_of_one_time_stand_as_they_were_signed() {
        let signed = [(1, "b"), (1, "a"), (2, "c"), (3, "f"), (3, "d"), (3, "e")];
        let kept = [(1, "a"), (1, "b"), (2, "c"), (3, "d"), (3, "e"), (3, "f")];
        check(&signed, &kept, &kept, &signed);
        let mut reversed = letters("abcdef");
        reversed.reverse();
        check(&reversed, &letters("abcdef"), &letters("cafebd"), &reversed);
    }

    #[test]
    fn many_stand_as_they_came_or_nearly_so() {
        let signed = letters("qwertyuiopasdfghjkl");
        let mut kept = signed.clone();
        kept.sort_unstable();
        check(&signed, &kept, &signed, &signed);
        // Two changed places on their way, and one overtook two.
        check(&signed, &kept, &letters("qwetryuiopdasfghjkl"), &signed);
    }

    #[test]
    fn places_stand_in_order_however_the_records_came() {
        let signed = [
            (1, "a2"),
            (1, "a1"),
            (1, "b1"),
            (1, "b2"),
            (1, "c2"),
            (1, "c1"),
            (1, "d2"),
            (1, "d1"),
            (1, "e2"),
            (1, "e1"),
        ];
        let mut kept = signed;
        kept.sort_unstable();
        let mut arrived = signed;
        arrived.rotate_left(5);
        arrived.swap(0, 3);
        check(&signed, &kept, &arrived, &signed);
    }

    #[test]
    fn the_search_ends_however_many_there_are() {
        let texts: Vec<String> = (0..20_000).map(|number| format!("{number:05}")).collect();
        let kept: Vec<(u64, &str)> = texts.iter().map(|text| (1, text.as_str())).collect();
        check(&[(1, "b")], &kept, &kept, &kept);
        // What is found for one file is spent for all.
        let mut effort = Effort::of_file();
        let of_two = || records(&[(1, "a"), (1, "b")]);
        let before = effort.0;
        file(Some("0"), of_two(), of_two(), time, place, lines, &mut effort).unwrap();
        assert_eq!(before - effort.0, 5 * LEAST_BYTES);
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
