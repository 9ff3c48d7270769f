//! Writing, superseding, erasing; who may, and what it costs.

use std::time::Duration;

use pentad_identity::Plan;
use pentad_kernel::{Classify as _, ErrorKind, Timestamp};
use pentad_memories::{
    Axes, Config, Error, ExportedEvent, ForeignIds, Idempotency, ListQuery, NewMemory, Query, SettingsChange,
    Supersession,
};
use pentad_store::{Db, affected, both_engines, with_reader, with_writer};

use crate::world::{World, at, fact, history, said, superseding, tenant};

fn by(successor: &str) -> Supersession {
    Supersession {
        superseded_by: Some(successor.to_owned()),
        valid_to: None,
    }
}

fn until(instant: Timestamp) -> Supersession {
    Supersession {
        superseded_by: None,
        valid_to: Some(instant),
    }
}

fn chain_is_intact(events: &[ExportedEvent]) -> bool {
    let linked = |pair: &[ExportedEvent]| {
        pair[1].previous_hash == pair[0].hash && pair[1].sequence == pair[0].sequence + 1
    };
    events.iter().all(ExportedEvent::is_intact) && events.windows(2).all(linked)
}

both_engines! {
    async fn a_fact_is_stored_word_for_word(db: Db) {
        let world = World::new(db).await;
        let id = world.add("Größe: \"5\" 😀\n— naïve").await;
        let memory = world.memories.memory(&world.actor, &id).await.unwrap();
        assert_eq!(memory.decision, "Größe: \"5\" 😀\n— naïve");
        assert_eq!((memory.topic.as_str(), memory.source.as_str(), memory.importance_score), ("General", "agent", 5));
        assert_eq!(memory.valid_from, memory.created_at);
        assert!(memory.is_current(world.now()));
        let audit = world.memories.audit(&world.actor, &id).await.unwrap();
        assert_eq!((audit.model.as_str(), audit.original_input.as_str()), ("verbatim", memory.decision.as_str()));
    }

    async fn a_conversation_becomes_facts_that_quote_it(db: Db) {
        let world = World::new(db).await;
        let new = NewMemory {
            session_id: Some("s-1".to_owned()),
            source: Some("agent".to_owned()),
            ..said("Hi, I'm Alice. I play pickleball every Tuesday. How are you?")
        };
        let added = world.write(new).await;
        assert_eq!(added.saved_count, added.memory_ids.len());
        world.wait();
        let memories = world.list(ListQuery::default()).await;
        assert!(memories.iter().any(|memory| memory.decision == "Alice plays pickleball every Tuesday."));
        for memory in &memories {
            assert_eq!((memory.source.as_str(), memory.channel.as_str()), ("agent_session", "s-1"));
            assert!(memory.original_message.starts_with("User: Hi, I'm Alice."));
        }
        let none = world.write(said("hey, how are you?")).await;
        assert_eq!((none.extracted_count, none.saved_count), (0, 0));
    }

    async fn what_is_over_or_began_earlier_takes_no_place(db: Db) {
        let world = World::new(db).await;
        let instant = |text: &str| Some(Timestamp::parse(text).unwrap());
        let since = |text: &str, from: &str| NewMemory {
            valid_from: instant(from),
            ..fact(text)
        };
        world.write(since("Alice lives in Berlin.", "2024-01-01T00:00:00Z")).await;
        let over = NewMemory {
            valid_to: instant("2020-01-01T00:00:00Z"),
            ..since("Alice lives in Oslo.", "2018-01-01T00:00:00Z")
        };
        let earlier = since("Alice lives in Rome.", "2021-01-01T00:00:00Z");
        let home_before = NewMemory {
            valid_to: instant("2019-01-01T00:00:00Z"),
            ..since("Alice lives in Berlin.", "2018-01-01T00:00:00Z")
        };
        for new in [over, earlier, home_before] {
            let added = world.write(superseding(new)).await;
            assert!(!added.duplicate && added.auto_supersede[0].supersession.is_none(), "{added:?}");
        }
        world.wait();
        let later = world.write(superseding(since("Alice moved to Lisbon.", "2025-01-01T00:00:00Z"))).await;
        assert!(later.auto_supersede[0].supersession.is_some(), "{later:?}");
        world.wait();
        assert_eq!(world.decisions(ListQuery::default()).await, ["Alice moved to Lisbon."]);
    }

    async fn an_interval_that_time_has_emptied_is_not_stored(db: Db) {
        let world = World::new(db).await;
        // Each change takes an instant of its own, so that the account's clock runs ahead of one that stands still.
        world.add("Alice lives in Berlin.").await;
        let soon = world.now().plus(Duration::from_micros(1));
        let new = NewMemory { valid_to: Some(soon), ..fact("The door is open.") };
        world.write(fact("Bob lives in Rome.")).await;
        world.write(fact("Carol lives in Bonn.")).await;
        let refused = world.memories.add(&world.actor, &Plan::default(), new).await;
        assert!(matches!(refused, Err(Error::EmptyInterval)), "{refused:?}");
    }

    async fn a_fact_that_several_tell_at_once_is_stored_once(db: Db) {
        let world = World::new(db).await;
        world.add("Alice lives in Berlin.").await;
        let tell = || world.write(superseding(fact("Alice lives in Oslo.")));
        let (a, b, c, d) = tokio::join!(tell(), tell(), tell(), tell());
        let stored = [a, b, c, d].iter().map(|added| added.saved_count).sum::<usize>();
        assert_eq!(stored, 1);
        world.wait();
        assert_eq!(world.decisions(ListQuery::default()).await, ["Alice lives in Oslo."]);
    }

    async fn a_chain_is_whole_from_every_link_and_never_a_circle(db: Db) {
        let world = World::new(db).await;
        let mut ids = Vec::new();
        for city in ["Berlin", "Lisbon", "Oslo"] {
            ids.push(world.add(&format!("Alice lives in {city}.")).await);
        }
        let supersede = async |old: &str, supersession: Supersession| {
            world.wait();
            world.memories.supersede(&world.actor, old, &supersession).await
        };
        let first = supersede(&ids[0], by(&ids[1])).await.unwrap();
        supersede(&ids[1], by(&ids[2])).await.unwrap();
        assert_eq!(supersede(&ids[0], by(&ids[1])).await.unwrap(), first, "the same again changes nothing");
        assert!(matches!(supersede(&ids[0], by(&ids[2])).await, Err(Error::AlreadySuperseded(_))));
        assert!(matches!(supersede(&ids[2], by(&ids[0])).await, Err(Error::Cycle)));
        assert!(matches!(supersede(&ids[2], by(&ids[2])).await, Err(Error::SelfSupersession)));
        assert!(matches!(supersede(&ids[2], Supersession::default()).await, Err(Error::NothingToSupersede)));
        assert!(matches!(supersede(&ids[2], until(Timestamp::from_micros(0))).await, Err(Error::EndsBeforeStart)));
        let elsewhere = world.add_to("elsewhere", "Alice lives in Rome.").await;
        assert!(matches!(supersede(&ids[2], by(&elsewhere)).await, Err(Error::OtherTenant)));
        for id in &ids {
            let timeline = world.memories.timeline(&world.actor, id).await.unwrap();
            assert_eq!(timeline.iter().map(|memory| memory.id.clone()).collect::<Vec<_>>(), ids);
            assert_eq!(timeline.iter().filter(|memory| memory.is_current(world.now())).count(), 1);
        }
    }

    async fn of_callers_who_race_for_one_memory_one_wins(db: Db) {
        let world = World::new(db).await;
        let base = world.add("base").await;
        let mut racers = Vec::new();
        for number in 0..6 {
            let supersession = by(&world.add(&format!("successor {number}")).await);
            let (memories, actor, base) = (world.another_process(), world.actor.clone(), base.clone());
            racers.push(async move { memories.supersede(&actor, &base, &supersession).await });
        }
        let mut won = Vec::new();
        for racer in racers.into_iter().map(tokio::spawn).collect::<Vec<_>>() {
            match racer.await.unwrap() {
                Ok(superseded) => won.push(superseded.superseded_by),
                Err(error) => assert!(matches!(error, Error::AlreadySuperseded(_)), "{error:?}"),
            }
        }
        assert_eq!(won.len(), 1);
        assert_eq!(world.memories.memory(&world.actor, &base).await.unwrap().superseded_by, won[0]);
    }

    async fn an_end_can_be_set_and_moved_and_hides_the_memory_from_then_on(db: Db) {
        let world = World::new(db).await;
        let id = world.add("Alice is on a trial.").await;
        let end = world.now().plus(Duration::from_secs(100));
        world.memories.supersede(&world.actor, &id, &until(end)).await.unwrap();
        assert_eq!(world.list(ListQuery::default()).await.len(), 1);
        assert!(world.list(at(Some(end), None)).await.is_empty(), "intervals are half-open");
        let earlier = end.minus(Duration::from_secs(50));
        world.memories.supersede(&world.actor, &id, &until(earlier)).await.unwrap();
        assert!(world.list(at(Some(earlier), None)).await.is_empty());
        world.clock.advance(Duration::from_secs(60));
        assert!(world.list(ListQuery::default()).await.is_empty());
        let memory = world.list(history()).await.remove(0);
        assert!(memory.is_expired(world.now()) && !memory.is_superseded());
    }

    async fn a_successor_that_says_since_when_ends_the_old_fact_there(db: Db) {
        let world = World::new(db).await;
        let day = |text: &str| Timestamp::parse(text).unwrap();
        let dated = |text: &str, from: &str| NewMemory { valid_from: Some(day(from)), ..fact(text) };
        let old = world.write(dated("Bob joined Initech.", "2025-03-15T00:00:00Z")).await.memory_ids.remove(0);
        let new = world.write(dated("Bob joined Hooli.", "2026-03-01T00:00:00Z")).await.memory_ids.remove(0);
        world.wait();
        world.memories.supersede(&world.actor, &old, &by(&new)).await.unwrap();
        let on = async |text: &str| world.decisions(at(Some(day(text)), None)).await;
        assert_eq!(on("2026-02-28T23:59:59Z").await, ["Bob joined Initech."]);
        assert_eq!(on("2026-03-01T00:00:00Z").await, ["Bob joined Hooli."]);
        assert_eq!(on("2025-01-01T00:00:00Z").await, Vec::<String>::new());
    }

    async fn contradictions_are_retired_and_coexisting_facts_are_not(db: Db) {
        let world = World::new(db).await;
        let vim = world.add("alice uses Vim").await;
        world.wait();
        let emacs = world.write(superseding(fact("alice switched to Emacs"))).await;
        let found = emacs.auto_supersede[0].supersession.clone().unwrap();
        assert_eq!(found.old_memory_id, vim);
        assert!(found.confidence >= 0.85);
        for text in ["Alice speaks French.", "Alice speaks German.", "Bob uses Nano", "alice likes hiking"] {
            world.wait();
            let added = world.write(superseding(fact(text))).await;
            assert_eq!(added.auto_supersede[0].supersession, None, "{text}");
        }
        let again = world.write(superseding(fact("alice switched to Emacs"))).await;
        assert!(again.duplicate);
        assert_eq!((again.memory_ids, again.saved_count), (emacs.memory_ids, 0));
        let history = world.memories.audit(&world.actor, &vim).await.unwrap().history;
        let events: Vec<&str> = history.iter().map(|entry| entry.event.as_str()).collect();
        assert_eq!(events, ["created", "memory.created", "memory.auto_superseded"]);
    }

    async fn facts_of_one_conversation_contradict_each_other_too(db: Db) {
        let world = World::new(db).await;
        let added = world.write(superseding(said("My name is Alice. I live in Berlin. I moved to Oslo."))).await;
        assert_eq!(added.auto_supersede.len(), added.memory_ids.len());
        assert!(added.auto_supersede.iter().any(|auto| auto.supersession.is_some()));
        world.wait();
        let current = world.decisions(ListQuery::default()).await.join(" ");
        assert!(current.contains("Oslo") && !current.contains("Berlin"), "{current}");
    }

    async fn what_is_repeated_still_contradicts_the_rest(db: Db) {
        let world = World::new(db).await;
        let berlin = world.add("Alice lives in Berlin.").await;
        // Nobody looked when this was said, so Berlin stayed.
        let lisbon = world.add("Alice moved to Lisbon.").await;
        world.wait();
        let added = world.write(superseding(fact("Alice lives in Lisbon now."))).await;
        assert_eq!((added.duplicate, &added.memory_ids[0]), (true, &lisbon));
        let found = added.auto_supersede[0].supersession.clone().unwrap();
        assert_eq!(found.old_memory_id, berlin);
        world.wait();
        assert_eq!(world.decisions(ListQuery::default()).await, ["Alice moved to Lisbon."]);
        let old = world.memories.memory(&world.actor, &berlin).await.unwrap();
        assert_eq!(old.superseded_by, Some(lisbon));
    }

    async fn a_repetition_within_a_conversation_hides_no_contradiction(db: Db) {
        let world = World::new(db).await;
        world.add("Alice lives in Berlin.").await;
        world.wait();
        let added = world
            .write(superseding(said("My name is Alice. I live in Berlin. I moved to Lisbon. I live in Lisbon now.")))
            .await;
        assert_eq!(added.saved_count, 2, "{added:?}");
        world.wait();
        assert_eq!(
            world.decisions(ListQuery::default()).await,
            ["Alice moved to Lisbon.", "The user's name is Alice."]
        );
    }

    async fn everything_that_is_contradicted_is_retired(db: Db) {
        let world = World::new(db).await;
        for text in ["Alice lives in Berlin.", "Alice lives in Hamburg.", "Alice lives in Oslo with two cats."] {
            world.add(text).await;
        }
        world.write(superseding(fact("Alice moved to Lisbon."))).await;
        world.wait();
        let current = world.decisions(ListQuery::default()).await;
        assert_eq!(current, ["Alice moved to Lisbon.", "Alice lives in Oslo with two cats."]);
    }

    async fn who_told_their_name_once_keeps_it(db: Db) {
        let world = World::new(db).await;
        let first = world.write(superseding(said("I'm Alice and I live in Berlin."))).await;
        assert_eq!(first.saved_count, 2);
        world.wait();
        world.write(superseding(said("I just moved to Lisbon."))).await;
        world.wait();
        let current = world.decisions(ListQuery::default()).await;
        assert_eq!(current, ["Alice just moved to Lisbon.", "The user's name is Alice."]);
        // In another tenant somebody else speaks.
        let elsewhere = NewMemory { tenant: tenant("other"), ..said("I just moved to Rome.") };
        world.write(elsewhere).await;
        world.wait();
        let query = ListQuery { tenant: tenant("other"), ..ListQuery::default() };
        assert_eq!(world.decisions(query).await, ["User just moved to Rome."]);
    }

    async fn excluded_categories_and_other_tenants_are_left_alone(db: Db) {
        let world = World::new(db).await;
        world.add("Alice is allergic to penicillin.").await;
        let added = world.write(superseding(fact("Alice is no longer allergic to penicillin."))).await;
        assert!(!added.auto_supersede[0].ran);
        let reason = added.auto_supersede[0].skipped_reason.clone().unwrap();
        assert_eq!(reason, "excluded_category:health_medical");
        world.add_to("a", "alice uses Vim").await;
        let other = NewMemory { tenant: tenant("b"), ..superseding(fact("alice switched to Emacs")) };
        assert_eq!(world.write(other).await.auto_supersede[0].skipped_reason.as_deref(), Some("no_candidates"));
    }

    async fn what_a_key_prefers_drives_its_writes(db: Db) {
        let world = World::new(db).await;
        let change = |change| world.memories.change_settings(&world.actor, change);
        change(SettingsChange { auto_supersede_default: Some(true), ..Default::default() }).await.unwrap();
        world.add("alice uses Vim").await;
        world.wait();
        assert!(world.write(fact("alice switched to Emacs")).await.auto_supersede[0].supersession.is_some());
        world.wait();
        let no = NewMemory { auto_supersede: Some(false), ..fact("alice switched to Nano") };
        assert_eq!(world.write(no).await.auto_supersede[0].skipped_reason.as_deref(), Some("disabled"));
        change(SettingsChange { min_confidence: Some(1.0), ..Default::default() }).await.unwrap();
        world.wait();
        assert_eq!(world.write(fact("alice switched to Kakoune")).await.auto_supersede[0].supersession, None);
        let elsewhere = world.another_process().settings(&world.actor).await.unwrap();
        assert!(elsewhere.auto_supersede_default && (elsewhere.min_confidence - 1.0).abs() < 1e-9);
    }

    async fn a_stranger_learns_nothing(db: Db) {
        let world = World::new(db).await;
        let eve = world.stranger().await;
        let id = world.add("the launch code is 1234").await;
        let memories = &world.memories;
        for error in [
            memories.memory(&eve, &id).await.unwrap_err(),
            memories.timeline(&eve, &id).await.unwrap_err(),
            memories.audit(&eve, &id).await.unwrap_err(),
            memories.supersede(&eve, &id, &until(world.now())).await.unwrap_err(),
            memories.erase(&eve, &id).await.unwrap_err(),
        ] {
            assert_eq!(error.kind(), ErrorKind::Forbidden);
            assert!(!error.to_string().contains("1234"));
        }
        let mine = memories.add(&eve, &Plan::default(), fact("mine")).await.unwrap().memory_ids.remove(0);
        assert!(matches!(memories.supersede(&eve, &mine, &by(&id)).await, Err(Error::Foreign)));
        assert!(matches!(memories.supersede(&world.actor, &id, &by(&mine)).await, Err(Error::Foreign)));
        assert_eq!(memories.list(&eve, &history()).await.unwrap().memories.len(), 1);
        assert_eq!(memories.usage(&eve).await.unwrap().memories, 1);
        assert_eq!(memories.export_memories(&eve, 0, 100).await.unwrap().len(), 1);
        let events = memories.export_events(&eve, 0, 100).await.unwrap();
        assert!(events.iter().all(|event| event.memory_id == mine));
        assert_eq!(memories.plan_status(&eve, &Plan::default()).await.unwrap().writes_used, 1);
    }

    async fn what_others_store_changes_nothing_that_is_shown(db: Db) {
        let world = World::new(db).await;
        let eve = world.stranger().await;
        for number in 0..4 {
            world.add(&format!("Alice planted tulip number {number}.")).await;
        }
        world.wait();
        let page = ListQuery { limit: 2, ..ListQuery::default() };
        let query = Query { include_proof: true, ..Query::of("Who planted tulips?") };
        let seen = async || {
            let (memories, actor) = (&world.memories, &world.actor);
            let answer = memories.query(actor, &query).await.unwrap();
            let evidence: Vec<(String, f32)> =
                answer.evidence.iter().map(|it| (it.memory.id.clone(), it.similarity)).collect();
            (
                memories.list(actor, &page).await.unwrap(),
                (answer.answer_with_citations, evidence, answer.memories_searched, answer.proof),
                memories.usage(actor).await.unwrap(),
                memories.export_events(actor, 0, 100).await.unwrap(),
                memories.plan_status(actor, &Plan::default()).await.unwrap(),
            )
        };
        let before = seen().await;
        for number in 0..30 {
            // The same words, so that statistics that were shared would move, in tenants of the same and another name.
            let text = format!("Alice planted tulip number {number} and Bob planted a rose.");
            let new = NewMemory { tenant: tenant(["t", "u"][number % 2]), ..fact(&text) };
            world.memories.add(&eve, &Plan::default(), new).await.unwrap();
            world.memories.add(&eve, &Plan::default(), superseding(fact(&text))).await.unwrap();
        }
        assert_eq!(seen().await, before);
        assert_eq!(world.another_process().list(&world.actor, &page).await.unwrap(), before.0);
        // A cursor of one's own tells nothing either: what is stored between two lists does not show in it.
        let cursor = |page: &pentad_memories::Page| page.next_cursor.clone().unwrap();
        let mine = cursor(&before.0);
        let last = &before.0.memories[1];
        let (created, from) = (last.created_at.as_micros(), last.created_at.as_micros());
        assert_eq!(mine, pentad_kernel::cursor::encode(&(from, created)), "instants of the account's own");
    }

    async fn a_page_goes_on_where_the_last_memory_was_erased(db: Db) {
        let world = World::new(db).await;
        for number in 0..6 {
            world.add(&format!("fact {number}")).await;
        }
        world.wait();
        for axes in [Axes::default(), Axes { valid: Some(world.now()), transaction: None }] {
            let page = async |cursor| {
                let query = ListQuery { limit: 2, axes, cursor, ..ListQuery::default() };
                world.memories.list(&world.actor, &query).await.unwrap()
            };
            let first = page(None).await;
            world.memories.erase(&world.actor, &first.memories[1].id).await.unwrap();
            let second = page(first.next_cursor).await;
            let shown: Vec<_> = second.memories.iter().map(|memory| &memory.decision).collect();
            let expected = if axes == Axes::default() { ["fact 3", "fact 2"] } else { ["fact 2", "fact 1"] };
            assert_eq!(shown, expected);
        }
    }

    async fn foreign_identifiers_can_be_made_unknown_ones(db: Db) {
        let world = World::with(db, Config { foreign_ids: ForeignIds::NotFound, ..Config::default() }).await;
        let eve = world.stranger().await;
        let id = world.add("fact").await;
        assert!(matches!(world.memories.memory(&eve, &id).await, Err(Error::NotFound)));
        assert!(matches!(world.memories.erase(&eve, &id).await, Err(Error::NotFound)));
    }

    async fn tenants_do_not_see_each_other(db: Db) {
        let world = World::new(db).await;
        world.add_to("a", "ALPHA").await;
        world.add_to("b", "BRAVO").await;
        world.add("DEFAULT").await;
        let of = async |name| world.decisions(ListQuery { tenant: tenant(name), ..history() }).await;
        assert_eq!(of("a").await, ["ALPHA"]);
        assert_eq!(of("b").await, ["BRAVO"]);
        assert_eq!(of("A").await, Vec::<String>::new(), "names are case-sensitive");
        assert_eq!(world.decisions(history()).await, ["DEFAULT"]);
    }

    async fn a_repeated_request_has_one_effect(db: Db) {
        let world = World::new(db).await;
        let request = |text: &str, fingerprint: &str| NewMemory {
            idempotency: Some(Idempotency { key: "k".to_owned(), fingerprint: fingerprint.to_owned() }),
            ..fact(text)
        };
        let attempts: Vec<_> = (0..4)
            .map(|_| {
                let (memories, actor, new) = (world.another_process(), world.actor.clone(), request("once", "f"));
                tokio::spawn(async move { memories.add(&actor, &Plan::default(), new).await.unwrap() })
            })
            .collect();
        let mut answers = Vec::new();
        for attempt in attempts {
            answers.push(attempt.await.unwrap());
        }
        assert!(answers.windows(2).all(|pair| pair[0] == pair[1]));
        world.wait();
        assert_eq!(world.list(ListQuery::default()).await.len(), 1);
        assert_eq!(world.memories.plan_status(&world.actor, &Plan::default()).await.unwrap().writes_used, 1);
        let other = world.memories.add(&world.actor, &Plan::default(), request("other", "g")).await;
        assert!(matches!(other, Err(Error::IdempotencyMismatch)));
        world.clock.advance(Duration::from_secs(24 * 60 * 60 + 1));
        world.write(request("other", "g")).await;
    }

    async fn what_is_erased_is_gone_and_its_chain_stays_whole(db: Db) {
        let world = World::new(db).await;
        let mut ids = Vec::new();
        for number in 0..3 {
            ids.push(world.add(&format!("secret number {number}")).await);
        }
        for pair in ids.windows(2) {
            world.wait();
            world.memories.supersede(&world.actor, &pair[0], &by(&pair[1])).await.unwrap();
        }
        let stale = world.another_process();
        let axes = Axes { valid: None, transaction: Some(world.now()) };
        let query = Query { axes, ..Query::of("secret number 1") };
        stale.query(&world.actor, &query).await.unwrap();
        world.memories.erase(&world.actor, &ids[1]).await.unwrap();
        assert!(matches!(world.memories.erase(&world.actor, &ids[1]).await, Err(Error::NotFound)));
        assert!(matches!(world.memories.audit(&world.actor, &ids[1]).await, Err(Error::NotFound)));
        for id in [&ids[0], &ids[2]] {
            let timeline = world.memories.timeline(&world.actor, id).await.unwrap();
            assert_eq!(timeline.iter().map(|memory| &memory.id).collect::<Vec<_>>(), [&ids[0], &ids[2]]);
        }
        for memories in [&world.memories, &stale] {
            let found = memories.query(&world.actor, &query).await.unwrap();
            assert!(found.evidence.iter().all(|evidence| evidence.memory.id != ids[1]));
        }
        let events = world.memories.export_events(&world.actor, 0, 1_000).await.unwrap();
        let of_erased: Vec<_> = events.iter().filter(|event| event.memory_id == ids[1]).collect();
        assert!(of_erased.iter().all(|event| event.details.is_none()), "nothing of it is left but that it was");
        assert_eq!(of_erased.last().unwrap().kind, "memory.erased");
        assert!(chain_is_intact(&events));
    }

    async fn a_conversation_goes_with_its_last_fact(db: Db) {
        let world = World::new(db.clone()).await;
        let added = world.write(said("My name is Alice. I play the violin.")).await;
        let inputs = async || -> i64 {
            let count = "SELECT COUNT(*) FROM memory_inputs";
            with_reader!(db, |conn| sqlx::query_scalar(count).fetch_one(conn).await).unwrap()
        };
        let (last, others) = added.memory_ids.split_last().unwrap();
        for id in others {
            world.memories.erase(&world.actor, id).await.unwrap();
        }
        assert_eq!(inputs().await, 1);
        world.memories.erase(&world.actor, last).await.unwrap();
        assert_eq!(inputs().await, 0);
    }

    async fn a_tenant_can_be_erased_as_a_whole(db: Db) {
        let world = World::new(db).await;
        for number in 0..5 {
            world.add_to("gone", &format!("fact {number}")).await;
        }
        world.add_to("stays", "fact").await;
        let erase = |name| {
            let tenant = tenant(name);
            let world = &world;
            async move { world.memories.erase_tenant(&world.actor, &tenant).await }
        };
        assert_eq!(erase("gone").await.unwrap(), 5);
        assert_eq!(erase("gone").await.unwrap(), 0);
        assert!(matches!(erase("never").await, Err(Error::TenantNotFound)));
        let usage = world.memories.usage(&world.actor).await.unwrap();
        assert_eq!(usage.tenants, [(Some("stays".to_owned()), 1)]);
        assert_eq!((usage.memories, usage.versions), (1, 1));
    }

    async fn a_changed_event_breaks_the_chain(db: Db) {
        let world = World::new(db.clone()).await;
        for number in 0..3 {
            world.add(&format!("fact {number}")).await;
        }
        let events = async || world.memories.export_events(&world.actor, 0, 100).await.unwrap();
        assert!(chain_is_intact(&events().await));
        let tamper = "UPDATE memory_events SET actor = 'somebody else' WHERE seq = 2";
        with_writer!(db, |conn| sqlx::query(tamper).execute(conn).await.map(affected)).unwrap();
        assert!(!chain_is_intact(&events().await));
    }

    async fn a_plan_is_counted_and_ends_after_its_grace(db: Db) {
        let world = World::new(db).await;
        let plan = Plan { memory_writes: Some(20), ..Plan::default() };
        let write = async |number: usize| {
            world.wait();
            world.memories.add(&world.actor, &plan, fact(&format!("fact {number}"))).await
        };
        for number in 0..22 {
            write(number).await.unwrap();
        }
        assert!(world.memories.plan_status(&world.actor, &plan).await.unwrap().blocked);
        let Err(error @ Error::PlanBlocked { .. }) = write(22).await else {
            panic!("the plan is used up")
        };
        assert_eq!(error.kind(), ErrorKind::RateLimited);
        assert_eq!(world.list(ListQuery::default()).await.len(), 22, "reads go on");
        world.clock.advance(error.retry_after().unwrap());
        write(23).await.unwrap();
    }

    async fn a_plan_also_ends_seven_days_after_its_limit(db: Db) {
        let world = World::new(db).await;
        let plan = Plan { memory_writes: Some(20), ..Plan::default() };
        for number in 0..20 {
            world.wait();
            world.memories.add(&world.actor, &plan, fact(&format!("fact {number}"))).await.unwrap();
        }
        assert!(world.memories.plan_status(&world.actor, &plan).await.unwrap().in_grace_period);
        world.clock.advance(Duration::from_secs(7 * 24 * 60 * 60));
        assert!(world.memories.plan_status(&world.actor, &plan).await.unwrap().blocked);
    }

    async fn pages_meet_without_gap_or_repetition(db: Db) {
        let world = World::new(db).await;
        for number in 0..7 {
            world.add(&format!("fact {number}")).await;
        }
        let all = world.decisions(ListQuery::default()).await;
        for axes in [at(None, None), at(Some(world.now()), None), at(None, Some(world.now()))] {
            let (mut seen, mut cursor) = (Vec::new(), None);
            loop {
                let query = ListQuery { limit: 3, cursor, ..axes.clone() };
                let page = world.memories.list(&world.actor, &query).await.unwrap();
                seen.extend(page.memories.into_iter().map(|memory| memory.decision));
                cursor = page.next_cursor;
                if cursor.is_none() {
                    break;
                }
            }
            assert_eq!(seen, all);
        }
        let junk = ListQuery { cursor: Some("junk".to_owned()), ..ListQuery::default() };
        assert!(matches!(world.memories.list(&world.actor, &junk).await, Err(Error::BadCursor)));
    }

    async fn lists_can_be_narrowed_to_a_source_and_a_session(db: Db) {
        let world = World::new(db).await;
        for (source, session) in [("slack", "1"), ("slack", "2"), ("email", "1")] {
            world.wait();
            let new = NewMemory {
                source: Some(source.to_owned()),
                session_id: Some(session.to_owned()),
                ..fact(&format!("{source} {session}"))
            };
            world.write(new).await;
        }
        let some = |source: Option<&str>, session: Option<&str>| ListQuery {
            source: source.map(str::to_owned),
            session_id: session.map(str::to_owned),
            ..ListQuery::default()
        };
        assert_eq!(world.decisions(some(Some("slack"), None)).await, ["slack 2", "slack 1"]);
        assert_eq!(world.decisions(some(None, Some("1"))).await, ["email 1", "slack 1"]);
        assert_eq!(world.decisions(some(Some("slack"), Some("1"))).await, ["slack 1"]);
        assert!(world.decisions(some(Some("fax"), None)).await.is_empty());
        let now = Some(world.now());
        for axes in [at(now, None), at(None, now), at(now, now)] {
            let query = ListQuery { axes: axes.axes, ..some(Some("slack"), None) };
            assert_eq!(world.decisions(query).await, ["slack 2", "slack 1"]);
        }
    }
}
