//! Whether commands print what a document shows.
//!
//! What differs from run to run is compared by its form: identifiers, instants, checksums, secrets,
//! durations. `…` in a document stands for anything.

use std::sync::LazyLock;

use regex::Regex;

/// What has a form but no fixed value, and what stands for it on both sides.
static VARYING: LazyLock<Vec<(Regex, &str)>> = LazyLock::new(|| {
    [
        (
            r"\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|\+00:00)",
            "<instant>",
        ),
        (r"\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b", "<uuid>"),
        (r"\b[0-9a-f]{64}\b", "<checksum>"),
        (
            r"\b(sk_sfs_[0-9a-f]{32}|(juras_live|aurra|era)_[\w-]{43}|[0-9a-f]{48})",
            "<secret>",
        ),
        (
            r"\b(org|hnd|proj|repo|tk|tc|ra|run|page|ses)_[0-9a-f]{16,24}\b",
            "<$1>",
        ),
        (
            r#"("(execution_time_ms|duration)": ?)"?[0-9.]+s?"?"#,
            "$1<duration>",
        ),
    ]
    .into_iter()
    .map(|(pattern, form)| (Regex::new(pattern).unwrap(), form))
    .collect()
});

/// The text with forms in the place of what varies, without blanks at line ends.
fn forms(text: &str) -> String {
    let lines: Vec<&str> = text.trim_end().lines().map(str::trim_end).collect();
    VARYING.iter().fold(lines.join("\n"), |text, (pattern, form)| {
        pattern.replace_all(&text, *form).into_owned()
    })
}

/// Whether what was printed is what is shown.
pub(crate) fn matches(shown: &str, printed: &str) -> bool {
    let parts: Vec<String> = forms(shown).split('…').map(regex::escape).collect();
    let pattern = format!("(?s)^{}$", parts.join(".*?"));
    Regex::new(&pattern).unwrap().is_match(&forms(printed))
}

#[test]
fn what_varies_is_compared_by_its_form() {
    let shown = "{\"id\": \"3fa85f64-5717-4562-b3fc-2c963f66afa6\", \"n\": 2}\n… done";
    assert!(matches(
        shown,
        "{\"id\": \"00000000-0000-4000-8000-000000000000\", \"n\": 2}\nall is done\n"
    ));
    assert!(!matches(
        shown,
        "{\"id\": \"00000000-0000-4000-8000-000000000000\", \"n\": 3}\nall is done\n"
    ));
    assert!(!matches(shown, "{\"id\": \"none\", \"n\": 2}\nall is done\n"));
    assert!(!matches("one", "one\ntwo"));
}
