//! Secrets that people paste into sessions: found by their form.

use std::borrow::Cow;
use std::sync::LazyLock;

use regex::bytes::{Regex, RegexSet};

use crate::summary::head;

/// The name of a kind of secret and the form it has. Where the form also holds what the secret is known by, the
/// group `secret` is the secret itself: it holds no quote and no backslash, so that JSON without it stays JSON.
const FORMS: &[(&str, &str)] = &[
    ("aws_access_key", r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b"),
    ("github_token", r"\bgh[pousr]_[A-Za-z0-9]{36,255}\b"),
    ("github_token", r"\bgithub_pat_[A-Za-z0-9_]{22,255}\b"),
    ("gitlab_token", r"\bglpat-[A-Za-z0-9_-]{20,64}"),
    ("slack_token", r"\bxox[abprs]-[A-Za-z0-9-]{10,255}"),
    ("stripe_key", r"\b[rs]k_(?:live|test)_[A-Za-z0-9]{16,255}\b"),
    ("google_api_key", r"\bAIza[0-9A-Za-z_-]{35}"),
    ("npm_token", r"\bnpm_[A-Za-z0-9]{36}\b"),
    ("pentad_key", r"\bsk_sfs_[0-9a-f]{32}\b"),
    ("pentad_key", r"\b(?:juras_live|aurra|era)_[A-Za-z0-9_-]{43}"),
    ("llm_api_key", r"\bsk-[A-Za-z0-9_-]{20,255}"),
    (
        "json_web_token",
        r"\beyJ[A-Za-z0-9_-]{8,512}\.eyJ[A-Za-z0-9_-]{8,512}\.[A-Za-z0-9_-]{16,512}",
    ),
    // The lines of a key may be lines of JSON text; those of an old one begin with headers.
    (
        "private_key",
        r"-----BEGIN (?:[A-Z]{2,12} )?PRIVATE KEY-----(?:(?:\s|\\[nr])+[A-Za-z-]+: [A-Za-z0-9,-]+)*(?:[A-Za-z0-9+/=\s]|\\[nr])*(?:-----END (?:[A-Z]{2,12} )?PRIVATE KEY-----)?",
    ),
    (
        "url_password",
        r#"\b[a-z][a-z0-9+.-]{1,20}://[^\s:/@"'\\]{1,64}:(?<secret>[^\s:/@\[\]"'\\]{3,64})@"#,
    ),
    (
        "assigned_secret",
        r#"(?i)\b(?:password|passwd|secret|api_?key|access_?token|auth_?token)\\?["']?\s{0,3}[:=]\s{0,3}\\?["']?(?<secret>[A-Za-z0-9_/+.-]{12,128})"#,
    ),
];

static SET: LazyLock<RegexSet> = LazyLock::new(|| {
    RegexSet::new(FORMS.iter().map(|(_, form)| form)).expect("the forms are valid and small")
});

static EACH: LazyLock<Vec<Regex>> = LazyLock::new(|| FORMS.iter().map(|(_, form)| regex(form)).collect());

/// Where a private key begins and ends.
pub(crate) static KEY_BEGINS: LazyLock<Regex> =
    LazyLock::new(|| regex(r"-----BEGIN (?:[A-Z]{2,12} )?PRIVATE KEY-----"));
pub(crate) static KEY_ENDS: LazyLock<Regex> =
    LazyLock::new(|| regex(r"-----END (?:[A-Z]{2,12} )?PRIVATE KEY-----"));

fn regex(form: &str) -> Regex {
    Regex::new(form).expect("the forms are valid and small")
}

/// What stands in the place of a secret.
pub(crate) const REDACTED: &str = "[redacted]";

/// The kinds of secret in a text, each once, in the order of the list of forms.
pub fn kinds_of_secrets(text: &str) -> Vec<&'static str> {
    kinds_of_secrets_in(text.as_bytes())
}

/// The same of bytes that may be text.
pub(crate) fn kinds_of_secrets_in(bytes: &[u8]) -> Vec<&'static str> {
    let mut kinds: Vec<&'static str> = SET.matches(bytes).into_iter().map(|form| FORMS[form].0).collect();
    kinds.dedup();
    kinds
}

/// The text with every secret replaced by `[redacted]`.
///
/// ```
/// use pentad_session_sync::redacted;
/// assert_eq!(redacted("key AKIAIOSFODNN7EXAMPLE here"), "key [redacted] here");
/// assert_eq!(redacted("postgres://ada:hunter2@db/prod"), "postgres://ada:[redacted]@db/prod");
/// ```
pub fn redacted(text: &str) -> Cow<'_, str> {
    match redacted_bytes(text.as_bytes()) {
        Cow::Borrowed(_) => Cow::Borrowed(text),
        Cow::Owned(bytes) => Cow::Owned(String::from_utf8_lossy(&bytes).into_owned()),
    }
}

/// How much further than an excerpt secrets are looked for, in characters: the longest form and more.
const EXCERPT_MARGIN: usize = 2_048;

/// The first `chars` characters of a text without its secrets. What is cut is cut afterwards, so that no half of a
/// secret is left that has its form no more.
pub(crate) fn excerpt(text: &str, chars: usize) -> String {
    head(&redacted(&head(text, chars + EXCERPT_MARGIN)), chars)
}

/// The same of bytes that may be text.
pub(crate) fn redacted_bytes(bytes: &[u8]) -> Cow<'_, [u8]> {
    let mut result = Cow::Borrowed(bytes);
    for form in SET.matches(bytes) {
        let mut clean = Vec::new();
        let mut copied = 0;
        for found in EACH[form].captures_iter(&result) {
            let Some(secret) = found.name("secret").or_else(|| found.get(0)) else {
                continue;
            };
            clean.extend_from_slice(&result[copied..secret.start()]);
            clean.extend_from_slice(REDACTED.as_bytes());
            copied = secret.end();
        }
        if copied > 0 {
            clean.extend_from_slice(&result[copied..]);
            result = Cow::Owned(clean);
        }
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_found_and_blotted_out_and_plain_text_is_left_alone() {
        let text = format!("export A=AKIAIOSFODNN7EXAMPLE and ghp_{}", "a".repeat(36));
        assert_eq!(kinds_of_secrets(&text), ["aws_access_key", "github_token"]);
        let clean = redacted(&text);
        assert_eq!(clean, "export A=[redacted] and [redacted]");
        assert!(kinds_of_secrets(&clean).is_empty());
        assert!(matches!(
            redacted("Fix the retry test, no secret here"),
            Cow::Borrowed(_)
        ));
    }

    #[test]
    fn an_excerpt_shows_no_part_of_a_secret_at_its_end() {
        let secret = format!("sk_sfs_{}", "9f2c47d18e6ba035".repeat(2));
        let text = format!("{} {secret} and more", "x".repeat(390));
        assert_eq!(excerpt(&text, 395), format!("{} [red", "x".repeat(390)));
        assert_eq!(excerpt("short", 395), "short");
    }

    #[test]
    fn a_password_in_an_assignment_or_an_url_counts() {
        assert_eq!(
            kinds_of_secrets("password = \"hunter2hunter2\""),
            ["assigned_secret"]
        );
        assert_eq!(
            kinds_of_secrets("postgres://admin:s3cr3t@db/prod"),
            ["url_password"]
        );
    }
}
