//! Two hundred clients who run programs of all languages for minutes, a fifth of them hostile.
//!
//! ```text
//! exec_load PENTAD [SECONDS] [CLIENTS] [OPTION...]
//! ```
//!
//! Every answer is compared with what is right for its program. Meanwhile another client asks other surfaces
//! for something small. Fails on a wrong answer, on another surface that is slow, and on anything that is
//! left behind: processes, mounts, groups of limits, descriptors, temporary files, memory.

mod left;
mod programs;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use pentad_bench::client::Client;
use pentad_bench::server::Server;
use pentad_bench::timing::{load_average, show};
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use serde_json::{Value, json};

use left::Held;
use programs::Program;

/// What other surfaces may take: 99 of 100 requests.
const OTHERS: Duration = Duration::from_millis(100);
/// What the server may hold beyond its idle memory while all this goes on.
const MEMORY: u64 = 512 << 20;
/// How long the pools may take to forget the demand.
const SETTLE: Duration = Duration::from_secs(90);

#[derive(Default)]
struct Counts {
    answers: Mutex<BTreeMap<&'static str, Vec<Duration>>>,
    busy: AtomicU64,
    gone: AtomicU64,
    wrong: Mutex<Vec<String>>,
}

fn main() {
    let mut words = std::env::args().skip(1);
    let program = PathBuf::from(words.next().expect("the pentad program"));
    let seconds: u64 = words.next().map_or(120, |word| word.parse().expect("seconds"));
    let clients: usize = words.next().map_or(200, |word| word.parse().expect("clients"));
    let options: Vec<String> = words.collect();
    let options: Vec<&str> = options.iter().map(String::as_str).collect();

    let directory = tempfile::tempdir().expect("a directory");
    let (data, temporary) = (directory.path().join("data"), directory.path().join("tmp"));
    std::fs::create_dir(&temporary).expect("a directory");
    let mut server = Server::start_with(&program, &data, &options, &[("TMPDIR", &temporary)]);
    warm_up(&mut server.client());
    let before = settled(&server, &temporary, None);
    let (idle, descriptors) = (server.resident_bytes(), server.descriptors());
    println!("idle: {} MB, {before:?}\n", idle >> 20);

    let counts = Counts::default();
    let end = Instant::now() + Duration::from_secs(seconds);
    let (mut others, mut most) = (Vec::new(), 0);
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..clients)
            .map(|number| {
                let (client, counts) = (server.client(), &counts);
                scope.spawn(move || Worker::new(number, client, counts).work(end))
            })
            .collect();
        let mut client = server.client();
        let mut said = Instant::now();
        while workers.iter().any(|worker| !worker.is_finished()) {
            for path in ["/api/v1/auth/me", "/api/storage/kv/load/warm", "/api/v1/sessions"] {
                let asked = Instant::now();
                let status = client.get(path).map_or(0, |answer| answer.status);
                others.push(asked.elapsed());
                if status != 200 {
                    counts
                        .wrong
                        .lock()
                        .expect("a lock")
                        .push(format!("{path}: {status}"));
                }
            }
            most = most.max(server.resident_bytes());
            if said.elapsed() > Duration::from_secs(10) {
                said = Instant::now();
                println!(
                    "{} answers, {} busy, {} wrong; {} MB, {} descriptors, load {}",
                    counts
                        .answers
                        .lock()
                        .expect("a lock")
                        .values()
                        .map(Vec::len)
                        .sum::<usize>(),
                    counts.busy.load(Ordering::Relaxed),
                    counts.wrong.lock().expect("a lock").len(),
                    server.resident_bytes() >> 20,
                    server.descriptors(),
                    load_average(),
                );
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    });

    report(&counts);
    others.sort_unstable();
    let late = others[others.len() * 99 / 100];
    println!(
        "\nother surfaces: {} requests, p50 {}, p99 {}, longest {}",
        others.len(),
        show(others[others.len() / 2]),
        show(late),
        show(others[others.len() - 1]),
    );
    let after = settled(&server, &temporary, Some(&before));
    let beyond = after.beyond(&before);
    println!(
        "memory: idle {} MB, at most {} MB, afterwards {} MB; descriptors {descriptors} → {}; left: {beyond:?}",
        idle >> 20,
        most >> 20,
        server.resident_bytes() >> 20,
        server.descriptors(),
    );
    let (id, open) = (server.id(), server.descriptors());
    let below = left::descendants(id);
    let stopped = server.stop();
    let alive = below
        .iter()
        .filter(|(pid, name)| {
            std::fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|found| found.trim_end() == name)
        })
        .count();
    let groups = left::groups(id);
    let files = std::fs::read_dir(&temporary).map_or(0, Iterator::count);
    println!(
        "stopped: {stopped}; {alive} processes, {} groups, {files} temporary files",
        groups.len()
    );

    let wrong = counts.wrong.into_inner().expect("a lock");
    for text in wrong.iter().take(20) {
        println!("WRONG {text}");
    }
    assert!(wrong.is_empty(), "{} wrong answers", wrong.len());
    assert!(beyond.is_empty(), "something is left behind");
    assert!(open <= descriptors + 16, "descriptors stay open");
    assert!(most <= idle + MEMORY, "too much memory");
    assert!(late <= OTHERS, "other surfaces are slow");
    assert!(stopped, "the server does not stop well");
    assert!(
        alive == 0 && groups.is_empty() && files == 0,
        "the server leaves something behind"
    );
}

/// Lets Go compile its library, and whatever else is done once.
fn warm_up(client: &mut Client) {
    let kept = client
        .send(
            "PUT",
            "/api/storage/kv/load/warm",
            "application/json",
            br#"{"value": "1"}"#,
        )
        .expect("an answer");
    assert_eq!(kept.status, 200);
    for kind in 0..11 {
        let program = programs::ordinary(kind, 0);
        let answer = client
            .post_json("/api/execute", &program.body)
            .expect("an answer");
        if let Err(why) = program.right.check(answer.status, &answer.json()) {
            panic!("{}: {why}", program.name);
        }
    }
}

/// What the server holds when it has come to rest: the same twice in a row, or no more than before.
fn settled(server: &Server, temporary: &std::path::Path, before: Option<&Held>) -> Held {
    let deadline = Instant::now() + SETTLE;
    let mut last = Held::default();
    loop {
        std::thread::sleep(Duration::from_secs(1));
        let held = Held::by(server.id(), temporary);
        let calm = match before {
            Some(before) => held.beyond(before).is_empty(),
            // A pool that has grown forgets it within half a minute.
            None => held == last && deadline - Instant::now() < SETTLE - Duration::from_secs(40),
        };
        if calm || Instant::now() > deadline {
            return held;
        }
        last = held;
    }
}

/// A client with a session of its own, in which it counts.
struct Worker<'a> {
    number: usize,
    client: Client,
    counts: &'a Counts,
    random: StdRng,
    session: String,
    counted: u64,
}

impl<'a> Worker<'a> {
    fn new(number: usize, client: Client, counts: &'a Counts) -> Self {
        Self {
            number,
            client,
            counts,
            random: StdRng::seed_from_u64(number as u64),
            session: format!("load-{number}"),
            counted: 0,
        }
    }

    fn work(mut self, end: Instant) {
        let new = json!({ "language": "python", "session_id": self.session });
        let made = self.client.post_json("/api/sessions", &new).expect("an answer");
        self.check("create", made.status == 201, || made.json().to_string());
        while Instant::now() < end {
            let number = self.random.random_range(0..1 << 40);
            let hostile = self.random.random_ratio(1, 5);
            let kind = self.random.random_range(0..1000);
            match (hostile, kind % 20) {
                (true, 0) => self.hang_up(),
                (true, _) => self.send(&programs::hostile(kind, number)),
                (false, 0..4) => self.count(false),
                (false, 4..6) => self.count(true),
                (false, _) => self.send(&programs::ordinary(kind, number)),
            }
        }
        let files = self
            .client
            .get(&format!("/api/sessions/{}/files/count", self.session));
        let files = files.expect("an answer");
        let right =
            (self.counted == 0 && files.status == 404) || files.body == self.counted.to_string().into_bytes();
        let counted = self.counted;
        self.check("the files of a session", right, || {
            format!(
                "{} {:?} instead of {counted}",
                files.status,
                String::from_utf8_lossy(&files.body)
            )
        });
        let gone = self
            .client
            .delete(&format!("/api/sessions/{}", self.session))
            .expect("an answer");
        self.check("delete", gone.status == 200, || gone.json().to_string());
    }

    fn check(&self, name: &str, right: bool, what: impl FnOnce() -> String) {
        if !right {
            let text = format!("{name} of client {}: {}", self.number, what());
            self.counts.wrong.lock().expect("a lock").push(text);
        }
    }

    fn note(&self, name: &'static str, since: Instant) {
        let mut answers = self.counts.answers.lock().expect("a lock");
        answers.entry(name).or_default().push(since.elapsed());
    }

    /// Whether admission refused it, as it may; a polite client comes back later.
    fn busy(&self, status: u16, answer: &Value) -> bool {
        let busy = status == 429 && answer["code"] == "BUSY";
        if busy {
            self.counts.busy.fetch_add(1, Ordering::Relaxed);
            std::thread::sleep(Duration::from_secs(1));
        }
        busy
    }

    fn send(&mut self, program: &Program) {
        let sent = Instant::now();
        let path = match program.session {
            true => format!("/api/sessions/{}/run", self.session),
            false => "/api/execute".to_owned(),
        };
        let answer = match self.client.post_json(&path, &program.body) {
            Ok(answer) => answer,
            Err(error) => return self.check(program.name, false, || error.to_string()),
        };
        let json = answer.json();
        if self.busy(answer.status, &json) {
            return;
        }
        self.note(program.name, sent);
        if let Err(why) = program.right.check(answer.status, &json) {
            self.check(program.name, false, || why);
        }
        if program.session {
            self.clean();
        }
    }

    /// Takes what a hostile program left in the session away, as far as it is kept.
    fn clean(&mut self) {
        let code = "import os\nfor name in os.listdir('.'):\n    if name not in ('count', '__pycache__') and not name.startswith(('era_', '.')): os.unlink(name)\nprint('clean')";
        loop {
            let path = format!("/api/sessions/{}/run", self.session);
            let answer = self
                .client
                .post_json(&path, &json!({ "code": code }))
                .expect("an answer");
            let json = answer.json();
            if !self.busy(answer.status, &json) {
                return self.check("cleaning up", json["stdout"] == "clean\n", || json.to_string());
            }
        }
    }

    /// Adds one to a number in a file of the session, and reads the answer whole or as a stream.
    fn count(&mut self, streamed: bool) {
        const CODE: &str = "import os\nn = int(open('count').read()) + 1 if os.path.exists('count') else 1\nopen('count', 'w').write(str(n))\nprint(n)";
        let sent = Instant::now();
        let (name, operation) = if streamed {
            ("session, streamed", "stream")
        } else {
            ("session", "run")
        };
        let path = format!("/api/sessions/{}/{operation}", self.session);
        let answer = match self.client.post_json(&path, &json!({ "code": CODE })) {
            Ok(answer) => answer,
            Err(error) => return self.check(name, false, || error.to_string()),
        };
        if self.busy(answer.status, &answer.json()) {
            return;
        }
        self.counted += 1;
        self.note(name, sent);
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        let right = if streamed {
            text.contains(&format!("\"content\":\"{}\\n\"", self.counted))
                && text.matches("event: done").count() == 1
                && text.contains("\"exit_code\":0")
        } else {
            answer.json()["stdout"] == format!("{}\n", self.counted)
        };
        let counted = self.counted;
        self.check(name, right && answer.status == 200, || {
            format!("{} instead of {counted}: {text}", answer.status)
        });
    }

    /// Sends an endless program and goes away.
    fn hang_up(&mut self) {
        let body =
            json!({ "language": "python", "code": "import os\nos.fork()\nwhile True: pass" }).to_string();
        let mut head = self
            .client
            .head("POST", "/api/execute", "application/json", body.len());
        head.extend(body.bytes());
        let mut client = self.client.again();
        let sent = client
            .stream()
            .and_then(|stream| std::io::Write::write_all(stream, &head));
        self.check("hanging up", sent.is_ok(), || format!("{sent:?}"));
        std::thread::sleep(Duration::from_millis(self.random.random_range(0..3000)));
        self.counts.gone.fetch_add(1, Ordering::Relaxed);
    }
}

fn report(counts: &Counts) {
    println!("\n{:<28} {:>7} {:>10} {:>10}", "answers", "count", "p50", "p99");
    for (name, times) in counts.answers.lock().expect("a lock").iter_mut() {
        times.sort_unstable();
        println!(
            "{name:<28} {:>7} {:>10} {:>10}",
            times.len(),
            show(times[times.len() / 2]),
            show(times[times.len() * 99 / 100]),
        );
    }
    println!(
        "refused as busy: {}; clients who went away: {}",
        counts.busy.load(Ordering::Relaxed),
        counts.gone.load(Ordering::Relaxed),
    );
}
