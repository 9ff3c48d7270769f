//! Passing a request on to a port of a program, and its answer back.
//!
//! HTTP 1.0, so that every answer ends where the connection does.

use std::net::TcpStream;
use std::time::Duration;

use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::http::{Method, StatusCode};
use actix_web::{HttpResponse, HttpResponseBuilder};
use bytes::{Bytes, BytesMut};
use futures_util::stream;
use pentad_exec::Error;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

/// Longest head of an answer.
const HEAD_BYTES: usize = 64 << 10;
/// How long the program may take for the head of its answer.
const PATIENCE: Duration = Duration::from_secs(60);
/// What is read of an answer at a time.
const PIECE: usize = 64 << 10;

/// A request as it is passed on.
#[derive(Debug)]
pub(crate) struct Passed {
    pub(crate) method: Method,
    /// Path and query.
    pub(crate) target: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Bytes,
}

/// Headers that say something about one connection, or that a stranger's page must not set on this origin.
pub(crate) fn stays_behind(name: &str) -> bool {
    matches!(
        name.to_ascii_lowercase().as_str(),
        "connection"
            | "keep-alive"
            | "proxy-authenticate"
            | "proxy-authorization"
            | "te"
            | "trailer"
            | "transfer-encoding"
            | "upgrade"
            | "content-length"
            | "set-cookie"
            | "set-cookie2"
            | "authorization"
            | "cookie"
            | "clear-site-data"
            | "strict-transport-security"
            | "service-worker-allowed"
            | "content-security-policy"
            | "alt-svc"
            | "nel"
            | "report-to"
    )
}

/// What the browser is told of an answer that a program made: it is nobody's page.
pub(crate) fn isolate(answer: &mut HttpResponseBuilder) {
    answer
        .insert_header(("Content-Security-Policy", "sandbox allow-scripts allow-forms"))
        .insert_header(("X-Content-Type-Options", "nosniff"));
}

/// Whether an answer ends with its head. What came after it would be read as the next answer on the connection.
pub(crate) fn ends_with_its_head(status: StatusCode) -> bool {
    matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED)
}

fn unreachable(what: &str) -> Error {
    Error::ProxyUnreachable(format!("the program {what}"))
}

/// Sends the request and gives the answer, whose body follows while it comes.
pub(crate) async fn pass(connection: TcpStream, request: Passed) -> pentad_exec::Result<HttpResponse> {
    let mut connection = connection
        .set_nonblocking(true)
        .and_then(|()| tokio::net::TcpStream::from_std(connection))
        .map_err(|_| unreachable("hung up"))?;
    let mut head = format!("{} {} HTTP/1.0\r\n", request.method, request.target);
    for (name, value) in &request.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str(&format!("Content-Length: {}\r\n\r\n", request.body.len()));
    let exchange = async {
        connection.write_all(head.as_bytes()).await?;
        connection.write_all(&request.body).await?;
        let mut read = BytesMut::new();
        loop {
            if let Some(end) = read.windows(4).position(|four| four == b"\r\n\r\n") {
                let head = read.split_to(end + 4);
                return Ok((head, read.freeze()));
            }
            if read.len() > HEAD_BYTES || connection.read_buf(&mut read).await? == 0 {
                return Err(std::io::Error::from(std::io::ErrorKind::InvalidData));
            }
        }
    };
    let (head, rest) = match tokio::time::timeout(PATIENCE, exchange).await {
        Ok(Ok(read)) => read,
        Ok(Err(_)) => return Err(unreachable("does not answer in HTTP")),
        Err(_) => return Err(unreachable("does not answer")),
    };
    let (status, headers) = parse(&head).ok_or_else(|| unreachable("does not answer in HTTP"))?;
    let mut answer = HttpResponse::build(status);
    for (name, value) in headers {
        answer.append_header((name, value));
    }
    isolate(&mut answer);
    if ends_with_its_head(status) {
        return Ok(answer.finish());
    }
    let body = stream::unfold((Some(rest), connection), |(first, mut connection)| async move {
        if let Some(first) = first.filter(|first| !first.is_empty()) {
            return Some((Ok::<_, std::io::Error>(first), (None, connection)));
        }
        let mut piece = BytesMut::with_capacity(PIECE);
        match connection.read_buf(&mut piece).await {
            Ok(0) => None,
            Ok(_) => Some((Ok(piece.freeze()), (None, connection))),
            Err(error) => Some((Err(error), (None, connection))),
        }
    });
    Ok(answer.streaming(Box::pin(body)))
}

/// Status and headers of an answer.
fn parse(head: &[u8]) -> Option<(StatusCode, Vec<(HeaderName, HeaderValue)>)> {
    let text = std::str::from_utf8(head).ok()?;
    let mut lines = text.split("\r\n");
    let mut words = lines.next()?.splitn(3, ' ');
    if !words.next()?.starts_with("HTTP/1.") {
        return None;
    }
    // Whoever speaks HTTP 1.0 gives one answer, and none before it.
    let status = StatusCode::from_bytes(words.next()?.as_bytes()).ok()?;
    if status.is_informational() {
        return None;
    }
    let mut headers = Vec::new();
    for line in lines.filter(|line| !line.is_empty()) {
        let (name, value) = line.split_once(':')?;
        if stays_behind(name) {
            continue;
        }
        headers.push((
            HeaderName::from_bytes(name.as_bytes()).ok()?,
            HeaderValue::from_str(value.trim()).ok()?,
        ));
    }
    Some((status, headers))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_read_and_cleaned() {
        let (status, headers) =
            parse(b"HTTP/1.0 404 Not Found\r\nContent-Type: text/plain\r\nSet-Cookie: a=1\r\nContent-Length: 3\r\n\r\n")
                .unwrap();
        assert_eq!((status.as_u16(), headers.len()), (404, 1));
        for wrong in [
            "SSH-2.0-x\r\n\r\n",
            "HTTP/1.1 x\r\n\r\n",
            "HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
            "HTTP/1.1 100 Continue\r\n\r\n",
            "HTTP/1.1 101 Switching Protocols\r\n\r\n",
            "\r\n\r\n",
        ] {
            assert!(parse(wrong.as_bytes()).is_none(), "{wrong}");
        }
    }
}
