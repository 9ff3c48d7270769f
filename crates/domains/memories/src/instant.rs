//! How instants are written and read.

use pentad_kernel::{Timestamp, TimestampError};

/// The instant as memories print it: UTC, six fractional digits, `+00:00`.
///
/// ```
/// use pentad_kernel::Timestamp;
///
/// assert_eq!(pentad_memories::printed(Timestamp::from_micros(1_500_000)), "1970-01-01T00:00:01.500000+00:00");
/// ```
pub fn printed(instant: Timestamp) -> String {
    let text = instant.to_string();
    let text = text.trim_end_matches('Z');
    if text.contains('.') {
        format!("{text}+00:00")
    } else {
        format!("{text}.000000+00:00")
    }
}

/// The end of an interval as memories print it: `None` when it is open.
pub fn printed_end(instant: Timestamp) -> Option<String> {
    (instant != Timestamp::MAX).then(|| printed(instant))
}

/// The day of an instant, UTC.
pub(crate) fn day(instant: Timestamp) -> String {
    printed(instant).chars().take_while(|&c| c != 'T').collect()
}

/// Reads RFC 3339; a date alone is its midnight, and a time without an offset is UTC.
///
/// A blank where the offset's plus sign was sent unescaped in a query string is read as that plus.
///
/// # Errors
/// [`TimestampError`] for any other text.
pub fn parse_instant(text: &str) -> Result<Timestamp, TimestampError> {
    let error = match Timestamp::parse(text) {
        Ok(instant) => return Ok(instant),
        Err(error) => error,
    };
    if !text.is_ascii() {
        return Err(error);
    }
    if let Some((before, offset)) = text.rsplit_once(' ')
        && before.contains('T')
        && offset.len() == 5
    {
        return Timestamp::parse(&format!("{before}+{offset}"));
    }
    match text.len() {
        10 => Timestamp::parse(&format!("{text}T00:00:00Z")).map_err(|_| error),
        16.. if text.as_bytes()[10] == b'T' || text.as_bytes()[10] == b' ' => {
            Timestamp::parse(&format!("{text}Z")).map_err(|_| error)
        }
        _ => Err(error),
    }
}

/// The first instant of the calendar month after the one that `instant` lies in.
pub(crate) fn next_month(instant: Timestamp) -> Timestamp {
    let month = instant.month();
    let parts = month.split_once('-').and_then(|(year, month)| {
        let (year, month) = (year.parse::<i32>().ok()?, month.parse::<i32>().ok()?);
        Some(if month == 12 {
            (year + 1, 1)
        } else {
            (year, month + 1)
        })
    });
    parts
        .and_then(|(year, month)| Timestamp::parse(&format!("{year:04}-{month:02}-01T00:00:00Z")).ok())
        .unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        Timestamp::parse(text).unwrap()
    }

    #[test]
    fn every_accepted_form_of_an_instant_is_the_same_instant() {
        let midnight = at("2026-04-01T00:00:00Z");
        for text in [
            "2026-04-01",
            "2026-04-01T00:00:00",
            "2026-04-01T00:00:00.000000",
            "2026-04-01 00:00:00",
            "2026-04-01T02:00:00+02:00",
            "2026-04-01T02:00:00 02:00",
            "2026-04-01T00:00:00.000000+00:00",
        ] {
            assert_eq!(parse_instant(text).ok(), Some(midnight), "{text}");
        }
        for text in [
            "",
            "yesterday",
            "2026-13-01",
            "2026-13-01T00:00:00Z",
            "2026-04-01T25:00:00",
            "2026",
            "½½½½½½½½",
        ] {
            assert!(parse_instant(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_printed_instant_reads_back() {
        for micros in [0, 1, 1_777_777_777_123_456] {
            let instant = Timestamp::from_micros(micros);
            assert_eq!(parse_instant(&printed(instant)), Ok(instant));
        }
        assert_eq!(printed_end(Timestamp::MAX), None);
        assert_eq!(day(at("2026-04-01T23:59:59Z")), "2026-04-01");
    }

    #[test]
    fn the_next_month_may_be_in_the_next_year() {
        assert_eq!(next_month(at("2026-11-22T10:00:00Z")), at("2026-12-01T00:00:00Z"));
        assert_eq!(next_month(at("2026-12-31T23:59:59Z")), at("2027-01-01T00:00:00Z"));
    }
}
