//! Types that several requests share.

use std::collections::BTreeMap;
use std::time::Duration;

use pentad_exec::{Env, Object};
use pentad_http_kit::Fault;
use pentad_kernel::ErrorKind;
use pentad_sandbox::Language;
use serde::{Deserialize, Deserializer};
use serde_json::{Number, Value};
use utoipa::ToSchema;

/// A JSON object in a request; anything else is refused in words.
#[derive(Clone, Debug, Default, ToSchema)]
#[schema(as = exec::Object, value_type = Object)]
pub(crate) struct JsonObject(pub(crate) Object);

impl<'de> Deserialize<'de> for JsonObject {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::Object(object) => Ok(Self(object)),
            _ => Err(serde::de::Error::custom("expected an object")),
        }
    }
}

/// Reads the name of a language.
pub(crate) fn language(name: &str) -> Result<Language, Fault> {
    Language::parse(name).ok_or_else(|| pentad_exec::Error::Language(name.chars().take(40).collect()).into())
}

/// Reads the two ways to say how long a run may take; milliseconds win.
pub(crate) fn timeout(millis: Option<&Number>, seconds: Option<&Number>) -> Result<Option<Duration>, Fault> {
    match (millis, seconds) {
        (Some(number), _) => duration("timeout_ms", number, 0.001).map(Some),
        (None, Some(number)) => duration("timeout", number, 1.0).map(Some),
        (None, None) => Ok(None),
    }
}

/// A number of units as a time that is greater than zero.
pub(crate) fn duration(name: &str, number: &Number, unit: f64) -> Result<Duration, Fault> {
    let seconds = number.as_f64().unwrap_or(f64::NAN) * unit;
    let wrong = || {
        let fault = Fault::unprocessable(
            &["body", name],
            format!("{name} must be a number greater than zero"),
            "greater_than",
        );
        Fault {
            kind: ErrorKind::Invalid,
            ..fault
        }
    };
    if seconds.is_nan() || seconds <= 0.0 {
        return Err(wrong());
    }
    // Whatever is longer than any limit is refused by the limit.
    let longest = Duration::from_secs(u64::from(u32::MAX));
    Ok(Duration::try_from_secs_f64(seconds)
        .map_or(longest, |asked| asked.clamp(Duration::from_millis(1), longest)))
}

/// Reads environment variables.
pub(crate) fn env(variables: Option<BTreeMap<String, String>>) -> Result<Env, Fault> {
    Ok(Env::new(variables.unwrap_or_default())?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn milliseconds_win_over_seconds() {
        let number = |value: f64| Number::from_f64(value).unwrap();
        let both = timeout(Some(&number(1500.0)), Some(&number(9.0))).unwrap();
        assert_eq!(both, Some(Duration::from_millis(1500)));
        assert_eq!(
            timeout(None, Some(&number(0.5))).unwrap(),
            Some(Duration::from_millis(500))
        );
        assert!(timeout(Some(&number(0.0)), None).is_err());
        assert!(timeout(Some(&Number::from(-1)), None).is_err());
        assert!(timeout(Some(&number(1e300)), None).unwrap().unwrap() > Duration::from_secs(1 << 30));
    }
}
