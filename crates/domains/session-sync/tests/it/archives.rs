//! Hostile archives: each is refused with its error, nothing is stored, and the account goes on.

use pentad_kernel::{Classify as _, ErrorKind};
use pentad_session_sync::{ArchiveLimits, Error, ListQuery, Settings};
use pentad_store::{Db, both_engines};
use serde_json::{Value, json};
use tar::EntryType;

use crate::forge::{World, forged, in_chunks, named_by_extension, new_session, noise, session, tar_gz, to};

/// Limits that make a bomb of a few megabytes.
fn small() -> Settings {
    Settings {
        archives: ArchiveLimits {
            archive_bytes: 4 << 20,
            member_bytes: 1 << 20,
            unpacked_bytes: 8 << 20,
            members: 50,
            ..ArchiveLimits::default()
        },
        ..Settings::default()
    }
}

/// What is wrong with the archive, the archive, and how it is refused.
fn corpus() -> Vec<(&'static str, Vec<u8>, ErrorKind)> {
    use ErrorKind::{Invalid, TooLarge};
    let zeros = vec![0_u8; 900 << 10];
    let names: Vec<String> = (0..60).map(|number| format!("f{number}")).collect();
    let many: Vec<(&str, &[u8])> = names.iter().map(|name| (name.as_str(), &b"x"[..])).collect();
    let bomb: Vec<(&str, &[u8])> = names[..12]
        .iter()
        .map(|name| (name.as_str(), &zeros[..]))
        .collect();
    let whole = session("whole", &["hello"]);
    let mut twice = whole.clone();
    twice.extend(b"and something else");
    vec![
        ("not gzip", b"not a tarball".to_vec(), Invalid),
        ("empty", Vec::new(), Invalid),
        ("cut in the middle", whole[..whole.len() / 2].to_vec(), Invalid),
        ("cut by a byte", whole[..whole.len() - 1].to_vec(), Invalid),
        ("data behind its end", twice, Invalid),
        ("upwards", forged(b"../evil", EntryType::Regular, None), Invalid),
        (
            "upwards inside",
            forged(b"a/../../evil", EntryType::Regular, None),
            Invalid,
        ),
        (
            "absolute",
            forged(b"/etc/passwd", EntryType::Regular, None),
            Invalid,
        ),
        (
            "control character",
            forged(b"a\x01b", EntryType::Regular, None),
            Invalid,
        ),
        (
            "symbolic link",
            forged(b"manifest.json", EntryType::Symlink, Some("/etc/passwd")),
            Invalid,
        ),
        (
            "hard link",
            forged(b"manifest.json", EntryType::Link, Some("x")),
            Invalid,
        ),
        (
            "character device",
            forged(b"null", EntryType::Char, None),
            Invalid,
        ),
        ("block device", forged(b"sda", EntryType::Block, None), Invalid),
        ("pipe", forged(b"pipe", EntryType::Fifo, None), Invalid),
        (
            "one name twice",
            tar_gz(&[("manifest.json", b"{}"), ("./manifest.json", b"{}")]),
            Invalid,
        ),
        ("NUL in a name", named_by_extension(b"a\0b"), Invalid),
        (
            "upwards in an extended name",
            named_by_extension(b"../evil"),
            Invalid,
        ),
        ("too many files", tar_gz(&many), TooLarge),
        (
            "too large a file",
            tar_gz(&[("context/big", &vec![0; (1 << 20) + 1])]),
            TooLarge,
        ),
        ("too large unpacked", tar_gz(&bomb), TooLarge),
    ]
}

both_engines! {
    async fn a_hostile_archive_is_refused_and_leaves_nothing(db: Db) {
        let world = World::with(db, small());
        let ada = world.person("ada").await;
        for (what, archive, kind) in corpus() {
            let id = new_session();
            let error = world.push(&ada, &id, &archive).await.expect_err(what);
            assert_eq!(error.kind(), kind, "{what}: {error}");
            let error = world.sync.session_by_id(&ada, &id).await.unwrap_err();
            assert!(matches!(error, Error::SessionNotFound), "{what}");
        }
        let page = world.sync.list(&ada.actor, &ListQuery::default()).await.unwrap();
        assert_eq!(page.total, 0);
        world.push(&ada, &new_session(), &session("fine", &["hello"])).await.unwrap();
    }

    async fn an_archive_that_unpacks_to_far_more_than_it_is_is_refused_for_that(db: Db) {
        let settings = Settings { archives: ArchiveLimits { ratio: 50, ..ArchiveLimits::default() }, ..Settings::default() };
        let world = World::with(db, settings);
        let ada = world.person("ada").await;
        let zeros = vec![0_u8; 40 << 20];
        let archive = tar_gz(&[("messages.jsonl", &zeros)]);
        assert!(archive.len() < 1 << 20);
        world.push(&ada, &new_session(), &archive).await.expect("one file within the plan's limit may pack well");
        let archive = tar_gz(&[("context/zeros", &zeros), ("context/more", &zeros), ("context/most", &zeros)]);
        assert!(archive.len() * 50 < zeros.len() * 3);
        let id = new_session();
        let error = world.push(&ada, &id, &archive).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TooLarge, "{error}");
        assert!(world.sync.session_by_id(&ada, &id).await.is_err());
    }

    async fn secrets_are_gone_from_everything_that_is_stored_when_they_are_redacted(db: Db) {
        let settings = Settings { secret_scan: pentad_session_sync::SecretScan::Redact, ..Settings::default() };
        let world = World::with(db, settings);
        let ada = world.person("ada").await;
        let key = "AKIAIOSFODNN7EXAMPLE";
        let message = json!({"role": "user", "content": format!("{key} is the key of the quokka")}).to_string();
        let notes = format!("password = \"hunter2hunter2\"\n{key}\n");
        let archive = tar_gz(&[("manifest.json", br#"{"title": "Keys"}"#), ("messages.jsonl", message.as_bytes()),
            ("context/notes.md", notes.as_bytes()), ("context/image.png", &noise(10_000))]);
        let id = new_session();
        let pushed = world.push(&ada, &id, &archive).await.unwrap();
        let stored = world.archive(&ada, &id).await;
        assert_eq!(pushed.etag, pentad_kernel::secret::sha256_hex(&stored), "the etag is that of what is stored");
        assert_ne!(stored, archive);
        let mut kept = std::collections::BTreeMap::new();
        let caps = pentad_archive::Caps::default();
        pentad_archive::read_tar_gz(&stored[..], &caps, |member, bytes| {
            let mut content = Vec::new();
            std::io::Read::read_to_end(bytes, &mut content)?;
            kept.insert(member.path.as_str().to_owned(), content);
            Ok::<_, pentad_archive::Error>(())
        }).unwrap();
        assert_eq!(kept["context/notes.md"], b"password = \"[redacted]\"\n[redacted]\n");
        assert_eq!(kept["context/image.png"], noise(10_000), "what holds no secret stays as it is");
        let shown: Value = serde_json::from_slice(&kept["messages.jsonl"]).unwrap();
        assert_eq!(shown["content"], "[redacted] is the key of the quokka");
        let noted = world.sync.session_by_id(&ada, &id).await.unwrap().dlp_scan_results.unwrap();
        let noted: Value = serde_json::from_str(&noted).unwrap();
        assert_eq!((&noted["mode"], &noted["complete"]), (&json!("redact"), &json!(true)));
        assert_eq!(noted["findings"][0], json!({"kind": "assigned_secret", "messages": 0, "lines_of_other_files": 1}));
        assert_eq!(noted["findings"][1], json!({"kind": "aws_access_key", "messages": 1, "lines_of_other_files": 1}));
        world.sync.index_sessions().await.unwrap();
        let clean = session("plain", &["no secret here"]);
        let pushed = world.push(&ada, &new_session(), &clean).await.unwrap();
        assert_eq!(pushed.etag, pentad_kernel::secret::sha256_hex(&clean), "without a secret the bytes stay");
    }

    async fn an_archive_over_its_limit_is_refused_before_it_is_all_read(db: Db) {
        let world = World::with(db, small());
        let ada = world.person("ada").await;
        let noise = noise(5_000_000);
        let archive = tar_gz(&[("a", &noise[..1_000_000]), ("b", &noise[1_000_000..2_000_000]),
            ("c", &noise[2_000_000..3_000_000]), ("d", &noise[3_000_000..4_000_000]), ("e", &noise[4_000_000..5_000_000])]);
        assert!(archive.len() > 4 << 20);
        let error = world.push(&ada, &new_session(), &archive).await.unwrap_err();
        assert!(matches!(error, Error::ArchiveTooLarge { limit } if limit == 4 << 20), "{error}");
        assert_eq!(error.code(), Some("PAYLOAD_TOO_LARGE"));
    }

    async fn a_file_over_its_limit_is_named_with_its_size(db: Db) {
        let world = World::with(db, small());
        let ada = world.person("ada").await;
        let archive = tar_gz(&[("context/big.bin", &vec![0; (1 << 20) + 1])]);
        let error = world.push(&ada, &new_session(), &archive).await.unwrap_err();
        assert_eq!(error.code(), Some("session_too_large"));
        let details = error.details().unwrap();
        assert_eq!(details["file"], "context/big.bin");
        assert_eq!((&details["size_bytes"], &details["limit_bytes"]), (&json!((1 << 20) + 1), &json!(1 << 20)));
    }

    async fn any_type_anywhere_in_the_manifest_is_taken_and_breaks_no_list(db: Db) {
        let world = World::new(db);
        let ada = world.person("ada").await;
        let values = [json!(null), json!(7), json!(-1e300), json!("text"), json!([[]]), json!({"a": {"b": 1}}), json!(true)];
        for value in &values {
            for manifest in [
                value.clone(),
                json!({"title": value, "tags": value, "source": value, "model": value, "stats": value}),
                json!({"source": {"tool": value}, "model": {"model_id": value}, "stats": {"message_count": value}}),
                json!({"persona_name": value, "parent_session_id": value, "instruction_provenance": value}),
            ] {
                let text = manifest.to_string();
                let archive = tar_gz(&[("manifest.json", text.as_bytes()), ("workspace.json", text.as_bytes()),
                    ("messages.jsonl", format!("{value}\n{{\"role\":{value},\"content\":{value}}}\nnot json\n").as_bytes())]);
                world.push(&ada, &new_session(), &archive).await.unwrap();
            }
        }
        let page = world.sync.list(&ada.actor, &ListQuery { page_size: 100, ..ListQuery::default() }).await.unwrap();
        assert_eq!(page.total, (values.len() * 4) as u64);
    }

    async fn an_archive_that_comes_byte_by_byte_is_the_same_archive(db: Db) {
        let world = World::new(db);
        let ada = world.person("ada").await;
        let archive = session("drop by drop", &["hello"]);
        let id = new_session();
        let pushed = world.sync.push(&ada, to(&id), in_chunks(&archive, 1)).await.unwrap();
        assert_eq!(pushed.etag, pentad_kernel::secret::sha256_hex(&archive));
        let again = world.push(&ada, &id, &archive).await.unwrap();
        assert_eq!((again.etag, again.created), (pushed.etag, false));
    }

    async fn a_broken_connection_stores_nothing(db: Db) {
        let world = World::new(db);
        let ada = world.person("ada").await;
        let archive = session("broken", &["hello"]);
        let id = new_session();
        let body = futures_util::stream::iter([
            Ok(bytes::Bytes::copy_from_slice(&archive[..20])),
            Err(std::io::Error::from(std::io::ErrorKind::ConnectionReset)),
        ]);
        let error = world.sync.push(&ada, to(&id), body).await.unwrap_err();
        assert!(matches!(error, Error::Interrupted), "{error}");
        assert!(world.sync.session_by_id(&ada, &id).await.is_err());
    }

    async fn secrets_are_noted_when_they_are_looked_for(db: Db) {
        let settings = Settings { secret_scan: pentad_session_sync::SecretScan::Warn, ..Settings::default() };
        let world = World::with(db, settings);
        let ada = world.person("ada").await;
        let id = new_session();
        world.push(&ada, &id, &session("keys", &["use AKIAIOSFODNN7EXAMPLE", "plain"])).await.unwrap();
        let noted = world.sync.session_by_id(&ada, &id).await.unwrap().dlp_scan_results.unwrap();
        let noted: Value = serde_json::from_str(&noted).unwrap();
        assert_eq!(noted["findings"], json!([{"kind": "aws_access_key", "messages": 1, "lines_of_other_files": 0}]));
        assert_eq!(noted["complete"], json!(true));
    }
}
