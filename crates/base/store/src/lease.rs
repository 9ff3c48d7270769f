//! Work that only one of several gateways may do at a time.

use std::time::Duration;

use pentad_kernel::Timestamp;

use crate::{Db, Result, affected, with_writer};

/// The right to do a named piece of work until an instant, held by at most one holder.
///
/// A holder that dies simply stops renewing, and the next one takes over when the lease ends. Each
/// change of holder raises `epoch`, so that work which outlived its lease can be told from the present
/// holder's by comparing epochs where it writes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// What the lease is for.
    pub name: String,
    /// Who holds it.
    pub holder: String,
    /// Rises by one with each change of holder.
    pub epoch: i64,
    /// Until when it is held unless it is renewed.
    pub expires_at: Timestamp,
}

const ACQUIRE: &str = "
    INSERT INTO leases (name, holder, epoch, expires_at) VALUES ($1, $2, 1, $3)
    ON CONFLICT (name) DO UPDATE SET
        epoch = CASE WHEN leases.holder = excluded.holder THEN leases.epoch ELSE leases.epoch + 1 END,
        holder = excluded.holder,
        expires_at = excluded.expires_at
    WHERE leases.holder = excluded.holder OR leases.expires_at <= $4
    RETURNING epoch";

const RELEASE: &str = "UPDATE leases SET expires_at = 0 WHERE name = $1 AND holder = $2 AND epoch = $3";

impl Lease {
    /// Takes the lease, or renews it when `holder` has it; `None` while somebody else does.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn acquire(
        db: &Db,
        name: &str,
        holder: &str,
        now: Timestamp,
        ttl: Duration,
    ) -> Result<Option<Self>> {
        let expires_at = now.plus(ttl);
        let epoch: Option<i64> = with_writer!(*db, |conn| sqlx::query_scalar(ACQUIRE)
            .bind(name)
            .bind(holder)
            .bind(expires_at.as_micros())
            .bind(now.as_micros())
            .fetch_optional(conn)
            .await)?;
        Ok(epoch.map(|epoch| Self {
            name: name.to_owned(),
            holder: holder.to_owned(),
            epoch,
            expires_at,
        }))
    }

    /// Gives the lease back before its end.
    ///
    /// # Errors
    /// When the database fails; the lease then ends by itself.
    pub async fn release(self, db: &Db) -> Result<()> {
        with_writer!(*db, |conn| sqlx::query(RELEASE)
            .bind(&self.name)
            .bind(&self.holder)
            .bind(self.epoch)
            .execute(conn)
            .await
            .map(affected))?;
        Ok(())
    }
}
