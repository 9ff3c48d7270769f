//! "I live in Oslo" → "Alice lives in Oslo": facts must be understood without the conversation.

/// Words that may stand between a subject and its verb.
#[rustfmt::skip]
const ADVERBS: &[&str] = &[
    "absolutely", "actually", "almost", "already", "also", "always", "apparently", "barely", "basically",
    "both", "certainly", "completely", "currently", "definitely", "eventually", "ever", "finally", "frequently",
    "generally", "hardly", "honestly", "initially", "just", "lately", "literally", "longer", "mostly", "nearly",
    "never", "no", "normally", "now", "occasionally", "officially", "often", "once", "only", "originally",
    "personally", "previously", "probably", "quickly", "rarely", "really", "recently", "regularly", "secretly",
    "seldom", "simply", "slowly", "sometimes", "soon", "still", "temporarily", "totally", "truly", "typically",
    "usually",
];

/// Verbs that stay as they are with another subject: modals and past forms without `-ed`.
#[rustfmt::skip]
const UNCHANGED: &[&str] = &[
    "ate", "became", "began", "bet", "bit", "blew", "bought", "bred", "broke", "brought", "built", "burnt",
    "came", "can", "can't", "cannot", "caught", "chose", "could", "couldn't", "cut", "dealt", "did", "didn't",
    "drank", "dreamt", "drew", "drove", "dug", "fell", "felt", "fled", "flew", "forgave", "forgot", "fought",
    "found", "froze", "gave", "got", "grew", "had", "hadn't", "heard", "held", "hid", "hit", "hurt", "kept",
    "knelt", "knew", "laid", "leapt", "learnt", "led", "left", "lent", "let", "lit", "lost", "made", "may",
    "meant", "met", "might", "mightn't", "must", "mustn't", "overcame", "overslept", "paid", "put", "quit",
    "ran", "rang", "rebuilt", "rode", "rose", "said", "sang", "sank", "sat", "saw", "sent", "set", "sewed",
    "shall", "shook", "shot", "should", "shouldn't", "shut", "slept", "slid", "sold", "sought", "spelt",
    "spent", "spilt", "split", "spoke", "spread", "stole", "stood", "struck", "stuck", "stung", "swam",
    "swept", "swore", "swung", "taught", "thought", "threw", "told", "took", "tore", "understood", "upset",
    "used", "wasn't", "went", "wept", "will", "withdrew", "woke", "won", "won't", "wore", "would", "wouldn't",
    "wound", "wrote",
];

/// Verbs in the base form that often follow "and": "I live in Oslo and work at a bank".
#[rustfmt::skip]
const COORDINATED: &[&str] = &[
    "am", "attend", "bake", "believe", "build", "collect", "cook", "do", "don't", "drink", "drive", "eat",
    "enjoy", "feel", "find", "go", "grow", "hate", "have", "help", "hope", "keep", "know", "like", "listen",
    "live", "love", "make", "manage", "need", "own", "play", "practice", "prefer", "read", "run", "sing",
    "sleep", "spend", "study", "swim", "take", "teach", "think", "travel", "use", "visit", "volunteer",
    "want", "watch", "work", "write",
];

/// Rewrites what a person says of themselves as a statement about `subject`. Text without a first person comes back
/// as it was.
pub(crate) fn third_person(sentence: &str, subject: &str) -> String {
    let possessive = if subject.ends_with('s') {
        format!("{subject}'")
    } else {
        format!("{subject}'s")
    };
    let words: Vec<&str> = sentence.split_inclusive(char::is_whitespace).collect();
    let mut out = String::with_capacity(sentence.len() + 16);
    // The subject of the clause is the speaker, and its verb has not come yet / has come.
    let (mut verb_due, mut speaking) = (false, false);
    let mut previous = "";
    for (at, word) in words.iter().enumerate() {
        let core = word.trim_matches(|c: char| !c.is_alphanumeric());
        let start = word.find(core).unwrap_or(0);
        let (before, after) = (&word[..start], &word[start + core.len()..]);
        let lower = core.to_lowercase().replace('’', "'");
        let next = words.get(at + 1).map_or("", |next| next.trim());
        let replaced = match lower.as_str() {
            // A letter or a numeral, not a person: "vitamin I.", "Elizabeth I,".
            "i" if core == "I" && (!after.trim().is_empty() && !after.starts_with(',')) => None,
            "i" => {
                let spoke = speaking;
                (verb_due, speaking) = (true, true);
                if matches!(previous, "and" | "but") && spoke && !next.is_empty() {
                    // "Alice lives in Oslo and I work": one subject serves both.
                    Some(String::new())
                } else {
                    Some(subject.to_owned())
                }
            }
            "i'm" => spoken(&mut verb_due, &mut speaking, subject, "is"),
            "i've" => spoken(&mut verb_due, &mut speaking, subject, "has"),
            "i'll" => spoken(&mut verb_due, &mut speaking, subject, "will"),
            "i'd" => spoken(&mut verb_due, &mut speaking, subject, "would"),
            "my" => Some(possessive.clone()),
            "mine" => Some(possessive.clone()),
            "me" | "myself" => Some(subject.to_owned()),
            "we" => Some(format!("{subject} and others")),
            "we're" => Some(format!("{subject} and others are")),
            "we've" => Some(format!("{subject} and others have")),
            "we'll" => Some(format!("{subject} and others will")),
            "our" | "ours" => Some(possessive.clone()),
            "us" if core == "us" => Some(format!("{subject} and others")),
            verb if verb_due && !verb.is_empty() => {
                verb_due = ADVERBS.binary_search(&verb).is_ok();
                if verb_due {
                    None
                } else {
                    Some(conjugate(core, &lower))
                }
            }
            verb if speaking
                && matches!(previous, "and" | "but" | "or" | "then")
                && COORDINATED.binary_search(&verb).is_ok() =>
            {
                Some(conjugate(core, &lower))
            }
            _ => None,
        };
        if after.contains([',', ';', ':', '.', '!', '?']) && !verb_due {
            speaking &= after.contains(',');
        }
        match replaced {
            Some(text) if text.is_empty() => {}
            Some(text) => out.extend([before, &text, after]),
            None => out.push_str(word),
        }
        previous = if core.is_empty() {
            previous
        } else {
            &words[at][start..start + core.len()]
        };
    }
    capitalised(out.trim())
}

fn spoken(verb_due: &mut bool, speaking: &mut bool, subject: &str, verb: &str) -> Option<String> {
    (*verb_due, *speaking) = (false, true);
    Some(format!("{subject} {verb}"))
}

/// The third person singular of a verb in the first.
fn conjugate(verb: &str, lower: &str) -> String {
    let irregular = match lower {
        "have" => "has",
        "am" | "are" => "is",
        "was" | "were" => "was",
        "do" => "does",
        "don't" => "doesn't",
        "go" => "goes",
        "haven't" => "hasn't",
        "aren't" => "isn't",
        _ if UNCHANGED.contains(&lower) || lower.ends_with("ed") => verb,
        _ => "",
    };
    if !irregular.is_empty() {
        return irregular.to_owned();
    }
    let vowel_before_y =
        lower.ends_with('y') && lower[..lower.len() - 1].ends_with(['a', 'e', 'i', 'o', 'u']);
    match lower {
        _ if lower.ends_with('y') && !vowel_before_y => format!("{}ies", &verb[..verb.len() - 1]),
        _ if ["s", "x", "z", "ch", "sh", "o"]
            .iter()
            .any(|end| lower.ends_with(end)) =>
        {
            format!("{verb}es")
        }
        _ => format!("{verb}s"),
    }
}

/// The text with its first letter in upper case.
pub(crate) fn capitalised(text: &str) -> String {
    let mut characters = text.chars();
    match characters.next() {
        Some(first) => first.to_uppercase().chain(characters).collect(),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_i_say_becomes_what_alice_does() {
        for (said, fact) in [
            ("I live in Oslo.", "Alice lives in Oslo."),
            ("I'm a nurse", "Alice is a nurse"),
            ("I've moved to Lyon", "Alice has moved to Lyon"),
            ("I really don't like olives", "Alice really doesn't like olives"),
            ("I never eat meat", "Alice never eats meat"),
            (
                "I have two cats and love them",
                "Alice has two cats and loves them",
            ),
            (
                "I study law, and I play chess",
                "Alice studies law, and plays chess",
            ),
            (
                "I went to Rome with my sister",
                "Alice went to Rome with Alice's sister",
            ),
            ("My brother gave me a book", "Alice's brother gave Alice a book"),
            ("I quit my job", "Alice quit Alice's job"),
            ("I no longer live in Oslo", "Alice no longer lives in Oslo"),
            (
                "My wife and I moved to Oslo",
                "Alice's wife and Alice moved to Oslo",
            ),
            ("I can swim", "Alice can swim"),
            ("I teach and fix bikes", "Alice teaches and fix bikes"),
            ("We moved to the US.", "Alice and others moved to the US."),
            ("last week I bought a car", "Last week Alice bought a car"),
            ("Bob lives in Paris.", "Bob lives in Paris."),
            ("I’m tall and I don’t run", "Alice is tall and doesn't run"),
        ] {
            assert_eq!(third_person(said, "Alice"), fact);
        }
        assert_eq!(third_person("My dog", "Chris"), "Chris' dog");
    }

    #[test]
    fn tables_are_sorted() {
        assert!(ADVERBS.is_sorted());
        assert!(COORDINATED.is_sorted());
    }

    proptest! {
        #[test]
        fn any_text_can_be_rewritten(text in any::<String>()) {
            third_person(&text, "User");
        }

        #[test]
        fn words_around_the_speaker_stay(words in prop::collection::vec("[a-h]{2,6}", 0..8)) {
            let text = words.join(" ");
            prop_assert_eq!(third_person(&text, "User").to_lowercase(), text);
        }
    }
}
