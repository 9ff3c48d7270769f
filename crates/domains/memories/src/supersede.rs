//! Putting one memory in the place of another, or an end to one.

use pentad_kernel::{Actor, Timestamp};
use pentad_store::with_tx;
use serde_json::json;

use crate::instant::{printed, printed_end};
use crate::ledger::{Cause, Event, Ledger, Open};
use crate::{Error, Memories, Result};

/// What takes a memory's place, and when it ceases to hold. At least one is given.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Supersession {
    /// The successor.
    pub superseded_by: Option<String>,
    /// When the memory ceases to hold. Without it: when its successor was explicitly said to begin, or now.
    pub valid_to: Option<Timestamp>,
}

/// What is believed of a memory after a supersession.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Superseded {
    /// The memory.
    pub memory_id: String,
    /// What took its place.
    pub superseded_by: Option<String>,
    /// When it ceases to hold.
    pub valid_to: Timestamp,
}

const LEADS_TO: &str = "
    WITH RECURSIVE chain (id, hop) AS (
        SELECT CAST($1 AS TEXT), 0
        UNION ALL
        SELECT link.successor, chain.hop + 1
        FROM chain JOIN memory_links AS link ON link.predecessor = chain.id
        WHERE chain.hop < $3
    )
    SELECT COUNT(*) FROM chain WHERE id = $2";

impl Memories {
    /// Supersedes or ends a memory.
    ///
    /// The same supersession again changes nothing. Of several callers who would each put another successor in
    /// place at once, one succeeds.
    ///
    /// # Errors
    /// [`Error::NothingToSupersede`], [`Error::SelfSupersession`], [`Error::OtherTenant`], [`Error::Cycle`],
    /// [`Error::AlreadySuperseded`], [`Error::EndsBeforeStart`], [`Error::NotFound`], [`Error::Foreign`].
    pub async fn supersede(
        &self,
        actor: &Actor,
        id: &str,
        supersession: &Supersession,
    ) -> Result<Superseded> {
        let Supersession {
            superseded_by,
            valid_to,
        } = supersession;
        let mut ledger = Ledger::begin(self, &actor.organisation).await?;
        let old = ledger.own(actor, id).await?;
        if superseded_by.is_none() && valid_to.is_none() {
            return Err(Error::NothingToSupersede);
        }
        let new = match superseded_by {
            Some(successor) => Some((successor.as_str(), ledger.own(actor, successor).await?)),
            None => None,
        };
        let unchanged = |valid_to| Superseded {
            memory_id: id.to_owned(),
            superseded_by: superseded_by.clone(),
            valid_to,
        };
        if let Some(present) = &old.superseded_by {
            return if Some(present) == superseded_by.as_ref() {
                Ok(unchanged(Timestamp::from_micros(old.valid_to)))
            } else {
                Err(Error::AlreadySuperseded(present.clone()))
            };
        }
        if let Some((successor, new)) = &new {
            ledger
                .check_link(id, successor, &old, new, self.limits.chain)
                .await?;
        }
        let at = ledger.tick();
        let end = end_of(&old, new.as_ref().map(|(_, new)| new), *valid_to, at)?;
        if new.is_none() && end.as_micros() == old.valid_to {
            return Ok(unchanged(end));
        }
        let (cause, kind) = match new {
            Some(_) => (Cause::Superseded, "memory.superseded"),
            None => (Cause::Expired, "memory.expired"),
        };
        let link = new.as_ref().map(|(successor, _)| (id, *successor));
        if !ledger.replace_belief(&old, at, end, link, cause).await? {
            return Err(Error::AlreadySuperseded("another memory".to_owned()));
        }
        let event = Event {
            memory_id: id,
            at,
            actor: actor.organisation.as_str(),
            kind,
            details: Some(json!({"superseded_by": superseded_by, "valid_to": printed_end(end)})),
            salt: &old.salt,
        };
        ledger.event(event).await?;
        ledger.commit().await?;
        Ok(unchanged(end))
    }
}

/// When the old memory ceases to hold.
fn end_of(old: &Open, new: Option<&Open>, valid_to: Option<Timestamp>, at: Timestamp) -> Result<Timestamp> {
    let (from, to) = (
        Timestamp::from_micros(old.valid_from),
        Timestamp::from_micros(old.valid_to),
    );
    let end = match (valid_to, new) {
        (Some(end), _) if end < from => return Err(Error::EndsBeforeStart),
        (Some(end), _) => end,
        (None, Some(new)) if new.explicit_valid_from => Timestamp::from_micros(new.valid_from),
        (None, _) => at,
    };
    // A successor never makes its predecessor hold longer than was known.
    Ok(if new.is_some() { end.max(from).min(to) } else { end })
}

impl Ledger<'_> {
    /// The memory, when it is the actor's.
    pub(crate) async fn own(&mut self, actor: &Actor, id: &str) -> Result<Open> {
        let open = self.open(id).await?.ok_or(Error::NotFound)?;
        if open.organisation_id == actor.organisation.as_str() {
            Ok(open)
        } else {
            Err(self.memories.foreign())
        }
    }

    async fn check_link(
        &mut self,
        id: &str,
        successor: &str,
        old: &Open,
        new: &Open,
        chain: u32,
    ) -> Result<()> {
        if old.memory == new.memory {
            return Err(Error::SelfSupersession);
        }
        if old.scope != new.scope {
            return Err(Error::OtherTenant);
        }
        let reached: i64 = with_tx!(self.tx, |conn| sqlx::query_scalar(LEADS_TO)
            .bind(successor)
            .bind(id)
            .bind(i64::from(chain))
            .fetch_one(conn)
            .await)?;
        if reached > 0 { Err(Error::Cycle) } else { Ok(()) }
    }

    /// Whether nothing has taken the memory's place. Such a memory is the end of its chain, and may take the place
    /// of any other without closing a circle.
    pub(crate) async fn is_current(&mut self, id: &str) -> Result<bool> {
        let open = self.open(id).await?;
        Ok(open.is_some_and(|open| open.superseded_by.is_none()))
    }

    /// Puts a memory that nothing has taken the place of in the place of another, because a verdict says so.
    /// `false` when that is no longer possible.
    pub(crate) async fn supersede_by_verdict(
        &mut self,
        old_id: &str,
        new_id: &str,
        new_valid_from: Timestamp,
        at: Timestamp,
        details: serde_json::Value,
    ) -> Result<bool> {
        let Some(old) = self.open(old_id).await? else {
            return Ok(false);
        };
        let end = new_valid_from.max(Timestamp::from_micros(old.valid_from));
        let end = end.min(Timestamp::from_micros(old.valid_to));
        if !self
            .replace_belief(&old, at, end, Some((old_id, new_id)), Cause::AutoSuperseded)
            .await?
        {
            return Ok(false);
        }
        let mut details = details;
        details["superseded_by"] = new_id.into();
        details["valid_to"] = printed(end).into();
        self.event(Event {
            memory_id: old_id,
            at,
            actor: "aurra-supersession",
            kind: "memory.auto_superseded",
            details: Some(details),
            salt: &old.salt,
        })
        .await?;
        Ok(true)
    }
}
