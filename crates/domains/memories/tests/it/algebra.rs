//! The laws of the two time axes, for random histories: what the database answers is what replaying the history
//! up to the transaction instant gives.

use std::collections::BTreeMap;
use std::time::Duration;

use pentad_identity::Plan;
use pentad_kernel::Timestamp;
use pentad_memories::{Axes, ListQuery, NewMemory, Query, Supersession, Tenant};
use pentad_store::testing::TestDb;
use pentad_store::{Db, both_engines, with_reader};
use proptest::prelude::*;

use crate::world::{World, at, fact, history, superseding, tenant};

/// One step of a history. Instants are seconds after its start.
#[derive(Clone, Debug)]
enum Step {
    Wait(u64),
    Add {
        from: Option<i64>,
        lasts: Option<u64>,
    },
    Supersede {
        old: usize,
        new: Option<usize>,
        at: Option<i64>,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let index = 0_usize..8;
    prop_oneof![
        2 => (0_u64..4).prop_map(Step::Wait),
        3 => (prop::option::of(-5_i64..15), prop::option::of(1_u64..10))
            .prop_map(|(from, lasts)| Step::Add { from, lasts }),
        4 => (index.clone(), prop::option::weighted(0.8, index), prop::option::weighted(0.3, 0_i64..20))
            .prop_map(|(old, new, at)| Step::Supersede { old, new, at }),
    ]
}

/// What is believed of a memory.
#[derive(Clone, Debug)]
struct State {
    created: Timestamp,
    from: Timestamp,
    to: Timestamp,
    superseded: bool,
}

struct Replay {
    world: World,
    tenant: Tenant,
    start: Timestamp,
    ids: Vec<String>,
    /// What became of a memory, and when that became known.
    log: Vec<(Timestamp, usize, State)>,
}

impl Replay {
    fn after(&self, seconds: i64) -> Timestamp {
        Timestamp::from_micros(self.start.as_micros() + seconds * 1_000_000)
    }

    async fn take(&mut self, step: &Step) {
        match *step {
            Step::Wait(seconds) => self.world.clock.advance(Duration::from_secs(seconds)),
            Step::Add { from, lasts } => {
                let valid_from = from.map(|from| self.after(from));
                let begins = valid_from.unwrap_or(self.world.now());
                let valid_to = lasts.map(|lasts| begins.plus(Duration::from_secs(lasts)));
                let text = format!("fact number {}", self.ids.len());
                let tenant = self.tenant.clone();
                let new = NewMemory {
                    valid_from,
                    valid_to,
                    tenant,
                    ..fact(&text)
                };
                let id = self.world.write(new).await.memory_ids.remove(0);
                self.note(self.ids.len(), &id).await;
                self.ids.push(id);
            }
            Step::Supersede { old, new, at } => {
                let Some(id) = self.ids.get(old).cloned() else {
                    return;
                };
                let supersession = Supersession {
                    superseded_by: new.and_then(|new| self.ids.get(new).cloned()),
                    valid_to: at.map(|at| self.after(at)),
                };
                let World { memories, actor, .. } = &self.world;
                if memories.supersede(actor, &id, &supersession).await.is_ok() {
                    self.note(old, &id).await;
                }
            }
        }
    }

    async fn note(&mut self, number: usize, id: &str) {
        let memory = self.world.memories.memory(&self.world.actor, id).await.unwrap();
        let state = State {
            created: memory.created_at,
            from: memory.valid_from,
            to: memory.valid_to,
            superseded: memory.is_superseded(),
        };
        if self
            .log
            .last()
            .is_none_or(|(known, ..)| *known < memory.believed_from)
        {
            self.log.push((memory.believed_from, number, state));
        }
    }

    /// What replaying the history up to the transaction instant gives, in the order of a list.
    fn expected(&self, axes: Axes, include_superseded: bool) -> Vec<String> {
        let mut states: BTreeMap<usize, State> = BTreeMap::new();
        for (known, number, state) in &self.log {
            if axes.transaction.is_none_or(|transaction| *known <= transaction) {
                states.insert(*number, state.clone());
            }
        }
        let now = self.world.now();
        let shown = |state: &State| match (axes.valid, axes.transaction) {
            (Some(valid), _) => state.from <= valid && valid < state.to,
            (None, Some(_)) => include_superseded || !state.superseded,
            (None, None) => include_superseded || (!state.superseded && state.from <= now && now < state.to),
        };
        let by_validity = match (axes.valid, axes.transaction) {
            (Some(valid), Some(transaction)) => transaction > valid,
            (valid, _) => valid.is_some(),
        };
        let mut rows: Vec<_> = states.into_iter().filter(|(_, state)| shown(state)).collect();
        rows.sort_by_key(|(number, state)| (if by_validity { state.from } else { state.created }, *number));
        rows.iter()
            .rev()
            .map(|(number, _)| self.ids[*number].clone())
            .collect()
    }

    async fn listed(&self, axes: Axes, include_superseded: bool) -> Vec<String> {
        let tenant = self.tenant.clone();
        let query = ListQuery {
            axes,
            include_superseded,
            tenant,
            ..ListQuery::default()
        };
        self.world
            .list(query)
            .await
            .into_iter()
            .map(|memory| memory.id)
            .collect()
    }

    /// Every instant at which something begins or ends, and the instants beside it.
    fn instants(&self) -> Vec<Timestamp> {
        let bounds = self
            .log
            .iter()
            .flat_map(|(known, _, state)| [*known, state.from, state.to]);
        let mut instants: Vec<Timestamp> = bounds
            .filter(|&instant| instant != Timestamp::MAX)
            .flat_map(|instant| [-1, 0, 1].map(|by| Timestamp::from_micros(instant.as_micros() + by)))
            .collect();
        instants.sort_unstable();
        instants.dedup();
        instants
    }

    /// The transaction clock may be ahead of the machine's by a few microseconds.
    fn log_end(&self) -> Timestamp {
        self.log
            .last()
            .map_or(self.start, |(known, ..)| *known)
            .max(self.world.now())
    }

    async fn check(&self) {
        let sample = |instants: Vec<Timestamp>| {
            let every = instants.len().div_ceil(6).max(1);
            instants
                .into_iter()
                .step_by(every)
                .map(Some)
                .chain([None])
                .collect::<Vec<_>>()
        };
        let past = self
            .instants()
            .into_iter()
            .filter(|&instant| instant <= self.log_end())
            .collect();
        let (valids, transactions) = (sample(self.instants()), sample(past));
        for &valid in &valids {
            for &transaction in &transactions {
                let axes = Axes { valid, transaction };
                for include_superseded in [false, true] {
                    let expected = self.expected(axes, include_superseded);
                    let listed = self.listed(axes, include_superseded).await;
                    assert_eq!(listed, expected, "{axes:?} {include_superseded}");
                }
                let query = Query {
                    axes,
                    tenant: self.tenant.clone(),
                    limit: 100,
                    ..Query::of("fact number")
                };
                let answer = self
                    .world
                    .memories
                    .query(&self.world.actor, &query)
                    .await
                    .unwrap();
                let mut shown = self.expected(axes, false);
                let mut found: Vec<String> = answer.evidence.into_iter().map(|it| it.memory.id).collect();
                shown.sort_unstable();
                found.sort_unstable();
                assert_eq!(found, shown, "a query sees what a list shows: {axes:?}");
                assert_eq!(answer.memories_searched, shown.len());
            }
        }
    }

    /// What is believed of a memory at one instant of the transaction clock is one thing: its versions follow each
    /// other without gap and without overlap, the last one open.
    async fn check_versions(&self) {
        let count = async |sql: &'static str| -> i64 {
            with_reader!(self.world.db, |conn| sqlx::query_scalar(sql)
                .fetch_one(conn)
                .await)
            .unwrap()
        };
        let overlaps = "SELECT COUNT(*) FROM memory_versions AS a JOIN memory_versions AS b
            ON a.memory = b.memory AND a.version < b.version AND a.tx_from < b.tx_to AND b.tx_from < a.tx_to";
        assert_eq!(count(overlaps).await, 0);
        let unfollowed = "SELECT COUNT(*) FROM memory_versions AS a WHERE a.tx_to < 9223372036854775807
            AND NOT EXISTS (SELECT 1 FROM memory_versions AS b WHERE b.memory = a.memory AND b.tx_from = a.tx_to)";
        assert_eq!(count(unfollowed).await, 0);
        let closed =
            "SELECT COUNT(*) FROM memories AS m WHERE 1 <> (SELECT COUNT(*) FROM memory_versions AS v
            WHERE v.memory = m.memory AND v.tx_to = 9223372036854775807)";
        assert_eq!(count(closed).await, 0);
    }

    async fn check_timelines(&self) {
        let of = async |id: &str| {
            let timeline = self.world.memories.timeline(&self.world.actor, id).await.unwrap();
            timeline.into_iter().map(|memory| memory.id).collect::<Vec<_>>()
        };
        for id in &self.ids {
            let timeline = of(id).await;
            assert!(timeline.contains(id));
            for other in &timeline {
                assert_eq!(of(other).await, timeline, "every link leads to the whole chain");
            }
        }
    }
}

fn run(postgres: bool, history: &[Step], later: &[Step]) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let database = if postgres {
            TestDb::postgres().await
        } else {
            Some(TestDb::sqlite().await)
        };
        let Some(database) = database else { return };
        let world = World::new(database.db()).await;
        let start = world.now();
        let mut replay = Replay {
            world,
            tenant: tenant("laws"),
            start,
            ids: Vec::new(),
            log: Vec::new(),
        };
        for step in history {
            replay.take(step).await;
        }
        replay.check().await;
        let known = Axes {
            valid: None,
            transaction: Some(replay.log_end()),
        };
        let before = (
            replay.listed(known, false).await,
            replay.listed(known, true).await,
        );
        for step in later {
            replay.take(step).await;
        }
        let after = (
            replay.listed(known, false).await,
            replay.listed(known, true).await,
        );
        assert_eq!(after, before, "the past is settled");
        replay.check().await;
        replay.check_versions().await;
        replay.check_timelines().await;
    });
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    #[test]
    fn every_read_is_the_replay_of_the_history(
        history in prop::collection::vec(step(), 4..14),
        later in prop::collection::vec(step(), 2..8),
    ) {
        run(false, &history, &later);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4, ..ProptestConfig::default() })]

    #[test]
    fn every_read_is_the_replay_of_the_history_on_postgres(
        history in prop::collection::vec(step(), 4..14),
        later in prop::collection::vec(step(), 2..8),
    ) {
        run(true, &history, &later);
    }
}

both_engines! {
    async fn a_change_over_leaves_no_gap_and_no_overlap(db: Db) {
        let world = World::new(db).await;
        let first = world.add("Alice lives in Berlin.").await;
        let mut starts = vec![world.memories.memory(&world.actor, &first).await.unwrap().valid_from];
        for city in ["Lisbon", "Oslo", "Rome"] {
            world.wait();
            let added = world.write(superseding(fact(&format!("Alice moved to {city}.")))).await;
            assert!(added.auto_supersede[0].supersession.is_some(), "{city}");
            let id = &added.memory_ids[0];
            starts.push(world.memories.memory(&world.actor, id).await.unwrap().valid_from);
        }
        for start in &starts {
            for by in [-1, 0, 1] {
                let instant = Timestamp::from_micros(start.as_micros() + by);
                let holding = world.decisions(at(Some(instant), None)).await;
                assert_eq!(holding.len(), usize::from(instant >= starts[0]), "{instant}: {holding:?}");
            }
        }
    }

    async fn an_instant_that_was_asked_about_is_settled_for_ever(db: Db) {
        let world = World::new(db).await;
        world.add("Alice lives in Berlin.").await;
        world.wait();
        let asked = world.now();
        let before = world.decisions(at(None, Some(asked))).await;
        // The machine's clock stands still: without settling, this would be known at the very instant asked about.
        world.write(fact("Bob lives in Paris.")).await;
        assert_eq!(world.decisions(at(None, Some(asked))).await, before);
        world.wait();
        assert_eq!(world.decisions(ListQuery::default()).await.len(), 2);
    }

    async fn the_past_does_not_move_while_others_write(db: Db) {
        let world = World::new(db).await;
        let mut early = Vec::new();
        for writer in 0..4 {
            early.push(world.add(&format!("early fact of {writer}")).await);
        }
        world.wait();
        let asked = world.now();
        let writers: Vec<_> = (0..4)
            .map(|writer| {
                let (memories, actor, clock) = (world.another_process(), world.actor.clone(), world.clock.clone());
                let mut last = early[writer].clone();
                tokio::spawn(async move {
                    for number in 0..10 {
                        clock.advance_micros(1);
                        let new = fact(&format!("fact {number} of {writer}"));
                        let next = memories.add(&actor, &Plan::default(), new).await.unwrap().memory_ids.remove(0);
                        let supersession = Supersession { superseded_by: Some(next.clone()), valid_to: None };
                        memories.supersede(&actor, &last, &supersession).await.unwrap();
                        last = next;
                    }
                })
            })
            .collect();
        let first = world.decisions(at(None, Some(asked))).await;
        for _ in 0..10 {
            assert_eq!(world.decisions(at(None, Some(asked))).await, first);
        }
        for writer in writers {
            writer.await.unwrap();
        }
        assert_eq!(world.decisions(at(None, Some(asked))).await, first);
        world.wait();
        assert_eq!(world.list(ListQuery::default()).await.len(), 4);
        let all = world.list(history()).await;
        assert_eq!(all.len(), 44);
        assert!(all.windows(2).all(|pair| pair[0].created_at > pair[1].created_at), "no instant comes twice");
    }

    async fn a_clock_that_goes_back_does_not_take_the_transaction_clock_along(db: Db) {
        let world = World::new(db).await;
        let first = world.add("Alice lives in Berlin.").await;
        world.clock.advance_micros(-3_600_000_000);
        let second = world.write(fact("Bob lives in Paris.")).await.memory_ids.remove(0);
        let created = async |id: &str| world.memories.memory(&world.actor, id).await.unwrap().created_at;
        assert!(created(&second).await > created(&first).await);
    }
}
