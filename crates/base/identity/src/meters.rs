//! Counters over a period, for what a plan limits by the month.

use pentad_kernel::OrganisationId;
use pentad_store::{Tx, affected, with_reader, with_tx};

use crate::{Identity, Result};

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Meter {
    /// Memories stored.
    MemoryWrites,
}

impl Meter {
    const fn name(self) -> &'static str {
        match self {
            Self::MemoryWrites => "memory_writes",
        }
    }
}

const ADD: &str = "
    INSERT INTO meters (organisation_id, meter, period, used) VALUES ($1, $2, $3, $4)
    ON CONFLICT (organisation_id, meter, period) DO UPDATE SET used = meters.used + excluded.used";
const READ: &str = "SELECT used FROM meters WHERE organisation_id = $1 AND meter = $2 AND period = $3";

impl Identity {
    /// Counts `amount` in the present calendar month, inside the transaction that does what is counted.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn count(
        &self,
        tx: &mut Tx,
        organisation: &OrganisationId,
        meter: Meter,
        amount: i64,
    ) -> Result<()> {
        with_tx!(*tx, |conn| sqlx::query(ADD)
            .bind(organisation.as_str())
            .bind(meter.name())
            .bind(self.clock.now().month())
            .bind(amount)
            .execute(conn)
            .await
            .map(affected))?;
        Ok(())
    }

    /// How much was counted in the present calendar month, inside a transaction.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn counted_in(&self, tx: &mut Tx, organisation: &OrganisationId, meter: Meter) -> Result<i64> {
        let used: Option<i64> = with_tx!(*tx, |conn| sqlx::query_scalar(READ)
            .bind(organisation.as_str())
            .bind(meter.name())
            .bind(self.clock.now().month())
            .fetch_optional(conn)
            .await)?;
        Ok(used.unwrap_or(0))
    }

    /// How much was counted in the present calendar month.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn counted(&self, organisation: &OrganisationId, meter: Meter) -> Result<i64> {
        let used: Option<i64> = with_reader!(self.db, |conn| sqlx::query_scalar(READ)
            .bind(organisation.as_str())
            .bind(meter.name())
            .bind(self.clock.now().month())
            .fetch_optional(conn)
            .await)?;
        Ok(used.unwrap_or(0))
    }
}
