//! Secrets that people paste into sessions: found by their form.

use std::borrow::Cow;
use std::sync::LazyLock;

use regex::{Regex, RegexSet};

/// The name of a kind of secret and the form it has.
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
    ("private_key", r"-----BEGIN (?:[A-Z]{2,12} )?PRIVATE KEY-----"),
    (
        "url_password",
        r"\b[a-z][a-z0-9+.-]{1,20}://[^\s:/@]{1,64}:[^\s:/@]{3,64}@",
    ),
    (
        "assigned_secret",
        r#"(?i)\b(?:password|passwd|secret|api_?key|access_?token|auth_?token)["']?\s{0,3}[:=]\s{0,3}["']?[A-Za-z0-9_/+.-]{12,128}"#,
    ),
];

static SET: LazyLock<RegexSet> = LazyLock::new(|| {
    RegexSet::new(FORMS.iter().map(|(_, form)| form)).expect("the forms are valid and small")
});

static EACH: LazyLock<Vec<Regex>> = LazyLock::new(|| {
    let compile = |(_, form): &(&str, &str)| Regex::new(form).expect("the forms are valid and small");
    FORMS.iter().map(compile).collect()
});

/// What stands in the place of a secret.
const REDACTED: &str = "[redacted]";

/// The kinds of secret in a text, each once, in the order of the list of forms.
pub fn kinds_of_secrets(text: &str) -> Vec<&'static str> {
    let mut kinds: Vec<&'static str> = SET.matches(text).into_iter().map(|form| FORMS[form].0).collect();
    kinds.dedup();
    kinds
}

/// The text with every secret replaced by `[redacted]`.
///
/// ```
/// use pentad_session_sync::redacted;
/// assert_eq!(redacted("key AKIAIOSFODNN7EXAMPLE here"), "key [redacted] here");
/// ```
pub fn redacted(text: &str) -> Cow<'_, str> {
    let mut result = Cow::Borrowed(text);
    for form in SET.matches(text) {
        if let Cow::Owned(replaced) = EACH[form].replace_all(&result, REDACTED) {
            result = Cow::Owned(replaced);
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
