//! What the tests stand on: people, a store, and archives good and bad.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use futures_util::{StreamExt as _, stream};
use pentad_blob::Blobs;
use pentad_identity::{Caller, Identity, PlanName, PlanTable};
use pentad_kernel::{ManualClock, Timestamp, id};
use pentad_session_sync::{Push, Pushed, Result, SessionSync, Settings};
use pentad_store::Db;
use serde_json::{Value, json};

pub(crate) struct World {
    pub(crate) sync: SessionSync,
    pub(crate) identity: Identity,
    pub(crate) clock: ManualClock,
}

impl World {
    pub(crate) fn new(db: Db) -> Self {
        Self::with(db, Settings::default())
    }

    pub(crate) fn with(db: Db, settings: Settings) -> Self {
        let clock = ManualClock::at(Timestamp::parse("2026-05-07T12:00:00Z").unwrap());
        let shared = Arc::new(clock.clone());
        let identity = Identity::new(db.clone(), shared.clone(), PlanTable::default());
        let blobs = Blobs::open("memory:").unwrap();
        Self {
            sync: SessionSync::new(db, blobs, identity.clone(), shared, settings),
            identity,
            clock,
        }
    }

    pub(crate) async fn person(&self, name: &str) -> Caller {
        self.person_on(name, PlanName::Unlimited).await
    }

    pub(crate) async fn person_on(&self, name: &str, plan: PlanName) -> Caller {
        let email = format!("{name}@example.com");
        let user = self.identity.create_user(&email, None, false).await.unwrap();
        self.identity
            .set_plan(&user.home_organisation, plan)
            .await
            .unwrap();
        self.identity
            .web_caller(&user, &user.home_organisation)
            .await
            .unwrap()
    }

    pub(crate) async fn push(&self, who: &Caller, session: &str, archive: &[u8]) -> Result<Pushed> {
        self.push_as(who, to(session), archive).await
    }

    /// The archive as it is stored.
    pub(crate) async fn archive(&self, who: &Caller, session: &str) -> Vec<u8> {
        let session = self.sync.session_by_id(who, session).await.unwrap();
        let archive = self.sync.archive(&session, None).await.unwrap();
        let chunks: Vec<Bytes> = archive.bytes.map(|chunk| chunk.unwrap()).collect().await;
        chunks.concat()
    }

    pub(crate) async fn push_as(&self, who: &Caller, push: Push, archive: &[u8]) -> Result<Pushed> {
        self.sync.push(who, push, in_chunks(archive, 64 << 10)).await
    }
}

pub(crate) fn to(session: &str) -> Push {
    Push {
        session: session.to_owned(),
        ..Push::default()
    }
}

pub(crate) fn new_session() -> String {
    id::prefixed("ses_", 16)
}

pub(crate) fn in_chunks(
    bytes: &[u8],
    size: usize,
) -> impl futures_util::Stream<Item = io::Result<Bytes>> + use<> {
    let chunks: Vec<io::Result<Bytes>> = bytes
        .chunks(size)
        .map(|chunk| Ok(Bytes::copy_from_slice(chunk)))
        .collect();
    stream::iter(chunks)
}

/// A `.tar.gz` of these files.
pub(crate) fn tar_gz(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut builder = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    for (name, content) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        builder.append_data(&mut header, name, *content).unwrap();
    }
    builder.into_inner().unwrap().finish().unwrap()
}

/// A `.tar.gz` with one member whose header is as told: for what no writer makes by itself.
pub(crate) fn forged(name: &[u8], kind: tar::EntryType, link: Option<&str>) -> Vec<u8> {
    let mut header = tar::Header::new_gnu();
    header.as_gnu_mut().unwrap().name[..name.len()].copy_from_slice(name);
    header.set_entry_type(kind);
    header.set_size(0);
    if let Some(link) = link {
        header.set_link_name_literal(link).unwrap();
    }
    header.set_cksum();
    let mut builder = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    builder.append(&header, io::empty()).unwrap();
    builder.into_inner().unwrap().finish().unwrap()
}

/// A `.tar.gz` whose one member has its name in an extended header (POSIX pax), where any byte can stand.
pub(crate) fn named_by_extension(name: &[u8]) -> Vec<u8> {
    // The length in front of a record counts itself.
    let length = name.len() + "00 path=\n".len();
    let mut record = format!("{length} path=").into_bytes();
    record.extend_from_slice(name);
    record.push(b'\n');
    assert_eq!(record.len(), length);
    let mut builder = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    for (kind, name, content) in [
        (tar::EntryType::XHeader, "pax", &record[..]),
        (tar::EntryType::Regular, "plain", b"x"),
    ] {
        let mut header = tar::Header::new_ustar();
        header.set_path(name).unwrap();
        header.set_entry_type(kind);
        header.set_size(content.len() as u64);
        header.set_cksum();
        builder.append(&header, content).unwrap();
    }
    builder.into_inner().unwrap().finish().unwrap()
}

pub(crate) fn manifest(title: &str) -> Value {
    json!({"title": title, "tags": ["x"], "source": {"tool": "codex"}, "model": {"provider": "openai", "model_id": "gpt-5"},
        "stats": {"message_count": 2, "turn_count": 1, "total_input_tokens": 10, "total_output_tokens": 5}})
}

/// A session in which the user says these things, each answered.
pub(crate) fn session(title: &str, said: &[&str]) -> Vec<u8> {
    let lines: String = said
        .iter()
        .flat_map(|text| {
            let message = |role: &str, text: &str| {
                json!({"role": role, "content": [{"type": "text", "text": text}], "timestamp": "2026-03-20T14:00:00Z"})
            };
            [message("user", text), message("assistant", "Done.")]
        })
        .map(|message| format!("{message}\n"))
        .collect();
    let workspace = json!({"git": {"remote_url": "git@github.com:Acme/Widgets.git", "branch": "main"}});
    tar_gz(&[
        ("manifest.json", manifest(title).to_string().as_bytes()),
        ("messages.jsonl", lines.as_bytes()),
        ("workspace.json", workspace.to_string().as_bytes()),
        ("tools.json", br#"{"tools_used":["Bash"]}"#),
    ])
}

/// Bytes that do not compress.
pub(crate) fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[3]
    };
    (0..length).map(|_| next()).collect()
}
