//! Times as people write them, taken apart, so that "2pm" and "Friday" are not held against each other.

use std::sync::LazyLock;

use regex::Regex;

use crate::pattern::pattern;

/// The parts of a time that a text names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct When {
    clock: Option<Clock>,
    /// Where the clock hangs: "cet".
    zone: Option<String>,
    /// 0 for Monday.
    weekday: Option<usize>,
    /// The weekday is said of every week: "Mondays".
    weekly: bool,
    /// Month, 1 to 12, and day of the month.
    date: Option<(usize, u32)>,
    year: Option<u32>,
}

/// A time of day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Clock {
    /// `14:00`-like, in minutes of the day.
    minutes: u32,
    /// "3:00" may be in the afternoon.
    either_half: bool,
}

impl Clock {
    fn differs(self, other: Clock) -> bool {
        const HALF: u32 = 12 * 60;
        if self.either_half || other.either_half {
            self.minutes % HALF != other.minutes % HALF
        } else {
            self.minutes != other.minutes
        }
    }
}

const WEEKDAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
const MONTHS: [&str; 12] = [
    "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
];

static CLOCK: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?i)\b(?:(\d{1,2})(?:[:.](\d\d))? ?(am|pm|a\.m|p\.m)\b|(\d{1,2}):(\d\d)\b|(\d{1,2}) o'?clock\b|(noon|midday|midnight)\b)",
    )
});
static ZONE: LazyLock<Regex> = LazyLock::new(|| {
    pattern(r"\b(?i:(UTC|GMT|CET|CEST|EST|EDT|CST|CDT|MST|MDT|PST|PDT|BST|IST|JST))\b|\b([ECMP]T)\b")
});
static BARE_HOUR: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"(?i)\b(?:at|to|until) (\d{1,2})(?:$|[ ,](?:on|every)\b)"));
static WEEKDAY: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"(?i)\b(mon|tue|wed|thu|fri|sat|sun)(?:s|es|nes|rs|urs|ur)?(?:day)?s?\b"));
static DATE: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?i)\b(?:(\d{1,2})(?:st|nd|rd|th)?(?: of)? )?(jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\.?(?: (?:the )?(\d{1,2})(?:st|nd|rd|th)?\b)?",
    )
});
static ISO: LazyLock<Regex> = LazyLock::new(|| pattern(r"\b(\d{4})-(\d\d)-(\d\d)\b"));
static YEAR: LazyLock<Regex> = LazyLock::new(|| pattern(r"\b((?:19|20)\d\d)\b"));

impl When {
    /// What a text says about when.
    pub(crate) fn read(text: &str) -> When {
        let number = |text: &str| text.parse::<u32>().ok();
        let mut when = When {
            year: YEAR.captures(text).and_then(|c| number(&c[1])),
            ..When::default()
        };
        if let Some(found) = ISO.captures(text) {
            when.date = number(&found[2])
                .zip(number(&found[3]))
                .map(|(month, day)| (month as usize, day));
        } else if let Some(found) = DATE.captures(text) {
            let month = MONTHS
                .iter()
                .position(|month| *month == found[2].to_lowercase())
                .map(|at| at + 1);
            let day = found
                .get(1)
                .or(found.get(3))
                .and_then(|day| number(day.as_str()))
                .unwrap_or(0);
            when.date = month.map(|month| (month, day));
        }
        let weekday = WEEKDAY
            .captures(text)
            .filter(|found| found[0].len() == 3 || found[0].to_lowercase().contains("day"));
        if let Some(found) = weekday {
            when.weekday = WEEKDAYS.iter().position(|day| *day == found[1].to_lowercase());
            when.weekly = found[0].to_lowercase().ends_with("days");
        }
        when.clock = clock(text);
        when.zone = ZONE.find(text).map(|zone| zone.as_str().to_lowercase());
        when
    }

    /// Whether a text names any time at all.
    pub(crate) fn is_empty(&self) -> bool {
        *self == When::default()
    }

    /// Whether it says on which day.
    pub(crate) fn names_a_day(&self) -> bool {
        self.weekday.is_some() || self.date.is_some()
    }

    /// Whether both name a part that differs.
    pub(crate) fn conflicts(&self, other: &When) -> bool {
        fn differ<T: PartialEq>(one: Option<T>, other: Option<T>) -> bool {
            one.zip(other).is_some_and(|(one, other)| one != other)
        }
        let clocks = self
            .zone
            .as_ref()
            .zip(other.zone.as_ref())
            .is_none_or(|(one, other)| one == other)
            && self
                .clock
                .zip(other.clock)
                .is_some_and(|(one, other)| one.differs(other));
        clocks
            || differ(self.weekday, other.weekday)
            || self.other_date(other)
            || differ(self.year, other.year)
    }

    /// "May" holds "May 12".
    fn other_date(&self, other: &When) -> bool {
        let dates = self.date.zip(other.date);
        dates.is_some_and(|((month, day), (other_month, other_day))| {
            month != other_month || day != other_day && day != 0 && other_day != 0
        })
    }

    /// Whether they name different days.
    pub(crate) fn on_other_days(&self, other: &When) -> bool {
        self.weekday
            .zip(other.weekday)
            .is_some_and(|(one, other)| one != other)
            || self.other_date(other)
    }

    /// Whether the weekday is all that the two disagree on: a class on Tuesdays may be on Thursdays too.
    pub(crate) fn only_weekdays_conflict(&self, other: &When) -> bool {
        let without = |when: &When| When {
            weekday: None,
            ..when.clone()
        };
        self.conflicts(other) && !without(self).conflicts(&without(other))
    }

    /// Whether one is said of every week, and they name different days: a class on Mondays at 6 may be on Saturdays
    /// at 5 too.
    pub(crate) fn recur_on_other_days(&self, other: &When) -> bool {
        (self.weekly || other.weekly)
            && self.weekday.is_some()
            && other.weekday.is_some_and(|day| Some(day) != self.weekday)
    }
}

fn clock(text: &str) -> Option<Clock> {
    let exactly = |minutes| {
        Some(Clock {
            minutes,
            either_half: false,
        })
    };
    let in_either_half = |hour: u32, minutes| {
        Some(Clock {
            minutes: hour * 60 + minutes,
            either_half: (1..=12).contains(&hour),
        })
    };
    let number = |found: Option<regex::Match<'_>>| found.and_then(|found| found.as_str().parse::<u32>().ok());
    let Some(found) = CLOCK.captures(text) else {
        // "at 3": morning or afternoon is unknown, but it is the same to both sides.
        return BARE_HOUR
            .captures(text)
            .and_then(|found| number(found.get(1)))
            .filter(|hour| *hour < 25)
            .and_then(|hour| in_either_half(hour, 0));
    };
    if let Some(hour) = number(found.get(1)) {
        let afternoon = found[3].to_lowercase().starts_with('p');
        return exactly(
            (hour % 12 + if afternoon { 12 } else { 0 }) * 60 + number(found.get(2)).unwrap_or(0),
        );
    }
    if let Some(hour) = number(found.get(4)) {
        let minutes = number(found.get(5)).unwrap_or(0);
        // "09:30" is written by those who count to 24.
        return if found[4].starts_with('0') {
            exactly(hour * 60 + minutes)
        } else {
            in_either_half(hour, minutes)
        };
    }
    if let Some(hour) = number(found.get(6)) {
        return in_either_half(hour, 0);
    }
    let midnight = found
        .get(7)
        .is_some_and(|word| word.as_str().eq_ignore_ascii_case("midnight"));
    exactly(if midnight { 0 } else { 12 * 60 })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn parts_are_compared_like_with_like() {
        for (one, other, conflict) in [
            ("2pm on Friday", "3pm on Friday", true),
            ("2pm", "14:00", false),
            ("2pm", "Friday", false),
            ("Friday", "Fridays", false),
            ("Monday", "Tuesday", true),
            ("August 15th", "September 1st", true),
            ("August 15th", "15 August 2026", false),
            ("2026-08-15", "15th of August", false),
            ("in 2025", "in 2026", true),
            ("noon", "12:00", false),
            ("at 9", "at 10", true),
            ("room 9", "room 10", false),
            ("the month", "the sunlight", false),
        ] {
            let (one_when, other_when) = (When::read(one), When::read(other));
            assert_eq!(one_when.conflicts(&other_when), conflict, "{one} / {other}");
            assert_eq!(other_when.conflicts(&one_when), conflict);
        }
        assert!(When::read("in the month of sunlight").is_empty());
        assert!(When::read("Tuesday at 5pm").only_weekdays_conflict(&When::read("Thursday at 5pm")));
        assert!(!When::read("Tuesday at 5pm").only_weekdays_conflict(&When::read("Thursday at 6pm")));
        assert!(!When::read("Tuesday at 5pm").recur_on_other_days(&When::read("Thursday at 6pm")));
        assert!(When::read("Tuesdays at 5pm").recur_on_other_days(&When::read("Thursday at 6pm")));
        assert!(!When::read("Tuesdays at 5pm").recur_on_other_days(&When::read("Tuesdays at 6pm")));
    }

    proptest! {
        #[test]
        fn any_text_can_be_read(text in any::<String>(), other in "[0-9apm: ]{0,20}") {
            When::read(&text).conflicts(&When::read(&other));
        }
    }
}
