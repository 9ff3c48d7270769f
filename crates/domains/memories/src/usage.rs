//! How much of the plan is used.

use pentad_identity::{Meter, Plan};
use pentad_kernel::{Actor, Timestamp};
use pentad_store::{affected, with_reader, with_tx};
use std::time::Duration;

use crate::instant::next_month;
use crate::ledger::Ledger;
use crate::{Error, Memories, Result};

/// What is printed where a plan has no limit: the largest number that every JSON reader keeps exact.
pub const NO_LIMIT: u64 = (1 << 53) - 1;

/// For how long writes go on after the limit is reached.
const GRACE: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// Where an organisation stands in its plan this month.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlanStatus {
    /// Memories stored in this calendar month, UTC.
    pub writes_used: u64,
    /// How many the plan includes; [`NO_LIMIT`] without a limit.
    pub writes_limit: u64,
    /// Whether the limit is reached and writes still go on: up to a tenth more, for seven days.
    pub in_grace_period: bool,
    /// Whether writes are refused until the next month.
    pub blocked: bool,
}

impl PlanStatus {
    fn of(used: u64, limit: Option<u64>, reached_at: Option<Timestamp>, now: Timestamp) -> Self {
        let limit = limit.unwrap_or(NO_LIMIT);
        let reached = used >= limit;
        let over = u128::from(used) * 10 >= u128::from(limit) * 11;
        // The instant is of an earlier month when the limit was not reached in this one.
        let late = reached_at.is_some_and(|at| at.month() == now.month() && now.since(at) >= GRACE);
        let blocked = reached && (over || late);
        Self {
            writes_used: used,
            writes_limit: limit,
            in_grace_period: reached && !blocked,
            blocked,
        }
    }

    /// How many more memories the plan includes.
    pub const fn writes_remaining(&self) -> u64 {
        self.writes_limit.saturating_sub(self.writes_used)
    }
}

/// What an organisation has stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Usage {
    /// Memories stored and not erased.
    pub memories: u64,
    /// What is or was believed of them.
    pub versions: u64,
    /// How many memories each tenant has, by name; the default tenant is `None` and comes first.
    pub tenants: Vec<(Option<String>, u64)>,
}

const REACHED_AT: &str = "SELECT limit_reached_at FROM memory_accounts WHERE organisation_id = $1";
const SET_REACHED_AT: &str = "UPDATE memory_accounts SET limit_reached_at = $2 WHERE organisation_id = $1";
const TENANTS: &str =
    "SELECT tenant, memories FROM memory_scopes WHERE organisation_id = $1 AND memories > 0 ORDER BY tenant";
const VERSIONS: &str = "
    SELECT COUNT(*) FROM memory_scopes AS s JOIN memory_versions AS v ON v.scope = s.scope
    WHERE s.organisation_id = $1";

impl Memories {
    /// Where the actor's organisation stands in its plan.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn plan_status(&self, actor: &Actor, plan: &Plan) -> Result<PlanStatus> {
        let used = self
            .identity
            .counted(&actor.organisation, Meter::MemoryWrites)
            .await?;
        let used = u64::try_from(used).unwrap_or(0);
        let reached_at = match plan.memory_writes {
            Some(limit) if used >= limit => self.limit_reached_at(actor).await?,
            _ => None,
        };
        Ok(PlanStatus::of(
            used,
            plan.memory_writes,
            reached_at,
            self.clock.now(),
        ))
    }

    async fn limit_reached_at(&self, actor: &Actor) -> Result<Option<Timestamp>> {
        let reached_at: Option<Option<i64>> = with_reader!(self.db, |conn| sqlx::query_scalar(REACHED_AT)
            .bind(actor.organisation.as_str())
            .fetch_optional(conn)
            .await)?;
        Ok(reached_at.flatten().map(Timestamp::from_micros))
    }

    /// Refuses a write that the plan no longer includes.
    pub(crate) async fn check_plan(&self, actor: &Actor, plan: &Plan) -> Result<()> {
        let Some(limit) = plan.memory_writes else {
            return Ok(());
        };
        if self.plan_status(actor, plan).await?.blocked {
            let now = self.clock.now();
            return Err(Error::PlanBlocked {
                limit,
                retry_after: next_month(now).since(now),
            });
        }
        Ok(())
    }

    /// Counts stored memories inside the change that stores them, and notes when the limit is reached.
    pub(crate) async fn count_writes(
        &self,
        ledger: &mut Ledger<'_>,
        actor: &Actor,
        plan: &Plan,
        writes: usize,
    ) -> Result<()> {
        if writes == 0 {
            return Ok(());
        }
        let writes = i64::try_from(writes).unwrap_or(i64::MAX);
        if let Some(limit) = plan.memory_writes {
            // Whoever holds one connection and waits for another may wait for somebody who does the same.
            let used = self
                .identity
                .counted_in(&mut ledger.tx, &actor.organisation, Meter::MemoryWrites)
                .await?;
            let limit = i64::try_from(limit).unwrap_or(i64::MAX);
            if used < limit && used.saturating_add(writes) >= limit {
                let now = ledger.now();
                with_tx!(ledger.tx, |conn| sqlx::query(SET_REACHED_AT)
                    .bind(actor.organisation.as_str())
                    .bind(now.as_micros())
                    .execute(conn)
                    .await
                    .map(affected))?;
            }
        }
        self.identity
            .count(&mut ledger.tx, &actor.organisation, Meter::MemoryWrites, writes)
            .await?;
        Ok(())
    }

    /// What the actor's organisation has stored.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn usage(&self, actor: &Actor) -> Result<Usage> {
        let tenants: Vec<(String, i64)> = with_reader!(self.db, |conn| sqlx::query_as(TENANTS)
            .bind(actor.organisation.as_str())
            .fetch_all(conn)
            .await)?;
        let versions: i64 = with_reader!(self.db, |conn| sqlx::query_scalar(VERSIONS)
            .bind(actor.organisation.as_str())
            .fetch_one(conn)
            .await)?;
        let count = |value: i64| u64::try_from(value).unwrap_or(0);
        Ok(Usage {
            memories: tenants.iter().map(|&(_, memories)| count(memories)).sum(),
            versions: count(versions),
            tenants: tenants
                .into_iter()
                .map(|(tenant, memories)| (Some(tenant).filter(|tenant| !tenant.is_empty()), count(memories)))
                .collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: i64 = 86_400_000_000;

    #[test]
    fn the_limit_is_followed_by_a_grace_of_a_tenth_and_of_seven_days() {
        let start = Timestamp::parse("2026-05-02T00:00:00Z").unwrap();
        let status = |used, days: i64| {
            let now = Timestamp::from_micros(start.as_micros() + days * DAY);
            let status = PlanStatus::of(used, Some(100), Some(start), now);
            (status.in_grace_period, status.blocked)
        };
        assert_eq!(status(99, 0), (false, false));
        assert_eq!(status(100, 0), (true, false));
        assert_eq!(status(109, 6), (true, false));
        assert_eq!(status(110, 0), (false, true), "a tenth over");
        assert_eq!(status(100, 7), (false, true), "seven days over");
        assert_eq!(
            status(100, 40),
            (true, false),
            "reached again in another month, and not yet noted"
        );
    }

    #[test]
    fn without_a_limit_nothing_is_ever_blocked() {
        let status = PlanStatus::of(1_000_000, None, None, Timestamp::from_micros(0));
        assert!(!status.blocked && !status.in_grace_period);
        assert_eq!(status.writes_remaining(), NO_LIMIT - 1_000_000);
        assert_eq!(
            PlanStatus::of(120, Some(100), None, Timestamp::from_micros(0)).writes_remaining(),
            0
        );
    }
}
