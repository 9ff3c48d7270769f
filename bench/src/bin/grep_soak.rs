//! A thousand grep sessions, alive for minutes: uploads, greps, appends, stops and expiries at random.
//!
//! ```text
//! grep_soak PENTAD [SECONDS] [SESSIONS]
//! ```
//!
//! Every answer is compared with what the client knows it uploaded. Fails on a wrong answer, on memory over
//! what the gateway accounts for by more than a tenth and the idle process, and on descriptors that stay.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use pentad_bench::client::Client;
use pentad_bench::form;
use pentad_bench::server::Server;
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};

const CLIENTS: usize = 4;

/// What a file can say; each file holds some of them.
const WORDS: [&str; 12] = [
    "amber", "basalt", "cinder", "dolomite", "ember", "flint", "granite", "humus", "indigo", "jasper",
    "kaolin", "lapis",
];

#[derive(Default)]
struct Counts {
    greps: AtomicU64,
    uploads: AtomicU64,
    appends: AtomicU64,
    stops: AtomicU64,
    reloads: AtomicU64,
    expiries: AtomicU64,
    busy: AtomicU64,
}

/// A session as the client knows it: of each file, the words in it.
struct Known {
    id: String,
    s3: bool,
    stopped: bool,
    expires: Option<Instant>,
    files: BTreeMap<String, Vec<usize>>,
}

fn main() {
    let mut words = std::env::args().skip(1);
    let program = PathBuf::from(words.next().expect("the pentad program"));
    let seconds: u64 = words.next().map_or(600, |word| word.parse().expect("seconds"));
    let sessions: usize = words.next().map_or(1000, |word| word.parse().expect("sessions"));

    let directory = tempfile::tempdir().expect("a directory");
    let server = Server::start(&program, directory.path(), &[]);
    let (idle, descriptors) = (server.resident_bytes(), server.descriptors());
    let counts = Counts::default();
    let end = Instant::now() + Duration::from_secs(seconds);
    let mut worst: f64 = 0.0;
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..CLIENTS)
            .map(|number| {
                let (client, counts) = (server.client(), &counts);
                scope.spawn(move || work(number, client, counts, sessions / CLIENTS, end))
            })
            .collect();
        while workers.iter().any(|worker| !worker.is_finished()) {
            std::thread::sleep(Duration::from_secs(10));
            let resident = server.resident_bytes() - idle.min(server.resident_bytes());
            let (accounted, alive) = accounted(&mut server.client());
            let share = resident as f64 / accounted.max(1.0);
            // While little is held, and while all ends at once, the allocator's reserves outweigh the sessions.
            if accounted > 256e6 && Instant::now() < end {
                worst = worst.max(share);
            }
            println!(
                "{alive} sessions in memory, {:.0} MB accounted, {:.0} MB held above idle ({share:.2} of it), {} descriptors; \
                 {} greps, {} uploads, {} appends, {} stops, {} reloads, {} expiries, {} busy",
                accounted / 1e6,
                resident as f64 / 1e6,
                server.descriptors(),
                counts.greps.load(Ordering::Relaxed),
                counts.uploads.load(Ordering::Relaxed),
                counts.appends.load(Ordering::Relaxed),
                counts.stops.load(Ordering::Relaxed),
                counts.reloads.load(Ordering::Relaxed),
                counts.expiries.load(Ordering::Relaxed),
                counts.busy.load(Ordering::Relaxed),
            );
        }
        for worker in workers {
            worker.join().expect("no wrong answer");
        }
    });
    println!(
        "\nheld at most {worst:.2} of what is accounted; descriptors {descriptors} → {}",
        server.descriptors()
    );
    assert!(server.descriptors() <= descriptors + 64, "descriptors stay open");
    assert!(
        worst <= 1.1,
        "memory is over what is accounted by more than a tenth"
    );
}

/// Bytes that the gateway says its sessions hold, and how many of them there are.
fn accounted(client: &mut Client) -> (f64, f64) {
    let answer = client.get("/metrics").expect("metrics");
    let text = String::from_utf8_lossy(&answer.body).into_owned();
    let gauge = |name: &str| {
        text.lines()
            .find_map(|line| line.strip_prefix(name)?.trim().parse::<f64>().ok())
            .unwrap_or(0.0)
    };
    (
        gauge("pentad_grep_memory_bytes"),
        gauge("pentad_grep_sessions_in_memory"),
    )
}

fn work(number: usize, mut client: Client, counts: &Counts, most: usize, end: Instant) {
    let mut random = StdRng::seed_from_u64(number as u64);
    let mut known: Vec<Known> = Vec::new();
    while Instant::now() < end {
        if known.len() < most && (known.len() < most / 2 || random.random_ratio(1, 4)) {
            known.push(upload(&mut client, &mut random));
            counts.uploads.fetch_add(1, Ordering::Relaxed);
            continue;
        }
        let chosen = random.random_range(0..known.len());
        let session = &mut known[chosen];
        match random.random_range(0..100) {
            0..3 => {
                stop(&mut client, session);
                counts.stops.fetch_add(1, Ordering::Relaxed);
                if !session.s3 {
                    known.swap_remove(chosen);
                }
            }
            3 => {
                remove(&mut client, session);
                known.swap_remove(chosen);
            }
            4..12 => {
                if !ended(session) {
                    append(&mut client, &mut random, session);
                    counts.appends.fetch_add(1, Ordering::Relaxed);
                }
            }
            _ => {
                let reloads = session.stopped;
                match grep(&mut client, &mut random, session) {
                    Some(Found::Ended) => {
                        counts.expiries.fetch_add(1, Ordering::Relaxed);
                        known.swap_remove(chosen);
                    }
                    Some(Found::Right) => {
                        counts.greps.fetch_add(1, Ordering::Relaxed);
                        counts.reloads.fetch_add(u64::from(reloads), Ordering::Relaxed);
                    }
                    None => {
                        counts.busy.fetch_add(1, Ordering::Relaxed);
                    }
                }
            }
        }
    }
    for session in &known {
        remove(&mut client, session);
    }
}

enum Found {
    Right,
    Ended,
}

fn ended(session: &Known) -> bool {
    session
        .expires
        .is_some_and(|end| end <= Instant::now() + Duration::from_secs(1))
}

/// A file of 1 to 40 KB, and the words in it.
fn file(random: &mut StdRng) -> (Vec<u8>, Vec<usize>) {
    let words: Vec<usize> = (0..WORDS.len()).filter(|_| random.random_ratio(1, 4)).collect();
    let mut text = String::new();
    for word in &words {
        text += &format!(
            "let {}_{} = {};\n",
            WORDS[*word],
            random.random_range(0..100),
            random.random::<u32>()
        );
    }
    for _ in 0..random.random_range(20..900) {
        text += &format!(
            "let filler_{:x} = {};\n",
            random.random::<u32>(),
            random.random::<u64>()
        );
    }
    (text.into_bytes(), words)
}

fn files(random: &mut StdRng, most: usize) -> (Vec<(String, Vec<u8>)>, BTreeMap<String, Vec<usize>>) {
    let mut sent = BTreeMap::new();
    let mut known = BTreeMap::new();
    for _ in 0..random.random_range(1..=most) {
        let name = format!(
            "src/{}/{}.rs",
            random.random_range(0..4),
            random.random_range(0..40)
        );
        let (bytes, words) = file(random);
        sent.insert(name.clone(), bytes);
        known.insert(name, words);
    }
    (sent.into_iter().collect(), known)
}

fn upload(client: &mut Client, random: &mut StdRng) -> Known {
    let (sent, files) = files(random, 60);
    let s3 = random.random_ratio(3, 10);
    let minute = !s3 && random.random_ratio(1, 6);
    let storage = if s3 { "s3" } else { "memory" };
    let ttl = if minute { "1" } else { "60" };
    let body = form::form(&[("storage", storage), ("ttl_minutes", ttl)], &sent);
    let before = Instant::now();
    let answer = client
        .send("POST", "/api/v1/sessions", form::CONTENT_TYPE, &body)
        .expect("an answer");
    assert_eq!(answer.status, 201, "{}", String::from_utf8_lossy(&answer.body));
    Known {
        id: answer.json()["id"].as_str().expect("an id").to_owned(),
        s3,
        stopped: false,
        expires: minute.then(|| before + Duration::from_secs(60)),
        files,
    }
}

fn append(client: &mut Client, random: &mut StdRng, session: &mut Known) {
    let (sent, files) = files(random, 6);
    let path = format!("/api/v1/sessions/{}/append", session.id);
    let answer = client
        .send("PUT", &path, form::CONTENT_TYPE, &form::form(&[], &sent))
        .expect("an answer");
    assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.body));
    session.files.extend(files);
    session.stopped = false;
}

fn stop(client: &mut Client, session: &mut Known) {
    let answer = client
        .delete(&format!("/api/v1/sessions/{}", session.id))
        .expect("an answer");
    assert!(
        answer.status == 200 || ended(session),
        "{}",
        String::from_utf8_lossy(&answer.body)
    );
    session.stopped = true;
}

fn remove(client: &mut Client, session: &Known) {
    let path = format!("/api/v1/sessions/{}?permanently=true", session.id);
    let answer = client.delete(&path).expect("an answer");
    assert!(
        answer.status == 200 || ended(session),
        "{}",
        String::from_utf8_lossy(&answer.body)
    );
}

/// Asks for a word and compares the files; nothing when the gateway says that it is busy.
fn grep(client: &mut Client, random: &mut StdRng, session: &mut Known) -> Option<Found> {
    let word = random.random_range(0..WORDS.len());
    let (mode, query) = if random.random_ratio(1, 3) {
        ("regex", format!("let%20{}_%5Cd%2B", WORDS[word]))
    } else {
        ("plain", WORDS[word].to_owned())
    };
    let path = format!(
        "/api/v1/sessions/{}/grep?mode={mode}&page_limit=100&query={query}",
        session.id
    );
    let sent = Instant::now();
    let answer = client.get(&path).expect("an answer");
    if answer.status == 503 {
        return None;
    }
    if answer.status == 404 && ended(session) {
        return Some(Found::Ended);
    }
    assert!(
        session
            .expires
            .is_none_or(|end| sent < end + Duration::from_secs(1)),
        "a session answers after its end"
    );
    assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.body));
    session.stopped = false;
    let json = answer.json();
    let found: Vec<&str> = json["hits"]
        .as_array()
        .expect("hits")
        .iter()
        .map(|hit| hit["path"].as_str().expect("a path"))
        .collect();
    let right: Vec<&str> = session
        .files
        .iter()
        .filter(|(_, words)| words.contains(&word))
        .map(|(path, _)| path.as_str())
        .collect();
    assert_eq!(json["total"], right.len(), "{path}");
    assert_eq!(
        found,
        right.iter().take(found.len()).copied().collect::<Vec<_>>(),
        "{path}"
    );
    assert_eq!(found.len(), right.len().min(100), "{path}");
    Some(Found::Right)
}
