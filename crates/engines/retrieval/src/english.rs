//! What the analyzer knows of English: words that carry no content, irregular forms, stems.

use rust_stemmers::{Algorithm, Stemmer};

/// Words left out of the index, sorted. `may` is not among them: it is a month.
#[rustfmt::skip]
const STOP: &[&str] = &[
    "a", "about", "after", "again", "all", "also", "am", "an", "and", "any", "are", "aren't", "as", "at",
    "be", "because", "been", "before", "being", "both", "but", "by", "can", "can't", "could", "couldn't",
    "did", "didn't", "do", "does", "doesn't", "doing", "don't", "each", "for", "from", "had", "hadn't", "has",
    "hasn't", "have", "haven't", "having", "he", "he's", "her", "hers", "herself", "him", "himself", "his",
    "how", "i", "i'd", "i'll", "i'm", "i've", "if", "in", "into", "is", "isn't", "it", "it's", "its",
    "itself", "just", "let's", "me", "my", "myself", "of", "on", "or", "our", "ours", "ourselves", "she",
    "she's", "should", "shouldn't", "so", "some", "such", "than", "that", "that's", "the", "their", "theirs",
    "them", "themselves", "then", "there", "there's", "these", "they", "they're", "they've", "this", "those",
    "to", "too", "us", "very", "was", "wasn't", "we", "we're", "we've", "were", "weren't", "what", "what's",
    "when", "where", "where's", "which", "while", "who", "who's", "whom", "whose", "why", "will", "with",
    "won't", "would", "wouldn't", "you", "you're", "you've", "your", "yours", "yourself",
];

/// Irregular forms and their base, sorted by form. Forms that are words of their own with another
/// meaning (`saw`, `left`, `found`, `felt`, `lay`) stand only where the verb is by far the likelier.
#[rustfmt::skip]
const IRREGULAR: &[(&str, &str)] = &[
    ("ate", "eat"), ("became", "become"), ("began", "begin"), ("begun", "begin"), ("bitten", "bite"),
    ("blew", "blow"), ("bought", "buy"), ("broke", "break"), ("broken", "break"), ("brought", "bring"),
    ("built", "build"), ("came", "come"), ("caught", "catch"), ("children", "child"), ("chose", "choose"),
    ("chosen", "choose"), ("dealt", "deal"), ("drank", "drink"), ("drawn", "draw"), ("drew", "draw"),
    ("driven", "drive"), ("drove", "drive"), ("drunk", "drink"), ("eaten", "eat"), ("fallen", "fall"),
    ("fed", "feed"), ("feet", "foot"), ("fell", "fall"), ("felt", "feel"), ("flew", "fly"), ("flown", "fly"),
    ("forgot", "forget"), ("forgotten", "forget"), ("fought", "fight"), ("found", "find"),
    ("froze", "freeze"), ("frozen", "freeze"), ("gave", "give"), ("geese", "goose"), ("given", "give"),
    ("gone", "go"), ("got", "get"), ("gotten", "get"), ("grew", "grow"), ("grown", "grow"), ("heard", "hear"),
    ("held", "hold"), ("hid", "hide"), ("hidden", "hide"), ("kept", "keep"), ("knew", "know"),
    ("knives", "knife"), ("known", "know"), ("led", "lead"), ("left", "leave"), ("lent", "lend"),
    ("lives", "live"), ("lost", "lose"), ("made", "make"), ("meant", "mean"), ("men", "man"), ("met", "meet"),
    ("mice", "mouse"), ("paid", "pay"), ("people", "person"), ("ran", "run"), ("rang", "ring"),
    ("ridden", "ride"), ("rode", "ride"), ("rose", "rise"), ("said", "say"), ("sang", "sing"), ("sat", "sit"),
    ("saw", "see"), ("seen", "see"), ("sent", "send"), ("shook", "shake"), ("shot", "shoot"),
    ("slept", "sleep"), ("sold", "sell"), ("sought", "seek"), ("spent", "spend"), ("spoke", "speak"),
    ("spoken", "speak"), ("stole", "steal"), ("stolen", "steal"), ("stood", "stand"), ("struck", "strike"),
    ("stuck", "stick"), ("sung", "sing"), ("swam", "swim"), ("swore", "swear"), ("taken", "take"),
    ("taught", "teach"), ("teeth", "tooth"), ("thought", "think"), ("threw", "throw"), ("thrown", "throw"),
    ("told", "tell"), ("took", "take"), ("tore", "tear"), ("understood", "understand"), ("went", "go"),
    ("wives", "wife"), ("woke", "wake"), ("women", "woman"), ("won", "win"), ("wore", "wear"),
    ("worn", "wear"), ("written", "write"), ("wrote", "write"),
];

/// Stems English words.
pub(crate) struct English {
    stemmer: Stemmer,
}

impl Default for English {
    fn default() -> Self {
        English {
            stemmer: Stemmer::create(Algorithm::English),
        }
    }
}

impl English {
    /// Whether a lower-case word carries no content.
    pub(crate) fn is_stop_word(word: &str) -> bool {
        STOP.binary_search(&word).is_ok()
    }

    /// The stem of a lower-case word. Words that are not plain ASCII letters are returned as they are.
    pub(crate) fn stem<'a>(&self, word: &'a str) -> std::borrow::Cow<'a, str> {
        let word = word
            .strip_suffix("'s")
            .or_else(|| word.strip_suffix('\''))
            .unwrap_or(word);
        if !word.bytes().all(|b| b.is_ascii_lowercase() || b == b'\'') {
            return word.into();
        }
        let regular = IRREGULAR.binary_search_by_key(&word, |(form, _)| form);
        self.stemmer
            .stem(regular.map_or(word, |found| IRREGULAR[found].1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_sorted() {
        assert!(STOP.is_sorted());
        assert!(IRREGULAR.is_sorted_by_key(|(form, _)| form));
    }

    #[test]
    fn forms_of_a_word_share_a_stem() {
        let english = English::default();
        for (one, other) in [
            ("running", "runs"),
            ("bought", "buying"),
            ("went", "going"),
            ("alice's", "alice"),
            ("children", "child"),
            ("written", "writes"),
            ("hobbies", "hobby"),
            ("lives", "living"),
            ("james'", "james"),
        ] {
            assert_eq!(english.stem(one), english.stem(other), "{one} and {other}");
        }
        assert_eq!(english.stem("mp3s"), "mp3s");
        assert_eq!(english.stem("'"), "");
    }

    #[test]
    fn months_and_names_are_content() {
        assert!(!English::is_stop_word("may"));
        assert!(English::is_stop_word("the"));
    }
}
