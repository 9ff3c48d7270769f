//! Many programs of all kinds at once, some of them hostile, and what is left of them.

use futures_util::future::join_all;
use serde_json::json;

use crate::client::Client;

/// Processes below this one, with their names.
fn descendants() -> Vec<String> {
    let mut parents = std::collections::HashMap::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let Ok(pid) = entry.file_name().to_string_lossy().parse::<u32>() else {
            continue;
        };
        let Ok(stat) = std::fs::read_to_string(entry.path().join("stat")) else {
            continue;
        };
        let Some((before, after)) = stat.rsplit_once(')') else {
            continue;
        };
        let parent: u32 = after
            .split_whitespace()
            .nth(1)
            .and_then(|text| text.parse().ok())
            .unwrap_or(0);
        let name = before.split_once('(').map_or("", |(_, name)| name).to_owned();
        parents.insert(pid, (parent, name));
    }
    let below = |mut pid: u32| loop {
        match parents.get(&pid) {
            Some((parent, _)) if *parent == std::process::id() => return true,
            Some((parent, _)) if *parent > 1 => pid = *parent,
            _ => return false,
        }
    };
    parents
        .iter()
        .filter(|(pid, _)| below(**pid))
        .map(|(_, (_, name))| name.clone())
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hostile_programs_disturb_nobody_and_leave_nothing() {
    let Some(client) = Client::start().await else {
        return;
    };
    client.session("s").await;
    client.execute("python", "1").await;
    let before = descendants().len();
    let one = |i: usize| {
        let client = &client;
        async move {
            match i % 10 {
                // A fork bomb, memory, disk, output without end, a program that will not die.
                0 => client.post("/api/execute", &json!({"language": "python", "timeout_ms": 3000, "code":
                        "import os\nwhile True:\n    try: os.fork()\n    except OSError: pass"})).await.status,
                3 => client.post("/api/execute", &json!({"language": "python", "timeout_ms": 3000, "code":
                        "x = []\nwhile True: x.append(bytearray(10 << 20))"})).await.status,
                5 => client.post("/api/execute", &json!({"language": "python", "timeout_ms": 2000, "code":
                        "while True: print('x' * 10000)"})).await.status,
                7 => client.post("/api/execute", &json!({"language": "python", "timeout_ms": 1000, "code":
                        "import os, signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nif os.fork(): os.setsid()\nwhile True: pass"})).await.status,
                kind => {
                    let answer = match kind {
                        1 => client.run("s", &format!("open('f{i}', 'w').write('{i}')\nprint({i})")).await,
                        2 => client.execute("node", &format!("console.log({i})")).await,
                        _ => client.execute("python", &format!("print({i})")).await,
                    };
                    assert_eq!(answer.stdout(), format!("{i}\n"), "{}", answer.json);
                    200
                }
            }
        }
    };
    let started = std::time::Instant::now();
    let health = async {
        let mut longest = std::time::Duration::ZERO;
        while started.elapsed() < std::time::Duration::from_secs(3) {
            let asked = std::time::Instant::now();
            assert_eq!(client.get("/health").await.status, 200);
            longest = longest.max(asked.elapsed());
            tokio::task::yield_now().await;
        }
        longest
    };
    let (statuses, _) = futures_util::join!(join_all((0..40).map(one)), health);
    assert!(
        statuses.iter().all(|status| matches!(status, 200 | 408)),
        "{statuses:?}"
    );
    let mut expected: Vec<String> = (0..40).filter(|i| i % 10 == 1).map(|i| format!("f{i}")).collect();
    expected.sort();
    assert_eq!(client.paths("s").await, expected);
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
    while descendants().len() > before {
        assert!(
            std::time::Instant::now() < deadline,
            "left behind: {:?}",
            descendants()
        );
        tokio::task::yield_now().await;
    }
}
