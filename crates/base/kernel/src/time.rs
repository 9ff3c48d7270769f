//! Instants and where they come from.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use jiff::SignedDuration;
use jiff::civil::DateTime;
use jiff::fmt::temporal::Pieces;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

const EPOCH: DateTime = DateTime::constant(1970, 1, 1, 0, 0, 0, 0);

/// An instant in microseconds since the Unix epoch, UTC.
///
/// Stored as an integer, printed as RFC 3339 with `Z`; six fractional digits, or none for a whole second.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(i64);

/// The text is not an RFC 3339 instant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimestampError(String);

impl fmt::Display for TimestampError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:?} is not an RFC 3339 time such as 2026-05-07T12:10:00Z",
            self.0
        )
    }
}

impl std::error::Error for TimestampError {}

impl Timestamp {
    /// The end of time: the open end of an interval that has not ended.
    pub const MAX: Timestamp = Timestamp(i64::MAX);

    /// The instant `micros` microseconds after the Unix epoch.
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// Microseconds since the Unix epoch.
    pub const fn as_micros(self) -> i64 {
        self.0
    }

    /// Reads RFC 3339 with `Z` or a numeric offset.
    ///
    /// # Errors
    /// [`TimestampError`] when the text is anything else, or lies outside the years that can be printed.
    pub fn parse(text: &str) -> Result<Self, TimestampError> {
        text.parse::<jiff::Timestamp>()
            .ok()
            .map(|instant| Self(instant.as_microsecond()))
            .or_else(|| Self::on_the_last_day(text))
            .filter(|_| offset_of_a_day(text))
            .ok_or_else(|| TimestampError(text.chars().take(64).collect()))
    }

    /// Reads what lies past the last instant that the library knows, which ends a day early so that every offset of
    /// it can be written. People write the very last one to say that something has no end.
    fn on_the_last_day(text: &str) -> Option<Self> {
        let pieces = Pieces::parse(text).ok()?;
        let local = pieces.date().to_datetime(pieces.time()?);
        let offset = pieces.to_numeric_offset()?;
        let micros = local.duration_since(EPOCH).as_micros() - i128::from(offset.seconds()) * 1_000_000;
        let instant = Self(i64::try_from(micros).ok()?);
        instant.civil().map(|_| instant)
    }

    /// Date and time in UTC.
    fn civil(self) -> Option<DateTime> {
        EPOCH.checked_add(SignedDuration::from_micros(self.0)).ok()
    }

    /// The instant `duration` later; [`Timestamp::MAX`] when that cannot be represented.
    #[must_use]
    pub fn plus(self, duration: Duration) -> Self {
        Self(
            self.0
                .saturating_add(i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)),
        )
    }

    /// The instant `duration` earlier.
    #[must_use]
    pub fn minus(self, duration: Duration) -> Self {
        Self(
            self.0
                .saturating_sub(i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)),
        )
    }

    /// How long after `earlier` this is; zero when it is not after it.
    pub fn since(self, earlier: Timestamp) -> Duration {
        Duration::from_micros(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// The same instant without its fraction of a second.
    #[must_use]
    pub fn truncated_to_second(self) -> Self {
        Self(self.0.div_euclid(1_000_000) * 1_000_000)
    }

    /// The UTC calendar month as `2026-05`, which is how monthly meters name their period.
    pub fn month(self) -> String {
        self.to_string().get(..7).unwrap_or_default().to_owned()
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let clamped = self
            .civil()
            .unwrap_or(if self.0 < 0 { DateTime::MIN } else { DateTime::MAX });
        if clamped.subsec_nanosecond() == 0 {
            write!(f, "{clamped:.0}Z")
        } else {
            write!(f, "{clamped:.6}Z")
        }
    }
}

/// Whether an instant's offset, where it has one, is less than a day, as RFC 3339 wants it.
fn offset_of_a_day(text: &str) -> bool {
    let Some(at) = text.rfind(['+', '-']).filter(|at| *at > "2026-05-07".len()) else {
        return true;
    };
    let hours = text
        .get(at + 1..at + 3)
        .and_then(|hours| hours.parse::<u8>().ok());
    hours.is_some_and(|hours| hours < 24)
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

/// Where the time comes from. Everything that needs the time takes one, so that tests can set it.
pub trait Clock: Send + Sync + fmt::Debug {
    /// The present instant.
    fn now(&self) -> Timestamp;
}

/// A clock as it is handed around.
pub type SharedClock = Arc<dyn Clock>;

/// The clock of the machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the one place where the machine's clock is read"
    )]
    fn now(&self) -> Timestamp {
        Timestamp(jiff::Timestamp::now().as_microsecond())
    }
}

/// A clock that moves only when told to.
#[derive(Clone, Debug)]
pub struct ManualClock(Arc<AtomicI64>);

impl ManualClock {
    /// A clock that stands at `instant`. Clones share the same hands.
    pub fn at(instant: Timestamp) -> Self {
        Self(Arc::new(AtomicI64::new(instant.0)))
    }

    /// Moves the clock on by `micros` microseconds (back, when negative).
    pub fn advance_micros(&self, micros: i64) {
        self.0.fetch_add(micros, Ordering::SeqCst);
    }

    /// Moves the clock on.
    pub fn advance(&self, by: Duration) {
        self.advance_micros(i64::try_from(by.as_micros()).unwrap_or(i64::MAX));
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.load(Ordering::SeqCst))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_whole_seconds_without_a_fraction_and_others_with_six_digits() {
        assert_eq!(Timestamp::from_micros(0).to_string(), "1970-01-01T00:00:00Z");
        assert_eq!(
            Timestamp::from_micros(1_500).to_string(),
            "1970-01-01T00:00:00.001500Z"
        );
    }

    #[test]
    fn offsets_are_read_and_printed_as_utc() {
        let instant = Timestamp::parse("2026-05-07T14:10:00+02:00").unwrap();
        assert_eq!(instant.to_string(), "2026-05-07T12:10:00Z");
        assert_eq!(instant.month(), "2026-05");
    }

    #[test]
    fn a_time_without_an_offset_is_refused() {
        assert!(Timestamp::parse("2026-05-07T12:10:00").is_err());
        assert!(Timestamp::parse("yesterday").is_err());
    }

    #[test]
    fn the_last_day_that_can_be_written_is_read_and_printed() {
        for (text, printed) in [
            ("9999-12-30T22:00:01Z", "9999-12-30T22:00:01Z"),
            ("9999-12-31T23:59:59Z", "9999-12-31T23:59:59Z"),
            ("9999-12-31T23:59:59.999999Z", "9999-12-31T23:59:59.999999Z"),
            ("9999-12-31T12:00:00+14:00", "9999-12-30T22:00:00Z"),
            ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00Z"),
            ("0000-01-01T00:00:00Z", "0000-01-01T00:00:00Z"),
        ] {
            assert_eq!(Timestamp::parse(text).unwrap().to_string(), printed);
        }
        for text in [
            "9999-12-31T23:59:59-01:00",
            "10000-01-01T00:00:00Z",
            "9999-12-31T23:59:59",
            "9999-12-31",
            "9999-12-32T00:00:00Z",
        ] {
            assert!(Timestamp::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn an_offset_is_less_than_a_day() {
        assert!(Timestamp::parse("2026-04-01T00:00:00+23:59").is_ok());
        assert!(Timestamp::parse("2026-04-01T00:00:00-0500").is_ok());
        for text in ["2026-04-01T00:00:00+24:00", "2026-04-01T00:00:00-25:00"] {
            assert!(Timestamp::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn arithmetic_saturates() {
        assert_eq!(Timestamp::MAX.plus(Duration::from_secs(1)), Timestamp::MAX);
        assert_eq!(
            Timestamp::from_micros(5).since(Timestamp::from_micros(9)),
            Duration::ZERO
        );
        assert!(!Timestamp::MAX.to_string().is_empty());
    }
}
