//! How many pushes of one user are under way, on all gateways together.

use std::time::Duration;

use pentad_kernel::{SharedClock, UserId, id};
use pentad_store::{Db, affected, with_writer};
use tokio::task::AbortHandle;
use tokio::time::Instant;

use crate::{Error, Result, SessionSync};

/// After how long a push that nobody renews is taken for dead, as when its gateway was killed.
const LIFETIME: Duration = Duration::from_secs(30);
/// How often it is renewed.
const RENEW: Duration = Duration::from_secs(10);
/// How often a waiting push looks for a free slot.
const POLL: Duration = Duration::from_millis(100);

const TAKE: &str = "
    INSERT INTO sync_push_slots (user_id, slot, holder, expires_at) VALUES ($1, $2, $3, $4)
    ON CONFLICT (user_id, slot) DO UPDATE SET holder = excluded.holder, expires_at = excluded.expires_at
    WHERE sync_push_slots.expires_at <= $5";
const KEEP: &str =
    "UPDATE sync_push_slots SET expires_at = $4 WHERE user_id = $1 AND slot = $2 AND holder = $3";
pub(crate) const RELEASE: &str =
    "DELETE FROM sync_push_slots WHERE user_id = $1 AND slot = $2 AND holder = $3";

/// A slot held by a push. Dropped, it is given back in the background.
#[derive(Debug)]
pub(crate) struct Slot {
    db: Db,
    pub(crate) user: String,
    pub(crate) number: i64,
    pub(crate) holder: String,
    held: bool,
    renewing: AbortHandle,
}

impl SessionSync {
    pub(crate) async fn push_slot(&self, user: &UserId) -> Result<Slot> {
        let deadline = Instant::now() + self.settings.push_wait;
        let holder = id::random_uuid();
        loop {
            for number in 0..i64::from(self.settings.concurrent_pushes.max(1)) {
                let now = self.clock.now();
                let taken = with_writer!(self.db, |conn| sqlx::query(TAKE)
                    .bind(user.as_str())
                    .bind(number)
                    .bind(&holder)
                    .bind(now.plus(LIFETIME).as_micros())
                    .bind(now.as_micros())
                    .execute(conn)
                    .await
                    .map(affected))?;
                if taken == 1 {
                    return Ok(self.hold(user, number, holder));
                }
            }
            if Instant::now() + POLL > deadline {
                return Err(Error::TooManyPushes);
            }
            tokio::time::sleep(POLL).await;
        }
    }

    fn hold(&self, user: &UserId, number: i64, holder: String) -> Slot {
        let (db, clock) = (self.db.clone(), self.clock.clone());
        let renewing = tokio::spawn(renew(db, clock, user.to_string(), number, holder.clone()));
        Slot {
            db: self.db.clone(),
            user: user.to_string(),
            number,
            holder,
            held: true,
            renewing: renewing.abort_handle(),
        }
    }
}

/// Says that the push goes on, until it is stopped.
async fn renew(db: Db, clock: SharedClock, user: String, number: i64, holder: String) {
    loop {
        tokio::time::sleep(RENEW).await;
        let kept = with_writer!(db, |conn| sqlx::query(KEEP)
            .bind(&user)
            .bind(number)
            .bind(&holder)
            .bind(clock.now().plus(LIFETIME).as_micros())
            .execute(conn)
            .await
            .map(affected));
        match kept {
            // Somebody else has it: there is one push more than there should be, which harms nobody.
            Ok(0) => return,
            Ok(_) => {}
            Err(error) => tracing::warn!(%error, "a push slot could not be renewed"),
        }
    }
}

impl Slot {
    /// Says that the transaction that ended the push gave the slot back.
    pub(crate) fn was_released(&mut self) {
        self.held = false;
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.renewing.abort();
        if !self.held {
            return;
        }
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            return;
        };
        let (db, user, number, holder) = (
            self.db.clone(),
            std::mem::take(&mut self.user),
            self.number,
            std::mem::take(&mut self.holder),
        );
        runtime.spawn(async move {
            let released = with_writer!(db, |conn| sqlx::query(RELEASE)
                .bind(user)
                .bind(number)
                .bind(holder)
                .execute(conn)
                .await
                .map(affected));
            if let Err(error) = released {
                tracing::warn!(%error, "a push slot is not given back and waits for its end");
            }
        });
    }
}
