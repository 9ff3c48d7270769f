//! Edit distance to words and runs of words.

use std::ops::Range;

/// A word to compare others with: its edit distance to a text is found 64 characters of
/// the word at a time, by bit-parallel optimal string alignment (Hyyrö 2003), in which
/// an insertion, a deletion, a substitution and a swap of neighbours each count one.
pub(super) struct Word {
    length: usize,
    /// For each ASCII character, the positions at which the word has it.
    ascii: Box<[u64; 128]>,
    others: Vec<(char, u64)>,
}

impl Word {
    /// `None` for a word of more than 64 characters, or none.
    pub(super) fn new(characters: &[char]) -> Option<Self> {
        if !(1..=64).contains(&characters.len()) {
            return None;
        }
        let mut word = Self {
            length: characters.len(),
            ascii: Box::new([0; 128]),
            others: Vec::new(),
        };
        for (at, &character) in characters.iter().enumerate() {
            let positions = match word.ascii.get_mut(character as usize) {
                Some(positions) => positions,
                None => match word.others.iter().position(|&(other, _)| other == character) {
                    Some(known) => &mut word.others[known].1,
                    None => {
                        word.others.push((character, 0));
                        &mut word.others.last_mut().expect("just pushed").1
                    }
                },
            };
            *positions |= 1 << at;
        }
        Some(word)
    }

    fn positions(&self, character: char) -> u64 {
        match self.ascii.get(character as usize) {
            Some(&positions) => positions,
            None => self
                .others
                .iter()
                .find(|(other, _)| *other == character)
                .map_or(0, |&(_, positions)| positions),
        }
    }

    /// The edit distance between the word and `text`.
    pub(super) fn distance<U: Unit>(&self, text: &[U]) -> usize {
        let mut column = Column::new(self);
        for unit in text {
            column.read(self.positions(unit.character()), 1);
        }
        column.distance
    }

    /// Whether the word is within `limit` of any piece of `text`: a quick no for most.
    pub(super) fn is_near<U: Unit>(&self, text: &[U], limit: usize) -> bool {
        let mut column = Column::new(self);
        text.iter().any(|unit| {
            // Without the cost of what stands before it, the piece may begin anywhere.
            column.read(self.positions(unit.character()), 0);
            column.distance <= limit
        })
    }

    /// The word or run of words in `text` that is nearest, if one is within `limit`: the
    /// distance and where it is. `cased` is the text before its case was folded, for the
    /// humps of camelCase.
    pub(super) fn nearest<U: Unit>(
        &self,
        text: &[U],
        cased: &[U],
        limit: usize,
    ) -> Option<(usize, Range<usize>)> {
        let mut nearest: Option<(usize, Range<usize>)> = None;
        let mut start = 0;
        while let Some(begin) = (start..text.len()).find(|&at| starts_word(cased, at)) {
            start = begin + 1;
            let shortest = begin + self.length.saturating_sub(limit).max(1);
            let longest = (begin + self.length + limit).min(text.len());
            for end in shortest..=longest {
                if !ends_word(cased, end) {
                    continue;
                }
                let distance = self.distance(&text[begin..end]);
                if distance <= limit && nearest.as_ref().is_none_or(|(best, _)| distance < *best) {
                    nearest = Some((distance, begin..end));
                }
            }
        }
        nearest
    }
}

/// A character of a line: a `char`, or a byte of a line that is all ASCII.
pub(super) trait Unit: Copy + PartialEq {
    fn character(self) -> char;
}

impl Unit for char {
    fn character(self) -> char {
        self
    }
}

impl Unit for u8 {
    fn character(self) -> char {
        char::from(self)
    }
}

/// The last column of the table of distances, as differences between its cells.
struct Column {
    /// Cells one more, and one less, than the cell above.
    up: u64,
    down: u64,
    /// Cells equal to the one diagonally before.
    diagonal: u64,
    /// Where the word has the character read before.
    before: u64,
    /// The bit of the last cell, and its value.
    last: u64,
    distance: usize,
}

impl Column {
    fn new(word: &Word) -> Self {
        let last = 1 << (word.length - 1);
        Self {
            up: u64::MAX,
            down: 0,
            diagonal: 0,
            before: 0,
            last,
            distance: word.length,
        }
    }

    /// Reads a character, which the word has `here`. `above` is what each character adds
    /// to the cell above the first: 1, or 0 if the text before counts for nothing.
    #[inline]
    fn read(&mut self, here: u64, above: u64) {
        let swapped = ((!self.diagonal & here) << 1) & self.before;
        self.diagonal = (((here & self.up).wrapping_add(self.up)) ^ self.up) | here | self.down | swapped;
        let right_up = self.down | !(self.diagonal | self.up);
        let right_down = self.diagonal & self.up;
        self.distance += usize::from(right_up & self.last != 0);
        self.distance -= usize::from(right_down & self.last != 0);
        let right_up = (right_up << 1) | above;
        self.up = (right_down << 1) | !(self.diagonal | right_up);
        self.down = right_up & self.diagonal;
        self.before = here;
    }
}

/// A word begins at `at`: a letter or digit after something else, or a hump of camelCase.
fn starts_word<U: Unit>(text: &[U], at: usize) -> bool {
    let is = |at: usize, test: fn(char) -> bool| text.get(at).is_some_and(|unit| test(unit.character()));
    is(at, char::is_alphanumeric)
        && (at == 0
            || !is(at - 1, char::is_alphanumeric)
            || is(at, char::is_uppercase)
                && (is(at - 1, char::is_lowercase) || is(at + 1, char::is_lowercase)))
}

/// A word ends just before `end`.
fn ends_word<U: Unit>(text: &[U], end: usize) -> bool {
    text[end - 1].character().is_alphanumeric()
        && (end == text.len() || !text[end].character().is_alphanumeric() || starts_word(text, end))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chars(text: &str) -> Vec<char> {
        text.chars().collect()
    }

    /// The textbook table, to compare with.
    fn by_table(a: &[char], b: &[char]) -> usize {
        let mut table = vec![vec![0; b.len() + 1]; a.len() + 1];
        for i in 0..=a.len() {
            for j in 0..=b.len() {
                table[i][j] = if i == 0 || j == 0 {
                    i + j
                } else {
                    let substituted = table[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
                    let mut best = substituted.min(table[i - 1][j] + 1).min(table[i][j - 1] + 1);
                    if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                        best = best.min(table[i - 2][j - 2] + 1);
                    }
                    best
                };
            }
        }
        table[a.len()][b.len()]
    }

    proptest::proptest! {
        #[test]
        fn the_bits_agree_with_the_table(a in "[abé]{1,9}", b in "[abé]{0,12}") {
            let word = Word::new(&chars(&a)).unwrap();
            proptest::prop_assert_eq!(word.distance(&chars(&b)), by_table(&chars(&a), &chars(&b)));
        }
    }

    proptest::proptest! {
        #[test]
        fn a_near_piece_is_never_overlooked(before in "[ab ]{0,5}", a in "[ab]{3,7}", edited in "[ab]{1,9}", after in "[ab ]{0,5}") {
            let word = Word::new(&chars(&a)).unwrap();
            let distance = by_table(&chars(&a), &chars(&edited));
            let text = format!("{before}{edited}{after}");
            proptest::prop_assert!(word.is_near(&chars(&text), distance));
            proptest::prop_assert_eq!(word.is_near(&chars(&text), 1), word.is_near(text.as_bytes(), 1));
        }
    }

    #[test]
    fn words_of_64_characters_are_the_longest() {
        assert!(Word::new(&['a'; 65]).is_none() && Word::new(&[]).is_none());
        let word = Word::new(&['a'; 64]).unwrap();
        assert_eq!(word.distance(&['a'; 64]), 0);
        assert_eq!(word.distance(&['a'; 60]), 4);
    }

    #[test]
    fn parts_of_identifiers_are_words() {
        let nearest = |word: &str, text: &str, limit| {
            let cased = chars(text);
            let folded = chars(&text.to_lowercase());
            Word::new(&chars(word))
                .unwrap()
                .nearest(&folded, &cased, limit)
                .map(|(d, at)| (d, text[at].to_string()))
        };
        assert_eq!(
            nearest("shcema", "let schema = 1;", 2),
            Some((1, "schema".into()))
        );
        assert_eq!(
            nearest("shcema", "fn validate_schema()", 2),
            Some((1, "schema".into()))
        );
        assert_eq!(
            nearest("scema", "class JsonSchemaError", 1),
            Some((1, "Schema".into()))
        );
        assert_eq!(
            nearest("mutx_lock", "a mutex_lock(b)", 2),
            Some((1, "mutex_lock".into()))
        );
        assert_eq!(nearest("hxxp", "parseHTTPHeader", 1), None, "two edits");
        assert_eq!(nearest("htpt", "parseHTTPHeader", 1), Some((1, "HTTP".into())));
        assert_eq!(nearest("schema", "hello world", 2), None);
    }
}
