//! The one way in which memories change: a transaction that holds the organisation's account row.
//!
//! INVARIANT: every change of an organisation takes its transaction instants from [`Ledger::tick`] while it
//! holds the account row, so that the order of the instants is the order of the commits. Whoever has seen a
//! clock reading has seen everything up to it.

use std::collections::BTreeMap;

use pentad_kernel::{OrganisationId, Timestamp, secret};
use pentad_store::{Tx, affected, with_reader, with_tx};
use serde::Serialize;
use serde_json::Value;

use crate::belief::Belief;
use crate::{Memories, Result, Tenant};

/// Why a version was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cause {
    Created,
    Superseded,
    Expired,
    AutoSuperseded,
}

impl Cause {
    const fn name(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Superseded => "superseded",
            Self::Expired => "expired",
            Self::AutoSuperseded => "auto_superseded",
        }
    }
}

/// What the chain of events begins with.
const GENESIS: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// What a memory is when the ledger changes it.
#[derive(Clone, Debug, sqlx::FromRow)]
pub(crate) struct Open {
    pub(crate) memory: i64,
    pub(crate) scope: i64,
    pub(crate) organisation_id: String,
    pub(crate) created_at: i64,
    pub(crate) explicit_valid_from: bool,
    pub(crate) salt: String,
    pub(crate) valid_from: i64,
    pub(crate) valid_to: i64,
    pub(crate) superseded_by: Option<String>,
}

const LOCK: &str = "
    INSERT INTO memory_accounts (organisation_id, tx_clock, event_seq, event_head) VALUES ($1, 0, 0, $2)
    ON CONFLICT (organisation_id) DO UPDATE SET tx_clock = memory_accounts.tx_clock
    RETURNING tx_clock, event_seq, event_head";
const RELEASE: &str =
    "UPDATE memory_accounts SET tx_clock = $2, event_seq = $3, event_head = $4 WHERE organisation_id = $1";
const INTERN: &str = "
    INSERT INTO memory_scopes (organisation_id, tenant, changed_at, rebuilds, memories) VALUES ($1, $2, 0, 0, 0)
    ON CONFLICT (organisation_id, tenant) DO UPDATE SET tenant = excluded.tenant
    RETURNING scope";
const TOUCH: &str = "
    UPDATE memory_scopes SET changed_at = $2, memories = memories + $3, rebuilds = rebuilds + $4 WHERE scope = $1";
const INSERT_VERSION: &str = "
    INSERT INTO memory_versions
        (memory, scope, created_at, valid_from, valid_to, tx_from, tx_to, superseded_by, cause)
    VALUES ($1, $2, $3, $4, $5, $6, 9223372036854775807, $7, $8)";
const CLOSE_VERSION: &str = "
    UPDATE memory_versions SET tx_to = $2
    WHERE memory = $1 AND tx_to = 9223372036854775807 AND superseded_by IS NULL";
const INSERT_LINK: &str = "INSERT INTO memory_links (predecessor, successor, scope) VALUES ($1, $2, $3)";
const INSERT_EVENT: &str = "
    INSERT INTO memory_events
        (organisation_id, seq, memory_id, at, actor, kind, details, digest, previous_hash, hash)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)";
const FIND_OPEN: &str = "
    SELECT m.memory, m.scope, s.organisation_id, m.created_at, m.explicit_valid_from, m.salt,
           v.valid_from, v.valid_to, v.superseded_by
    FROM memories AS m
    JOIN memory_scopes AS s ON s.scope = m.scope
    JOIN memory_versions AS v ON v.memory = m.memory AND v.tx_to = 9223372036854775807
    WHERE m.id = $1";
const SCOPE_STATE: &str =
    "SELECT scope, changed_at, rebuilds FROM memory_scopes WHERE organisation_id = $1 AND tenant = $2";
const SNAPSHOT: &str = "
    SELECT a.tx_clock, s.scope, s.changed_at, s.rebuilds
    FROM memory_accounts AS a
    LEFT JOIN memory_scopes AS s ON s.organisation_id = a.organisation_id AND s.tenant = $2
    WHERE a.organisation_id = $1";

/// What changed in a scope, to be written down once at the end.
#[derive(Clone, Copy, Debug, Default)]
struct ScopeChange {
    memories: i64,
    rebuilds: i64,
}

/// A change of an organisation's memories in the making. Dropped without [`Ledger::commit`], nothing of it
/// happened.
#[derive(Debug)]
pub(crate) struct Ledger<'a> {
    pub(crate) memories: &'a Memories,
    pub(crate) tx: Tx,
    organisation: OrganisationId,
    now: Timestamp,
    clock: i64,
    seq: i64,
    head: String,
    scopes: BTreeMap<i64, ScopeChange>,
}

/// One event, before it is chained.
#[derive(Debug)]
pub(crate) struct Event<'a> {
    pub(crate) memory_id: &'a str,
    pub(crate) at: Timestamp,
    pub(crate) actor: &'a str,
    pub(crate) kind: &'static str,
    pub(crate) details: Option<Value>,
    /// Known to the memory alone and erased with it: without it the digest betrays nothing.
    pub(crate) salt: &'a str,
}

/// What the hash of an event binds. The fields stand in the order in which RFC 8785 sorts them.
#[derive(Serialize)]
struct Chained<'a> {
    actor: &'a str,
    at: i64,
    digest: &'a str,
    kind: &'a str,
    memory_id: &'a str,
    previous_hash: &'a str,
    seq: i64,
}

pub(crate) fn event_hash(
    previous_hash: &str,
    seq: i64,
    memory_id: &str,
    at: i64,
    actor: &str,
    kind: &str,
    digest: &str,
) -> String {
    let chained = Chained {
        actor,
        at,
        digest,
        kind,
        memory_id,
        previous_hash,
        seq,
    };
    secret::sha256_hex(
        serde_json::to_vec(&chained).expect("an event is plain data and always has a JSON form"),
    )
}

pub(crate) fn details_digest(salt: &str, details: Option<&str>) -> String {
    secret::sha256_hex(format!("{salt}\n{}", details.unwrap_or_default()))
}

impl<'a> Ledger<'a> {
    /// Takes the organisation's account row, waiting for whoever has it.
    pub(crate) async fn begin(memories: &'a Memories, organisation: &OrganisationId) -> Result<Self> {
        let mut tx = memories.db.begin().await?;
        let (clock, seq, head): (i64, i64, String) = with_tx!(tx, |conn| sqlx::query_as(LOCK)
            .bind(organisation.as_str())
            .bind(GENESIS)
            .fetch_one(conn)
            .await)?;
        let now = memories.clock.now();
        Ok(Self {
            memories,
            tx,
            organisation: organisation.clone(),
            now,
            // One before the next instant: time as the machine tells it, but never the same instant twice.
            clock: clock.max(now.as_micros() - 1),
            seq,
            head,
            scopes: BTreeMap::new(),
        })
    }

    /// The present instant of the machine's clock, the same for the whole change.
    pub(crate) fn now(&self) -> Timestamp {
        self.now
    }

    /// The next instant of the transaction clock.
    pub(crate) fn tick(&mut self) -> Timestamp {
        self.clock += 1;
        Timestamp::from_micros(self.clock)
    }

    /// Moves the clock on to `instant`, so that everything later is known later.
    pub(crate) fn settle(&mut self, instant: Timestamp) {
        self.clock = self.clock.max(instant.as_micros());
    }

    /// The number of a tenant's scope.
    pub(crate) async fn scope(&mut self, tenant: &Tenant) -> Result<i64> {
        let key = (self.organisation.clone(), tenant.clone());
        if let Some(scope) = self.memories.scopes.get(&key) {
            return Ok(scope);
        }
        // Not remembered before the commit: a scope that was rolled back has a number that another may get.
        Ok(with_tx!(self.tx, |conn| sqlx::query_scalar(INTERN)
            .bind(self.organisation.as_str())
            .bind(tenant.stored())
            .fetch_one(conn)
            .await)?)
    }

    /// The state of a tenant's scope, which stays so until this change is committed; `None` when nothing was ever
    /// stored in it.
    pub(crate) async fn scope_state(&mut self, tenant: &Tenant) -> Result<Option<ScopeState>> {
        Ok(with_tx!(self.tx, |conn| sqlx::query_as(SCOPE_STATE)
            .bind(self.organisation.as_str())
            .bind(tenant.stored())
            .fetch_optional(conn)
            .await)?)
    }

    /// Counts memories that appear in a scope.
    pub(crate) fn added(&mut self, scope: i64) {
        self.scopes.entry(scope).or_default().memories += 1;
    }

    /// Counts memories that vanish from a scope.
    pub(crate) fn erased(&mut self, scope: i64, memories: i64) {
        let change = self.scopes.entry(scope).or_default();
        change.memories -= memories;
        change.rebuilds += 1;
    }

    /// The memory and what is believed of it now.
    pub(crate) async fn open(&mut self, id: &str) -> Result<Option<Open>> {
        Ok(with_tx!(self.tx, |conn| sqlx::query_as(FIND_OPEN)
            .bind(id)
            .fetch_optional(conn)
            .await)?)
    }

    /// Writes down what is believed of a memory from `belief.tx_from` on.
    pub(crate) async fn insert_version(
        &mut self,
        (memory, scope, created_at): (i64, i64, i64),
        belief: &Belief,
        superseded_by: Option<&str>,
        cause: Cause,
    ) -> Result<()> {
        with_tx!(self.tx, |conn| sqlx::query(INSERT_VERSION)
            .bind(memory)
            .bind(scope)
            .bind(created_at)
            .bind(belief.valid_from.as_micros())
            .bind(belief.valid_to.as_micros())
            .bind(belief.tx_from.as_micros())
            .bind(superseded_by)
            .bind(cause.name())
            .execute(conn)
            .await
            .map(affected))?;
        Ok(())
    }

    /// Ends what is believed of a memory at `at` and writes down what is believed instead: that it holds until
    /// `valid_to`, and what took its place. `false` when something took its place already.
    pub(crate) async fn replace_belief(
        &mut self,
        open: &Open,
        at: Timestamp,
        valid_to: Timestamp,
        link: Option<(&str, &str)>,
        cause: Cause,
    ) -> Result<bool> {
        let closed = with_tx!(self.tx, |conn| sqlx::query(CLOSE_VERSION)
            .bind(open.memory)
            .bind(at.as_micros())
            .execute(conn)
            .await
            .map(affected))?;
        if closed == 0 {
            return Ok(false);
        }
        let belief = Belief {
            valid_from: Timestamp::from_micros(open.valid_from),
            valid_to,
            tx_from: at,
            tx_to: Timestamp::MAX,
            superseded: link.is_some(),
        };
        let successor = link.map(|(_, successor)| successor);
        self.insert_version(
            (open.memory, open.scope, open.created_at),
            &belief,
            successor,
            cause,
        )
        .await?;
        if let Some((predecessor, successor)) = link {
            with_tx!(self.tx, |conn| sqlx::query(INSERT_LINK)
                .bind(predecessor)
                .bind(successor)
                .bind(open.scope)
                .execute(conn)
                .await
                .map(affected))?;
        }
        self.scopes.entry(open.scope).or_default();
        Ok(true)
    }

    /// Adds an event to the organisation's chain.
    pub(crate) async fn event(&mut self, event: Event<'_>) -> Result<()> {
        let Event {
            memory_id,
            at,
            actor,
            kind,
            details,
            salt,
        } = event;
        let details = details.map(|details| details.to_string());
        let digest = details_digest(salt, details.as_deref());
        self.seq += 1;
        let hash = event_hash(
            &self.head,
            self.seq,
            memory_id,
            at.as_micros(),
            actor,
            kind,
            &digest,
        );
        with_tx!(self.tx, |conn| sqlx::query(INSERT_EVENT)
            .bind(self.organisation.as_str())
            .bind(self.seq)
            .bind(memory_id)
            .bind(at.as_micros())
            .bind(actor)
            .bind(kind)
            .bind(&details)
            .bind(&digest)
            .bind(&self.head)
            .bind(&hash)
            .execute(conn)
            .await
            .map(affected))?;
        self.head = hash;
        Ok(())
    }

    /// Makes the change durable and visible, and gives the account row back.
    pub(crate) async fn commit(mut self) -> Result<()> {
        for (scope, change) in std::mem::take(&mut self.scopes) {
            with_tx!(self.tx, |conn| sqlx::query(TOUCH)
                .bind(scope)
                .bind(self.clock)
                .bind(change.memories)
                .bind(change.rebuilds)
                .execute(conn)
                .await
                .map(affected))?;
        }
        with_tx!(self.tx, |conn| sqlx::query(RELEASE)
            .bind(self.organisation.as_str())
            .bind(self.clock)
            .bind(self.seq)
            .bind(&self.head)
            .execute(conn)
            .await
            .map(affected))?;
        Ok(self.tx.commit().await?)
    }
}

/// What a tenant looked like at one reading of the clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Snapshot {
    /// The reading: everything up to it is committed, everything later is later.
    pub(crate) clock: Timestamp,
    /// The scope; `None` for a tenant in which nothing was ever stored.
    pub(crate) scope: Option<ScopeState>,
}

/// Which state of a scope a snapshot saw.
#[derive(Clone, Copy, Debug, PartialEq, Eq, sqlx::FromRow)]
pub(crate) struct ScopeState {
    pub(crate) scope: i64,
    pub(crate) changed_at: i64,
    pub(crate) rebuilds: i64,
}

#[derive(sqlx::FromRow)]
struct SnapshotRow {
    tx_clock: i64,
    scope: Option<i64>,
    changed_at: Option<i64>,
    rebuilds: Option<i64>,
}

impl Memories {
    /// The present reading of the organisation's clock and the state of a tenant at it.
    ///
    /// With `transaction`, an instant that is over but later than the last change, the clock is first moved on
    /// to it, after waiting for changes under way: whatever is written from then on is known later, so that the
    /// same question about that instant has the same answer for ever.
    pub(crate) async fn snapshot(
        &self,
        organisation: &OrganisationId,
        tenant: &Tenant,
        transaction: Option<Timestamp>,
    ) -> Result<Snapshot> {
        let snapshot = self.read_snapshot(organisation, tenant).await?;
        // Of the future nothing can be promised.
        let Some(asked) = transaction.filter(|&transaction| transaction <= self.clock.now()) else {
            return Ok(snapshot);
        };
        if asked <= snapshot.clock {
            return Ok(snapshot);
        }
        let mut ledger = Ledger::begin(self, organisation).await?;
        ledger.settle(asked);
        ledger.commit().await?;
        self.read_snapshot(organisation, tenant).await
    }

    /// The reading of the clock, and the state of a tenant at it.
    pub(crate) async fn read_snapshot(
        &self,
        organisation: &OrganisationId,
        tenant: &Tenant,
    ) -> Result<Snapshot> {
        let row: Option<SnapshotRow> = with_reader!(self.db, |conn| sqlx::query_as(SNAPSHOT)
            .bind(organisation.as_str())
            .bind(tenant.stored())
            .fetch_optional(conn)
            .await)?;
        let Some(row) = row else {
            return Ok(Snapshot {
                clock: Timestamp::from_micros(0),
                scope: None,
            });
        };
        let scope = match (row.scope, row.changed_at, row.rebuilds) {
            (Some(scope), Some(changed_at), Some(rebuilds)) => {
                self.scopes.insert((organisation.clone(), tenant.clone()), scope);
                Some(ScopeState {
                    scope,
                    changed_at,
                    rebuilds,
                })
            }
            _ => None,
        };
        Ok(Snapshot {
            clock: Timestamp::from_micros(row.tx_clock),
            scope,
        })
    }
}
