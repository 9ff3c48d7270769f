//! Sessions, from push to trash.

use std::collections::BTreeSet;
use std::time::Duration;

use futures_util::TryStreamExt as _;
use pentad_identity::PlanName;
use pentad_kernel::{Classify as _, ErrorKind};
use pentad_session_sync::{
    DeleteScope, Edit, EditFolder, Error, ListQuery, MessageOrder, MessageQuery, NewSession, Purged, Push,
    Reindexed, SearchQuery, SessionRef, Share,
};
use pentad_store::{Db, both_engines, with_reader};
use serde_json::json;

use crate::forge::{World, in_chunks, new_session, session, tar_gz, to};

fn by_id(id: &str) -> SessionRef {
    SessionRef::Id(id.to_owned())
}

fn words(text: &str) -> SearchQuery {
    SearchQuery {
        text: text.to_owned(),
        tool: None,
        days: None,
        page: 1,
        page_size: 20,
    }
}

fn page(page: u32, page_size: u32) -> MessageQuery {
    MessageQuery {
        page,
        page_size,
        order: MessageOrder::Oldest,
        around: None,
    }
}

both_engines! {
    async fn what_is_pulled_is_what_was_pushed(db: Db) {
        let world = World::new(db);
        let (ada, eve) = (world.person("ada").await, world.person("eve").await);
        let archive = session("Fix retries", &["Fix the flaky retry test"]);
        let id = new_session();
        let pushed = world.push(&ada, &id, &archive).await.unwrap();
        assert!(pushed.created);
        let found = world.sync.session(&ada.actor, &by_id(&id)).await.unwrap();
        assert_eq!(found.etag, pentad_kernel::secret::sha256_hex(&archive));
        assert_eq!((found.title.as_deref(), found.source_tool.as_str()), (Some("Fix retries"), "codex"));
        assert_eq!(found.git_remote.as_deref(), Some("acme/widgets"));
        let stream = world.sync.archive(&found, None).await.unwrap();
        let bytes: Vec<bytes::Bytes> = stream.bytes.try_collect().await.unwrap();
        assert_eq!(bytes.concat(), archive);
        let stream = world.sync.archive(&found, Some(2..9)).await.unwrap();
        let bytes: Vec<bytes::Bytes> = stream.bytes.try_collect().await.unwrap();
        assert_eq!(bytes.concat(), archive[2..9]);
        assert!(matches!(world.sync.session(&eve.actor, &by_id(&id)).await, Err(Error::SessionNotFound)));
        assert!(matches!(world.push(&eve, &id, &archive).await, Err(Error::SessionClaimed)));
    }

    async fn the_trash_keeps_a_session_until_it_is_restored_pushed_anew_or_purged(db: Db) {
        let world = World::new(db);
        let ada = world.person("ada").await;
        let id = new_session();
        let archive = session("one", &["hello"]);
        world.push(&ada, &id, &archive).await.unwrap();
        let share = world.sync.share(&ada, &by_id(&id), Share::default()).await.unwrap();
        let deleted = world.sync.delete(&ada.actor, &by_id(&id), DeleteScope::Everywhere).await.unwrap();
        assert_eq!(deleted.delete_scope.as_deref(), Some("both"));
        assert!(matches!(world.sync.delete(&ada.actor, &by_id(&id), DeleteScope::Cloud).await, Err(Error::AlreadyDeleted)));
        assert!(matches!(world.push(&ada, &id, &archive).await, Err(Error::SessionDeleted)));
        assert!(matches!(world.sync.shared_archive(&share.token, None).await, Err(Error::LinkGone)));
        let trash = ListQuery { deleted: true, ..ListQuery::default() };
        assert_eq!(world.sync.list(&ada.actor, &trash).await.unwrap().total, 1);
        let restored = world.sync.restore(&ada.actor, &id).await.unwrap();
        assert_eq!(restored.from_scope.as_deref(), Some("both"));
        assert!(matches!(world.sync.restore(&ada.actor, &id).await, Err(Error::NotDeleted)));

        world.sync.delete(&ada.actor, &by_id(&id), DeleteScope::Cloud).await.unwrap();
        world.push_as(&ada, Push { undelete: true, ..to(&id) }, &archive).await.unwrap();
        assert!(matches!(world.sync.shared_archive(&share.token, None).await, Err(Error::LinkGone)), "the link was revoked");

        world.sync.delete(&ada.actor, &by_id(&id), DeleteScope::Cloud).await.unwrap();
        assert_eq!(world.sync.purge().await.unwrap(), Purged::default(), "it is not due yet");
        world.clock.advance(std::time::Duration::from_secs(31 * 24 * 3600));
        let purged = Purged { sessions: 1, bytes: i64::try_from(archive.len()).unwrap() };
        assert_eq!(world.sync.purge().await.unwrap(), purged);
        assert_eq!(world.sync.purge().await.unwrap(), Purged::default());
        assert!(matches!(world.sync.restore(&ada.actor, &id).await, Err(Error::Gone)));
    }

    async fn a_title_is_plain_text_and_never_empty(db: Db) {
        let world = World::new(db);
        let ada = world.person("ada").await;
        let id = new_session();
        world.push(&ada, &id, &session("x y z", &["hello"])).await.unwrap();
        let titled = |title: &str| Edit { title: Some(title.to_owned()), ..Edit::default() };
        for nothing in ["", "   ", "<b></b>  <i></i>", "<img src=x onerror=\"alert(1)\">", "nul \0"] {
            let error = world.sync.edit(&ada.actor, &by_id(&id), titled(nothing)).await.unwrap_err();
            assert!(matches!(error, Error::Field { field: "title", .. }), "{nothing:?}: {error}");
        }
        let nul = Edit { tags: Some(vec!["a\0b".into()]), ..Edit::default() };
        assert!(matches!(world.sync.edit(&ada.actor, &by_id(&id), nul).await, Err(Error::Field { field: "tags", .. })));
        let edited = world.sync.edit(&ada.actor, &by_id(&id), titled("  <b>Retries</b> & 1 < 2 ")).await.unwrap();
        assert_eq!(edited.title.as_deref(), Some("Retries & 1 < 2"));

        // What comes with an upload is a parameter of its address, not a field of a body.
        let upload = |title: &str, tags: &[&str]| NewSession {
            source_tool: "codex".into(),
            title: Some(title.to_owned()),
            tags: Some(tags.iter().map(|&tag| tag.to_owned()).collect()),
        };
        let archive = session("From the archive", &["hello"]);
        for (title, tags) in [("nul \0", &["x"][..]), ("x", &["a\0b"]), ("x", &["t"; 21])] {
            let sent = world.sync.upload(&ada, upload(title, tags), in_chunks(&archive, 64 << 10)).await;
            assert_eq!(sent.unwrap_err().kind(), ErrorKind::Invalid, "{title:?} {tags:?}");
        }
        let sent = world.sync.upload(&ada, upload("<i></i> ", &["<b>ci</b>"]), in_chunks(&archive, 64 << 10)).await.unwrap();
        let kept = world.sync.session(&ada.actor, &by_id(&sent.session_id)).await.unwrap();
        assert_eq!((kept.title.as_deref(), kept.tags), (Some("From the archive"), vec!["ci".to_owned()]));
    }

    async fn an_alias_names_one_live_session(db: Db) {
        let world = World::new(db);
        let ada = world.person("ada").await;
        let (one, two) = (new_session(), new_session());
        for id in [&one, &two] {
            world.push(&ada, id, &session("x y z", &["hello"])).await.unwrap();
        }
        let alias = || Edit { alias: Some("retry-test".into()), ..Edit::default() };
        world.sync.edit(&ada.actor, &by_id(&one), alias()).await.unwrap();
        assert!(matches!(world.sync.edit(&ada.actor, &by_id(&two), alias()).await, Err(Error::AliasTaken(_))));
        let named = world.sync.session(&ada.actor, &SessionRef::Alias("retry-test".into())).await.unwrap();
        assert_eq!(named.id, one);
        world.sync.delete(&ada.actor, &by_id(&one), DeleteScope::Cloud).await.unwrap();
        world.sync.edit(&ada.actor, &by_id(&two), alias()).await.unwrap();
        let restored = world.sync.restore(&ada.actor, &one).await.unwrap();
        assert_eq!(restored.session.alias, None, "the other session has it now");
        world.push(&ada, &two, &session("again", &["hello"])).await.unwrap();
        assert_eq!(world.sync.session(&ada.actor, &by_id(&two)).await.unwrap().alias.as_deref(), Some("retry-test"));
        let edit = Edit { title: Some("Renamed <i>x</i>".into()), tags: Some(vec!["p".into()]), alias: None };
        let edited = world.sync.edit(&ada.actor, &by_id(&two), edit).await.unwrap();
        assert_eq!((edited.title.as_deref(), edited.tags), (Some("Renamed x"), vec!["p".to_owned()]));
        assert!(matches!(world.sync.edit(&ada.actor, &by_id(&two), Edit::default()).await, Err(Error::Invalid(_))));
    }

    async fn lists_are_filtered_sorted_and_paged(db: Db) {
        let world = World::new(db);
        let ada = world.person("ada").await;
        for number in 0..5 {
            world.clock.advance_micros(1_000_000);
            let tool = if number % 2 == 0 { "gemini-cli" } else { "codex" };
            let manifest = json!({"title": format!("Session {number}"), "tags": [format!("t{number}"), "50%_"], "source": {"tool": tool}});
            world.push(&ada, &new_session(), &tar_gz(&[("manifest.json", manifest.to_string().as_bytes())])).await.unwrap();
        }
        let titles = |found: &pentad_session_sync::Page<pentad_session_sync::Session>| -> Vec<String> {
            found.items.iter().map(|session| session.title.clone().unwrap()).collect()
        };
        let first = world.sync.list(&ada.actor, &ListQuery { page_size: 2, ..ListQuery::default() }).await.unwrap();
        assert_eq!((titles(&first), first.total, first.has_more), (vec!["Session 4".to_owned(), "Session 3".to_owned()], 5, true));
        let last = world.sync.list(&ada.actor, &ListQuery { page: 3, page_size: 2, ..ListQuery::default() }).await.unwrap();
        assert_eq!((titles(&last), last.total, last.has_more), (vec!["Session 0".to_owned()], 5, false));
        let beyond = world.sync.list(&ada.actor, &ListQuery { page: 9, page_size: 2, ..ListQuery::default() }).await.unwrap();
        assert_eq!((beyond.items.len(), beyond.total), (0, 5));
        let gemini = world.sync.list(&ada.actor, &ListQuery { source_tool: Some("gemini".into()), ..ListQuery::default() }).await.unwrap();
        assert_eq!(gemini.total, 3);
        for (tag, count) in [("t1", 1), ("T1", 0), ("50%_", 5), ("50", 0)] {
            let tagged = world.sync.list(&ada.actor, &ListQuery { tag: Some(tag.into()), ..ListQuery::default() }).await.unwrap();
            assert_eq!(tagged.total, count, "{tag}");
        }
    }

    async fn messages_come_in_pages_without_side_chains_and_can_be_found_by_line(db: Db) {
        let world = World::new(db);
        let ada = world.person("ada").await;
        let mut lines = String::new();
        for number in 0..2_000 {
            let hidden = number % 10 == 3;
            lines.push_str(&json!({"role": "user", "content": format!("message {number}"), "is_sidechain": hidden}).to_string());
            lines.push('\n');
            if number == 100 {
                lines.push_str("\nnot json\n");
            }
        }
        let id = new_session();
        world.push(&ada, &id, &tar_gz(&[("s.sfs/messages.jsonl", lines.as_bytes())])).await.unwrap();
        let first = world.sync.messages(&ada.actor, &by_id(&id), page(1, 5)).await.unwrap();
        assert_eq!((first.message_indexes, first.total, first.has_more), (vec![0, 1, 2, 4, 5], 1_800, true));
        let last = world.sync.messages(&ada.actor, &by_id(&id), page(18, 100)).await.unwrap();
        assert_eq!(last.messages.last().unwrap()["content"], "message 1999");
        assert_eq!((last.messages.len(), last.has_more), (100, false));
        let newest = MessageQuery { order: MessageOrder::Newest, ..page(1, 2) };
        let newest = world.sync.messages(&ada.actor, &by_id(&id), newest).await.unwrap();
        assert_eq!(newest.message_indexes, [2_001, 2_000]);
        for (line, status, anchor) in [(1_500, "found", Some(1_500)), (3, "hidden", Some(2)), (102, "missing", Some(103)), (9_999, "missing", Some(2_001))] {
            let around = MessageQuery { around: Some(line), ..page(1, 50) };
            let found = world.sync.messages(&ada.actor, &by_id(&id), around).await.unwrap();
            let target = found.target.unwrap();
            assert_eq!((target.status, target.anchor_index), (status, anchor), "line {line}");
            assert!(found.message_indexes.contains(&anchor.unwrap()), "line {line}");
        }
        let beyond = world.sync.messages(&ada.actor, &by_id(&id), page(1_000, 100)).await.unwrap();
        assert_eq!((beyond.messages.len(), beyond.total), (0, 1_800));
    }

    async fn half_an_emoji_costs_nothing_but_itself(db: Db) {
        let world = World::new(db);
        let ada = world.person("ada").await;
        let lines = [
            r#"{"role":"user","content":[{"type":"text","text":"cut \ud83d wombat"}]}"#,
            r#"{"role":"tool","content":[{"type":"tool_result","tool_use_id":"1","content":[{"type":"text","text":"quokka \udc00"}]}]}"#,
        ];
        let archive = tar_gz(&[
            ("manifest.json", br#"{"title":"Half \ud83d an emoji","tags":["a"],"source":{"tool":"codex"}}"#),
            ("messages.jsonl", lines.join("\n").as_bytes()),
            ("workspace.json", br#"{"git":{"branch":"main \ude00"}}"#),
            ("tools.json", br#"["\ud83d"]"#),
        ]);
        let id = new_session();
        world.push(&ada, &id, &archive).await.unwrap();
        let found = world.sync.session(&ada.actor, &by_id(&id)).await.unwrap();
        assert_eq!(found.title.as_deref(), Some("Half \u{fffd} an emoji"));
        assert_eq!((found.source_tool.as_str(), found.git_branch.as_deref()), ("codex", Some("main \u{fffd}")));
        assert_eq!(world.sync.tools(&ada.actor, &by_id(&id)).await.unwrap(), json!(["\u{fffd}"]));
        let shown = world.sync.messages(&ada.actor, &by_id(&id), page(1, 5)).await.unwrap().messages;
        assert_eq!(shown[0]["content"][0]["text"], "cut \u{fffd} wombat");
        assert_eq!(shown[1]["content"][0]["content"][0]["text"], "quokka \u{fffd}");
        for word in ["wombat", "quokka"] {
            assert_eq!(world.sync.search(&ada, &words(word)).await.unwrap().1, 1, "{word}");
        }
        assert_eq!(world.archive(&ada, &id).await, archive, "what is pulled is what was pushed");
    }

    async fn search_sees_all_that_was_said_and_only_ones_own(db: Db) {
        let world = World::new(db);
        let (ada, eve) = (world.person("ada").await, world.person("eve").await);
        let filler = "filler words here ".repeat(60);
        let said: Vec<String> = (0..160).map(|n| if n == 150 { format!("{filler} deepneedle <b>") } else { filler.clone() }).collect();
        let said: Vec<&str> = said.iter().map(String::as_str).collect();
        let (deep, other) = (new_session(), new_session());
        world.push(&ada, &deep, &session("Long one", &said)).await.unwrap();
        world.push(&ada, &other, &session("Narwhals at sea", &["The retries were flaky"])).await.unwrap();
        let (found, total) = world.sync.search(&ada, &words("filler DeepNeedle")).await.unwrap();
        assert_eq!((total, found[0].session.id.as_str()), (1, deep.as_str()));
        assert_eq!(found[0].matches[0].message_index, Some(300));
        assert!(found[0].matches[0].snippet.contains("<mark>deepneedle</mark> &lt;b&gt;"), "{:?}", found[0].matches);
        for (text, hits) in [("narwhal", 1), ("retry", 1), ("flak", 1), ("nowhere", 0), ("\"' OR 1:*", 0), ("&|!()", 0), ("deepneedle retry", 0)] {
            let (found, total) = world.sync.search(&ada, &words(text)).await.unwrap();
            assert_eq!((found.len() as u64, total), (hits, hits), "{text}");
        }
        assert_eq!(world.sync.search(&eve, &words("deepneedle")).await.unwrap().1, 0);
        let tool = SearchQuery { tool: Some("claude-code".into()), ..words("narwhal") };
        assert_eq!(world.sync.search(&ada, &tool).await.unwrap().1, 0);

        world.push(&ada, &deep, &session("Long one", &["short now"])).await.unwrap();
        assert_eq!(world.sync.search(&ada, &words("deepneedle")).await.unwrap().1, 0, "the old text is gone");
        world.sync.delete(&ada.actor, &by_id(&other), DeleteScope::Cloud).await.unwrap();
        assert_eq!(world.sync.search(&ada, &words("narwhal")).await.unwrap().1, 0);
        world.sync.restore(&ada.actor, &other).await.unwrap();
        assert_eq!(world.sync.search(&ada, &words("narwhal")).await.unwrap().1, 1);
    }

    async fn a_long_session_becomes_searchable_whoever_hangs_up_or_pushes_meanwhile(db: Db) {
        let world = World::new(db);
        let ada = world.person("ada").await;
        let id = new_session();
        let long = |last: &str| {
            // Lines that were the same would not be made searchable again.
            let filler: Vec<String> = (0..4_000_u32).map(|n| format!("{n:05} ").repeat(200) + last).chain([last.to_owned()]).collect();
            session("Long one", &filler.iter().map(String::as_str).collect::<Vec<_>>())
        };
        for hung_up_after in [100, 200, 400, 800, 1_200] {
            world.push(&ada, &id, &long(&format!("the old quokka {hung_up_after}"))).await.unwrap();
            let query = words("quokka");
            let _ = tokio::time::timeout(Duration::from_millis(hung_up_after), world.sync.search(&ada, &query)).await;
        }
        world.push(&ada, &id, &long("the new wombat")).await.unwrap();
        let found = async |text: &str| world.sync.search(&ada, &words(text)).await.unwrap().1;
        let deadline = tokio::time::Instant::now() + Duration::from_secs(60);
        while found("wombat").await == 0 && tokio::time::Instant::now() < deadline {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert_eq!((found("wombat").await, found("quokka").await), (1, 0));
        assert_eq!(world.sync.index_sessions().await.unwrap(), 0, "nothing waits any more");
    }

    async fn a_line_that_comes_again_keeps_its_place_in_the_index(db: Db) {
        let world = World::new(db.clone());
        let ada = world.person("ada").await;
        let id = new_session();
        let rows = async || -> BTreeSet<(i64, i64)> {
            let rows: Vec<(i64, i64)> = with_reader!(db, |conn| sqlx::query_as("SELECT message_index, id FROM sync_search_rows")
                .fetch_all(conn)
                .await)
            .unwrap();
            rows.into_iter().collect()
        };
        world.push(&ada, &id, &session("Animals", &["a quokka", "a wombat", "a narwhal"])).await.unwrap();
        world.sync.index_sessions().await.unwrap();
        let before = rows().await;
        world.push(&ada, &id, &session("Animals", &["a quokka", "a numbat", "a narwhal", "an echidna"])).await.unwrap();
        world.sync.index_sessions().await.unwrap();
        let after = rows().await;
        let changed: Vec<i64> = before.difference(&after).map(|(line, _)| *line).collect();
        let new: Vec<i64> = after.difference(&before).map(|(line, _)| *line).collect();
        assert_eq!((changed, new), (vec![2], vec![2, 6, 7]));
        let found = async |text: &str| world.sync.search(&ada, &words(text)).await.unwrap().1;
        for (text, hits) in [("animals", 1), ("quokka", 1), ("wombat", 0), ("numbat", 1), ("narwhal", 1), ("echidna", 1)] {
            assert_eq!(found(text).await, hits, "{text}");
        }
        world.push(&ada, &id, &session("Plants", &["a quokka"])).await.unwrap();
        for (text, hits) in [("animals", 0), ("plants", 1), ("quokka", 1), ("narwhal", 0), ("echidna", 0)] {
            assert_eq!(found(text).await, hits, "{text}");
        }
        let lines: Vec<i64> = rows().await.into_iter().map(|(line, _)| line).collect();
        assert_eq!(lines, [-1, 0, 1]);
    }

    async fn a_session_without_a_title_is_made_searchable_once(db: Db) {
        let world = World::new(db);
        let ada = world.person("ada").await;
        let message = json!({"role": "user", "content": "a quokka"}).to_string();
        let untitled = tar_gz(&[("manifest.json", b"{}"), ("messages.jsonl", message.as_bytes())]);
        world.push(&ada, &new_session(), &untitled).await.unwrap();
        assert_eq!(world.sync.index_sessions().await.unwrap(), 1);
        assert_eq!(world.sync.index_sessions().await.unwrap(), 0);
        assert_eq!(world.sync.search(&ada, &words("quokka")).await.unwrap().1, 1);
    }

    async fn a_link_opens_with_its_password_until_it_ends(db: Db) {
        let world = World::new(db);
        let (ada, eve) = (world.person("ada").await, world.person("eve").await);
        let id = new_session();
        world.push(&ada, &id, &session("x y z", &["hello"])).await.unwrap();
        for hours in [0, -5, 8_761, i64::MAX] {
            let share = Share { expires_in_hours: Some(hours), password: None };
            assert!(matches!(world.sync.share(&ada, &by_id(&id), share).await, Err(Error::Field { .. })), "{hours}");
        }
        let share = Share { expires_in_hours: Some(1), password: Some("hunter22".into()) };
        let link = world.sync.share(&ada, &by_id(&id), share).await.unwrap();
        assert!(matches!(world.sync.shared_archive(&link.token, None).await, Err(Error::PasswordRequired)));
        assert!(matches!(world.sync.shared_archive(&link.token, Some("wrong".into())).await, Err(Error::WrongPassword)));
        world.sync.shared_archive(&link.token, Some("hunter22".into())).await.unwrap();
        assert!(matches!(world.sync.shared_archive("nope", None).await, Err(Error::LinkNotFound)));
        assert!(world.sync.unshare(&eve, &by_id(&id), &link.id).await.is_err());
        world.clock.advance(std::time::Duration::from_secs(3_601));
        assert!(matches!(world.sync.shared_archive(&link.token, Some("hunter22".into())).await, Err(Error::LinkGone)));
    }

    async fn a_folder_keeps_each_session_once_while_it_lives(db: Db) {
        let world = World::new(db);
        let (ada, eve) = (world.person("ada").await, world.person("eve").await);
        let id = new_session();
        world.push(&ada, &id, &session("x y z", &["hello"])).await.unwrap();
        for (name, color) in [("", None), ("  ", None), (&*"n".repeat(101), None), ("x", Some("blue")), ("x", Some("#12345"))] {
            assert!(matches!(world.sync.create_bookmark_folder(&ada, name, color).await, Err(Error::Field { .. })), "{name:?} {color:?}");
        }
        let folder = world.sync.create_bookmark_folder(&ada, "Important", Some("#4f9cF7")).await.unwrap();
        let other = world.sync.create_bookmark_folder(&ada, "Later", None).await.unwrap();
        let bookmark = world.sync.bookmark(&ada, &folder.id, &id).await.unwrap();
        assert!(matches!(world.sync.bookmark(&ada, &folder.id, &id).await, Err(Error::AlreadyBookmarked)));
        world.sync.bookmark(&ada, &other.id, &id).await.unwrap();
        let counts = || async {
            let folders = world.sync.bookmark_folders(&ada.actor).await.unwrap();
            folders.iter().map(|folder| folder.bookmark_count).collect::<Vec<_>>()
        };
        assert_eq!(counts().await, [1, 1]);

        // What is Ada's is not there for Eve.
        assert!(world.sync.bookmark_folders(&eve.actor).await.unwrap().is_empty());
        assert!(matches!(world.sync.bookmarked(&eve.actor, &folder.id).await, Err(Error::FolderNotFound)));
        assert!(matches!(world.sync.bookmark(&eve, &folder.id, &id).await, Err(Error::FolderNotFound)));
        let hers = world.sync.create_bookmark_folder(&eve, "Mine", None).await.unwrap();
        assert!(matches!(world.sync.bookmark(&eve, &hers.id, &id).await, Err(Error::SessionNotFound)));
        assert!(matches!(world.sync.unbookmark(&eve.actor, &bookmark.id).await, Err(Error::BookmarkNotFound)));
        assert!(matches!(world.sync.delete_bookmark_folder(&eve.actor, &folder.id).await, Err(Error::FolderNotFound)));
        let rename = EditFolder { name: Some("Hers".into()), color: None };
        assert!(matches!(world.sync.edit_bookmark_folder(&eve, &folder.id, rename.clone()).await, Err(Error::FolderNotFound)));
        let renamed = world.sync.edit_bookmark_folder(&ada, &folder.id, rename).await.unwrap();
        assert_eq!((&*renamed.name, renamed.color.as_deref(), renamed.bookmark_count), ("Hers", Some("#4f9cF7"), 1));

        world.sync.watch(&ada, &id).await.unwrap();
        world.sync.delete(&ada.actor, &by_id(&id), DeleteScope::Cloud).await.unwrap();
        assert_eq!(world.sync.sync_status(&ada).await.unwrap().watched_sessions, 0, "as the list of those says");
        assert!(world.sync.bookmarked(&ada.actor, &folder.id).await.unwrap().is_empty());
        assert_eq!(counts().await, [0, 0]);
        world.sync.restore(&ada.actor, &id).await.unwrap();
        assert_eq!(world.sync.bookmarked(&ada.actor, &folder.id).await.unwrap()[0].1, bookmark);
        world.sync.unbookmark(&ada.actor, &bookmark.id).await.unwrap();
        world.sync.delete_bookmark_folder(&ada.actor, &other.id).await.unwrap();
        assert_eq!(counts().await, [0]);
        assert!(world.sync.session_by_id(&ada, &id).await.is_ok(), "folders are not what keeps sessions");

        let free = world.person_on("free", PlanName::Free).await;
        let error = world.sync.create_bookmark_folder(&free, "x", None).await.unwrap_err();
        assert_eq!(error.code(), Some("upgrade_required"));
    }

    async fn archives_are_read_again_and_what_their_owner_changed_stays(db: Db) {
        let world = World::new(db);
        let (ada, eve) = (world.person("ada").await, world.person("eve").await);
        let (kept, gone) = (new_session(), new_session());
        for id in [&kept, &gone] {
            world.push(&ada, id, &session("From the archive", &["find the quokka"])).await.unwrap();
        }
        world.push(&eve, &new_session(), &session("x y z", &["hello"])).await.unwrap();
        let mine = Edit { title: Some("Mine".into()), tags: Some(vec!["t".into()]), ..Edit::default() };
        let before = world.sync.edit(&ada.actor, &by_id(&kept), mine).await.unwrap();
        world.sync.delete(&ada.actor, &by_id(&gone), DeleteScope::Cloud).await.unwrap();
        world.sync.index_sessions().await.unwrap();

        let done = world.sync.reindex(&ada).await.unwrap();
        assert_eq!(done, Reindexed { sessions: 1, updated: 1, failed: 0 });
        assert_eq!(world.sync.session_by_id(&ada, &kept).await.unwrap(), before, "the same is found as before");
        assert_eq!(world.sync.messages(&ada.actor, &by_id(&kept), page(1, 50)).await.unwrap().total, 2);
        world.sync.index_sessions().await.unwrap();
        assert_eq!(world.sync.search(&ada, &words("quokka")).await.unwrap().1, 1);
    }

    async fn plans_bound_what_is_stored(db: Db) {
        let world = World::new(db);
        let free = world.person_on("free", PlanName::Free).await;
        let error = world.push(&free, &new_session(), &session("x y z", &["hello"])).await.unwrap_err();
        assert_eq!(error.code(), Some("upgrade_required"));
        assert_eq!(error.details().unwrap()["required_tier"], "starter");
        let starter = world.person_on("starter", PlanName::Starter).await;
        let id = new_session();
        world.push(&starter, &id, &session("x y z", &["hello"])).await.unwrap();
        let status = world.sync.sync_status(&starter).await.unwrap();
        assert_eq!((status.total_sessions, status.synced_sessions), (1, 1));
        assert_eq!(status.storage_limit_bytes, 500 << 20);
        assert!(status.storage_used_bytes > 0);
        world.sync.delete(&starter.actor, &by_id(&id), DeleteScope::Cloud).await.unwrap();
        let status = world.sync.sync_status(&starter).await.unwrap();
        assert_eq!((status.total_sessions, status.storage_used_bytes), (0, 0), "the trash is not in use");
    }
}
