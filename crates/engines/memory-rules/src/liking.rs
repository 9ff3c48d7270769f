//! Who likes what: "loves" and "hates" are as far apart as "likes" and "doesn't like".

use std::sync::LazyLock;

use regex::Regex;

use crate::judge::{Judgement, Verdict};
use crate::pattern::pattern;

/// What somebody likes or does not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Liking {
    subject: String,
    object: String,
    likes: bool,
}

static LIKING: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"^(?P<s>\p{Lu}[^,;:!?]*?) (?:(?:now|really|absolutely|actually|still|also|just) )*(?:(?P<l>likes?|loves?|enjoys?|adores?|is (?:a (?:big |huge )?fan|fond) of)|(?P<d>hates?|dislikes?|detests?|loathes?|can['’]?t stand|cannot stand|(?:doesn['’]t|does not|don['’]t|do not|no longer|never) (?:really |even )?(?:likes?|loves?|enjoys?)|is (?:no longer|not) (?:a (?:big |huge )?fan|fond) of|isn['’]t (?:a (?:big |huge )?fan|fond) of)) (?P<o>[^,;:!?]+?)(?: now| any ?more| at all| very much| that much| so much)*$",
    )
});

impl Liking {
    /// The liking that a clause states, if it states one.
    pub(crate) fn read(clause: &str) -> Option<Liking> {
        let found = LIKING.captures(clause)?;
        let (subject, object) = (found["s"].to_lowercase(), found["o"].to_lowercase());
        // "The man who knows Bob likes it".
        if subject.split(' ').count() > 4 || object.split(' ').count() > 6 {
            return None;
        }
        let clause_word = |word: &str| {
            matches!(
                word,
                "who"
                    | "that"
                    | "and"
                    | "or"
                    | "says"
                    | "said"
                    | "thinks"
                    | "it"
                    | "this"
                    | "when"
                    | "but"
                    | "because"
            )
        };
        if subject.split(' ').chain(object.split(' ')).any(clause_word) {
            return None;
        }
        let likes = found.name("l").is_some();
        Some(Liking {
            subject,
            object,
            likes,
        })
    }
}

/// One thing liked and disliked.
pub(crate) fn change_of_liking(new: &Liking, old: &Liking, cue: bool) -> Option<Judgement> {
    if new.likes == old.likes || new.subject != old.subject || new.object != old.object {
        return None;
    }
    let reasoning = format!(
        "{} {} {}",
        new.subject,
        if new.likes { "now likes" } else { "does not like" },
        new.object
    );
    Some(Judgement::new(
        Verdict::Contradicts,
        if cue { 0.95 } else { 0.90 },
        reasoning,
    ))
}
