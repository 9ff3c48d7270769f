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
    pub(super) fn distance(&self, text: &[char]) -> usize {
        let last = 1 << (self.length - 1);
        let mut distance = self.length;
        let (mut up, mut down) = (u64::MAX, 0_u64);
        let (mut diagonal, mut before) = (0_u64, 0_u64);
        for &character in text {
            let here = self.positions(character);
            let swapped = ((!diagonal & here) << 1) & before;
            diagonal = (((here & up).wrapping_add(up)) ^ up) | here | down | swapped;
            let right_up = down | !(diagonal | up);
            let right_down = diagonal & up;
            if right_up & last != 0 {
                distance += 1;
            } else if right_down & last != 0 {
                distance -= 1;
            }
            let right_up = (right_up << 1) | 1;
            up = (right_down << 1) | !(diagonal | right_up);
            down = right_up & diagonal;
            before = here;
        }
        distance
    }

    /// The word or run of words in `text` that is nearest, if one is within `limit`: the
    /// distance and where it is. `cased` is the text before its case was folded, for the
    /// humps of camelCase.
    pub(super) fn nearest(
        &self,
        text: &[char],
        cased: &[char],
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

/// A word begins at `at`: a letter or digit after something else, or a hump of camelCase.
fn starts_word(text: &[char], at: usize) -> bool {
    text[at].is_alphanumeric()
        && (at == 0
            || !text[at - 1].is_alphanumeric()
            || text[at].is_uppercase()
                && (text[at - 1].is_lowercase() || text.get(at + 1).is_some_and(|next| next.is_lowercase())))
}

/// A word ends just before `end`.
fn ends_word(text: &[char], end: usize) -> bool {
    text[end - 1].is_alphanumeric()
        && (end == text.len() || !text[end].is_alphanumeric() || starts_word(text, end))
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
