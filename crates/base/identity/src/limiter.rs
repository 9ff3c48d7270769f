//! Token buckets in memory: how often somebody may ask.

use std::fmt;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use governor::clock::{Clock as _, DefaultClock};
use governor::middleware::StateInformationMiddleware;
use governor::state::keyed::DashMapStateStore;
use governor::{Quota, RateLimiter};
use moka::sync::Cache;

type Buckets = RateLimiter<String, DashMapStateStore<String>, DefaultClock, StateInformationMiddleware>;

/// Buckets per rate beyond which idle ones are dropped.
const BUCKETS_KEPT: usize = 100_000;

/// Where somebody stands after a request that was let through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Requests that a full bucket holds.
    pub limit: u32,
    /// Requests left in the bucket.
    pub remaining: u32,
}

/// A request that was not let through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limited {
    /// Requests that a full bucket holds.
    pub limit: u32,
    /// When the next request is let through.
    pub retry_after: Duration,
}

/// A bucket for everybody who asks, filled at the rate of their plan; a full one holds `burst` requests.
///
/// Buckets live in this process: several gateways each let the rate through.
#[derive(Clone)]
pub struct Limiter {
    by_quota: Cache<(u32, u32), Arc<Buckets>>,
    clock: DefaultClock,
}

impl fmt::Debug for Limiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Limiter").finish_non_exhaustive()
    }
}

impl Default for Limiter {
    fn default() -> Self {
        Self {
            by_quota: Cache::new(64),
            clock: DefaultClock::default(),
        }
    }
}

impl Limiter {
    /// Takes one request from the bucket of `who`.
    ///
    /// # Errors
    /// [`Limited`] when the bucket is empty.
    pub fn check(&self, who: &str, per_second: NonZeroU32, burst: NonZeroU32) -> Result<Standing, Limited> {
        let quota = Quota::per_second(per_second).allow_burst(burst);
        self.take(who, (per_second.get(), burst.get()), quota)
    }

    /// Takes one request from a bucket that holds `per_minute` and fills within a minute.
    ///
    /// # Errors
    /// [`Limited`] when the bucket is empty.
    pub fn check_each_minute(&self, who: &str, per_minute: NonZeroU32) -> Result<Standing, Limited> {
        // No rate by the second is zero.
        self.take(who, (0, per_minute.get()), Quota::per_minute(per_minute))
    }

    fn take(&self, who: &str, key: (u32, u32), quota: Quota) -> Result<Standing, Limited> {
        let (_, burst) = key;
        let buckets = self.by_quota.get_with(key, || {
            Arc::new(RateLimiter::dashmap(quota).with_middleware::<StateInformationMiddleware>())
        });
        if buckets.len() > BUCKETS_KEPT {
            buckets.retain_recent();
        }
        match buckets.check_key(&who.to_owned()) {
            Ok(state) => Ok(Standing {
                limit: burst,
                remaining: state.remaining_burst_capacity(),
            }),
            Err(not_until) => Err(Limited {
                limit: burst,
                retry_after: not_until.wait_time_from(self.clock.now()),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(value: u32) -> NonZeroU32 {
        NonZeroU32::new(value).unwrap()
    }

    #[test]
    fn a_bucket_lets_its_burst_through_and_then_names_a_wait() {
        let limiter = Limiter::default();
        for left in (0..5).rev() {
            assert_eq!(
                limiter.check("a", number(1), number(5)),
                Ok(Standing {
                    limit: 5,
                    remaining: left
                })
            );
        }
        let limited = limiter.check("a", number(1), number(5)).unwrap_err();
        assert!(limited.retry_after > Duration::ZERO && limited.retry_after <= Duration::from_secs(1));
        assert!(
            limiter.check("b", number(1), number(5)).is_ok(),
            "everybody has a bucket of their own"
        );
    }
}
