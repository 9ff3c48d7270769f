//! Service keys: an organisation's keys, each with the scopes and projects it was given by name.

use pentad_kernel::{Actor, KeyId, OrganisationId, ScopeSet, Timestamp};
use pentad_store::Tx;

use super::{TeamError, TeamResult, Upgrade};
use crate::{Feature, Identity, Key, KeyFamily, MintedKey, NewKey, Role, User};

const NAME_CHARACTERS: usize = 100;

/// What a service key shall be.
#[derive(Clone, Debug)]
pub struct NewServiceKey {
    /// A name for people.
    pub name: String,
    /// What it may do, by name.
    pub scopes: Vec<String>,
    /// When it stops working.
    pub expires_at: Option<Timestamp>,
    /// The only projects it may touch; empty for no such list.
    pub projects: Vec<String>,
    /// The form of its secret; [`KeyFamily::Service`] unless a client insists on another.
    pub family: KeyFamily,
}

fn field(field: &'static str, reason: impl Into<String>) -> TeamError {
    TeamError::Field {
        field,
        reason: reason.into(),
    }
}

fn checked(new: NewServiceKey, now: Timestamp) -> TeamResult<NewKey> {
    let name = new.name.trim();
    if name.is_empty() || name.chars().count() > NAME_CHARACTERS {
        return Err(field(
            "name",
            format!("a name has 1 to {NAME_CHARACTERS} characters"),
        ));
    }
    if new.family == KeyFamily::User || new.family == KeyFamily::Ingest {
        return Err(field("family", "service, grep, memory or exec"));
    }
    if new.scopes.iter().any(|scope| scope == "*") {
        return Err(field(
            "scopes",
            "a service key is given every scope by name, never *",
        ));
    }
    let scopes = if new.scopes.is_empty() {
        new.family.default_scopes()
    } else {
        ScopeSet::parse(&new.scopes).map_err(|unknown| field("scopes", unknown.to_string()))?
    };
    if scopes.names().is_empty() {
        return Err(field("scopes", "at least one scope"));
    }
    if new.expires_at.is_some_and(|end| end <= now) {
        return Err(field("expires_at", "lies in the past"));
    }
    let projects: Vec<String> = new
        .projects
        .into_iter()
        .map(|project| project.trim().to_owned())
        .filter(|project| !project.is_empty())
        .collect();
    Ok(NewKey {
        family: new.family,
        name: Some(name.to_owned()),
        scopes,
        projects: (!projects.is_empty()).then_some(projects),
        expires_at: new.expires_at,
    })
}

impl Identity {
    /// Mints a service key for an organisation that the actor administers.
    ///
    /// # Errors
    /// [`TeamError::InsufficientRole`], [`TeamError::UpgradeRequired`], [`TeamError::Field`].
    pub async fn create_service_key(
        &self,
        actor: &Actor,
        organisation: &OrganisationId,
        new: NewServiceKey,
    ) -> TeamResult<MintedKey> {
        let organisation = self.require_role(actor, organisation, Role::Admin).await?;
        Upgrade::check(Feature::TeamManagement, organisation.plan, "org")?;
        let new = checked(new, self.clock.now())?;
        let mut tx = self.db.begin().await?;
        let minted = self
            .insert_key(&mut tx, &organisation.id, &actor.user, new)
            .await?;
        let details = serde_json::json!({ "name": minted.key.name, "scopes": minted.key.scopes.names() });
        self.audit(
            &mut tx,
            actor,
            "service_key.create",
            minted.key.id.as_str(),
            &details,
        )
        .await?;
        tx.commit().await?;
        Ok(minted)
    }

    /// The organisation's keys for any of its members, newest first, with those that no longer work.
    ///
    /// # Errors
    /// [`TeamError::OrganisationNotFound`], [`TeamError::NoOrganisation`].
    pub async fn service_keys(&self, actor: &Actor, organisation: &OrganisationId) -> TeamResult<Vec<Key>> {
        let organisation = self.require_role(actor, organisation, Role::Member).await?;
        let keys = self.organisation_keys(&organisation.id).await?;
        Ok(keys
            .into_iter()
            .filter(|key| key.family != KeyFamily::User)
            .collect())
    }

    async fn service_key(&self, actor: &Actor, organisation: &OrganisationId, id: &KeyId) -> TeamResult<Key> {
        let organisation = self.require_role(actor, organisation, Role::Admin).await?;
        let key = self.key(id).await.map_err(|_| TeamError::KeyNotFound)?;
        if key.organisation != organisation.id || key.family == KeyFamily::User {
            return Err(TeamError::KeyNotFound);
        }
        Ok(key)
    }

    /// Revokes a service key; once more is as good as once.
    ///
    /// # Errors
    /// [`TeamError::KeyNotFound`], [`TeamError::InsufficientRole`].
    pub async fn revoke_service_key(
        &self,
        actor: &Actor,
        organisation: &OrganisationId,
        id: &KeyId,
        reason: Option<&str>,
    ) -> TeamResult<()> {
        let key = self.service_key(actor, organisation, id).await?;
        let mut tx = self.db.begin().await?;
        self.revoke_audited(&mut tx, actor, &key, reason.unwrap_or("revoked"))
            .await?;
        self.commit_credentials(tx).await?;
        Ok(())
    }

    async fn revoke_audited(&self, tx: &mut Tx, actor: &Actor, key: &Key, reason: &str) -> TeamResult<bool> {
        let revoked = self.revoke_key_in(tx, &key.id, reason).await?;
        if revoked {
            let details = serde_json::json!({ "name": key.name, "reason": reason });
            self.audit(tx, actor, "service_key.revoke", key.id.as_str(), &details)
                .await?;
        }
        Ok(revoked)
    }

    /// Gives a service key a successor with the same name, scopes, projects and length of life, and
    /// revokes it.
    ///
    /// # Errors
    /// [`TeamError::KeyNotFound`], [`TeamError::KeyAlreadyRevoked`], [`TeamError::InsufficientRole`].
    pub async fn rotate_service_key(
        &self,
        actor: &Actor,
        organisation: &OrganisationId,
        id: &KeyId,
    ) -> TeamResult<MintedKey> {
        let key = self.service_key(actor, organisation, id).await?;
        let mut tx = self.db.begin().await?;
        let reason = format!("rotated by {}", actor.email);
        if !self.revoke_audited(&mut tx, actor, &key, &reason).await? {
            return Err(TeamError::KeyAlreadyRevoked);
        }
        let lifetime = key.expires_at.map(|end| end.since(key.created_at));
        let successor = NewKey {
            family: key.family,
            name: key.name,
            scopes: key.scopes,
            projects: key.projects,
            expires_at: lifetime.map(|lifetime| self.clock.now().plus(lifetime)),
        };
        let minted = self
            .insert_key(&mut tx, &key.organisation, &actor.user, successor)
            .await?;
        let details = serde_json::json!({ "rotated_from": id.as_str() });
        self.audit(
            &mut tx,
            actor,
            "service_key.rotate",
            minted.key.id.as_str(),
            &details,
        )
        .await?;
        self.commit_credentials(tx).await?;
        Ok(minted)
    }

    /// Mints a personal key for a user who lost theirs; the audit log says who did it.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn mint_key_on_behalf(&self, actor: &Actor, user: &User, name: &str) -> TeamResult<MintedKey> {
        let mut tx = self.db.begin().await?;
        let new = NewKey::of(KeyFamily::User).named(name);
        let minted = self
            .insert_key(&mut tx, &user.home_organisation, &user.id, new)
            .await?;
        let details = serde_json::json!({ "key_id": minted.key.id, "name": name });
        self.audit(
            &mut tx,
            actor,
            "mint_api_key_on_behalf",
            user.id.as_str(),
            &details,
        )
        .await?;
        tx.commit().await?;
        Ok(minted)
    }
}
