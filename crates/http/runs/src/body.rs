//! Bodies of records: read within their limit, and parsed with the text of their numbers.

use std::future::Future;
use std::pin::Pin;

use actix_web::dev::{Decompress, Payload};
use actix_web::http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderName};
use actix_web::{FromRequest, HttpMessage as _, HttpRequest};
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt as _;
use pentad_http_kit::{BodyLimit, Fault, Part};
use pentad_kernel::ErrorKind;
use pentad_runs::{Error, Json};

/// The body of a record, not yet looked at: what is wrong with the path is told first.
#[derive(Clone, Debug)]
pub(crate) struct Body(Bytes);

impl Body {
    /// The record.
    pub(crate) fn json(&self) -> Result<Json, Fault> {
        Json::parse(&self.0)
            .map_err(|error| Error::invalid(&["body"], "json_invalid", error.to_string()).into())
    }

    /// The record, or `{}` when there is no body at all.
    pub(crate) fn json_or_empty(&self) -> Result<Json, Fault> {
        if self.0.is_empty() {
            return Ok(Json::Object(pentad_runs::Members::new()));
        }
        self.json()
    }
}

impl FromRequest for Body {
    type Error = Fault;
    type Future = Pin<Box<dyn Future<Output = Result<Self, Fault>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let refused = check_json(request.headers());
        let reading = read(request, payload);
        Box::pin(async move {
            match refused {
                Some(fault) => Err(fault),
                None => reading.await.map(Self),
            }
        })
    }
}

/// A body of any type, unpacked, with the type that it says it has.
#[derive(Clone, Debug)]
pub(crate) struct Raw {
    pub(crate) bytes: Bytes,
    pub(crate) media: String,
}

impl FromRequest for Raw {
    type Error = Fault;
    type Future = Pin<Box<dyn Future<Output = Result<Self, Fault>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let media = essence(request.headers()).to_ascii_lowercase();
        let reading = read(request, payload);
        Box::pin(async move {
            Ok(Self {
                bytes: reading.await?,
                media,
            })
        })
    }
}

/// Reads a body within the limit of its operation.
fn read(request: &HttpRequest, payload: &mut Payload) -> impl Future<Output = Result<Bytes, Fault>> + use<> {
    let limit = request
        .extensions()
        .get::<BodyLimit>()
        .copied()
        .unwrap_or_default();
    let refused = check_head(request.headers(), limit);
    let mut body = Decompress::from_headers(payload.take(), request.headers());
    async move {
        if let Some(fault) = refused {
            return Err(fault);
        }
        let mut bytes = BytesMut::new();
        while let Some(chunk) = body.next().await {
            let chunk = chunk.map_err(|error| Fault::invalid(format!("the body broke off: {error}")))?;
            if bytes.len() + chunk.len() > limit.bytes {
                return Err(limit.exceeded());
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok(bytes.freeze())
    }
}

fn header(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

fn length(headers: &HeaderMap) -> Option<usize> {
    header(headers, CONTENT_LENGTH).and_then(|length| length.parse().ok())
}

/// The media type without its parameters.
fn essence(headers: &HeaderMap) -> &str {
    let media = header(headers, CONTENT_TYPE).unwrap_or_default();
    media.split(';').next().unwrap_or_default().trim()
}

fn check_json(headers: &HeaderMap) -> Option<Fault> {
    let essence = essence(headers);
    // A request without any body needs no type.
    let typed = essence.eq_ignore_ascii_case("application/json");
    let bodiless = essence.is_empty() && length(headers).unwrap_or(0) == 0;
    (!typed && !bodiless)
        .then(|| Fault::new(ErrorKind::UnsupportedMedia, "the body must be application/json"))
}

fn check_head(headers: &HeaderMap, limit: BodyLimit) -> Option<Fault> {
    if length(headers).is_some_and(|length| length > limit.bytes) {
        return Some(limit.exceeded());
    }
    match header(headers, CONTENT_ENCODING)
        .map(str::to_ascii_lowercase)
        .as_deref()
    {
        None | Some("" | "identity" | "gzip" | "zstd") => None,
        Some(_) => Some(Fault::new(
            ErrorKind::UnsupportedMedia,
            "the body may be encoded as gzip or zstd",
        )),
    }
}

/// The whole content of a part of a form.
pub(crate) async fn read_part(mut part: Part, limit: BodyLimit) -> Result<Bytes, Fault> {
    let mut bytes = BytesMut::new();
    while let Some(chunk) = part.chunk().await? {
        if bytes.len() + chunk.len() > limit.bytes {
            return Err(limit.exceeded());
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes.freeze())
}
