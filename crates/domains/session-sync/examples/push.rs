//! Pushes a session and finds it by what was said in it: `cargo run -p pentad-session-sync --example push`.
#![allow(clippy::print_stdout, reason = "an example that prints")]

use std::sync::Arc;

use flate2::Compression;
use flate2::write::GzEncoder;
use futures_util::stream;
use pentad_blob::Blobs;
use pentad_identity::{Identity, PlanName, PlanTable};
use pentad_kernel::{SystemClock, secret};
use pentad_session_sync::{Push, SearchQuery, SessionSync, Settings};
use pentad_store::{Db, Options};

/// The archive that an agent leaves of a conversation.
fn archive() -> std::io::Result<Vec<u8>> {
    let manifest = r#"{"title": "Fix the flaky retry test", "source": {"tool": "codex"}}"#;
    let messages = r#"{"role": "user", "content": "Why does the retry test fail on Mondays?"}"#;
    let mut builder = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::default()));
    for (name, content) in [("manifest.json", manifest), ("messages.jsonl", messages)] {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        builder.append_data(&mut header, name, content.as_bytes())?;
    }
    builder.into_inner()?.finish()
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = tempfile::tempdir()?;
    let db = Db::open(
        &format!("sqlite:{}/pentad.db", folder.path().display()),
        &Options::default(),
    )
    .await?;
    db.migrate().await?;
    let clock = Arc::new(SystemClock);
    let identity = Identity::new(db.clone(), clock.clone(), PlanTable::default());
    let user = identity.create_user("ada@example.com", None, false).await?;
    // Search belongs to plans that sync to the cloud.
    identity.set_plan(&user.home_organisation, PlanName::Pro).await?;
    let ada = identity.web_caller(&user, &user.home_organisation).await?;

    let blobs = Blobs::open("memory:")?;
    let sync = SessionSync::new(db, blobs, identity, clock, Settings::default());
    let push = Push {
        session: format!("ses_{}", secret::random_hex(8)),
        ..Push::default()
    };
    let body = stream::iter([Ok(archive()?.into())]);
    let pushed = sync.push(&ada, push, body).await?;
    println!("pushed, etag {}", pushed.etag);

    let query = SearchQuery {
        text: "retries on Monday".to_owned(),
        tool: None,
        days: None,
        page: 1,
        page_size: 20,
    };
    let (found, total) = sync.search(&ada, &query).await?;
    println!("{total} session has the words");
    for place in found.iter().flat_map(|session| &session.matches) {
        println!("line {:?}: {}", place.message_index, place.snippet);
    }
    Ok(())
}
