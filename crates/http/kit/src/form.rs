//! Multipart forms, read as a stream of parts.

use std::collections::VecDeque;
use std::future::{Ready, ready};
use std::time::Duration;

use actix_multipart::{Field, Multipart};
use actix_web::dev::Payload;
use actix_web::http::StatusCode;
use actix_web::http::header::CONTENT_DISPOSITION;
use actix_web::web::Bytes;
use actix_web::{FromRequest, HttpRequest};
use futures_util::StreamExt as _;
use pentad_kernel::ErrorKind;

use crate::Fault;

/// How much of a refused form is still read.
const DRAIN_BYTES: usize = 64 << 20;
/// How long a refused form is still read.
const DRAIN_TIME: Duration = Duration::from_secs(10);
/// How long a client may pause within a body; the tests of this crate do not wait as long.
pub(crate) const STALL: Duration = Duration::from_millis(if cfg!(test) { 50 } else { 60_000 });

/// How much of plain fields is kept while it is looked which form this is.
const KEPT_BYTES: usize = 64 << 10;
/// How many plain fields are kept meanwhile.
const KEPT_FIELDS: usize = 64;

/// A multipart form. Nothing of it is buffered: each part is read, or skipped, before the next.
#[derive(Debug)]
pub struct Form {
    parts: Parts,
    ahead: VecDeque<Part>,
}

/// The parts that have not arrived yet; after the last one, or a broken one, there are no others.
struct Parts(Option<Multipart>);

impl std::fmt::Debug for Parts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Parts")
    }
}

impl Form {
    /// The first of these names that a part has; `None` when none has one. Plain fields before it are kept for
    /// [`Form::next`], files of other names are thrown away.
    ///
    /// # Errors
    /// As [`Form::next`], and a fault when the fields before are many or large.
    pub async fn first_of(&mut self, names: &[&'static str]) -> Result<Option<&'static str>, Fault> {
        let mut kept = 0;
        while let Some(part) = self.parts.next().await? {
            if let Some(name) = names.iter().find(|name| **name == part.name()) {
                self.ahead.push_back(part);
                return Ok(Some(name));
            }
            if part.file_name() != FileName::Absent {
                continue;
            }
            let field = part.kept(KEPT_BYTES - kept).await?;
            kept += field.content.len();
            self.ahead.push_back(Part(Source::Kept(field)));
            if self.ahead.len() > KEPT_FIELDS {
                let message = format!("more than {KEPT_FIELDS} fields before the first file");
                return Err(Fault::new(ErrorKind::TooLarge, message));
            }
        }
        Ok(None)
    }

    /// The next part; what was not read of the one before is skipped.
    ///
    /// # Errors
    /// A fault of kind [`ErrorKind::Invalid`] when the body is no multipart form or breaks off.
    pub async fn next(&mut self) -> Result<Option<Part>, Fault> {
        match self.ahead.pop_front() {
            Some(part) => Ok(Some(part)),
            None => self.parts.next().await,
        }
    }

    /// Reads the rest of the body and throws it away, within bounds: a client that writes its whole
    /// request before it reads would otherwise meet a reset connection in place of its answer.
    pub async fn drain(&mut self) {
        let rest = async {
            let mut left = DRAIN_BYTES;
            while let Ok(Some(mut part)) = self.next().await {
                while let Ok(Some(chunk)) = part.chunk().await {
                    left = left.saturating_sub(chunk.len());
                    if left == 0 {
                        return;
                    }
                }
            }
        };
        // Whoever sends longer than that has to do without the answer.
        let _ = tokio::time::timeout(DRAIN_TIME, rest).await;
    }
}

impl Parts {
    async fn next(&mut self) -> Result<Option<Part>, Fault> {
        let Some(parts) = &mut self.0 else {
            return Ok(None);
        };
        match tokio::time::timeout(STALL, parts.next()).await {
            Ok(Some(Ok(field))) => Ok(Some(Part(Source::Arriving(field)))),
            // It must not be asked again.
            outcome => {
                self.0 = None;
                match outcome {
                    Err(_) => Err(stalled()),
                    Ok(Some(Err(error))) => Err(broken(&error)),
                    Ok(_) => Ok(None),
                }
            }
        }
    }
}

impl FromRequest for Form {
    type Error = Fault;
    type Future = Ready<Result<Self, Fault>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let parts = Multipart::new(request.headers(), payload.take());
        ready(Ok(Self {
            parts: Parts(Some(parts)),
            ahead: VecDeque::new(),
        }))
    }
}

/// One part of a form.
#[derive(Debug)]
pub struct Part(Source);

#[derive(Debug)]
enum Source {
    /// Its content is read as it arrives.
    Arriving(Field),
    /// A plain field that was read before its turn.
    Kept(KeptField),
}

#[derive(Debug)]
struct KeptField {
    name: String,
    content: Bytes,
}

/// The file name of a part, as the client wrote it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FileName {
    /// The part has none: it is a plain field.
    Absent,
    /// The name; it may be empty, and it is not yet known to be safe as a path.
    Given(String),
    /// The name is not UTF-8.
    NotText,
}

impl Part {
    /// The name of the field.
    pub fn name(&self) -> &str {
        match &self.0 {
            Source::Arriving(field) => field.name().unwrap_or_default(),
            Source::Kept(field) => &field.name,
        }
    }

    /// The file name, with its directories.
    pub fn file_name(&self) -> FileName {
        match &self.0 {
            Source::Arriving(field) => match field.headers().get(CONTENT_DISPOSITION) {
                Some(value) => FileName::parse(value.as_bytes()),
                None => FileName::Absent,
            },
            Source::Kept(_) => FileName::Absent,
        }
    }

    /// The media type that the client gave the part.
    pub fn media_type(&self) -> Option<String> {
        match &self.0 {
            Source::Arriving(field) => field.content_type().map(|media| media.essence_str().to_owned()),
            Source::Kept(_) => None,
        }
    }

    /// The next piece of the content; `None` at its end.
    ///
    /// # Errors
    /// A fault of kind [`ErrorKind::Invalid`] when the body breaks off, of kind [`ErrorKind::Timeout`] when it
    /// stops arriving.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, Fault> {
        match &mut self.0 {
            Source::Arriving(field) => match tokio::time::timeout(STALL, field.next()).await {
                Ok(chunk) => chunk.transpose().map_err(|error| broken(&error)),
                Err(_) => Err(stalled()),
            },
            Source::Kept(field) if field.content.is_empty() => Ok(None),
            Source::Kept(field) => Ok(Some(std::mem::take(&mut field.content))),
        }
    }

    /// The whole content, of at most `limit` bytes.
    async fn kept(mut self, limit: usize) -> Result<KeptField, Fault> {
        let name = self.name().to_owned();
        let mut content = Vec::new();
        while let Some(chunk) = self.chunk().await? {
            if content.len() + chunk.len() > limit {
                let message = format!("the field {name} is larger than the limit of {limit} bytes");
                return Err(Fault::new(ErrorKind::TooLarge, message));
            }
            content.extend_from_slice(&chunk);
        }
        let content = content.into();
        Ok(KeptField { name, content })
    }

    /// The whole content as text of at most `limit` bytes.
    ///
    /// # Errors
    /// A fault that names the field, when it is longer or not UTF-8.
    pub async fn text(self, limit: usize) -> Result<String, Fault> {
        let KeptField { name, content } = self.kept(limit).await?;
        String::from_utf8(content.into())
            .map_err(|_| Fault::invalid(format!("the field {name} is not UTF-8")))
    }
}

/// The fault of a body that stopped arriving.
pub(crate) fn stalled() -> Fault {
    let message = format!("nothing of the body arrived for {} seconds", STALL.as_secs());
    Fault::new(ErrorKind::Timeout, message).with_status(StatusCode::REQUEST_TIMEOUT)
}

fn broken(error: &actix_multipart::MultipartError) -> Fault {
    Fault::invalid(format!(
        "the body is not a complete multipart/form-data form: {error}"
    ))
}

impl FileName {
    /// Reads the file name out of a `Content-Disposition` (RFC 7578, with what browsers and curl really send).
    ///
    /// `filename*` wins over `filename`. Inside quotes `\"` is a quote and every other backslash stands for
    /// itself, because clients write Windows paths unescaped; then the three percent codes of the WHATWG form
    /// encoding are undone, and nothing else is percent-decoded.
    pub fn parse(header: &[u8]) -> Self {
        let mut plain = FileName::Absent;
        let mut rest = header;
        while let Some(start) = rest.iter().position(|&byte| byte == b';') {
            rest = rest[start + 1..].trim_ascii_start();
            let Some(equals) = rest.iter().position(|&byte| byte == b'=' || byte == b';') else {
                break;
            };
            if rest[equals] == b';' {
                rest = &rest[equals..];
                continue;
            }
            let key = rest[..equals].trim_ascii().to_ascii_lowercase();
            let value = rest[equals + 1..].trim_ascii_start();
            let (content, after) = if value.first() == Some(&b'"') {
                quoted(&value[1..])
            } else {
                token(value)
            };
            rest = after;
            match key.as_slice() {
                b"filename*" => return extended(&content),
                b"filename" => {
                    plain = String::from_utf8(content)
                        .map_or(FileName::NotText, |name| FileName::Given(unescaped(&name)));
                }
                _ => {}
            }
        }
        plain
    }
}

fn quoted(text: &[u8]) -> (Vec<u8>, &[u8]) {
    let mut content = Vec::with_capacity(text.len());
    let mut index = 0;
    while index < text.len() {
        match text[index] {
            b'"' => return (content, &text[index + 1..]),
            b'\\' if text.get(index + 1) == Some(&b'"') && index + 2 < text.len() => {
                content.push(b'"');
                index += 2;
            }
            byte => {
                content.push(byte);
                index += 1;
            }
        }
    }
    (content, &[])
}

fn token(text: &[u8]) -> (Vec<u8>, &[u8]) {
    let end = text.iter().position(|&byte| byte == b';').unwrap_or(text.len());
    (text[..end].trim_ascii().to_vec(), &text[end..])
}

fn unescaped(name: &str) -> String {
    name.replace("%22", "\"")
        .replace("%0D", "\r")
        .replace("%0A", "\n")
}

/// RFC 8187: `charset'language'percent-encoded`.
fn extended(value: &[u8]) -> FileName {
    let Ok(value) = std::str::from_utf8(value) else {
        return FileName::NotText;
    };
    let mut parts = value.splitn(3, '\'');
    let (Some(charset), Some(_language), Some(encoded)) = (parts.next(), parts.next(), parts.next()) else {
        return FileName::NotText;
    };
    if !charset.eq_ignore_ascii_case("utf-8") {
        return FileName::NotText;
    }
    let mut bytes = Vec::with_capacity(encoded.len());
    let mut rest = encoded.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        let code = after.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
        match code
            .and_then(|digits| u8::from_str_radix(digits, 16).ok())
            .filter(|_| byte == b'%')
        {
            Some(decoded) => {
                bytes.push(decoded);
                rest = &after[2..];
            }
            None => {
                bytes.push(byte);
                rest = after;
            }
        }
    }
    String::from_utf8(bytes).map_or(FileName::NotText, FileName::Given)
}

#[cfg(test)]
mod tests {
    use actix_web::error::PayloadError;
    use actix_web::http::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
    use futures_util::stream;

    use super::*;

    fn given(header: &str) -> Option<String> {
        match FileName::parse(header.as_bytes()) {
            FileName::Given(name) => Some(name),
            _ => None,
        }
    }

    #[test]
    fn names_keep_their_directories_whoever_wrote_them() {
        for (header, expected) in [
            (
                r#"form-data; name="files"; filename="src/a b/ü.txt""#,
                "src/a b/ü.txt",
            ),
            (
                r#"form-data; name="files"; filename="win\dir\y.txt""#,
                r"win\dir\y.txt",
            ),
            (
                r#"form-data; name="files"; filename="q%22uote.txt""#,
                "q\"uote.txt",
            ),
            (
                r#"form-data; name="files"; filename="q\"uote.txt""#,
                "q\"uote.txt",
            ),
            (r#"form-data; name="files"; filename="100%25.txt""#, "100%25.txt"),
            (r#"form-data; name="files"; filename=bare.txt"#, "bare.txt"),
            (
                r#"form-data; filename="semi;colon.txt"; name="files""#,
                "semi;colon.txt",
            ),
            (
                r#"form-data; name="files"; filename="x.txt"; filename*=UTF-8''sp%20%C3%BC.txt"#,
                "sp ü.txt",
            ),
            (r#"form-data; name="files"; filename="""#, ""),
        ] {
            assert_eq!(given(header).as_deref(), Some(expected), "{header}");
        }
    }

    #[test]
    fn a_field_without_a_file_name_has_none() {
        assert_eq!(FileName::parse(br#"form-data; name="storage""#), FileName::Absent);
        assert_eq!(FileName::parse(b"form-data"), FileName::Absent);
    }

    #[test]
    fn a_name_that_is_not_utf_8_is_no_name() {
        assert_eq!(
            FileName::parse(b"form-data; name=\"files\"; filename=\"\xff.txt\""),
            FileName::NotText
        );
        assert_eq!(
            FileName::parse(b"form-data; filename*=latin1''x"),
            FileName::NotText
        );
        assert_eq!(
            FileName::parse(b"form-data; filename*=UTF-8''%ff"),
            FileName::NotText
        );
    }

    #[actix_web::test]
    async fn a_part_that_stops_arriving_is_a_timeout() {
        let start = "--x\r\nContent-Disposition: form-data; name=\"files\"; filename=\"a\"\r\n\r\nhello";
        let arrived = stream::iter([Ok::<_, PayloadError>(Bytes::from_static(start.as_bytes()))]);
        let mut headers = HeaderMap::new();
        headers.insert(
            CONTENT_TYPE,
            HeaderValue::from_static("multipart/form-data; boundary=x"),
        );
        let parts = Multipart::new(&headers, arrived.chain(stream::pending()));
        let mut form = Form {
            parts: Parts(Some(parts)),
            ahead: VecDeque::new(),
        };
        let mut part = form.next().await.unwrap().unwrap();
        let fault = loop {
            match part.chunk().await {
                Ok(chunk) => assert!(chunk.is_some(), "the part has not ended"),
                Err(fault) => break fault,
            }
        };
        assert_eq!(fault.kind, ErrorKind::Timeout);
    }

    #[test]
    fn a_quote_that_ends_the_header_ends_the_name() {
        assert_eq!(given(r#"form-data; filename="dir\""#).as_deref(), Some(r"dir\"));
        assert_eq!(given(r#"form-data; filename="open"#).as_deref(), Some("open"));
    }
}
