//! Beginning, ending, and what has to be done from time to time.

use std::time::Duration;

use pentad_store::Engine as Database;
use serde_json::json;

use crate::{Exec, Result, repository};

/// How old an object without a row is before it is removed: a younger one may be waiting for its row.
pub const ORPHAN_AGE: Duration = Duration::from_secs(3600);

impl Exec {
    /// Takes up what a gateway that was killed has left. Called once, before anything is served.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn recover(&self) -> Result<()> {
        // Nobody else works on an embedded database; on a shared one the time of each run ends by itself.
        if self.db().engine() == Database::Sqlite {
            repository::release_all(self.db()).await?;
            return self.fail_setups_before(Duration::ZERO).await;
        }
        self.fail_lost_setups().await
    }

    /// Marks installations of packages as failed whose gateway is gone. Called once in a while.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn fail_lost_setups(&self) -> Result<()> {
        // Waiting for a place and working both have their bounds.
        self.fail_setups_before(self.settings().setup_timeout * 6).await
    }

    async fn fail_setups_before(&self, age: Duration) -> Result<()> {
        let result = json!({ "success": false, "error": "the gateway was stopped before the end" });
        let failed = repository::fail_setups(self.db(), &result, self.now().minus(age)).await?;
        if failed > 0 {
            tracing::warn!(failed, "installations of packages were cut short");
        }
        Ok(())
    }

    /// Removes the bytes that no file has any more and that are older than `age`, usually [`ORPHAN_AGE`]. How many
    /// objects. Called about once an hour.
    ///
    /// # Errors
    /// When the database or the object store fails; what was removed before stays removed.
    pub async fn sweep_objects(&self, age: Duration) -> Result<u64> {
        self.objects().sweep(self.db(), self.now().minus(age)).await
    }

    /// Ends every run and waits until all of them are written down, at most `longest`.
    pub async fn close(&self, longest: Duration) {
        self.live().stop_all();
        if tokio::time::timeout(longest, self.0.tasks.write()).await.is_err() {
            tracing::warn!("runs were still being written down when the gateway ended");
        }
    }
}
