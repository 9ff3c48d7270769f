//! Throughput with one, two and three gateways, for reads and for writes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use pentad_bench::client::Client;
use pentad_bench::form;
use serde_json::json;

use crate::balancer::Balancer;
use crate::gateways::{COUNT, Gateways};

/// Clients at a time, each with one request on its way.
const CLIENTS: usize = 24;

/// What is asked again and again; the number makes each request another one.
type Ask = Arc<dyn Fn(&mut Client, u64) -> bool + Send + Sync>;

/// Prints a table. Clients speak to the gateways themselves, so that what stands in front of them is not measured.
pub fn measure(gateways: &Arc<Gateways>, balancer: &Balancer, time: Duration) {
    let mut client = Client::new(balancer.base().trim_start_matches("http://"), &gateways.key);
    let kinds = kinds(&mut client);
    println!(
        "| requests a second of {CLIENTS} clients | 1 gateway | 2 | 3 | processors busy with gateways, of {} |",
        processors()
    );
    println!("|---|---|---|---|---|");
    for (name, ask) in kinds {
        let mut row = format!("| {name} |");
        let mut busy = Vec::new();
        for count in 1..=COUNT {
            let addresses = &gateways.addresses()[..count];
            let (rate, used) = rate(addresses, gateways, &ask, time);
            row += &format!(" {rate:.0} |");
            busy.push(format!("{used:.1}"));
        }
        println!("{row} {} |", busy.join(", "));
    }
}

fn processors() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

fn kinds(client: &mut Client) -> Vec<(&'static str, Ask)> {
    let made = client.send(
        "POST",
        "/api/v1/sessions",
        form::CONTENT_TYPE,
        &form::form(
            &[("storage", "s3")],
            &[("a.txt".to_owned(), b"a needle in hay\n".repeat(200))],
        ),
    );
    let session = made.expect("a session").json()["id"]
        .as_str()
        .expect("an id")
        .to_owned();
    let search = format!("/api/v1/sessions/{session}/grep?query=needle&limit=1");
    client
        .send(
            "PUT",
            "/api/storage/kv/scale/key",
            "application/json",
            br#"{"value":"v"}"#,
        )
        .expect("a pair");
    let good = |answer: std::io::Result<pentad_bench::client::Answer>| {
        answer.is_ok_and(|answer| answer.status < 300)
    };
    vec![
        (
            "read: key-value pair",
            Arc::new(move |client: &mut Client, _: u64| good(client.get("/api/storage/kv/scale/key"))) as Ask,
        ),
        (
            "read: grep",
            Arc::new(move |client: &mut Client, _: u64| good(client.get(&search))) as Ask,
        ),
        (
            "write: key-value pair",
            Arc::new(move |client: &mut Client, number: u64| {
                let path = format!("/api/storage/kv/scale/key-{number}");
                good(client.send("PUT", &path, "application/json", br#"{"value":"v"}"#))
            }) as Ask,
        ),
        (
            "write: event of a run, 8 runs",
            Arc::new(move |client: &mut Client, number: u64| {
                let path = format!("/api/v1/runs/scale-{}/events", number % 8);
                let body = json!({"step_index": 0, "events": [
                {"ts": "2026-05-19T00:00:00Z", "layer": "planner", "kind": "info", "summary": number.to_string()}]});
                good(client.post_json(&path, &body))
            }) as Ask,
        ),
        (
            "write: memory",
            Arc::new(move |client: &mut Client, number: u64| {
                let body = json!({"content": format!("Parcel {number} is here."), "auto_supersede": false});
                good(client.post_json("/agent/memories", &body))
            }) as Ask,
        ),
    ]
}

/// Requests a second, and processors that the gateways kept busy.
fn rate(addresses: &[String], gateways: &Arc<Gateways>, ask: &Ask, time: Duration) -> (f64, f64) {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    let (over, done) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let clients: Vec<_> = (0..CLIENTS)
        .map(|number| {
            let mut client = Client::new(&addresses[number % addresses.len()], &gateways.key);
            let (over, done, ask) = (Arc::clone(&over), Arc::clone(&done), Arc::clone(ask));
            std::thread::spawn(move || {
                while !over.load(Ordering::Relaxed) {
                    if ask(&mut client, NUMBER.fetch_add(1, Ordering::Relaxed)) {
                        done.fetch_add(1, Ordering::Relaxed);
                    }
                }
            })
        })
        .collect();
    // Caches fill, connections open.
    std::thread::sleep(Duration::from_secs(1));
    let (begun, before, used) = (
        Instant::now(),
        done.load(Ordering::Relaxed),
        gateways.processor_time(),
    );
    std::thread::sleep(time);
    let (seconds, after) = (begun.elapsed().as_secs_f64(), done.load(Ordering::Relaxed));
    let used = gateways.processor_time().saturating_sub(used).as_secs_f64();
    over.store(true, Ordering::Relaxed);
    for client in clients {
        client.join().expect("a client");
    }
    ((after - before) as f64 / seconds, used / seconds)
}
