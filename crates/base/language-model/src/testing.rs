//! A server on this machine that speaks chat completions and says what it is told to.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// A language model with its answers in a row; after the last one it fails.
#[derive(Debug)]
pub struct ScriptedModel {
    url: String,
    asked: Arc<Mutex<Vec<String>>>,
}

impl ScriptedModel {
    /// A model that says these things, one after the other.
    ///
    /// # Panics
    /// When there is no free port.
    pub async fn that_says(answers: &[&str]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let address = listener.local_addr().expect("a bound socket has an address");
        let asked = Arc::new(Mutex::new(Vec::new()));
        let mut answers: VecDeque<String> = answers.iter().map(|&answer| answer.to_owned()).collect();
        let noted = Arc::clone(&asked);
        tokio::spawn(async move {
            while let Ok((mut connection, _)) = listener.accept().await {
                let Some(request) = read(&mut connection).await else {
                    continue;
                };
                noted.lock().unwrap_or_else(PoisonError::into_inner).push(request);
                let (status, body) = match answers.pop_front() {
                    Some(answer) => ("200 OK", json!({"choices": [{"message": {"content": answer}}]})),
                    None => ("500 Oops", json!({"error": {"message": "out of answers"}})),
                };
                let body = body.to_string();
                let head = format!(
                    "HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
                    body.len()
                );
                // Whoever asked may be gone.
                let _ = connection.write_all(format!("{head}{body}").as_bytes()).await;
            }
        });
        Self {
            url: format!("http://{address}/v1"),
            asked,
        }
    }

    /// Where it is: a `base_url`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The requests it got so far, heads and bodies.
    pub fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// One request; `None` when it breaks off.
async fn read(connection: &mut TcpStream) -> Option<String> {
    let mut request = Vec::new();
    let mut buffer = vec![0; 64 << 10];
    while !is_whole(&request) {
        let count = connection.read(&mut buffer).await.ok()?;
        if count == 0 {
            return None;
        }
        request.extend_from_slice(&buffer[..count]);
    }
    Some(String::from_utf8_lossy(&request).into_owned())
}

fn is_whole(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request);
    let Some((head, body)) = text.split_once("\r\n\r\n") else {
        return false;
    };
    let head = head.to_lowercase();
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "));
    length.is_none_or(|length| {
        length
            .trim()
            .parse()
            .is_ok_and(|length: usize| body.len() >= length)
    })
}
