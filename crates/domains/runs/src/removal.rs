//! Forgetting runs: one by one, or by age.

use std::time::Duration;

use pentad_kernel::Actor;
use pentad_store::{affected, with_writer};

use crate::names::RunId;
use crate::{Result, Runs, reading};

/// How many runs one transaction removes.
const AT_ONCE: i64 = 20;
/// How old an object without a row is before it is removed: a younger one may be waiting for its row.
pub const ORPHAN_AGE: Duration = Duration::from_secs(3600);

const DELETE: &str = "DELETE FROM runs WHERE id = $1";
const DELETE_OBJECTS: &str = "
    DELETE FROM run_objects WHERE created_at < $1 AND NOT EXISTS (
        SELECT 1 FROM run_records JOIN runs ON runs.id = run_records.run
        WHERE run_records.object = run_objects.sha256 AND runs.organisation_id = run_objects.organisation_id)";
const DELETE_EXPIRED: &str = "
    DELETE FROM runs WHERE last_activity_at < $1 - 86400000000 * (
        SELECT retention_days FROM run_settings WHERE run_settings.organisation_id = runs.organisation_id)
    AND id IN (
        SELECT runs.id FROM runs JOIN run_settings ON run_settings.organisation_id = runs.organisation_id
        WHERE retention_days IS NOT NULL AND last_activity_at < $1 - retention_days * 86400000000
        ORDER BY runs.id LIMIT $2)";

impl Runs {
    /// Removes a run and everything recorded of it, for good.
    ///
    /// # Errors
    /// [`crate::Error::RunNotFound`].
    pub async fn delete(&self, actor: &Actor, run_id: &RunId) -> Result<()> {
        let run = reading::run(&self.db, &actor.organisation, run_id).await?.id;
        // The records and commands go with it.
        with_writer!(self.db, |conn| sqlx::query(DELETE)
            .bind(run)
            .execute(conn)
            .await
            .map(affected))?;
        self.connections.forget_run(&actor.organisation, run_id);
        Ok(())
    }

    /// Removes the runs that are older than their organisation keeps them, and the bytes that nothing
    /// refers to any more. How many runs there were. Called about once an hour.
    ///
    /// # Errors
    /// When the database or the object store fails; what was removed before stays removed.
    pub async fn retain(&self) -> Result<u64> {
        let mut removed = 0;
        loop {
            // Whether a run has been silent long enough is asked when it goes: what comes until then keeps it.
            let now = self.clock.now().as_micros();
            let gone = with_writer!(self.db, |conn| sqlx::query(DELETE_EXPIRED)
                .bind(now)
                .bind(AT_ONCE)
                .execute(conn)
                .await
                .map(affected))?;
            removed += gone;
            if gone == 0 {
                return Ok(removed);
            }
        }
    }

    /// Removes the bytes of screenshots that no run refers to any more and that are older than `age`, usually
    /// [`ORPHAN_AGE`]. Called about once an hour.
    ///
    /// # Errors
    /// As [`Runs::retain`].
    pub async fn sweep_objects(&self, age: Duration) -> Result<()> {
        let before = self.clock.now().minus(age);
        with_writer!(self.db, |conn| sqlx::query(DELETE_OBJECTS)
            .bind(before.as_micros())
            .execute(conn)
            .await
            .map(affected))?;
        self.objects.sweep(&self.db, before).await
    }
}
