//! The plan whose features somebody has: one rule for every surface that judges people.

use pentad_kernel::{Actor, UserId};
use pentad_store::{affected, with_reader, with_tx};
use serde_json::json;

use crate::organisations::SET_PLAN;
use crate::verification::SET_ADMIN;
use crate::{Identity, PlanName, Result, User};

const STANDING: &str = "
    SELECT plan, is_admin FROM memberships
        JOIN organisations ON organisations.id = memberships.organisation_id
        JOIN users ON users.id = memberships.user_id
    WHERE memberships.user_id = $1";

impl Identity {
    /// The plan whose features a person has (contract of seed 002, section 3): the highest among the person's
    /// organisations, so that a member has what the organisation has and joining one takes nothing away.
    /// Platform administrators have everything. Remembered as credentials are.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn effective_plan(&self, user: &UserId) -> Result<PlanName> {
        Ok(self.best_of(user).await?)
    }

    /// Puts a user's own organisation on a plan, or with `None` makes the user a platform administrator, which a
    /// plan ends. The audit log says who did it.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn set_tier(&self, actor: &Actor, user: &User, plan: Option<PlanName>) -> Result<()> {
        let mut tx = self.db.begin().await?;
        with_tx!(tx, |conn| sqlx::query(SET_ADMIN)
            .bind(user.id.as_str())
            .bind(plan.is_none())
            .execute(conn)
            .await
            .map(affected))?;
        if let Some(plan) = plan {
            with_tx!(tx, |conn| sqlx::query(SET_PLAN)
                .bind(user.home_organisation.as_str())
                .bind(plan.name())
                .execute(conn)
                .await
                .map(affected))?;
        }
        let details = json!({ "tier": plan.map_or("admin", PlanName::name) });
        self.audit(&mut tx, actor, "tier_change", user.id.as_str(), &details)
            .await?;
        self.commit_credentials(tx).await
    }

    pub(crate) async fn best_of(&self, user: &UserId) -> pentad_store::Result<PlanName> {
        let generation = match self.callers.effective_plan(user) {
            Ok(plan) => return Ok(plan),
            Err(generation) => generation,
        };
        let standing: Vec<(String, bool)> = with_reader!(self.db, |conn| sqlx::query_as(STANDING)
            .bind(user.as_str())
            .fetch_all(conn)
            .await)?;
        let plan = highest(&standing);
        self.callers.remember_effective_plan(generation, user, plan);
        Ok(plan)
    }
}

fn highest(standing: &[(String, bool)]) -> PlanName {
    let plans = standing.iter().map(|(plan, is_admin)| {
        if *is_admin {
            PlanName::Unlimited
        } else {
            PlanName::parse(plan).unwrap_or(PlanName::Free)
        }
    });
    plans.max().unwrap_or(PlanName::Free)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_person_has_the_best_of_what_their_organisations_have() {
        let member = |plan: &str| (plan.to_owned(), false);
        assert_eq!(highest(&[]), PlanName::Free);
        assert_eq!(
            highest(&[member("pro"), member("team"), member("free")]),
            PlanName::Team
        );
        assert_eq!(
            highest(&[member("gold")]),
            PlanName::Free,
            "an unknown plan opens nothing"
        );
        assert_eq!(highest(&[("free".to_owned(), true)]), PlanName::Unlimited);
    }
}
