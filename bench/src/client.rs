//! One kept-alive connection, written by hand so that the time is the server's.

use std::io::{self, Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

/// A connection to the server, opened again when the server closed it.
pub struct Client {
    address: String,
    authorization: String,
    stream: Option<TcpStream>,
    buffer: Vec<u8>,
}

/// An answer, its body as it came.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub body: Vec<u8>,
    keep_alive: bool,
}

impl Answer {
    /// The body as JSON; null if it is none.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

impl Client {
    pub fn new(address: &str, key: &str) -> Self {
        Self {
            address: address.to_owned(),
            authorization: format!("Bearer {key}"),
            stream: None,
            buffer: Vec::new(),
        }
    }

    /// Another connection to the same server.
    pub fn again(&self) -> Self {
        Self {
            address: self.address.clone(),
            authorization: self.authorization.clone(),
            stream: None,
            buffer: Vec::new(),
        }
    }

    pub fn get(&mut self, path: &str) -> io::Result<Answer> {
        self.send("GET", path, "", &[])
    }

    pub fn delete(&mut self, path: &str) -> io::Result<Answer> {
        self.send("DELETE", path, "", &[])
    }

    pub fn post_json(&mut self, path: &str, body: &serde_json::Value) -> io::Result<Answer> {
        self.send("POST", path, "application/json", body.to_string().as_bytes())
    }

    /// Sends a request and reads the whole answer.
    pub fn send(&mut self, method: &str, path: &str, content_type: &str, body: &[u8]) -> io::Result<Answer> {
        let mut request = self.head(method, path, content_type, body.len());
        // One write, as clients do: two would wait for an acknowledgement in between.
        if body.len() < 1 << 16 {
            request.extend_from_slice(body);
            self.stream()?.write_all(&request)?;
        } else {
            let stream = self.stream()?;
            stream.write_all(&request)?;
            stream.write_all(body)?;
        }
        self.answer()
    }

    /// The head of a request, for a body that the caller writes with [`Client::stream`].
    pub fn head(&self, method: &str, path: &str, content_type: &str, length: usize) -> Vec<u8> {
        let mut head = format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nAuthorization: {}\r\n",
            self.address, self.authorization
        );
        if !content_type.is_empty() {
            head += &format!("Content-Type: {content_type}\r\n");
        }
        if length > 0 || !matches!(method, "GET" | "DELETE") {
            head += &format!("Content-Length: {length}\r\n");
        }
        head += "\r\n";
        head.into_bytes()
    }

    /// The open connection.
    pub fn stream(&mut self) -> io::Result<&mut TcpStream> {
        if self.stream.is_none() {
            let stream = TcpStream::connect(&self.address)?;
            stream.set_nodelay(true)?;
            stream.set_read_timeout(Some(Duration::from_secs(300)))?;
            self.stream = Some(stream);
        }
        Ok(self.stream.as_mut().expect("just opened"))
    }

    /// Reads one answer.
    pub fn answer(&mut self) -> io::Result<Answer> {
        let read = self.read_answer();
        if !matches!(&read, Ok(answer) if answer.keep_alive) {
            self.stream = None;
        }
        read
    }

    fn read_answer(&mut self) -> io::Result<Answer> {
        let mut buffer = std::mem::take(&mut self.buffer);
        buffer.clear();
        let stream = self.stream()?;
        let mut piece = [0; 1 << 16];
        let head_end = loop {
            if let Some(end) = buffer.windows(4).position(|window| window == b"\r\n\r\n") {
                break end + 4;
            }
            match stream.read(&mut piece)? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                length => buffer.extend_from_slice(&piece[..length]),
            }
        };
        let head = String::from_utf8_lossy(&buffer[..head_end]).to_ascii_lowercase();
        let field = |name: &str| {
            let found = head.lines().find_map(|line| line.strip_prefix(name))?;
            Some(found.trim_start_matches(':').trim().to_owned())
        };
        let status = head
            .split(' ')
            .nth(1)
            .and_then(|word| word.parse().ok())
            .ok_or(io::ErrorKind::InvalidData)?;
        if field("transfer-encoding").is_some_and(|coding| coding == "chunked") {
            let rest = buffer.split_off(head_end);
            let body = read_chunks(stream, rest)?;
            self.buffer = buffer;
            return Ok(Answer {
                status,
                body,
                keep_alive: field("connection").is_none_or(|value| value != "close"),
            });
        }
        let length: usize = field("content-length")
            .and_then(|text| text.parse().ok())
            .unwrap_or(0);
        let mut body = buffer[head_end..].to_vec();
        while body.len() < length {
            match stream.read(&mut piece)? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                read => body.extend_from_slice(&piece[..read]),
            }
        }
        self.buffer = buffer;
        Ok(Answer {
            status,
            body,
            keep_alive: field("connection").is_none_or(|value| value != "close"),
        })
    }
}

/// Reads a chunked body of which `pending` has arrived.
fn read_chunks(stream: &mut TcpStream, mut pending: Vec<u8>) -> io::Result<Vec<u8>> {
    let mut body = Vec::new();
    let mut piece = [0; 1 << 16];
    loop {
        let line = pending.windows(2).position(|window| window == b"\r\n");
        let chunk = line.and_then(|end| {
            let text = std::str::from_utf8(&pending[..end]).ok()?;
            Some((
                end + 2,
                usize::from_str_radix(text.split(';').next()?.trim(), 16).ok()?,
            ))
        });
        match chunk {
            Some((start, length)) if pending.len() >= start + length + 2 => {
                body.extend_from_slice(&pending[start..start + length]);
                pending.drain(..start + length + 2);
                if length == 0 {
                    return Ok(body);
                }
            }
            None if line.is_some() => return Err(io::ErrorKind::InvalidData.into()),
            _ => match stream.read(&mut piece)? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                length => pending.extend_from_slice(&piece[..length]),
            },
        }
    }
}
