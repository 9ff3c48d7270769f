//! Knowledge, from entry to document and back.

use std::time::Duration;

use pentad_language_model::UrlPolicy;
use pentad_language_model::testing::ScriptedModel;
use pentad_projects::{
    BulkPromotion, EntryChange, EntryFilter, Error, ModelRequest, NewEntry, PageWrite, SessionFacts,
    SettingsChange,
};
use pentad_store::{Db, both_engines};

use crate::House;

fn claim(content: &str) -> NewEntry {
    NewEntry {
        content: content.to_owned(),
        entry_type: Some("decision".to_owned()),
        session_id: Some("ses_0123456789abcdef".to_owned()),
        confidence: Some(0.9),
        ..NewEntry::default()
    }
}

fn all() -> EntryFilter {
    EntryFilter {
        limit: 200,
        ..EntryFilter::default()
    }
}

both_engines! {
    async fn claims_compile_once_into_document_and_pages(db: Db) {
        let house = House::new(db);
        let ada = house.person("ada").await;
        let project = house.project(&ada, "acme/widgets").await.id;
        let projects = &house.projects;
        projects.set_context(&ada, &project, "# Widgets\n\n## Overview\nA widget factory.\n").await.unwrap();
        let added = projects.add_entry(&ada, &project, claim("We decided to use rusqlite_pool v3 for storage because of WAL")).await.unwrap();
        assert_eq!(added.entry.claim_class, "claim", "{}", added.classification_reason);
        let note = NewEntry { content: "short but over twenty chars".to_owned(), ..NewEntry::default() };
        assert_eq!(projects.add_entry(&ada, &project, note).await.unwrap().entry.claim_class, "note");
        let compiled = projects.compile(&ada, &project).await.unwrap();
        assert_eq!(compiled.compilation.entries_compiled, 1);
        let view = projects.view(&ada, &project).await.unwrap();
        assert!(view.context_document.contains("A widget factory."));
        assert!(view.context_document.contains("rusqlite_pool v3"));
        let page = projects.page(&ada, &project, "key-decisions").await.unwrap().page;
        assert!(page.summary.auto_generated && page.content.contains("rusqlite_pool"));
        let again = projects.compile(&ada, &project).await.unwrap();
        assert_eq!((again.compilation.id, again.compilation.entries_compiled), (0, 0));
        assert_eq!(projects.compilations(&ada, &project, 10).await.unwrap().len(), 1);
        let health = projects.health(&ada, &project).await.unwrap();
        assert_eq!((health.total_entries, health.compiled_entries, health.uncompiled_notes), (2, 1, 1));
    }

    async fn a_language_model_says_in_one_bullet_what_several_claims_say_and_loses_none(db: Db) {
        let house = House::new(db);
        let ada = house.person("ada").await;
        let project = house.project(&ada, "acme/widgets").await.id;
        let projects = house.projects.clone().with_model_urls(UrlPolicy { allow_private: true });
        projects.set_context(&ada, &project, "# Widgets\n").await.unwrap();
        let mut ids = Vec::new();
        for content in [
            "We decided that src/retry.rs stops after 5 attempts in every case",
            "For the client we chose a pause of 200 ms between attempts, see src/retry.rs",
            "Storage is SQLite with rusqlite_pool v3 because nothing else is needed",
        ] {
            ids.push(projects.add_entry(&ada, &project, claim(content)).await.unwrap().entry.id);
        }
        let phrase = "src/retry.rs stops after 5 attempts, 200 ms apart";
        let answers = [
            // One bullet that keeps everything, and one that forgets what it is about.
            serde_json::json!({"bullets": [{"entries": [ids[0], ids[1]], "text": phrase},
                {"entries": [ids[2], ids[0]], "text": "Storage is decided"}]}).to_string(),
        ];
        let model = ScriptedModel::that_says(&answers.iter().map(String::as_str).collect::<Vec<_>>()).await;
        let request = || ModelRequest {
            model: Some("small".to_owned()), base_url: Some(model.url().to_owned()), ..ModelRequest::default()
        };
        let connected = projects.language_model(request()).unwrap().unwrap();
        let compiled = projects.compile_with(&ada, &project, &connected).await.unwrap().compilation;
        insta::allow_duplicates! {
            insta::assert_snapshot!(compiled.context_after, @r"
            # Widgets

            ## Key Decisions
            - src/retry.rs stops after 5 attempts, 200 ms apart
            - Storage is SQLite with rusqlite_pool v3 because nothing else is needed

            ## Recent Changes
            ### 2026-05-07
            - [decision] Storage is SQLite with rusqlite_pool v3 because nothing else is needed
            - [decision] src/retry.rs stops after 5 attempts, 200 ms apart
            ");
        }
        let manifest = &compiled.source_manifest.0;
        assert_eq!(manifest["phrased"], serde_json::json!([{"entries": [ids[0], ids[1]], "text": phrase}]));
        assert_eq!((compiled.entries_compiled, &manifest["model"]), (3, &serde_json::json!("small")));
        // Rebuilding takes the phrase out again: the claims say the same themselves.
        let rebuilt = projects.rebuild(&ada, &project).await.unwrap().compilation;
        assert!(!rebuilt.context_after.contains(phrase), "{}", rebuilt.context_after);
        assert!(rebuilt.context_after.contains("a pause of 200 ms"));
        // A model that fails compiles nothing, and nothing is lost by it.
        for content in ["Tokens of src/auth.rs live for 15 minutes in all cases", "Logs in src/log.rs are kept for 30 days on the disk of the host"] {
            projects.add_entry(&ada, &project, claim(content)).await.unwrap();
        }
        let error = projects.compile_with(&ada, &project, &connected).await.unwrap_err();
        assert!(matches!(error, Error::Model(_)), "{error:?}");
        assert_eq!(projects.compile(&ada, &project).await.unwrap().compilation.entries_compiled, 2);
        assert!(projects.language_model(ModelRequest::default()).unwrap().is_none());
        let nameless = ModelRequest { model: None, ..request() };
        assert!(matches!(projects.language_model(nameless), Err(Error::Field { field: "model", .. })));
        let inside = house.projects.language_model(request()).unwrap_err();
        assert!(matches!(inside, Error::Field { field: "base_url", .. }), "{inside:?}");
    }

    async fn many_notes_become_claims_at_once_and_a_dry_run_changes_nothing(db: Db) {
        let house = House::new(db);
        let ada = house.person("ada").await;
        let project = house.project(&ada, "acme/widgets").await.id;
        let projects = &house.projects;
        let note = |content: &str, confidence| NewEntry {
            content: content.to_owned(), confidence: Some(confidence), ..NewEntry::default()
        };
        let sure = "The cache of src/cache.rs holds 64 MiB and drops the oldest page first";
        let unsure = "Perhaps the tokens of src/auth.rs live for fifteen minutes, nobody is certain";
        projects.add_entry(&ada, &project, note(sure, 0.7)).await.unwrap();
        projects.add_entry(&ada, &project, note(unsure, 0.4)).await.unwrap();
        projects.add_entry(&ada, &project, note("short, but twenty characters", 0.7)).await.unwrap();
        let wanted = BulkPromotion { min_confidence: 0.6, set_confidence: Some(0.9), ..BulkPromotion::default() };
        let tried = projects.bulk_promote(&ada, &project, &wanted).await.unwrap();
        // What is set holds for all of them, so only the length is left to refuse one.
        assert_eq!((tried.promoted.len(), tried.skipped, tried.reasons["too_short"]), (2, 1, 1), "{tried:?}");
        let cautious = BulkPromotion { set_confidence: None, ..wanted.clone() };
        let few = projects.bulk_promote(&ada, &project, &cautious).await.unwrap();
        assert_eq!((few.promoted.len(), few.reasons["low_confidence"]), (1, 1), "{few:?}");
        assert_eq!(projects.health(&ada, &project).await.unwrap().uncompiled_notes, 3);
        let done = projects.bulk_promote(&ada, &project, &BulkPromotion { dry_run: false, ..wanted.clone() }).await.unwrap();
        assert_eq!(done, tried);
        let entry = projects.entry(&ada, &project, done.promoted[0]).await.unwrap();
        assert_eq!((entry.claim_class.as_str(), entry.confidence), ("claim", 0.9));
        let again = projects.bulk_promote(&ada, &project, &BulkPromotion { dry_run: false, ..wanted }).await.unwrap();
        assert!(again.promoted.is_empty());
        let wrong = BulkPromotion { min_length: 0, ..BulkPromotion::default() };
        assert!(matches!(projects.bulk_promote(&ada, &project, &wrong).await, Err(Error::Field { field: "min_length", .. })));
    }

    async fn a_restored_document_lets_later_claims_wait_again(db: Db) {
        let house = House::new(db);
        let ada = house.person("ada").await;
        let project = house.project(&ada, "acme/widgets").await.id;
        let projects = &house.projects;
        projects.add_entry(&ada, &project, claim("The first decision concerns src/db.rs and its eight readers")).await.unwrap();
        let first = projects.compile(&ada, &project).await.unwrap().compilation;
        house.clock.advance(Duration::from_secs(60));
        projects.add_entry(&ada, &project, claim("Another choice is that tokens in src/auth.rs rotate every hour")).await.unwrap();
        projects.compile(&ada, &project).await.unwrap();
        let dry = projects.restore(&ada, &project, first.id, true).await.unwrap();
        assert_eq!(dry.entries, 1);
        assert!(projects.view(&ada, &project).await.unwrap().context_document.contains("rotate every hour"));
        projects.restore(&ada, &project, first.id, false).await.unwrap();
        assert_eq!(projects.view(&ada, &project).await.unwrap().context_document, first.context_after);
        let again = projects.compile(&ada, &project).await.unwrap().compilation;
        assert_eq!(again.entries_compiled, 1);
        assert!(again.context_after.contains("rotate every hour"));
    }

    async fn rebuilding_gives_the_same_document(db: Db) {
        let house = House::new(db);
        let ada = house.person("ada").await;
        let project = house.project(&ada, "acme/widgets").await.id;
        let projects = &house.projects;
        for content in ["The pool in src/db.rs has eight readers and one writer", "Tokens of src/auth.rs rotate once in every hour of use"] {
            projects.add_entry(&ada, &project, claim(content)).await.unwrap();
        }
        let compiled = projects.compile(&ada, &project).await.unwrap().compilation;
        let rebuilt = projects.rebuild(&ada, &project).await.unwrap().compilation;
        assert_eq!(rebuilt.entries_compiled, 2);
        assert_eq!(rebuilt.context_after, compiled.context_after);
    }

    async fn what_says_the_same_as_a_recent_entry_is_refused_unless_it_takes_its_place(db: Db) {
        let house = House::new(db);
        let ada = house.person("ada").await;
        let project = house.project(&ada, "acme/widgets").await.id;
        let projects = &house.projects;
        let about = |upsert| NewEntry {
            entity_ref: Some("src/db.rs".to_owned()), upsert,
            ..claim("The pool in src/db.rs has eight readers and one writer")
        };
        let first = projects.add_entry(&ada, &project, about(false)).await.unwrap().entry;
        let error = projects.add_entry(&ada, &project, about(false)).await.unwrap_err();
        assert!(matches!(error, Error::Taken(_)), "{error:?}");
        let second = projects.add_entry(&ada, &project, about(true)).await.unwrap();
        assert_eq!(second.upserted_from, [first.id]);
        let old = projects.entry(&ada, &project, first.id).await.unwrap();
        assert!(old.dismissed && old.superseded_by == Some(second.entry.id));
        let missing = NewEntry { upsert: true, ..claim("Something else entirely that names src/x.rs in it") };
        assert!(matches!(projects.add_entry(&ada, &project, missing).await.unwrap_err(), Error::Field { .. }));
    }

    async fn searching_counts_what_it_finds(db: Db) {
        let house = House::new(db);
        let ada = house.person("ada").await;
        let project = house.project(&ada, "acme/widgets").await.id;
        let projects = &house.projects;
        let entry = projects.add_entry(&ada, &project, claim("100% of the Requests go through src/gate_keeper.rs first")).await.unwrap().entry;
        for (term, found) in [("REQUESTS", 1), ("100%", 1), ("gate_keeper", 1), ("gateXkeeper", 0)] {
            let filter = EntryFilter { search: Some(term.to_owned()), ..all() };
            assert_eq!(projects.entries(&ada, &project, &filter).await.unwrap().len(), found, "{term}");
        }
        assert_eq!(projects.entry(&ada, &project, entry.id).await.unwrap().retrieved_count, 3);
        let short = EntryFilter { search: Some("ab".to_owned()), ..all() };
        assert!(matches!(projects.entries(&ada, &project, &short).await.unwrap_err(), Error::Field { .. }));
    }

    async fn a_dismissal_keeps_its_first_stamp_and_can_be_taken_back(db: Db) {
        let house = House::new(db);
        let ada = house.person("ada").await;
        let project = house.project(&ada, "acme/widgets").await.id;
        let projects = &house.projects;
        let id = projects.add_entry(&ada, &project, claim("The pool in src/db.rs has eight readers and one writer")).await.unwrap().entry.id;
        let dismiss = |reason: &str| EntryChange::Dismiss(true, Some(reason.to_owned()));
        let first = projects.change_entry(&ada, &project, id, dismiss("old")).await.unwrap();
        house.clock.advance(Duration::from_secs(5));
        let second = projects.change_entry(&ada, &project, id, dismiss("older")).await.unwrap();
        assert_eq!((second.dismissed_at, second.dismissed_reason), (first.dismissed_at, first.dismissed_reason));
        let back = projects.change_entry(&ada, &project, id, EntryChange::Dismiss(false, None)).await.unwrap();
        assert!(!back.dismissed && back.dismissed_at.is_none());
        let promoted = projects.change_entry(&ada, &project, id, EntryChange::Promote).await.unwrap_err();
        assert!(matches!(promoted, Error::WrongState(_)), "{promoted:?}");
    }

    async fn a_search_finds_words_of_any_language_in_any_case(db: Db) {
        let house = House::new(db);
        let ada = house.person("ada").await;
        let project = house.project(&ada, "acme/widgets").await.id;
        for content in ["Änderungen am Schema laufen nachts", "Die ÄNDERUNGEN stehen in src/log.rs"] {
            let new = NewEntry { content: content.to_owned(), ..NewEntry::default() };
            house.projects.add_entry(&ada, &project, new).await.unwrap();
        }
        for (search, found) in [("Änderungen", 2), ("änderungen", 2), ("ÄNDERUNGEN", 2), ("SCHEMA", 1), ("Änderungen_", 0)] {
            let filter = EntryFilter { search: Some(search.to_owned()), limit: 10, ..EntryFilter::default() };
            assert_eq!(house.projects.entries(&ada, &project, &filter).await.unwrap().len(), found, "{search}");
        }
    }

    async fn sessions_leave_evidence_once_and_good_evidence_compiles(db: Db) {
        let house = House::new(db);
        let ada = house.person("ada").await;
        let known = house.project(&ada, "acme/widgets").await;
        let project = known.id.clone();
        let facts = SessionFacts {
            session: "ses_0123456789abcdef".to_owned(), user: ada.user.to_string(), message_count: 9,
            files_modified: vec!["src/retry.rs".to_owned()],
            packages_installed: vec!["tokio-retry in version 0.3".to_owned()],
            ..SessionFacts::default()
        };
        assert_eq!(house.projects.extract(&known, &facts).await.unwrap(), 2);
        assert_eq!(house.projects.extract(&known, &facts).await.unwrap(), 0);
        let compiled = house.projects.compile(&ada, &project).await.unwrap().compilation;
        assert_eq!(compiled.entries_compiled, 1);
        assert!(compiled.context_after.contains("tokio-retry"));
        assert!(!compiled.context_after.contains("File modified"), "too doubtful to compile");
    }

    async fn a_schedule_compiles_what_is_due(db: Db) {
        let house = House::new(db);
        let ada = house.person("ada").await;
        let project = house.project(&ada, "acme/widgets").await.id;
        let projects = &house.projects;
        projects.add_entry(&ada, &project, claim("The pool in src/db.rs has eight readers and one writer")).await.unwrap();
        assert_eq!(projects.compile_due().await.unwrap(), 0);
        house.clock.advance(Duration::from_secs(25 * 3600));
        assert_eq!(projects.compile_due().await.unwrap(), 1);
        assert_eq!(projects.compile_due().await.unwrap(), 0);
        assert_eq!(projects.compilations(&ada, &project, 5).await.unwrap()[0].cause, "scheduled");
        let change = SettingsChange { compile_after_claims: Some(Some(1)), compile_schedule: Some("off".to_owned()), ..SettingsChange::default() };
        projects.change_settings(&ada, &project, change).await.unwrap();
        projects.add_entry(&ada, &project, claim("Tokens of src/auth.rs rotate once in every hour of use")).await.unwrap();
        assert_eq!(projects.compile_due().await.unwrap(), 1);
    }

    async fn pages_link_to_each_other_whichever_came_first(db: Db) {
        let house = House::new(db);
        let ada = house.person("ada").await;
        let project = house.project(&ada, "acme/widgets").await.id;
        let projects = &house.projects;
        let write = |content: &str| PageWrite { content: content.to_owned(), ..PageWrite::default() };
        let auth = projects.write_page(&ada, &project, "auth-flow", write("see [[concept/deep|more]]")).await.unwrap().page;
        assert_eq!(auth.summary.title, "Auth Flow");
        let deep = projects.write_page(&ada, &project, "concept/deep", write("nested")).await.unwrap();
        assert_eq!(deep.backlinks.len(), 1);
        assert_eq!((deep.backlinks[0].source_id.as_str(), deep.backlinks[0].link_type.as_str()), (auth.summary.id.as_str(), "mentions"));
        projects.write_page(&ada, &project, "auth-flow", write("no link")).await.unwrap();
        assert!(projects.page(&ada, &project, "concept/deep").await.unwrap().backlinks.is_empty());
        let newest = projects.page_history(&ada, &project, "auth-flow", None, 1).await.unwrap();
        assert_eq!((newest.revisions[0].revision, newest.next), (2, Some(2)));
        let oldest = projects.page_history(&ada, &project, "auth-flow", newest.next, 1).await.unwrap();
        assert_eq!((oldest.revisions[0].revision, oldest.next), (1, None));
        let error = projects.regenerate_page(&ada, &project, "auth-flow").await.unwrap_err();
        assert!(matches!(error, Error::Senseless(_)), "{error:?}");
        projects.delete_page(&ada, &project, "auth-flow").await.unwrap();
        assert!(matches!(projects.page(&ada, &project, "auth-flow").await.unwrap_err(), Error::NotFound { .. }));
    }
}
