//! A push of any size takes the memory of a small one.

use flate2::Compression;
use flate2::write::GzEncoder;
use reqwest::multipart::{Form, Part};

use crate::server::Server;

/// What the server may take above what it takes when idle.
const BOUND: u64 = 64 << 20;
const MIB: usize = 1 << 20;

/// An archive of so many megabytes that hardly compress, in files of 10, with messages that do.
fn archive(megabytes: usize) -> Vec<u8> {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let mut builder = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::none()));
    let mut add = |name: &str, content: &[u8]| {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        builder.append_data(&mut header, name, content).unwrap();
    };
    add("manifest.json", br#"{"title": "large"}"#);
    let line = format!(
        "{{\"role\":\"user\",\"content\":\"{}\"}}\n",
        "find the quokka ".repeat(60)
    );
    add("messages.jsonl", line.repeat(10 * MIB / line.len()).as_bytes());
    for number in 0..megabytes.saturating_sub(10) / 10 {
        let noise: Vec<u8> = (0..10 * MIB / 8)
            .flat_map(|_| {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                state.to_le_bytes()
            })
            .collect();
        add(&format!("context/{number}"), &noise);
    }
    builder.into_inner().unwrap().finish().unwrap()
}

#[tokio::test]
async fn a_large_push_is_not_held_in_memory() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let server = Server::start();
    let client = reqwest::Client::new();
    let push = async |session: &str, archive: Vec<u8>| {
        let form = Form::new().part("file", Part::bytes(archive).file_name("session.tar.gz"));
        let url = format!("{}/api/v1/sessions/{session}/sync", server.base);
        let answer = client
            .put(url)
            .bearer_auth(&server.key)
            .multipart(form)
            .send()
            .await
            .unwrap();
        let status = answer.status();
        assert_eq!(status, 201, "{}", answer.text().await.unwrap());
    };
    // The first push warms what is made once: connections, caches, compiled expressions.
    push("ses_small00000000", archive(10)).await;
    let idle = server.memory("VmRSS");
    server.forget_peak_memory();
    // The limit of a push is 300: PENTAD_TEST_PUSH_MIB=295 shows it near the limit.
    let megabytes = std::env::var("PENTAD_TEST_PUSH_MIB").map_or(100, |text| text.parse().unwrap());
    push("ses_large00000000", archive(megabytes)).await;
    let above = server.memory("VmHWM").saturating_sub(idle);
    println!(
        "{megabytes} MiB pushed: {} MiB idle, at most {} MiB above",
        idle >> 20,
        above >> 20
    );
    assert!(above < BOUND, "{} MiB above idle", above >> 20);
}
