//! A page in a real Chromium, for tests of what people see.
//!
//! Speaks the DevTools protocol over two pipes, with no port, no driver program and no library between:
//! a test needs a dozen calls of it.

#![expect(
    clippy::print_stderr,
    reason = "a skipped test has to be seen by whoever runs the tests"
)]

use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use base64::Engine as _;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

/// How long a page may take for anything before the test fails.
const PATIENCE: Duration = Duration::from_secs(60);

/// Chromium reads commands from descriptor 3 and writes answers to descriptor 4.
const WITH_PIPES: &str = r#"exec "$0" "$@" 3<&0 4>&1 </dev/null >/dev/null"#;

/// One page of a Chromium that keeps nothing and reaches this machine alone.
#[derive(Debug)]
pub struct Browser {
    process: Child,
    commands: ChildStdin,
    answers: BufReader<ChildStdout>,
    session: String,
    last_id: u64,
    loads: u64,
    requests: Vec<String>,
    errors: Vec<String>,
    _profile: TempDir,
}

impl Browser {
    /// An empty page, or `None`, said aloud, where Chromium is missing outside CI.
    ///
    /// # Panics
    /// When `CI` is set and Chromium is missing, or when it does not start.
    pub async fn start() -> Option<Self> {
        let Some(program) = program() else {
            assert!(
                std::env::var_os("CI").is_none(),
                "Chromium must be installed in CI"
            );
            eprintln!("SKIPPED in Chromium: it is not installed (cargo xtask test installs it)");
            return None;
        };
        let profile = tempfile::tempdir().expect("a temporary directory can be made");
        let mut command = Command::new("sh");
        command.args(["-c", WITH_PIPES]).arg(program).args([
            "--headless",
            "--remote-debugging-pipe",
            "--disable-gpu",
            "--disable-quic",
            "--disable-dev-shm-usage",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--no-first-run",
            "--no-proxy-server",
            "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
            "--window-size=1280,1600",
        ]);
        command.arg(format!("--user-data-dir={}", profile.path().display()));
        // Chromium's own sandbox refuses to start as root; the pages are ours.
        if std::fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0) {
            command.arg("--no-sandbox");
        }
        let mut process = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("sh can be started");
        let commands = process.stdin.take().expect("standard input is a pipe");
        let answers = process.stdout.take().expect("standard output is a pipe");
        let mut browser = Self {
            process,
            commands,
            answers: BufReader::new(answers),
            session: String::new(),
            last_id: 0,
            loads: 0,
            requests: Vec::new(),
            errors: Vec::new(),
            _profile: profile,
        };
        let target = browser
            .call("Target.createTarget", json!({"url": "about:blank"}))
            .await;
        let attach = json!({"targetId": target["targetId"], "flatten": true});
        let attached = browser.call("Target.attachToTarget", attach).await;
        browser.session = text(&attached["sessionId"]);
        for domain in ["Page", "Runtime", "Network", "Log"] {
            browser.call(&format!("{domain}.enable"), json!({})).await;
        }
        Some(browser)
    }

    /// Goes to an address and waits until the page is loaded.
    ///
    /// # Panics
    /// When it cannot be loaded.
    pub async fn open(&mut self, url: &str) {
        let before = self.loads;
        let answer = self.call("Page.navigate", json!({"url": url})).await;
        assert_eq!(answer["errorText"], Value::Null, "{url} cannot be loaded");
        while self.loads == before {
            let message = self.receive().await;
            self.note(&message);
        }
    }

    /// The value of a JavaScript expression in the page; a promise is awaited.
    ///
    /// # Panics
    /// When the expression throws.
    pub async fn evaluate(&mut self, expression: &str) -> Value {
        let parameters = json!({
            "expression": expression, "returnByValue": true, "awaitPromise": true, "userGesture": true,
        });
        // A page that is left takes with it what was asked of it: the next one is asked again.
        let mut answer = loop {
            match self.try_call("Runtime.evaluate", parameters.clone()).await {
                Ok(answer) => break answer,
                Err(error) if is_navigation(&error) => {}
                Err(error) => panic!("{expression}: {error}"),
            }
        };
        let exception = &answer["exceptionDetails"];
        assert!(exception.is_null(), "{expression}\n{exception}");
        answer["result"]["value"].take()
    }

    /// Waits until a JavaScript expression is truthy, and gives its value. The page may become another one
    /// meanwhile.
    ///
    /// # Panics
    /// When that takes too long; the message shows what the page says.
    pub async fn wait_for(&mut self, expression: &str) -> Value {
        let patience = PATIENCE.as_millis() / 2;
        self.evaluate(&format!(
            "new Promise((resolve, reject) => {{
                const end = Date.now() + {patience};
                const look = () => {{
                    const value = (() => {{ try {{ return {expression} }} catch {{ return null }} }})();
                    if (value) resolve(value);
                    else if (Date.now() < end) setTimeout(look, 20);
                    else reject(new Error('not within {patience} ms; the page says: '
                        + document.body.innerText.slice(0, 2000)));
                }};
                look();
            }})"
        ))
        .await
    }

    /// Waits for an element and clicks on its middle with the mouse.
    ///
    /// # Panics
    /// When it does not appear.
    pub async fn click(&mut self, selector: &str) {
        let element = format!("document.querySelector({})", json!(selector));
        self.wait_for(&format!("!!{element}")).await;
        let middle = self
            .evaluate(&format!(
                "(() => {{
                    const element = {element};
                    element.scrollIntoView({{ block: 'center', behavior: 'instant' }});
                    const box = element.getBoundingClientRect();
                    return {{ x: box.x + box.width / 2, y: box.y + box.height / 2 }};
                }})()"
            ))
            .await;
        for event in ["mousePressed", "mouseReleased"] {
            let parameters = json!({
                "type": event, "x": middle["x"], "y": middle["y"], "button": "left", "clickCount": 1,
            });
            self.call("Input.dispatchMouseEvent", parameters).await;
        }
    }

    /// Chooses an option of a list by its text, as a person would.
    ///
    /// # Panics
    /// When the list or the option does not appear.
    pub async fn choose(&mut self, selector: &str, option: &str) {
        let (selector, option) = (json!(selector), json!(option));
        self.wait_for(&format!(
            "(() => {{
                const list = document.querySelector({selector});
                const option = [...list.options].find(option => option.text === {option});
                const value = Object.getOwnPropertyDescriptor(HTMLSelectElement.prototype, 'value');
                value.set.call(list, option.value);
                return list.dispatchEvent(new Event('change', {{ bubbles: true }}));
            }})()"
        ))
        .await;
    }

    /// Presses and releases a key: a character, or a name as `ArrowRight`, `Enter`, `Escape`.
    ///
    /// # Panics
    /// When Chromium ends.
    pub async fn press(&mut self, key: &str) {
        let mut down = json!({"type": "keyDown", "key": key, "code": key});
        if key.chars().count() == 1 {
            down["text"] = json!(key);
        }
        if let Some(code) = key_code(key) {
            down["windowsVirtualKeyCode"] = json!(code);
        }
        if key == "Enter" {
            down["text"] = json!("\r");
        }
        self.call("Input.dispatchKeyEvent", down).await;
        self.call("Input.dispatchKeyEvent", json!({"type": "keyUp", "key": key}))
            .await;
    }

    /// Types a text into whatever has the focus.
    ///
    /// # Panics
    /// When Chromium ends.
    pub async fn type_text(&mut self, text: &str) {
        self.call("Input.insertText", json!({"text": text})).await;
    }

    /// Makes the page so many CSS pixels wide and high.
    ///
    /// # Panics
    /// When Chromium ends.
    pub async fn resize(&mut self, width: u32, height: u32) {
        let metrics = json!({
            "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false,
        });
        self.call("Emulation.setDeviceMetricsOverride", metrics).await;
    }

    /// Makes the page believe that its reader prefers this, as in `("prefers-color-scheme", "dark")`.
    ///
    /// # Panics
    /// When Chromium ends.
    pub async fn prefer(&mut self, name: &str, value: &str) {
        let media = json!({"features": [{"name": name, "value": value}]});
        self.call("Emulation.setEmulatedMedia", media).await;
    }

    /// A picture of what is seen of the page, as a PNG.
    ///
    /// # Panics
    /// When Chromium ends.
    pub async fn picture(&mut self) -> Vec<u8> {
        let picture = self
            .call("Page.captureScreenshot", json!({"format": "png"}))
            .await;
        base64::engine::general_purpose::STANDARD
            .decode(text(&picture["data"]))
            .expect("Chromium encodes pictures as base64")
    }

    /// The addresses of all requests the page has made so far.
    pub fn requests(&self) -> &[String] {
        &self.requests
    }

    /// What the page has complained about so far: exceptions, errors on the console, refused loads.
    pub fn errors(&self) -> &[String] {
        &self.errors
    }

    /// Ends Chromium and waits for it.
    ///
    /// # Panics
    /// When it does not end.
    pub async fn close(mut self) {
        self.call("Browser.close", json!({})).await;
        let ended = tokio::time::timeout(PATIENCE, self.process.wait()).await;
        ended
            .expect("Chromium ends in time")
            .expect("Chromium can be waited for");
    }

    async fn call(&mut self, method: &str, parameters: Value) -> Value {
        let answer = self.try_call(method, parameters).await;
        answer.unwrap_or_else(|error| panic!("{method}: {error}"))
    }

    /// The result, or the error that Chromium answers with.
    async fn try_call(&mut self, method: &str, parameters: Value) -> Result<Value, Value> {
        self.last_id += 1;
        let mut message = json!({"id": self.last_id, "method": method, "params": parameters});
        // Before there is a page, and for the browser as a whole, there is no session.
        if !self.session.is_empty() && !method.starts_with("Browser.") {
            message["sessionId"] = json!(self.session);
        }
        let mut bytes = message.to_string().into_bytes();
        bytes.push(0);
        self.commands.write_all(&bytes).await.expect("Chromium reads");
        loop {
            let mut answer = self.receive().await;
            if answer["id"] == json!(self.last_id) {
                return if answer["error"].is_null() {
                    Ok(answer["result"].take())
                } else {
                    Err(answer["error"].take())
                };
            }
            self.note(&answer);
        }
    }

    async fn receive(&mut self) -> Value {
        let mut bytes = Vec::new();
        let read = tokio::time::timeout(PATIENCE, self.answers.read_until(0, &mut bytes)).await;
        read.expect("Chromium answers in time")
            .expect("Chromium can be read from");
        assert_eq!(bytes.pop(), Some(0), "Chromium ended");
        serde_json::from_slice(&bytes).expect("Chromium speaks JSON")
    }

    /// Remembers what an event says about the page.
    fn note(&mut self, event: &Value) {
        let parameters = &event["params"];
        match event["method"].as_str().unwrap_or_default() {
            "Page.loadEventFired" => self.loads += 1,
            "Network.requestWillBeSent" => self.requests.push(text(&parameters["request"]["url"])),
            "Runtime.exceptionThrown" => self.errors.push(parameters["exceptionDetails"].to_string()),
            "Runtime.consoleAPICalled" if parameters["type"] == "error" => {
                self.errors.push(parameters["args"].to_string());
            }
            "Log.entryAdded" if parameters["entry"]["level"] == "error" => {
                self.errors.push(parameters["entry"].to_string());
            }
            _ => {}
        }
    }
}

/// Whether a page could not answer because another one took its place.
fn is_navigation(error: &Value) -> bool {
    let message = error["message"].as_str().unwrap_or_default();
    ["navigated", "context was destroyed", "Cannot find context"]
        .iter()
        .any(|words| message.contains(words))
}

/// The code that a named key has on a keyboard, where pages look at it.
fn key_code(key: &str) -> Option<u32> {
    match key {
        "Tab" => Some(9),
        "Enter" => Some(13),
        "Escape" => Some(27),
        "End" => Some(35),
        "Home" => Some(36),
        "ArrowLeft" => Some(37),
        "ArrowUp" => Some(38),
        "ArrowRight" => Some(39),
        "ArrowDown" => Some(40),
        _ => None,
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn program() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .flat_map(|directory| {
            ["chromium", "chromium-browser", "google-chrome"].map(|name| directory.join(name))
        })
        .find(|file| file.is_file())
}
