//! What callers are about to use of their plan, so that those who race do not pass a limit together.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use pentad_kernel::OrganisationId;

/// What is about to be used, by organisation.
#[derive(Debug, Default)]
pub(crate) struct Claims(Mutex<HashMap<OrganisationId, u64>>);

/// A claim, until what it stands for is used and counted elsewhere, or is not used after all.
#[derive(Debug)]
pub(crate) struct Claim<'a> {
    claims: &'a Claims,
    organisation: OrganisationId,
    amount: u64,
    /// What the organisation had claimed already.
    before: u64,
}

impl Claims {
    /// Claims first and counts afterwards: of two who race, the second sees the claim of the first, or what it used.
    pub(crate) fn claim(&self, organisation: &OrganisationId, amount: u64) -> Claim<'_> {
        let mut claims = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let claimed = claims.entry(organisation.clone()).or_default();
        let before = *claimed;
        *claimed += amount;
        Claim {
            claims: self,
            organisation: organisation.clone(),
            amount,
            before,
        }
    }
}

impl Claim<'_> {
    /// Whether it fits into a limit beside what is used.
    pub(crate) fn fits(&self, used: u64, limit: u64) -> bool {
        used.saturating_add(self.before).saturating_add(self.amount) <= limit
    }
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        let mut claims = self.claims.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(claimed) = claims.get_mut(&self.organisation) {
            *claimed -= self.amount;
            if *claimed == 0 {
                claims.remove(&self.organisation);
            }
        }
    }
}
