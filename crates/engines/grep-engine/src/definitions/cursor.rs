//! Walking over one line.

/// A place in a line; blanks before what comes next are already skipped.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cursor<'a> {
    line: &'a str,
    rest: &'a str,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(line: &'a str) -> Self {
        Self {
            line,
            rest: line.trim_start(),
        }
    }

    /// Whether the line begins without indentation.
    pub(super) fn at_column_zero(&self) -> bool {
        self.line.len() == self.rest.len()
    }

    pub(super) fn rest(&self) -> &'a str {
        self.rest
    }

    pub(super) fn is_at_end(&self) -> bool {
        self.rest.is_empty()
    }

    pub(super) fn starts_with(&self, text: &str) -> bool {
        self.rest.starts_with(text)
    }

    pub(super) fn starts_with_any(&self, texts: &[&str]) -> bool {
        texts.iter().any(|text| self.starts_with(text))
    }

    fn advance(&mut self, bytes: usize) {
        self.rest = self.rest[bytes..].trim_start();
    }

    /// Goes over `text` if it comes next, wherever it ends.
    pub(super) fn eat(&mut self, text: &str) -> bool {
        let found = self.starts_with(text);
        if found {
            self.advance(text.len());
        }
        found
    }

    /// The word that comes next: letters, digits, `_` and `$`.
    pub(super) fn peek_word(&self) -> Option<&'a str> {
        let end = self.rest.find(|c: char| !is_word(c)).unwrap_or(self.rest.len());
        (end > 0).then(|| &self.rest[..end])
    }

    /// Goes over the word that comes next.
    pub(super) fn word(&mut self) -> Option<&'a str> {
        let word = self.peek_word()?;
        self.advance(word.len());
        Some(word)
    }

    /// Goes over a name: a word that does not begin with a digit.
    pub(super) fn name(&mut self) -> Option<&'a str> {
        self.peek_word()
            .filter(|word| !word.starts_with(|c: char| c.is_ascii_digit()))?;
        self.word()
    }

    /// Goes over a name with parts, such as `a.b`, `A::B` or `A\B`.
    pub(super) fn path(&mut self, separators: &[&str]) -> Option<&'a str> {
        let start = self.rest;
        let mut end = self.peek_word()?.len();
        loop {
            let tail = &start[end..];
            let Some(separator) = separators.iter().find(|separator| tail.starts_with(**separator)) else {
                break;
            };
            let part = &tail[separator.len()..];
            let len = part.find(|c: char| !is_word(c)).unwrap_or(part.len());
            if len == 0 {
                break;
            }
            end += separator.len() + len;
        }
        self.advance(end);
        Some(&start[..end])
    }

    /// Goes over `word` if it comes next as a whole word.
    pub(super) fn eat_word(&mut self, word: &str) -> bool {
        let found = self.peek_word() == Some(word);
        if found {
            self.advance(word.len());
        }
        found
    }

    /// Goes over the one of `words` that comes next.
    pub(super) fn eat_any_word(&mut self, words: &[&'static str]) -> Option<&'static str> {
        let next = self.peek_word()?;
        let word = words.iter().find(|word| **word == next)?;
        self.advance(word.len());
        Some(word)
    }

    /// Goes over all of `words` that come next, in any order.
    pub(super) fn skip_words(&mut self, words: &[&'static str]) {
        while self.eat_any_word(words).is_some() {}
    }

    /// Goes over a bracketed part, with all that is nested in it, if `open` comes next.
    /// One that does not end on the line takes the rest of it.
    pub(super) fn skip_brackets(&mut self, open: char, close: char) -> bool {
        if !self.rest.starts_with(open) {
            return false;
        }
        let mut depth = 0_usize;
        for (at, character) in self.rest.char_indices() {
            if character == open {
                depth += 1;
            } else if character == close {
                depth -= 1;
                if depth == 0 {
                    self.advance(at + close.len_utf8());
                    return true;
                }
            }
        }
        self.rest = "";
        true
    }
}

pub(super) fn is_word(character: char) -> bool {
    character.is_alphanumeric() || character == '_' || character == '$'
}
