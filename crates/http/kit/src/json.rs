//! JSON bodies with errors that say where.

use std::future::Future;
use std::ops::Deref;
use std::pin::Pin;

use actix_web::dev::Payload;
use actix_web::http::header::CONTENT_TYPE;
use actix_web::web::BytesMut;
use actix_web::{FromRequest, HttpMessage as _, HttpRequest};
use futures_util::StreamExt as _;
use pentad_kernel::ErrorKind;
use serde::de::DeserializeOwned;

use crate::form::{STALL, stalled};
use crate::{Fault, FieldError};

/// The most bytes that an operation's body may have; set with [`crate::Endpoint::body_limit`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BodyLimit {
    /// What the limit is called in the configuration and in the error that it causes.
    pub name: &'static str,
    /// How many bytes it allows.
    pub bytes: usize,
}

impl BodyLimit {
    /// The fault of a body over the limit.
    pub fn exceeded(self) -> Fault {
        Fault::new(
            ErrorKind::TooLarge,
            format!(
                "the body is larger than the limit {} of {} bytes",
                self.name, self.bytes
            ),
        )
    }
}

impl Default for BodyLimit {
    fn default() -> Self {
        Self {
            name: "json_bytes",
            bytes: 1 << 20,
        }
    }
}

/// A JSON body. An empty one reads as `{}`, because clients send options that way when they have none.
#[derive(Clone, Debug)]
pub struct JsonBody<T>(pub T);

impl<T> Deref for JsonBody<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: DeserializeOwned + 'static> FromRequest for JsonBody<T> {
    type Error = Fault;
    type Future = Pin<Box<dyn Future<Output = Result<Self, Fault>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let limit = request
            .extensions()
            .get::<BodyLimit>()
            .copied()
            .unwrap_or_default();
        let media = request
            .headers()
            .get(CONTENT_TYPE)
            .and_then(|value| value.to_str().ok())
            .map(str::to_owned);
        let mut payload = payload.take();
        Box::pin(async move {
            let mut body = BytesMut::new();
            while let Some(chunk) = tokio::time::timeout(STALL, payload.next())
                .await
                .map_err(|_| stalled())?
            {
                let chunk = chunk.map_err(|error| Fault::invalid(format!("the body broke off: {error}")))?;
                if body.len() + chunk.len() > limit.bytes {
                    return Err(limit.exceeded());
                }
                body.extend_from_slice(&chunk);
            }
            if !body.is_empty() && media.as_deref().is_some_and(|media| !is_json(media)) {
                return Err(Fault::new(
                    ErrorKind::UnsupportedMedia,
                    "the body must be application/json",
                ));
            }
            read(if body.is_empty() { b"{}" } else { &body }).map(Self)
        })
    }
}

fn is_json(media: &str) -> bool {
    let essence = media
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase();
    essence == "application/json" || (essence.starts_with("application/") && essence.ends_with("+json"))
}

fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, Fault> {
    let mut reader = serde_json::Deserializer::from_slice(body);
    let value = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let inner = error.inner();
        if inner.is_data() {
            wrong_field(error.path(), &inner.to_string())
        } else {
            not_json(&inner.to_string())
        }
    })?;
    reader.end().map_err(|error| not_json(&error.to_string()))?;
    Ok(value)
}

fn not_json(reason: &str) -> Fault {
    let mut fault = Fault::invalid(format!("the body is not JSON: {reason}"));
    fault.fields = vec![FieldError {
        location: vec!["body".to_owned()],
        message: reason.to_owned(),
        kind: "json_invalid".to_owned(),
    }];
    fault
}

fn wrong_field(path: &serde_path_to_error::Path, reason: &str) -> Fault {
    // The position that serde_json adds is of no use beside the path.
    let reason = reason.split(" at line ").next().unwrap_or(reason);
    let mut location = vec!["body".to_owned()];
    location.extend(
        path.iter()
            .map(|step| step.to_string().trim_matches(['[', ']']).to_owned()),
    );
    location.retain(|step| !step.is_empty() && step != "." && step != "?");
    let missing = reason
        .strip_prefix("missing field `")
        .and_then(|rest| rest.strip_suffix('`'));
    if let Some(field) = missing {
        location.push(field.to_owned());
    }
    let name = location[1..].join(".");
    Fault {
        fields: vec![FieldError {
            location,
            message: if missing.is_some() {
                "Field required".to_owned()
            } else {
                reason.to_owned()
            },
            kind: if missing.is_some() {
                "missing"
            } else {
                "type_error"
            }
            .to_owned(),
        }],
        ..Fault::new(
            ErrorKind::Unprocessable,
            format!("{}: {reason}", if name.is_empty() { "body" } else { &name }),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, serde::Deserialize)]
    struct Items {
        #[expect(dead_code, reason = "only its type matters here")]
        items: Vec<u8>,
    }

    fn fault(body: &str) -> Fault {
        read::<Items>(body.as_bytes()).unwrap_err()
    }

    #[test]
    fn a_missing_field_is_named() {
        let fault = fault("{}");
        assert_eq!(fault.kind, ErrorKind::Unprocessable);
        assert_eq!(fault.fields[0].location, ["body", "items"]);
        assert_eq!(fault.fields[0].kind, "missing");
    }

    #[test]
    fn a_wrong_type_is_found_by_its_path() {
        assert_eq!(
            fault(r#"{"items":[1,"x"]}"#).fields[0].location,
            ["body", "items", "1"]
        );
    }

    #[test]
    fn what_is_not_json_is_said_to_be_none() {
        for body in ["{", "[1,]", "{} {}", "nonsense"] {
            let fault = read::<serde_json::Value>(body.as_bytes()).unwrap_err();
            assert_eq!(fault.fields[0].kind, "json_invalid", "{body}");
        }
    }
}
