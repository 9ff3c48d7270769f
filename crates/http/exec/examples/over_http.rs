//! Start-to-result over HTTP of a small program, beside the same program as a bare process. Every variant runs once a
//! round, so that whatever else the machine does hits all alike; the ratios are what to compare.
//!
//! ```text
//! pentad serve --exec-open true &
//! cargo run --profile fast -p pentad-http-exec --example over_http -- 127.0.0.1:8080 KEY 30
//! ```
#![allow(clippy::print_stdout, reason = "a benchmark prints")]

use std::collections::BTreeMap;
use std::error::Error;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use pentad_sandbox::{Language, RuntimeSearch, Runtimes};
use serde_json::{Value, json};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Milliseconds by variant.
type Table = BTreeMap<String, Vec<f64>>;

/// A connection that is kept.
struct Client {
    stream: BufReader<TcpStream>,
    host: String,
    key: String,
}

impl Client {
    fn new(host: &str, key: &str) -> Result<Self> {
        let stream = TcpStream::connect(host)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_secs(120)))?;
        Ok(Self {
            stream: BufReader::new(stream),
            host: host.to_owned(),
            key: key.to_owned(),
        })
    }

    fn send(&mut self, method: &str, path: &str, body: &Value) -> Result<()> {
        let body = body.to_string();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n",
            self.host,
            self.key,
            body.len()
        );
        self.stream.get_mut().write_all((head + &body).as_bytes())?;
        Ok(())
    }

    /// Status and length of the body; none for one that is sent in chunks.
    fn head(&mut self) -> Result<(u16, Option<usize>)> {
        let (mut status, mut length) = (0, None);
        for number in 0.. {
            let mut line = String::new();
            self.stream.read_line(&mut line)?;
            let line = line.trim_end();
            if number == 0 {
                status = line.split(' ').nth(1).unwrap_or_default().parse()?;
            } else if let Some((name, value)) = line.split_once(": ")
                && name.eq_ignore_ascii_case("content-length")
            {
                length = Some(value.parse()?);
            }
            if line.is_empty() {
                break;
            }
        }
        Ok((status, length))
    }

    fn call(&mut self, method: &str, path: &str, body: &Value) -> Result<(u16, Value)> {
        self.send(method, path, body)?;
        let (status, length) = self.head()?;
        let mut bytes = vec![0; length.ok_or("an answer without a length")?];
        self.stream.read_exact(&mut bytes)?;
        Ok((status, serde_json::from_slice(&bytes).unwrap_or_default()))
    }

    /// Time until the result.
    fn execute(&mut self, language: Language, code: &str) -> Result<Duration> {
        let body = json!({ "language": language.as_str(), "code": code });
        let started = Instant::now();
        let (status, answer) = self.call("POST", "/api/execute", &body)?;
        let took = started.elapsed();
        if status == 200 && answer["stdout"] == "OK42\n" {
            Ok(took)
        } else {
            Err(format!("{language}: {status} {answer}").into())
        }
    }

    /// Time until the first byte of output, and until the end.
    fn stream(&mut self, session: &str, code: &str) -> Result<(Duration, Duration)> {
        let started = Instant::now();
        self.send(
            "POST",
            &format!("/api/sessions/{session}/stream"),
            &json!({ "code": code }),
        )?;
        self.head()?;
        let (mut first, mut line) = (None, String::new());
        loop {
            line.clear();
            if self.stream.read_line(&mut line)? == 0 {
                return Err("the stream broke off".into());
            }
            if line.contains("OK42") {
                first.get_or_insert_with(|| started.elapsed());
            }
            // The last chunk, and the empty line behind it.
            if line == "0\r\n" {
                self.stream.read_line(&mut line)?;
                return Ok((first.ok_or("no output")?, started.elapsed()));
            }
        }
    }
}

fn program(language: Language) -> &'static str {
    match language {
        Language::Python => "print('OK42')",
        Language::Node => "const u = { n: 'OK42' }; console.log(u.n)",
        Language::TypeScript => "interface U { n: string }\nconst u: U = { n: 'OK42' }; console.log(u.n)",
        Language::Go => "package main\nimport \"fmt\"\nfunc main() { fmt.Println(\"OK42\") }",
        Language::Deno => "const m: string = 'OK42'; console.log(m)",
    }
}

/// The same program as a bare process.
fn bare(command: &[String]) -> Result<Duration> {
    let started = Instant::now();
    let output = Command::new(&command[0])
        .args(&command[1..])
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()?;
    let took = started.elapsed();
    if output.stdout == b"OK42\n" {
        Ok(took)
    } else {
        Err(format!("{command:?} says {:?}", String::from_utf8_lossy(&output.stdout)).into())
    }
}

/// The commands of bare processes; Go's program is built once.
fn commands(runtimes: &Runtimes, scratch: &std::path::Path) -> Result<BTreeMap<&'static str, Vec<String>>> {
    let mut commands = BTreeMap::new();
    let host = |language| {
        runtimes
            .of(language)
            .map(|runtime| runtime.host.display().to_string())
    };
    if let Ok(python) = host(Language::Python) {
        commands.insert(
            "python",
            vec![python, "-c".into(), program(Language::Python).into()],
        );
    }
    if let Ok(node) = host(Language::Node) {
        commands.insert("node", vec![node, "-e".into(), program(Language::Node).into()]);
    }
    if let Ok(deno) = host(Language::Deno) {
        let file = scratch.join("bench.ts").display().to_string();
        std::fs::write(&file, program(Language::Deno))?;
        let words = ["run", "--quiet", "--no-prompt", "--no-config", "--no-lock", &file].map(str::to_owned);
        commands.insert("deno", [vec![deno], words.into()].concat());
    }
    if let Ok(go) = host(Language::Go) {
        let (source, binary) = (scratch.join("bench.go"), scratch.join("bench-go"));
        std::fs::write(&source, program(Language::Go))?;
        let built = Command::new(go)
            .args(["build", "-o"])
            .args([&binary, &source])
            .env("GO111MODULE", "off")
            .status()?;
        if built.success() {
            commands.insert("go", vec![binary.display().to_string()]);
        }
    }
    Ok(commands)
}

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let (Some(host), Some(key)) = (arguments.next(), arguments.next()) else {
        return Err("usage: over_http HOST:PORT KEY [ROUNDS]".into());
    };
    let rounds: usize = arguments.next().map_or(Ok(30), |rounds| rounds.parse())?;
    let directories = std::env::var_os("PENTAD_RUNTIMES").unwrap_or_default();
    let runtimes = Runtimes::discover(&RuntimeSearch {
        directories: std::env::split_paths(&directories).collect(),
        ..RuntimeSearch::default()
    });
    let scratch = tempfile::tempdir()?;
    let commands = commands(&runtimes, scratch.path())?;
    let mut client = Client::new(&host, &key)?;
    let session = format!("bench-{}", std::process::id());
    client.call(
        "POST",
        "/api/sessions",
        &json!({ "language": "python", "session_id": session }),
    )?;
    let mut table = Table::new();
    for round in 0..rounds + 2 {
        let mut lap = Table::new();
        let mut note = |name: String, took: Duration| {
            lap.entry(name).or_default().push(took.as_secs_f64() * 1e3);
        };
        for language in Language::ALL {
            if runtimes.of(language).is_err() {
                continue;
            }
            // Long enough for the pool to be full again.
            std::thread::sleep(Duration::from_millis(150));
            note(
                format!("{language} over HTTP"),
                client.execute(language, program(language))?,
            );
            if language == Language::Go {
                let unknown = format!("{}// {round}", program(language));
                note("go unknown over HTTP".into(), client.execute(language, &unknown)?);
            }
            if let Some(command) = commands.get(language.as_str()) {
                std::thread::sleep(Duration::from_millis(150));
                note(format!("{language} bare"), bare(command)?);
            }
        }
        std::thread::sleep(Duration::from_millis(150));
        let (first, whole) = client.stream(&session, program(Language::Python))?;
        note("python first byte in a session".into(), first);
        note("python stream in a session".into(), whole);
        // The first two rounds warm caches.
        if round >= 2 {
            for (name, times) in lap {
                table.entry(name).or_default().extend(times);
            }
        }
    }
    client.call("DELETE", &format!("/api/sessions/{session}"), &json!({}))?;
    report(&table);
    sustained(&host, &key)
}

fn percentile(sorted: &[f64], part: f64) -> f64 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "an index of a short list"
    )]
    let index = ((sorted.len() - 1) as f64 * part).round() as usize;
    sorted[index]
}

fn report(table: &Table) {
    println!("\n| variant | min ms | p50 ms | p99 ms | p50 of bare |\n|---|---|---|---|---|");
    let middle = |name: &str| {
        let mut times = table.get(name)?.clone();
        times.sort_by(f64::total_cmp);
        Some(percentile(&times, 0.5))
    };
    for (name, times) in table {
        let mut times = times.clone();
        times.sort_by(f64::total_cmp);
        let language = name.split(' ').next().unwrap_or_default();
        let beside = if language == "typescript" {
            "node"
        } else {
            language
        };
        let ratio = middle(&format!("{beside} bare"))
            .map(|bare| format!("{:.2}", percentile(&times, 0.5) / bare))
            .unwrap_or_default();
        println!(
            "| {name} | {:.2} | {:.2} | {:.2} | {ratio} |",
            times[0],
            percentile(&times, 0.5),
            percentile(&times, 0.99)
        );
    }
    if let (Some(typescript), Some(node)) = (middle("typescript over HTTP"), middle("node over HTTP")) {
        println!("\nTypeScript takes {:.2} of JavaScript.", typescript / node);
    }
}

/// As many as go through, for some seconds.
fn sustained(host: &str, key: &str) -> Result<()> {
    println!("\n| sustained | executions/s | p50 ms | p99 ms |\n|---|---|---|---|");
    for clients in [1, 2, 4, 8] {
        let done = Arc::new(AtomicUsize::new(0));
        let until = Instant::now() + Duration::from_secs(8);
        let workers: Vec<_> = (0..clients)
            .map(|_| {
                let (host, key, done) = (host.to_owned(), key.to_owned(), Arc::clone(&done));
                std::thread::spawn(move || {
                    let mut times = Vec::new();
                    let Ok(mut client) = Client::new(&host, &key) else {
                        return times;
                    };
                    while Instant::now() < until {
                        if let Ok(took) = client.execute(Language::Python, program(Language::Python)) {
                            times.push(took.as_secs_f64() * 1e3);
                            done.fetch_add(1, Ordering::Relaxed);
                        }
                    }
                    times
                })
            })
            .collect();
        let mut times: Vec<f64> = workers
            .into_iter()
            .flat_map(|worker| worker.join().unwrap_or_default())
            .collect();
        times.sort_by(f64::total_cmp);
        if times.is_empty() {
            return Err("nothing went through".into());
        }
        println!(
            "| python, {clients} at once | {:.0} | {:.1} | {:.1} |",
            done.load(Ordering::Relaxed) as f64 / 8.0,
            percentile(&times, 0.5),
            percentile(&times, 0.99)
        );
    }
    Ok(())
}
