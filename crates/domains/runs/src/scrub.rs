//! Replacing what looks like a secret in log text.
//!
//! The SDK sends logs as they are. These are the eight patterns of its policy `default-pii-v1`, and
//! the marks it leaves in their place.

use std::borrow::Cow;
use std::sync::LazyLock;

use regex::{Regex, RegexSet};

const PATTERNS: [(&str, &str); 8] = [
    ("bearer", r"(?i)bearer\s+[A-Za-z0-9._\-]+"),
    (
        "api_key",
        r"(?i)(api[_-]?key|x-api-key)\s*[:=]\s*[A-Za-z0-9._\-]+",
    ),
    ("aws_key", r"AKIA[0-9A-Z]{16}"),
    ("cookie_header", r"(?i)cookie\s*:\s*[^\r\n]+"),
    ("set_cookie", r"(?i)set-cookie\s*:\s*[^\r\n]+"),
    ("email", r"[a-zA-Z0-9._%+\-]+@[a-zA-Z0-9.\-]+\.[a-zA-Z]{2,}"),
    ("password_kv", r"(?i)(password|passwd|pwd)\s*[:=]\s*\S+"),
    ("jwt", r"eyJ[A-Za-z0-9_\-]+\.[A-Za-z0-9_\-]+\.[A-Za-z0-9_\-]+"),
];

static ANY: LazyLock<RegexSet> = LazyLock::new(|| {
    RegexSet::new(PATTERNS.map(|(_, pattern)| pattern)).expect("the patterns are constants")
});
static EACH: LazyLock<Vec<(String, Regex)>> = LazyLock::new(|| {
    PATTERNS
        .iter()
        .map(|(name, pattern)| {
            let regex = Regex::new(pattern).expect("the patterns are constants");
            (format!("***REDACTED:{name}***"), regex)
        })
        .collect()
});

/// The text without what looks like a secret, and how many places were replaced.
pub(crate) fn scrub(text: &str) -> (String, u64) {
    if !ANY.is_match(text) {
        return (text.to_owned(), 0);
    }
    let mut replaced = 0;
    let mut scrubbed = Cow::Borrowed(text);
    for (mark, regex) in EACH.iter() {
        if !regex.is_match(&scrubbed) {
            continue;
        }
        let next = regex.replace_all(&scrubbed, |_: &regex::Captures<'_>| {
            replaced += 1;
            mark.clone()
        });
        scrubbed = Cow::Owned(next.into_owned());
    }
    (scrubbed.into_owned(), replaced)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_marked_and_counted() {
        assert_eq!(
            scrub("Authorization: Bearer abc.def mail a@b.co\npassword=hunter2 rest"),
            (
                "Authorization: ***REDACTED:bearer*** mail ***REDACTED:email***\n***REDACTED:password_kv*** rest"
                    .to_owned(),
                3
            )
        );
        assert_eq!(scrub("clicked at 10, 20"), ("clicked at 10, 20".to_owned(), 0));
    }
}
