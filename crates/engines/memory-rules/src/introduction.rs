//! "I'm Alice": by what name a speaker introduces themselves.

use std::borrow::Cow;
use std::sync::LazyLock;

use regex::Regex;

use crate::pattern::pattern;

static INTRODUCTION: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"\b(?:[Mm]y name is|[Mm]y name['’]s|[Cc]all me|(?:I am|I['’]m|[Tt]his is) )\s*([A-Z][\w'’-]+(?: [A-Z][\w'’-]+)?)",
    )
});
static NAMED: LazyLock<Regex> = LazyLock::new(|| {
    pattern(r"\b(?:[Mm]y name is|[Mm]y name['’]s|[Cc]all me)\s+([A-Z][\w-]+(?: [A-Z][\w-]+)?)")
});
/// The name that a sentence introduces its speaker by, and what else the sentence says.
pub(crate) fn introduction(statement: &str) -> (Option<&str>, Cow<'_, str>) {
    let Some(captures) = INTRODUCTION.captures(statement) else {
        return (None, statement.into());
    };
    let (whole, name) = (
        captures.get(0).expect("the match"),
        captures.get(1).expect("the name"),
    );
    let rest = &statement[whole.end()..];
    let explicit = NAMED.is_match(&statement[..whole.end()]);
    // "I'm Alice." and "I'm Alice, …", but neither "I'm American" nor "I'm Head of Sales".
    let ends = rest.is_empty()
        || rest.starts_with([',', '.', '!', ';'])
        || ["and ", "but ", "from ", "here"]
            .iter()
            .any(|next| rest.trim_start().starts_with(next));
    if whole.start() > 0 || !(explicit || ends) || (!explicit && is_description(name.as_str())) {
        return (None, statement.into());
    }
    let rest = rest.trim_start_matches([',', '.', '!', ';', ' ']);
    let rest = rest
        .strip_prefix("and ")
        .or_else(|| rest.strip_prefix("but "))
        .unwrap_or(rest);
    let rest = match rest {
        // The verb went with the name.
        rest if rest.starts_with("from ") => format!("I'm {rest}").into(),
        rest if rest.starts_with("here") => "".into(),
        rest => rest.into(),
    };
    (Some(name.as_str()), rest)
}

/// Nationalities, faiths, offices and the like, which follow "I'm" as a name does.
pub(crate) fn is_description(name: &str) -> bool {
    const ENDINGS: &[&str] = &["ian", "ish", "ese", "ican", "ist", "im"];
    const OTHERS: &[&str] = &[
        "Acting",
        "African",
        "Afghan",
        "American",
        "Aquarius",
        "Argentine",
        "Arab",
        "Aries",
        "Asian",
        "Capricorn",
        "Captain",
        "Catholic",
        "Chair",
        "Chief",
        "Croatian",
        "Czech",
        "Danish",
        "Democrat",
        "Deputy",
        "Director",
        "Dutch",
        "European",
        "Filipino",
        "Filipina",
        "French",
        "Gemini",
        "German",
        "Greek",
        "Head",
        "Hindu",
        "Hispanic",
        "Iraqi",
        "Israeli",
        "Jewish",
        "Korean",
        "Latina",
        "Latino",
        "Libra",
        "Lutheran",
        "Mormon",
        "OK",
        "Orthodox",
        "Pakistani",
        "Pisces",
        "President",
        "Protestant",
        "Quaker",
        "Republican",
        "Sagittarius",
        "Scorpio",
        "Senior",
        "Sikh",
        "Swiss",
        "Taurus",
        "Team",
        "Texan",
        "Thai",
        "Type",
        "Vice",
        "Virgo",
    ];
    // "CEO".
    if name.len() > 2 && name.chars().all(char::is_uppercase) {
        return true;
    }
    (ENDINGS.iter().any(|end| name.ends_with(end))
        && !matches!(
            name,
            "Ian"
                | "Adrian"
                | "Brian"
                | "Christian"
                | "Damian"
                | "Fabian"
                | "Julian"
                | "Kim"
                | "Lillian"
                | "Marian"
                | "Tim"
                | "Vivian"
                | "Jim"
        ))
        || OTHERS.contains(&name)
}
