//! Speed of the memories over a real database: best, median and 99th percentile of repeated calls.
//!
//! `cargo bench -p pentad-memories`, with the number of memories in one scope as an argument (default 1,000,000);
//! on PostgreSQL as well where `PENTAD_TEST_POSTGRES` names a server. HTTP is not part of the figures. With `vectors` as
//! an argument, only vectors are searched: in memory, and by reading them where they are kept.
#![expect(clippy::print_stdout, reason = "a benchmark speaks to its terminal")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::TryStreamExt as _;
use pentad_identity::{Identity, KeyFamily, NewKey, Plan, PlanTable};
use pentad_kernel::{Actor, Clock as _, SystemClock, Timestamp};
use pentad_memories::{Axes, Config, Input, Limits, ListQuery, Memories, NewMemory, Query, Tenant};
use pentad_retrieval::{QuantizedVector, TopK, VectorArena};
use pentad_store::testing::TestDb;
use pentad_store::{Db, affected, with_reader, with_writer};

/// How many rows one statement of the loader makes.
const STEP: i64 = 100_000;
/// Memories are a second apart.
const SECOND: i64 = 1_000_000;
/// How many memories the question is asked over.
const SEARCHED: usize = 100_000;
/// How many vectors are searched, one number after the other.
const VECTORS: [i64; 2] = [100_000, 1_000_000];
/// Components of a vector, one byte each.
const DIMENSIONS: usize = 256;
/// How many of the nearest are wanted.
const NEAREST: usize = 10;

fn main() {
    let count = std::env::args()
        .skip(1)
        .find_map(|argument| argument.parse().ok())
        .unwrap_or(1_000_000);
    let vectors_only = std::env::args().any(|argument| argument == "vectors");
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .expect("a runtime can be built");
    runtime.block_on(async {
        let sqlite = TestDb::sqlite().await;
        let postgres = TestDb::postgres().await;
        if !vectors_only {
            run("SQLite", sqlite.db(), count).await;
            if let Some(database) = &postgres {
                run("PostgreSQL", database.db(), count).await;
            }
        }
        for count in VECTORS {
            vectors(count, &sqlite.db(), postgres.as_ref().map(TestDb::db).as_ref()).await;
        }
    });
}

struct Bench {
    db: Db,
    memories: Memories,
    actor: Actor,
}

async fn run(engine: &str, db: Db, count: i64) {
    let identity = Identity::new(db.clone(), Arc::new(SystemClock), PlanTable::default());
    let user = identity
        .create_user("bench@example.com", None, false)
        .await
        .expect("a new user");
    let key = identity
        .mint_key(&user.home_organisation, &user.id, NewKey::of(KeyFamily::Memory))
        .await
        .expect("a key");
    let actor = identity
        .authenticate(key.secret())
        .await
        .expect("the key opens")
        .actor
        .clone();
    let memories = Memories::new(db.clone(), identity, Arc::new(SystemClock), Config::default())
        .expect("the default set-up");
    let bench = Bench { db, memories, actor };
    println!("\n{engine}: {count} memories in one scope, every fifth superseded");
    println!("{:<52} {:>10} {:>10} {:>10}", "", "best", "p50", "p99");
    bench.lists(count).await;
    bench.writes().await;
    bench.questions().await;
}

fn tenant(name: &str) -> Tenant {
    Tenant::parse(Some(name), &Limits::default()).expect("a short name")
}

fn fact(text: &str, tenant: Tenant) -> NewMemory {
    let input = Input::Content {
        content: text.to_owned(),
        topic: None,
        importance_score: None,
    };
    NewMemory {
        tenant,
        ..NewMemory::of(input)
    }
}

fn report(what: &str, mut times: Vec<Duration>) {
    times.sort_unstable();
    let at = |share: f64| {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "an index into a short list"
        )]
        let index = ((times.len() - 1) as f64 * share) as usize;
        format!("{:.3} ms", times[index].as_secs_f64() * 1e3)
    };
    println!("{what:<52} {:>10} {:>10} {:>10}", at(0.0), at(0.5), at(0.99));
}

async fn timed<T>(what: &str, repetitions: i64, mut call: impl AsyncFnMut(i64) -> T) {
    let mut times = Vec::new();
    for number in 0..repetitions {
        let start = Instant::now();
        let _ = call(number).await;
        times.push(start.elapsed());
    }
    report(what, times);
}

// As large as the rows of memories are.
const LOAD_VECTORS: [&str; 2] = [
    "WITH RECURSIVE n (i) AS (SELECT $1 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < $2)
     INSERT INTO memory_index (scope, memory, terms, embedder, vector)
     SELECT $3, i, randomblob(64), 'bench', randomblob(256) FROM n",
    "INSERT INTO memory_index (scope, memory, terms, embedder, vector)
     SELECT $3, i, sha512(i::text::bytea), 'bench',
            sha512(('a' || i)::bytea) || sha512(('b' || i)::bytea) || sha512(('c' || i)::bytea) || sha512(('d' || i)::bytea)
     FROM generate_series($1::bigint, $2 - 1) AS n (i)",
];

/// The nearest of many vectors, in memory, and where databases keep them.
async fn vectors(count: i64, sqlite: &Db, postgres: Option<&Db>) {
    println!("\nthe {NEAREST} nearest of {count} vectors of {DIMENSIONS} bytes");
    println!("{:<52} {:>10} {:>10} {:>10}", "", "best", "p50", "p99");
    let scope = -count;
    let question = |number: i64| {
        let component = |at: usize| ((number * 31 + 7) * (at as i64 * 17 + 3) % 255 - 127) as i8;
        QuantizedVector::from_values((0..DIMENSIONS).map(component).collect())
    };
    let mut arena = None;
    for (engine, db) in [("SQLite", Some(sqlite)), ("PostgreSQL", postgres)] {
        let Some(db) = db else { continue };
        let sql = LOAD_VECTORS[usize::from(matches!(db, Db::Postgres(_)))];
        for from in (0..count).step_by(usize::try_from(STEP).expect("a small number")) {
            with_writer!(*db, |conn| sqlx::query(sql)
                .bind(from)
                .bind((from + STEP).min(count))
                .bind(scope)
                .execute(conn)
                .await
                .map(affected))
            .expect("the rows can be written");
        }
        if arena.is_none() {
            let mut filled = VectorArena::new(DIMENSIONS);
            each_vector(db, scope, |memory, vector| filled.insert(memory, &vector)).await;
            arena = Some(filled);
        }
        timed(&format!("read from {engine} and compared"), 5, async |number| {
            let question = question(number);
            let mut nearest = TopK::new(NEAREST);
            each_vector(db, scope, |key, vector| {
                nearest.push(key, question.similarity(&vector));
            })
            .await;
            nearest.into_ranked().len()
        })
        .await;
    }
    let arena = arena.expect("the vectors of SQLite");
    let rounds = 20_000_000 / count;
    timed("all of them in memory, exact", rounds, async |number| {
        arena.nearest(&question(number), NEAREST, |_| true).len()
    })
    .await;
    timed(
        "in memory, through signs (2,000 left over)",
        rounds,
        async |number| {
            arena
                .nearest_prefiltered(&question(number), NEAREST, 2_000, |_| true)
                .len()
        },
    )
    .await;
}

async fn each_vector(db: &Db, scope: i64, mut see: impl FnMut(i64, QuantizedVector)) {
    let quantized = |bytes: Vec<u8>| {
        let component = |byte: u8| byte.cast_signed().max(-127);
        QuantizedVector::from_values(bytes.into_iter().map(component).collect())
    };
    with_reader!(*db, |conn| {
        let mut rows =
            sqlx::query_as::<_, (i64, Vec<u8>)>("SELECT memory, vector FROM memory_index WHERE scope = $1")
                .bind(scope)
                .fetch(conn);
        loop {
            match rows.try_next().await {
                Ok(Some((memory, bytes))) => see(memory, quantized(bytes)),
                Ok(None) => break Ok(()),
                Err(error) => break Err(error),
            }
        }
    })
    .expect("the rows can be read");
}

const LOAD_MEMORIES: [&str; 2] = [
    "WITH RECURSIVE n (i) AS (SELECT $1 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < $2)
     INSERT INTO memories (memory, id, scope, decision, topic, category, importance, source, channel, degraded, engine,
                           created_at, explicit_valid_from, salt)
     SELECT i + 1000000000, 'bench-' || i, $3, 'fact ' || i, 'General', 'general', 5, 'agent', 'agent', 0, 'verbatim',
            $4 + i * 1000000, 0, '' FROM n",
    "INSERT INTO memories (memory, id, scope, decision, topic, category, importance, source, channel, degraded, engine,
                           created_at, explicit_valid_from, salt)
     SELECT i + 1000000000, 'bench-' || i, $3, 'fact ' || i, 'General', 'general', 5, 'agent', 'agent', FALSE, 'verbatim',
            $4 + i * 1000000, FALSE, '' FROM generate_series($1::bigint, $2 - 1) AS n (i)",
];
// Every fifth memory was superseded 500 seconds after it was stored.
const LOAD_VERSIONS: [&str; 2] = [
    "INSERT INTO memory_versions (memory, scope, created_at, valid_from, valid_to, tx_from, tx_to, superseded_by, cause)
     SELECT memory, scope, created_at, created_at, 9223372036854775807, created_at,
            CASE WHEN memory % 5 = 0 THEN created_at + 500000000 ELSE 9223372036854775807 END, NULL, 'created'
     FROM memories WHERE scope = $1 AND memory >= 1000000000",
    "INSERT INTO memory_versions (memory, scope, created_at, valid_from, valid_to, tx_from, tx_to, superseded_by, cause)
     SELECT memory, scope, created_at, created_at, created_at + 500000000, created_at + 500000000,
            9223372036854775807, 'bench-0', 'superseded'
     FROM memories WHERE scope = $1 AND memory >= 1000000000 AND memory % 5 = 0",
];
const BOTH_ON: [&str; 2] = [
    "SELECT v.memory FROM memory_versions AS v INDEXED BY memory_versions_by_creation
     WHERE v.scope = $1 AND v.created_at <= $3 AND v.tx_from <= $3 AND v.tx_to > $3 AND v.valid_from <= $2 AND v.valid_to > $2
     ORDER BY v.created_at DESC, v.memory DESC LIMIT 20",
    "SELECT v.memory FROM memory_versions AS v INDEXED BY memory_versions_by_validity
     WHERE v.scope = $1 AND v.valid_from <= $2 AND v.valid_to > $2 AND v.tx_from <= $3 AND v.tx_to > $3
     ORDER BY v.valid_from DESC, v.memory DESC LIMIT 20",
];

impl Bench {
    async fn lists(&self, count: i64) {
        let large = tenant("large");
        let first = self
            .memories
            .add(&self.actor, &Plan::default(), fact("the first", large.clone()))
            .await;
        first.expect("a fact can be stored");
        let scope: i64 = with_reader!(self.db, |conn| sqlx::query_scalar(
            "SELECT scope FROM memory_scopes WHERE tenant = 'large'"
        )
        .fetch_one(conn)
        .await)
        .expect("the scope is there");
        let base = SystemClock.now().as_micros() - count * SECOND - 1_000 * SECOND;
        for from in (0..count).step_by(usize::try_from(STEP).expect("a small number")) {
            let sql = LOAD_MEMORIES[usize::from(matches!(self.db, Db::Postgres(_)))];
            with_writer!(self.db, |conn| sqlx::query(sql)
                .bind(from)
                .bind((from + STEP).min(count))
                .bind(scope)
                .bind(base)
                .execute(conn)
                .await
                .map(affected))
            .expect("the rows can be written");
        }
        for sql in LOAD_VERSIONS {
            with_writer!(self.db, |conn| sqlx::query(sql)
                .bind(scope)
                .execute(conn)
                .await
                .map(affected))
            .expect("the rows can be written");
        }
        with_writer!(self.db, |conn| sqlx::query("ANALYZE")
            .execute(conn)
            .await
            .map(affected))
        .expect("statistics");
        let instant = |number: i64, salt: i64| {
            Timestamp::from_micros(base + (number * 7_919 + salt) % count * SECOND + SECOND / 2)
        };
        let list = async |axes: Axes, include_superseded: bool| {
            let query = ListQuery {
                tenant: large.clone(),
                axes,
                include_superseded,
                ..ListQuery::default()
            };
            self.memories
                .list(&self.actor, &query)
                .await
                .expect("a list")
                .memories
                .len()
        };
        let axes = |valid, transaction| Axes { valid, transaction };
        timed("list: current", 300, async |_| {
            list(axes(None, None), false).await
        })
        .await;
        timed("list: history", 300, async |_| list(axes(None, None), true).await).await;
        timed("list: as_of", 300, async |n| {
            list(axes(Some(instant(n, 0)), None), false).await
        })
        .await;
        timed("list: transaction_as_of", 300, async |n| {
            list(axes(None, Some(instant(n, 0))), false).await
        })
        .await;
        timed("list: both axes", 300, async |n| {
            list(axes(Some(instant(n, 0)), Some(instant(n, 31_337))), false).await
        })
        .await;
        if !matches!(self.db, Db::Sqlite(_)) {
            return;
        }
        // Known early, valid late: the index by validity has to walk over everything in between, and the other way round.
        let (early, late) = (base + count / 100 * SECOND, base + count / 100 * 99 * SECOND);
        for (index, valid, known, right) in [
            (0, late, early, true),
            (1, late, early, false),
            (1, early, late, true),
            (0, early, late, false),
        ] {
            let what = format!(
                "both axes far apart, {} index",
                if right { "right" } else { "wrong" }
            );
            timed(&what, if right { 300 } else { 5 }, async |_| {
                let rows: Vec<i64> = with_reader!(self.db, |conn| sqlx::query_scalar(BOTH_ON[index])
                    .bind(scope)
                    .bind(valid)
                    .bind(known)
                    .fetch_all(conn)
                    .await)
                .expect("the rows can be read");
                rows.len()
            })
            .await;
        }
    }

    async fn writes(&self) {
        let add = async |number: i64, automatic: bool| {
            let text = format!("User {} lives in City{number}.", number % 50);
            let new = NewMemory {
                auto_supersede: Some(automatic),
                ..fact(&text, tenant("written"))
            };
            self.memories
                .add(&self.actor, &Plan::default(), new)
                .await
                .expect("a fact can be stored")
        };
        timed("write", 500, async |number| add(number, false).await).await;
        timed("write with supersession", 500, async |number| {
            add(number + 500, true).await
        })
        .await;
    }

    async fn questions(&self) {
        let names = ["Alice", "Bob", "Carol", "Dave", "Erin", "Frank"];
        let things = [
            "violin",
            "greyhound",
            "ramen",
            "kiln",
            "marathon",
            "visa",
            "garden",
            "bicycle",
        ];
        let start = Instant::now();
        for number in 0..SEARCHED {
            let text = format!(
                "{} number {number} bought a {} on day {} of the year.",
                names[number % names.len()],
                things[number / 7 % things.len()],
                number % 365
            );
            let new = fact(&text, tenant("searched"));
            self.memories
                .add(&self.actor, &Plan::default(), new)
                .await
                .expect("a fact can be stored");
        }
        println!(
            "{SEARCHED} memories stored one by one in {:.0} s",
            start.elapsed().as_secs_f64()
        );
        let ask = async |number: i64| {
            let thing = things[usize::try_from(number).unwrap_or(0) % things.len()];
            let question = format!("Who bought a {thing} on day {}?", number % 365);
            let query = Query {
                tenant: tenant("searched"),
                ..Query::of(&question)
            };
            self.memories
                .query(&self.actor, &query)
                .await
                .expect("an answer")
                .evidence
                .len()
        };
        timed("first question: the index is read", 1, &ask).await;
        timed("question", 200, &ask).await;
    }
}
