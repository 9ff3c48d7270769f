//! Grep sessions over HTTP, on one kept-alive connection.
//!
//! ```text
//! grep_http PENTAD TREE [SECONDS]
//! ```
//!
//! Prints markdown. The yardstick is the same gateway's smallest authenticated answer: the description of
//! the session, which needs no search.

use std::path::PathBuf;
use std::time::Instant;

use pentad_bench::client::Client;
use pentad_bench::form::{self, Tree};
use pentad_bench::server::Server;
use pentad_bench::timing::{load_average, repeat, show};

const QUERIES: [(&str, &str); 14] = [
    ("plain", "sched_rt_runtime_exceeded"),
    ("plain", "PM_RESUME"),
    ("plain", "mutex_lock_nohit_interruptible"),
    ("plain", "mutex_lock"),
    ("plain", "return"),
    ("plain", "RCU"),
    ("regex", "(?i)tcp_v4_do_rcv"),
    ("regex", r"EXPORT_SYMBOL_GPL\(kvm_\w+\)"),
    ("regex", r"static\s+struct\s+\w+\s+\*?alloc_"),
    (
        "regex",
        "kvm_vcpu_kick|tcp_v4_do_rcv|ext4_mb_new_blocks|futex_wait_queue|vhost_net_ioctl",
    ),
    ("regex", r"\w+_nohit_(alpha|beta)_\d+"),
    ("regex", r"[A-Z]{3}_\w+"),
    ("regex", "[0-9a-f]{40}"),
    ("fuzzy", "mutx_lock"),
];

fn main() {
    let mut words = std::env::args().skip(1);
    let program = PathBuf::from(words.next().expect("the pentad program"));
    let tree = PathBuf::from(words.next().expect("the tree to upload"));
    let seconds: f64 = words.next().map_or(2.0, |word| word.parse().expect("seconds"));

    let directory = tempfile::tempdir().expect("a directory");
    let server = Server::start(&program, directory.path(), &[]);
    let mut client = server.client();
    println!("load average at the start: {}\n", load_average());
    let session = upload(&server, &mut client, &Tree::read(&tree));
    append(&server, &mut client, &session);

    println!("| request | files | p50 | p99 | server CPU | of the yardstick |\n|---|---|---|---|---|---|");
    let path = format!("/api/v1/sessions/{session}");
    let yardstick = repeat(&server, seconds, || {
        assert_eq!(client.get(&path).expect("an answer").status, 200);
    });
    println!(
        "| the session's description | | {} | {} | {} | 1 |",
        show(yardstick.p50),
        show(yardstick.p99),
        show(yardstick.cpu)
    );
    for (mode, pattern) in QUERIES {
        let path = format!("{path}/grep?mode={mode}&query={}", percent_encoded(pattern));
        let answer = client.get(&path).expect("an answer");
        assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.body));
        let times = repeat(&server, seconds, || {
            client.get(&path).expect("an answer");
        });
        println!(
            "| {mode} `{}` | {} | {} | {} | {} | {:.2} |",
            pattern.replace('|', "\\|"),
            answer.json()["total"],
            show(times.p50),
            show(times.p99),
            show(times.cpu),
            times.p50.as_secs_f64() / yardstick.p50.as_secs_f64()
        );
    }
    println!("\nload average at the end: {}", load_average());
}

/// Uploads the tree, and tells how long after its last byte it could be searched.
fn upload(server: &Server, client: &mut Client, tree: &Tree) -> String {
    let idle = server.resident_bytes();
    let head = client.head("POST", "/api/v1/sessions", form::CONTENT_TYPE, tree.length());
    let started = Instant::now();
    let stream = client.stream().expect("a connection");
    std::io::Write::write_all(stream, &head).expect("sent");
    tree.write(std::io::BufWriter::with_capacity(1 << 20, stream))
        .expect("sent");
    let sent = started.elapsed();
    let answer = client.answer().expect("an answer");
    let whole = started.elapsed();
    assert_eq!(answer.status, 201, "{}", String::from_utf8_lossy(&answer.body));
    let session = answer.json()["id"].as_str().expect("an id").to_owned();
    let first = client
        .get(&format!(
            "/api/v1/sessions/{session}/grep?query=sched_rt_runtime_exceeded"
        ))
        .expect("an answer");
    assert_eq!(first.status, 200);
    println!(
        "{:.1} MB uploaded in {}; answered {} after the last byte, first search {} later",
        tree.length() as f64 / 1e6,
        show(sent),
        show(whole - sent),
        show(started.elapsed() - whole),
    );
    let held = || (server.resident_bytes() - idle) as f64 / 1e6;
    print!("the server holds {:.1} MB more, ", held());
    // The index is built meanwhile, and memory given back; what follows is measured after both.
    let deadline = Instant::now() + std::time::Duration::from_secs(120);
    let mut before = (server.cpu_time(), held());
    while Instant::now() < deadline {
        std::thread::sleep(std::time::Duration::from_secs(2));
        let now = (server.cpu_time(), held());
        if now.0 - before.0 < std::time::Duration::from_millis(80) && now.1 > before.1 * 0.99 {
            break;
        }
        before = now;
    }
    println!(
        "and {:.1} MB with the index once what was uploaded is given back\n",
        held()
    );
    session
}

/// Ten files of 10 KB, appended again and again.
fn append(server: &Server, client: &mut Client, session: &str) {
    let text = "fn appended() { let value = 1; }\n".repeat(300).into_bytes();
    let path = format!("/api/v1/sessions/{session}/append");
    let files: Vec<_> = (0..10)
        .map(|n| (format!("appended/{n}.rs"), text.clone()))
        .collect();
    let body = form::form(&[], &files);
    let times = repeat(server, 1.0, || {
        let answer = client
            .send("PUT", &path, form::CONTENT_TYPE, &body)
            .expect("an answer");
        assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.body));
    });
    println!(
        "append of 10 files, 100 KB: p50 {}, p99 {}, server CPU {}\n",
        show(times.p50),
        show(times.p99),
        show(times.cpu)
    );
}

fn percent_encoded(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' | b'-' => char::from(byte).to_string(),
            _ => format!("%{byte:02X}"),
        })
        .collect()
}
