//! A failure on its way out.

use std::fmt;
use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::{HttpResponse, ResponseError};
use pentad_kernel::{Classify, ErrorKind};
use serde_json::Value;

/// One wrong place in a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldError {
    /// Where: `body` or `query`, then the path of names and indexes.
    pub location: Vec<String>,
    /// What is wrong, for people.
    pub message: String,
    /// What is wrong, for programs.
    pub kind: String,
}

/// A failure that the edge renders in the envelope of the request's surface.
///
/// Every error of a domain becomes one by `?`.
#[derive(Clone, Debug)]
pub struct Fault {
    /// The kind; with the surface it decides the status.
    pub kind: ErrorKind,
    /// A status that a contract names in place of the one the kind would get.
    pub status: Option<StatusCode>,
    /// The machine-readable code, where the contract names one.
    pub code: Option<String>,
    /// The message for the caller. For [`ErrorKind::Internal`] it goes to the log alone.
    pub message: String,
    /// Structured facts for the caller.
    pub details: Option<Value>,
    /// Wrong fields, for surfaces that list them.
    pub fields: Vec<FieldError>,
    /// When to come back.
    pub retry_after: Option<Duration>,
    /// Further headers of the answer.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// A body that replaces the envelope, for the few answers that a contract gives another form.
    pub body: Option<Value>,
}

impl Fault {
    /// A failure of this kind.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            status: None,
            code: None,
            message: message.into(),
            details: None,
            fields: Vec::new(),
            retry_after: None,
            headers: Vec::new(),
            body: None,
        }
    }

    /// A malformed request.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Invalid, message)
    }

    /// A thing that is not there.
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::NotFound, message)
    }

    /// A fault of ours; the text goes to the log alone.
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Internal, message)
    }

    /// A field with a wrong value.
    pub fn unprocessable(location: &[&str], message: impl Into<String>, kind: &str) -> Self {
        let message = message.into();
        Self {
            fields: vec![FieldError {
                location: location.iter().map(ToString::to_string).collect(),
                message: message.clone(),
                kind: kind.to_owned(),
            }],
            ..Self::new(ErrorKind::Unprocessable, message)
        }
    }

    /// The same with a code.
    #[must_use]
    pub fn with_code(mut self, code: impl Into<String>) -> Self {
        self.code = Some(code.into());
        self
    }

    /// The same with a status of its own.
    #[must_use]
    pub fn with_status(mut self, status: StatusCode) -> Self {
        self.status = Some(status);
        self
    }

    /// The same with facts.
    #[must_use]
    pub fn with_details(mut self, details: Value) -> Self {
        self.details = Some(details);
        self
    }

    /// The same with a time to come back.
    #[must_use]
    pub fn with_retry_after(mut self, wait: Duration) -> Self {
        self.retry_after = Some(wait);
        self
    }

    /// The same with a header.
    #[must_use]
    pub fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    /// The same with a body in place of the envelope.
    #[must_use]
    pub fn with_body(mut self, body: Value) -> Self {
        self.body = Some(body);
        self
    }
}

impl<E: Classify> From<E> for Fault {
    fn from(error: E) -> Self {
        let kind = error.kind();
        // The chain of causes is for the log; for every other kind the outermost text is the message.
        let message = if kind == ErrorKind::Internal {
            chain(&error)
        } else {
            error.to_string()
        };
        Self {
            code: error.code().map(str::to_owned),
            details: error.details(),
            retry_after: error.retry_after(),
            ..Self::new(kind, message)
        }
    }
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl ResponseError for Fault {
    fn status_code(&self) -> StatusCode {
        StatusCode::INTERNAL_SERVER_ERROR
    }

    /// An empty answer that carries the fault to the edge, which alone knows the surface.
    fn error_response(&self) -> HttpResponse {
        let mut response = HttpResponse::new(self.status_code());
        response.extensions_mut().insert(self.clone());
        response
    }
}
