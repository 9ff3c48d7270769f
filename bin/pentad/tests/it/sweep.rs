//! `pentad sweep` beside a running server.

use crate::server::Server;

#[tokio::test]
async fn a_sweep_takes_what_nothing_refers_to_and_nothing_else() {
    rustls::crypto::ring::default_provider().install_default().ok();
    let server = Server::start();
    let client = reqwest::Client::new();
    let url = format!("{}/api/storage/r2/n/kept", server.base);
    let put = client
        .put(&url)
        .bearer_auth(&server.key)
        .header("content-type", "application/octet-stream");
    assert_eq!(put.body("content").send().await.unwrap().status(), 200);
    let orphan = server.work().join("pentad-data/objects/storage/r2/ab/abandoned");
    std::fs::create_dir_all(orphan.parent().unwrap()).unwrap();
    std::fs::write(&orphan, "left over").unwrap();
    // What is young may be waiting for its row.
    assert!(server.pentad(&["sweep"]).contains("0 orphans"));
    let swept = server.pentad(&["sweep", "--older-than", "0"]);
    assert!(swept.contains("1 orphans"), "{swept}");
    assert!(!orphan.exists());
    let kept = client
        .get(&url)
        .bearer_auth(&server.key)
        .header("accept", "application/octet-stream");
    assert_eq!(kept.send().await.unwrap().text().await.unwrap(), "content");
}
