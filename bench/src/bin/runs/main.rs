//! Measures recording runs through the real program, over HTTP, with every record on the disk before its
//! answer.
//!
//! ```text
//! runs --pentad PROGRAM [--phoenix PROGRAM] [--seconds S] [--runs N]
//! ```
//!
//! Prints markdown. Servers and clients share the machine, so the ratios count, not the figures: to a bare
//! actix server that answers "hello", to a loop that writes files and flushes them, and to Arize Phoenix, each
//! measured in the same run.

mod disk;
mod load;
mod servers;

use std::path::PathBuf;
use std::time::Duration;

use pentad_bench::timing::{load_average, show};

use load::{Connections, Measured, measure};
use servers::{Hello, Pentad, Phoenix};

struct Arguments {
    pentad: PathBuf,
    phoenix: Option<PathBuf>,
    seconds: f64,
    runs: usize,
}

#[tokio::main]
async fn main() {
    if std::env::args().nth(1).as_deref() == Some("hello") {
        servers::say_hello().await;
        return;
    }
    let arguments = arguments();
    let time = Duration::from_secs_f64(arguments.seconds);
    println!("load average at the start: {}", load_average());
    println!("\n## Small posts\n");
    println!("| what | clients | connections | per second | p50 | p99 | ratio to hello |");
    println!("|---|---|---|---|---|---|---|");
    let hello = Hello::start().await;
    let pentad = Pentad::start(&arguments.pentad);
    for (clients, connections) in [
        (64, Connections::Kept),
        (256, Connections::Kept),
        (64, Connections::NewEach),
    ] {
        let bare = measure(&hello.address, clients, connections, time, |_, _| {
            load::request("GET", "/", "", "text/plain", b"")
        })
        .await;
        row("actix hello", clients, connections, &bare, None);
        let (key, address) = (pentad.key.as_str(), pentad.address());
        let steps = measure(address, clients, connections, time, |client, number| {
            step(key, client, number)
        })
        .await;
        row("durable step", clients, connections, &steps, Some(&bare));
        let beats = measure(address, clients, connections, time, |client, _| {
            heartbeat(key, client)
        })
        .await;
        row("heartbeat", clients, connections, &beats, Some(&bare));
    }
    drop(hello);
    screenshots(&pentad, time).await;
    list(&pentad, arguments.runs, time).await;
    drop(pentad);
    if let Some(program) = &arguments.phoenix {
        beside_phoenix(&arguments.pentad, program, time).await;
    }
    println!("\nload average at the end: {}", load_average());
}

fn row(what: &str, clients: usize, connections: Connections, measured: &Measured, bare: Option<&Measured>) {
    let ratio = bare.map_or_else(String::new, |bare| {
        format!("{:.2}", measured.per_second() / bare.per_second())
    });
    println!(
        "| {what} | {clients} | {} | {:.0} | {} | {} | {ratio} |",
        connections.name(),
        measured.per_second(),
        show(measured.percentile(50)),
        show(measured.percentile(99)),
    );
    if measured.refused > 0 {
        println!("| … refused with 429 | | | {} | | | |", measured.refused);
    }
}

/// A step of 870 bytes, as agents send them.
fn step(key: &str, client: usize, number: u64) -> Vec<u8> {
    let body = format!(
        r#"{{"step_id":"c{client}/{number}","step_index":{number},"step_type":"click","status":"succeeded","started_at":"2026-05-19T00:00:00Z","duration_ms":840,"intent":"{}","action":{{"type":"click","params":{{"x":100,"y":200}},"coordinate_space":"viewport_css_px"}}}}"#,
        "x".repeat(640)
    );
    let path = format!("/api/v1/runs/bench-{client}/steps/{number}");
    load::request("PUT", &path, key, "application/json", body.as_bytes())
}

fn heartbeat(key: &str, client: usize) -> Vec<u8> {
    let body = format!(r#"{{"client_id":"sdk_{client}","client_name":"bench","run_id":"bench-{client}"}}"#);
    load::request(
        "POST",
        "/api/v1/heartbeat",
        key,
        "application/json",
        body.as_bytes(),
    )
}

const SHOT_BYTES: usize = 200_000;

/// An image of 200 kB that nobody else sends.
fn shot(client: usize, number: u64) -> Vec<u8> {
    let mut bytes = b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR\0\0\x05\0\0\0\x03\x20\x08\x02\0\0\0".to_vec();
    bytes.extend(format!("{client}/{number}").into_bytes());
    bytes.resize(SHOT_BYTES, 7);
    bytes
}

async fn screenshots(pentad: &Pentad, time: Duration) {
    println!(
        "\n## Screenshots of 200 kB\n\n| what | writers | per second | ratio to the disk |\n|---|---|---|---|"
    );
    for clients in [1, 16] {
        let bare = disk::files_per_second(clients, SHOT_BYTES, time);
        println!("| write and fsync | {clients} | {bare:.0} | |");
        let key = pentad.key.as_str();
        let sent = measure(pentad.address(), clients, Connections::Kept, time, |client, number| {
            let head = "--edge\r\nContent-Disposition: form-data; name=\"image\"; filename=\"shot.png\"\r\nContent-Type: image/png\r\n\r\n";
            let body = [head.as_bytes(), &shot(client, number), b"\r\n--edge--\r\n"].concat();
            let path = format!("/api/v1/runs/shots-{client}/screenshots/{number}/post");
            load::request("POST", &path, key, "multipart/form-data; boundary=edge", &body)
        })
        .await;
        println!(
            "| durable screenshot | {clients} | {:.0} | {:.2} |",
            sent.per_second(),
            sent.per_second() / bare
        );
    }
}

async fn list(pentad: &Pentad, runs: usize, time: Duration) {
    let clients = 64;
    let key = pentad.key.as_str();
    let each = runs.div_ceil(clients) as u64;
    load::send(pentad.address(), clients, each, |client, number| {
        let body = br#"{"step_id":"s","step_index":0,"step_type":"click","status":"succeeded","started_at":"2026-05-19T00:00:00Z"}"#;
        load::request("PUT", &format!("/api/v1/runs/list-{client}-{number}/steps/0"), key, "application/json", body)
    })
    .await;
    println!(
        "\n## The list of {} runs\n\n| page | p50 | p99 |\n|---|---|---|",
        each * clients as u64
    );
    let key = pentad.reader.as_str();
    for (page, path) in [
        ("the latest 50", "/api/v1/runs"),
        ("a search", "/api/v1/runs?q=list-7-1"),
    ] {
        let lists = measure(pentad.address(), 1, Connections::Kept, time, |_, _| {
            load::request("GET", path, key, "", b"")
        })
        .await;
        println!(
            "| {page} | {} | {} |",
            show(lists.percentile(50)),
            show(lists.percentile(99))
        );
    }
}

/// One span a post, from 16 clients: accepted in a second, and how many of the accepted were there after a kill.
async fn beside_phoenix(pentad: &std::path::Path, phoenix: &std::path::Path, time: Duration) {
    println!("\n## One span a post, 16 clients, beside Arize Phoenix\n");
    println!("| server | accepted per second | p50 | p99 |\n|---|---|---|---|");
    let post = |key: &str, client: usize, number: u64| {
        let body = span(client, number);
        load::request("POST", "/v1/traces", key, "application/x-protobuf", &body)
    };
    let server = Pentad::start(pentad);
    let key = server.key.as_str();
    let ours = measure(server.address(), 16, Connections::Kept, time, |client, number| {
        post(key, client, number)
    })
    .await;
    drop(server);
    let server = Phoenix::start(phoenix).await;
    let theirs = measure(&server.address, 16, Connections::Kept, time, |client, number| {
        post("", client, number)
    })
    .await;
    for (name, measured) in [("Pentad, each on disk", &ours), ("Phoenix", &theirs)] {
        println!(
            "| {name} | {:.0} | {} | {} |",
            measured.per_second(),
            show(measured.percentile(50)),
            show(measured.percentile(99))
        );
    }
    println!("\nratio: {:.1}", ours.per_second() / theirs.per_second());
    let accepted = theirs.count();
    let kept = server.kill_and_count();
    println!(
        "Phoenix, killed at once: {accepted} accepted, {kept} on disk. (Pentad: see the test `kill` of the program.)"
    );
}

/// An `ExportTraceServiceRequest` of one span, in protobuf.
fn span(client: usize, number: u64) -> Vec<u8> {
    fn field(tag: u8, content: &[u8]) -> Vec<u8> {
        let mut bytes = vec![tag << 3 | 2];
        let mut length = content.len();
        while length >= 0x80 {
            bytes.push((length & 0x7f) as u8 | 0x80);
            length >>= 7;
        }
        bytes.push(length as u8);
        bytes.extend_from_slice(content);
        bytes
    }
    fn fixed(tag: u8, value: u64) -> Vec<u8> {
        [vec![tag << 3 | 1], value.to_le_bytes().to_vec()].concat()
    }
    let id = ((client as u64) << 40 | number).to_be_bytes();
    let trace = [[1; 8], id].concat();
    let text = |key: &str, value: &str| {
        field(
            9,
            &[field(1, key.as_bytes()), field(2, &field(1, value.as_bytes()))].concat(),
        )
    };
    let begin = 1_779_148_800_000_000_000 + number;
    let span = [
        field(1, &trace),
        field(2, &id),
        field(5, b"bench"),
        fixed(7, begin),
        fixed(8, begin + 1_000_000),
        text("http.request.method", "GET"),
        text("url.path", "/a/path/of/some/length"),
    ]
    .concat();
    field(1, &field(2, &field(2, &span)))
}

fn arguments() -> Arguments {
    let mut words = std::env::args().skip(1);
    let mut arguments = Arguments {
        pentad: PathBuf::new(),
        phoenix: None,
        seconds: 10.0,
        runs: 10_000,
    };
    while let Some(word) = words.next() {
        let mut value = || words.next().unwrap_or_else(|| panic!("{word} needs a value"));
        match word.as_str() {
            "--pentad" => arguments.pentad = value().into(),
            "--phoenix" => arguments.phoenix = Some(value().into()),
            "--seconds" => arguments.seconds = value().parse().expect("--seconds takes a number"),
            "--runs" => arguments.runs = value().parse().expect("--runs takes a number"),
            other => panic!("unknown argument {other}"),
        }
    }
    assert!(
        arguments.pentad.is_file(),
        "--pentad names the program to measure"
    );
    arguments
}
