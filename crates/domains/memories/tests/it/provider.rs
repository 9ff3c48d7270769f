//! A provider of language models and vectors, as far as the wire goes: it listens, keeps what it is sent, and
//! answers in the format it is asked in.

use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// One request as it came over the wire.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) path: String,
    /// Lower-case names.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Value,
}

impl Request {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }

    /// What is asked for: `facts`, `verdicts` or `answer`.
    pub(crate) fn task(&self) -> &str {
        let anthropic = self.body["tools"][0]["name"].as_str();
        anthropic
            .or(self.body["response_format"]["json_schema"]["name"].as_str())
            .unwrap_or_default()
    }

    /// What the model is given to work on.
    pub(crate) fn prompt(&self) -> Value {
        let messages = self.body["messages"].as_array().unwrap();
        serde_json::from_str(messages.last().unwrap()["content"].as_str().unwrap()).unwrap()
    }

    /// The answer in the format of the request.
    pub(crate) fn answer(&self, content: &Value) -> Value {
        if self.path.ends_with("/messages") {
            json!({"content": [{"type": "tool_use", "name": self.task(), "input": content}]})
        } else {
            json!({"choices": [{"message": {"role": "assistant", "content": content.to_string()}}]})
        }
    }
}

type Handler = dyn Fn(&Request) -> (u16, Value) + Send + Sync;

/// The listening provider; dropped, it stops.
pub(crate) struct Provider {
    pub(crate) url: String,
    seen: Arc<Mutex<Vec<Request>>>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Provider {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Provider {
    pub(crate) async fn start(handler: impl Fn(&Request) -> (u16, Value) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (handler, kept): (Arc<Handler>, _) = (Arc::new(handler), Arc::clone(&seen));
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (handler, kept) = (Arc::clone(&handler), Arc::clone(&kept));
                tokio::spawn(async move { serve(stream, &*handler, &kept).await });
            }
        });
        Self { url, seen, task }
    }

    pub(crate) fn requests(&self) -> Vec<Request> {
        self.seen.lock().unwrap().clone()
    }
}

async fn serve(mut stream: TcpStream, handler: &Handler, seen: &Mutex<Vec<Request>>) -> Option<()> {
    let mut bytes = Vec::new();
    let head_end = loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break end;
        }
        stream.read_buf(&mut bytes).await.ok().filter(|&read| read > 0)?;
    };
    let head = String::from_utf8(bytes[..head_end].to_vec()).ok()?;
    let mut lines = head.lines();
    let path = lines.next()?.split(' ').nth(1)?.to_owned();
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
        .collect();
    let length = headers
        .iter()
        .find(|(name, _)| name == "content-length")?
        .1
        .parse::<usize>()
        .ok()?;
    let mut body = bytes.split_off(head_end + 4);
    while body.len() < length {
        stream.read_buf(&mut body).await.ok().filter(|&read| read > 0)?;
    }
    let request = Request {
        path,
        headers,
        body: serde_json::from_slice(&body).ok()?,
    };
    let (status, answer) = handler(&request);
    seen.lock().unwrap().push(request);
    // A string stands for a body that is no JSON at all, and for where a redirect leads.
    let text = answer.as_str().map_or_else(|| answer.to_string(), str::to_owned);
    let location = if status / 100 == 3 {
        format!("location: {text}\r\n")
    } else {
        String::new()
    };
    let head = format!(
        "HTTP/1.1 {status} Status\r\ncontent-type: application/json\r\n{location}content-length: {}\r\nconnection: close\r\n\r\n",
        text.len()
    );
    stream.write_all(head.as_bytes()).await.ok()?;
    stream.write_all(text.as_bytes()).await.ok()
}
