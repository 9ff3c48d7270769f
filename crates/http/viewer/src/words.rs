//! How times, amounts and names are written for people.

use std::time::Duration;

use pentad_kernel::Timestamp;
use pentad_runs::{Json, RunSummary};

/// A text as a part of an address.
pub(crate) fn encoded(text: &str) -> String {
    // A plus means a space in forms only.
    form_urlencoded::byte_serialize(text.as_bytes())
        .collect::<String>()
        .replace('+', "%20")
}

/// The address of a run's page.
pub(crate) fn run_url(run: &str) -> String {
    format!("/viewer/runs/{}", encoded(run))
}

/// The address of a file of a run in the API.
pub(crate) fn file_url(run: &str, path: &str) -> String {
    let path: Vec<String> = path.split('/').map(encoded).collect();
    format!("/api/v1/runs/{}/{}", encoded(run), path.join("/"))
}

/// The address of a small copy of a screenshot.
pub(crate) fn thumbnail_url(run: &str, index: u64, kind: &str, sha256: &str) -> String {
    let file = file_url(run, &format!("screenshots/{index:04}_{kind}.png"));
    format!("{file}?w=320&v={sha256}")
}

/// A length of time.
pub(crate) fn duration(length: Duration) -> String {
    let seconds = length.as_secs();
    let two = |large: u64, unit: &str, small: u64, other: &str| match small {
        0 => format!("{large} {unit}"),
        small => format!("{large} {unit} {small} {other}"),
    };
    match seconds {
        0 => format!("{} ms", length.as_millis()),
        1..60 if length.subsec_millis() >= 50 => format!("{:.1} s", length.as_secs_f64()),
        1..60 => format!("{seconds} s"),
        60..3_600 => two(seconds / 60, "min", seconds % 60, "s"),
        3_600..86_400 => two(seconds / 3_600, "h", seconds % 3_600 / 60, "min"),
        _ => two(seconds / 86_400, "d", seconds % 86_400 / 3_600, "h"),
    }
}

/// How long ago it was.
pub(crate) fn ago(now: Timestamp, then: Timestamp) -> String {
    match now.since(then).as_secs() {
        0..5 => "now".to_owned(),
        seconds @ 5..60 => format!("{seconds} s ago"),
        seconds @ 60..3_600 => format!("{} min ago", seconds / 60),
        seconds @ 3_600..86_400 => format!("{} h ago", seconds / 3_600),
        seconds => format!("{} d ago", seconds / 86_400),
    }
}

/// A whole number with its thousands apart.
pub(crate) fn number(value: u64) -> String {
    let digits = value.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A number of things.
pub(crate) fn count(value: u64, one: &str, many: &str) -> String {
    format!("{} {}", number(value), if value == 1 { one } else { many })
}

/// An instant as RFC 3339 writes it, for people: `2026-05-19 00:00:02`.
pub(crate) fn instant(text: &str) -> String {
    let text = text.split_once('.').map_or(text, |(whole, _)| whole);
    text.trim_end_matches('Z').replacen('T', " ", 1)
}

/// The time of day of an instant as RFC 3339 writes it, with its fraction.
pub(crate) fn time_of_day(text: &str) -> &str {
    text.split_once('T')
        .map_or(text, |(_, time)| time)
        .trim_end_matches('Z')
}

/// Dollars out of costs.
pub(crate) fn dollars(costs: &Json) -> Option<String> {
    let amount = costs.get("total_usd")?.number()?;
    Some(match amount {
        // Nobody paid that: it is told, not spelled out.
        1e9.. => format!("${amount:.1e}"),
        0.0 | 0.01.. => format!("${amount:.2}"),
        _ => format!("${amount:.4}"),
    })
}

/// How long a run took, or has been going on.
pub(crate) fn length_of_run(run: &RunSummary) -> Option<Duration> {
    let start = Timestamp::parse(&run.started_at).ok()?;
    let end = match &run.ended_at {
        Some(end) => Timestamp::parse(end).ok()?,
        None => run.last_activity_at,
    };
    (end >= start).then(|| end.since(start))
}

/// The beginning of a long text, at most this many bytes.
pub(crate) fn beginning(text: &str, bytes: usize) -> &str {
    &text[..text.floor_char_boundary(bytes.min(text.len()))]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_time_have_two_units_at_most() {
        for (millis, expected) in [
            (0, "0 ms"),
            (999, "999 ms"),
            (1_000, "1 s"),
            (1_250, "1.2 s"),
            (60_000, "1 min"),
            (61_000, "1 min 1 s"),
            (3_700_000, "1 h 1 min"),
            (90_000_000, "1 d 1 h"),
        ] {
            assert_eq!(duration(Duration::from_millis(millis)), expected);
        }
    }

    #[test]
    fn costs_are_as_exact_as_they_are_large() {
        for (amount, expected) in [
            ("0", "$0.00"),
            ("0.0042", "$0.0042"),
            ("0.042", "$0.04"),
            ("12.5", "$12.50"),
            ("1e308", "$1.0e308"),
        ] {
            let costs = Json::parse(format!(r#"{{"total_usd":{amount}}}"#).as_bytes()).unwrap();
            assert_eq!(dollars(&costs).as_deref(), Some(expected));
        }
    }

    #[test]
    fn numbers_and_names_are_written_for_their_place() {
        assert_eq!(number(0), "0");
        assert_eq!(number(1_234_567), "1,234,567");
        assert_eq!(run_url("a b+ü?#"), "/viewer/runs/a%20b%2B%C3%BC%3F%23");
        assert_eq!(
            file_url("r", "steps/0001/ab.json"),
            "/api/v1/runs/r/steps/0001/ab.json"
        );
        assert_eq!(instant("2026-05-19T00:00:02.123Z"), "2026-05-19 00:00:02");
    }
}
