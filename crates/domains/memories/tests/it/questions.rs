//! Questions, citations and proofs.

use pentad_memories::{
    Axes, ClaimedProof, Error, NewMemory, Query, QueryAnswer, Supersession, printed, printed_end,
};
use pentad_store::{Db, both_engines};
use serde_json::{Value, json};

use crate::world::{World, fact, tenant};

async fn ask(world: &World, query: Query) -> QueryAnswer {
    let query = Query {
        include_proof: true,
        ..query
    };
    world.memories.query(&world.actor, &query).await.unwrap()
}

async fn supersede(world: &World, old: &str, new: &str) {
    world.wait();
    let supersession = Supersession {
        superseded_by: Some(new.to_owned()),
        valid_to: None,
    };
    world
        .memories
        .supersede(&world.actor, old, &supersession)
        .await
        .unwrap();
    world.wait();
}

/// The proof as it goes over the wire.
fn tree(answer: &QueryAnswer) -> Value {
    let proof = answer.proof.as_ref().unwrap();
    let evidence = answer.evidence.iter().map(|evidence| {
        json!({
            "memory_id": evidence.memory.id,
            "decision": evidence.memory.decision,
            "cited": evidence.cited,
            "bi_temporal": {
                "valid_from": printed(evidence.memory.valid_from),
                "valid_to": printed_end(evidence.memory.valid_to),
            },
        })
    });
    json!({
        "answer_hash": proof.answer_hash,
        "evidence_chain": evidence.collect::<Vec<_>>(),
        "retrieval": {"transaction_time": printed(proof.transaction_time), "filters": {}},
    })
}

async fn mismatches(world: &World, answer: &str, tree: Value) -> Vec<&'static str> {
    let claimed = ClaimedProof::read(tree).unwrap();
    let found = world
        .memories
        .verify(&world.actor, answer, &claimed)
        .await
        .unwrap();
    found.into_iter().map(|mismatch| mismatch.reason).collect()
}

both_engines! {
    async fn an_answer_comes_from_what_is_true_and_cites_it(db: Db) {
        let world = World::new(db).await;
        let old = world.add("Alice Chen works at Acme Corp as an engineer.").await;
        world.add("The cafeteria serves ramen on Thursdays.").await;
        world.wait();
        let then = Some(world.now());
        let new = world.add("Alice Chen works at Globex as a staff engineer.").await;
        supersede(&world, &old, &new).await;
        let question = Query::of("Where does Alice Chen work?");
        let now = ask(&world, question.clone()).await;
        assert_eq!(now.answer, "Alice Chen works at Globex as a staff engineer.");
        assert_eq!(now.answer_with_citations, "Alice Chen works at Globex as a staff engineer [mem-1].");
        assert_eq!(now.evidence.iter().filter(|evidence| evidence.cited).count(), 1);
        assert_eq!(now.memories_searched, 2);
        for (valid, transaction) in [(then, None), (None, then), (then, then)] {
            let axes = Axes { valid, transaction };
            let past = ask(&world, Query { axes, ..question.clone() }).await;
            assert!(past.answer.contains("Acme") && !past.answer.contains("Globex"), "{axes:?}: {}", past.answer);
            assert!(past.answer.starts_with("As "), "{}", past.answer);
            let chain = &past.proof.unwrap().supersession_chains[0];
            assert_eq!(chain.starting_memory_id, old);
            assert_eq!(chain.current_truth_memory_id, new);
        }
        let nothing = ask(&world, Query::of("What is the airspeed of an unladen swallow?")).await;
        assert!(nothing.evidence.iter().all(|evidence| !evidence.cited), "{}", nothing.answer);
    }

    async fn sources_tenants_and_limits_bound_what_is_seen(db: Db) {
        let world = World::new(db).await;
        world.add("ramen on Monday").await;
        world.write(NewMemory { source: Some("slack".to_owned()), ..fact("ramen on Tuesday") }).await;
        world.wait();
        let ramen = Query::of("ramen");
        let slack = Some(vec!["slack".to_owned()]);
        assert_eq!(ask(&world, Query { sources: slack, ..ramen.clone() }).await.evidence.len(), 1);
        assert_eq!(ask(&world, Query { sources: Some(Vec::new()), ..ramen.clone() }).await.evidence, []);
        assert_eq!(ask(&world, Query { limit: 1, ..ramen.clone() }).await.evidence.len(), 1);
        let elsewhere = ask(&world, Query { tenant: tenant("void"), ..ramen.clone() }).await;
        assert_eq!((elsewhere.memories_searched, elsewhere.evidence.len()), (0, 0));
        let too_many = Query { limit: 101, ..ramen };
        assert!(matches!(world.memories.query(&world.actor, &too_many).await, Err(Error::OutOfRange { .. })));
    }

    async fn another_process_sees_every_change(db: Db) {
        let world = World::new(db).await;
        let other = world.another_process();
        let count = async || {
            let answer = other.query(&world.actor, &Query::of("fact")).await.unwrap();
            (answer.memories_searched, answer.evidence.len())
        };
        let first = world.add("fact one").await;
        world.wait();
        assert_eq!(count().await, (1, 1));
        let second = world.add("fact two").await;
        world.wait();
        assert_eq!(count().await, (2, 2));
        supersede(&world, &first, &second).await;
        assert_eq!(count().await, (1, 1));
        world.memories.erase(&world.actor, &second).await.unwrap();
        assert_eq!(count().await, (0, 0));
    }

    async fn a_past_answer_stays_word_for_word(db: Db) {
        let world = World::new(db).await;
        for number in 0..5 {
            world.add(&format!("Alice saw film number {number} with Bob")).await;
        }
        world.wait();
        let axes = Axes { valid: None, transaction: Some(world.now()) };
        let query = Query { axes, ..Query::of("Which film did Alice see?") };
        let before = ask(&world, query.clone()).await;
        for number in 0..20 {
            world.add(&format!("Alice and Bob and film after film, {number} of them in a longer sentence")).await;
        }
        let after = ask(&world, query).await;
        assert_eq!(after.evidence, before.evidence);
        assert_eq!(after.proof.unwrap().answer_hash, before.proof.unwrap().answer_hash);
    }

    async fn a_proof_holds_for_ever_and_names_what_was_changed(db: Db) {
        let world = World::new(db).await;
        let old = world.add("Alice works at Acme.").await;
        world.add("The cafeteria serves ramen.").await;
        world.wait();
        let answer = ask(&world, Query::of("Where does Alice work?")).await;
        assert_eq!(answer.evidence[0].memory.id, old);
        assert_eq!(mismatches(&world, &answer.answer, tree(&answer)).await, Vec::<&str>::new());
        let new = world.add("Alice works at Globex.").await;
        supersede(&world, &old, &new).await;
        assert_eq!(mismatches(&world, &answer.answer, tree(&answer)).await, Vec::<&str>::new(), "it was true then");

        assert_eq!(mismatches(&world, "something else", tree(&answer)).await, ["hash differs"]);
        let mut tampered = tree(&answer);
        tampered["evidence_chain"][0]["decision"] = "Alice works at Initech.".into();
        assert_eq!(mismatches(&world, &answer.answer, tampered).await, ["hash differs", "decision differs"]);
        let mut moved = tree(&answer);
        moved["evidence_chain"][0]["bi_temporal"]["valid_to"] = "2030-01-01T00:00:00.000000+00:00".into();
        assert_eq!(mismatches(&world, &answer.answer, moved).await, ["hash differs", "window differs"]);
        let mut early = tree(&answer);
        early["retrieval"]["transaction_time"] = "2099-01-01T00:00:00.000000+00:00".into();
        assert_eq!(mismatches(&world, &answer.answer, early).await, ["in the future"]);
        world.memories.erase(&world.actor, &old).await.unwrap();
        assert_eq!(mismatches(&world, &answer.answer, tree(&answer)).await, ["erased"]);

        let eve = world.stranger().await;
        let claimed = ClaimedProof::read(tree(&answer)).unwrap();
        let found = world.memories.verify(&eve, &answer.answer, &claimed).await.unwrap();
        assert!(found.iter().all(|mismatch| mismatch.reason == "unknown"), "{found:?}");
        assert!(matches!(ClaimedProof::read(json!({})), Err(Error::NotAProof(_))));
    }
}
