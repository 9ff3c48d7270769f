//! From a secret to who is asking, without SQL on the way once the secret is known.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use moka::sync::Cache;
use pentad_kernel::{Actor, ActorKind, Classify, ErrorKind, KeyId, Timestamp, UserId, secret};
use pentad_store::{Tx, affected, with_reader, with_tx};

use crate::keys::{KeyRow, TOUCH, key_columns};
use crate::{Identity, Key, KeyFamily, Plan, PlanName, Result, User};

/// How often a gateway looks whether another process changed a credential.
pub const VERSION_POLL: Duration = Duration::from_secs(2);

/// How long a known credential is believed without asking the database, should polling fail.
const BELIEVED: Duration = Duration::from_secs(60);
/// How many credentials are remembered.
const REMEMBERED: u64 = 100_000;

/// Who is asking, with the plan that bounds them.
#[derive(Clone, Debug)]
pub struct Caller {
    /// Who, and what they may do.
    pub actor: Actor,
    /// The family of the key, when it was a key.
    pub family: Option<KeyFamily>,
    /// The name of the organisation's plan: it bounds what the organisation does.
    pub plan_name: PlanName,
    /// Its limits.
    pub plan: Plan,
    /// The plan whose features the caller has: for a person the best of all organisations
    /// ([`Identity::effective_plan`]), for a key of a program that of the key's organisation.
    pub effective_plan: PlanName,
    /// Whether the user's address is proven.
    pub email_verified: bool,
    expires_at: Option<Timestamp>,
}

impl Caller {
    /// A program that somebody who was let in before runs in a sandbox. No plan counts what it does again.
    pub fn of_program(actor: Actor) -> Self {
        Self {
            actor,
            family: None,
            plan_name: PlanName::Unlimited,
            effective_plan: PlanName::Unlimited,
            plan: Plan::default(),
            email_verified: true,
            expires_at: None,
        }
    }
}

/// Why a credential opens nothing.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// No key has this secret, or its owner deleted it.
    #[error("Invalid API key")]
    Unknown,
    /// The key was revoked.
    #[error("API key has been revoked")]
    Revoked,
    /// The key's time is over.
    #[error("API key has expired")]
    Expired,
    /// The user may not use the account.
    #[error("User account is inactive")]
    Inactive,
    /// The database failed.
    #[error(transparent)]
    Store(#[from] pentad_store::Error),
}

impl Classify for Refusal {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Unknown | Self::Revoked | Self::Expired => ErrorKind::Unauthenticated,
            Self::Inactive => ErrorKind::Forbidden,
            Self::Store(error) => error.kind(),
        }
    }

    fn code(&self) -> Option<&'static str> {
        match self {
            Self::Revoked => Some("api_key_revoked"),
            Self::Expired => Some("api_key_expired"),
            _ => None,
        }
    }

    fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Store(error) => error.retry_after(),
            _ => None,
        }
    }
}

/// When and from where a key was last used.
type LastUse = (Timestamp, Option<IpAddr>);

/// What this process remembers of credentials, and which keys were used since the last flush.
#[derive(Clone, Debug)]
pub(crate) struct Callers {
    by_secret_hash: Cache<[u8; 32], Remembered>,
    /// The best plan of a user, as of a generation.
    effective_plans: Cache<(u64, UserId), PlanName>,
    /// Rises whenever everything remembered is to be forgotten. What was read before it rose is of no use after:
    /// it may lack the very change.
    generation: Arc<AtomicU64>,
    /// In the order in which every gateway locks their rows.
    used: Arc<Mutex<BTreeMap<KeyId, LastUse>>>,
    seen_version: Arc<Mutex<Option<i64>>>,
}

#[derive(Clone, Debug)]
struct Remembered {
    caller: Arc<Caller>,
    generation: u64,
}

impl Callers {
    fn used(&self) -> MutexGuard<'_, BTreeMap<KeyId, LastUse>> {
        self.used.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    fn find(&self, hash: &[u8; 32]) -> Option<Arc<Caller>> {
        let found = self.by_secret_hash.get(hash)?;
        (found.generation == self.generation()).then_some(found.caller)
    }

    /// The plan that was found for a user, if it is remembered; else the generation to remember it of.
    pub(crate) fn effective_plan(&self, user: &UserId) -> std::result::Result<PlanName, u64> {
        let generation = self.generation();
        let known = self.effective_plans.get(&(generation, user.clone()));
        known.ok_or(generation)
    }

    pub(crate) fn remember_effective_plan(&self, generation: u64, user: &UserId, plan: PlanName) {
        self.effective_plans.insert((generation, user.clone()), plan);
    }

    fn forget_all(&self) {
        self.generation.fetch_add(1, Ordering::AcqRel);
        self.by_secret_hash.invalidate_all();
        self.effective_plans.invalidate_all();
    }
}

impl Default for Callers {
    fn default() -> Self {
        Self {
            by_secret_hash: Cache::builder()
                .max_capacity(REMEMBERED)
                .time_to_live(BELIEVED)
                .build(),
            effective_plans: Cache::builder()
                .max_capacity(REMEMBERED)
                .time_to_live(BELIEVED)
                .build(),
            generation: Arc::default(),
            used: Arc::default(),
            seen_version: Arc::default(),
        }
    }
}

#[derive(sqlx::FromRow)]
struct CallerRow {
    #[sqlx(flatten)]
    key: KeyRow,
    email: String,
    is_admin: bool,
    is_active: bool,
    email_verified: bool,
    plan: String,
}

const BY_SECRET: &str = concat!(
    "SELECT ",
    key_columns!(),
    ", email, is_admin, is_active, email_verified, plan
     FROM api_keys JOIN users ON users.id = api_keys.user_id
                   JOIN organisations ON organisations.id = api_keys.organisation_id
     WHERE secret_hash = $1"
);
const VERSION: &str = "SELECT version FROM identity_version WHERE id = 1";
const RAISE_VERSION: &str = "UPDATE identity_version SET version = version + 1 WHERE id = 1";

impl Identity {
    /// Who holds this secret.
    ///
    /// # Errors
    /// A [`Refusal`] that says why the secret opens nothing.
    pub async fn authenticate(&self, secret: &str) -> std::result::Result<Arc<Caller>, Refusal> {
        let hash = secret::sha256(secret);
        let generation = self.callers.generation();
        if let Some(caller) = self.callers.find(&hash) {
            return if caller.expires_at.is_none_or(|end| self.clock.now() < end) {
                Ok(caller)
            } else {
                Err(Refusal::Expired)
            };
        }
        let row: Option<CallerRow> = with_reader!(self.db, |conn| sqlx::query_as(BY_SECRET)
            .bind(secret::hex(&hash))
            .fetch_optional(conn)
            .await)?;
        let row = row.ok_or(Refusal::Unknown)?;
        let key = Key::from(row.key);
        // The order in which seed 002's server tells these apart.
        if key.revoked_at.is_some() {
            return Err(Refusal::Revoked);
        }
        if key.deleted_at.is_some() {
            return Err(Refusal::Unknown);
        }
        if !key.is_active(self.clock.now()) {
            return Err(Refusal::Expired);
        }
        if !row.is_active {
            return Err(Refusal::Inactive);
        }
        let plan_name = PlanName::parse(&row.plan).unwrap_or(PlanName::Free);
        let effective_plan = match key.family {
            KeyFamily::User => self.best_of(&key.user).await?,
            _ => plan_name,
        };
        let caller = Arc::new(Caller {
            actor: Actor {
                kind: if key.family == KeyFamily::User {
                    ActorKind::UserKey
                } else {
                    ActorKind::ServiceKey
                },
                user: key.user,
                email: row.email,
                organisation: key.organisation,
                key: Some(key.id),
                key_name: key.name,
                scopes: key.scopes,
                projects: key.projects,
                is_admin: row.is_admin,
            },
            family: Some(key.family),
            plan_name,
            plan: self.plans.plan(plan_name).clone(),
            effective_plan,
            email_verified: row.email_verified,
            expires_at: key.expires_at,
        });
        let remembered = Remembered {
            caller: Arc::clone(&caller),
            generation,
        };
        self.callers.by_secret_hash.insert(hash, remembered);
        Ok(caller)
    }

    /// The caller that a user is in a browser, working in one of the organisations.
    ///
    /// # Errors
    /// When the organisation is unknown or the database fails.
    pub async fn web_caller(
        &self,
        user: &User,
        organisation: &pentad_kernel::OrganisationId,
    ) -> Result<Caller> {
        let organisation = self.organisation(organisation).await?;
        Ok(Caller {
            actor: Actor {
                kind: ActorKind::WebSession,
                user: user.id.clone(),
                email: user.email.clone(),
                organisation: organisation.id,
                key: None,
                key_name: None,
                scopes: pentad_kernel::ScopeSet::all(),
                projects: None,
                is_admin: user.is_admin,
            },
            family: None,
            plan_name: organisation.plan,
            plan: self.plans.plan(organisation.plan).clone(),
            effective_plan: self.effective_plan(&user.id).await?.max(organisation.plan),
            email_verified: user.email_verified,
            expires_at: None,
        })
    }

    /// The caller that everybody is on a gateway open to its own machine: the first organisation.
    ///
    /// # Errors
    /// When there is no such organisation or the database fails.
    pub async fn local_caller(&self) -> Result<Caller> {
        let organisation = self.organisation_by_slug(crate::DEFAULT_ORGANISATION).await?;
        Ok(Caller {
            actor: Actor {
                kind: ActorKind::Local,
                user: UserId::new("local"),
                email: String::new(),
                organisation: organisation.id,
                key: None,
                key_name: None,
                scopes: pentad_kernel::ScopeSet::default(),
                projects: None,
                is_admin: false,
            },
            family: None,
            plan_name: organisation.plan,
            plan: self.plans.plan(organisation.plan).clone(),
            effective_plan: organisation.plan,
            email_verified: true,
            expires_at: None,
        })
    }

    /// Notes that a key was used; written to the database by [`Identity::flush_last_used`].
    pub fn note_use(&self, key: &KeyId, address: Option<IpAddr>) {
        let now = self.clock.now();
        let mut used = self.callers.used();
        if let Some(entry) = used.get_mut(key) {
            *entry = (now, address);
        } else {
            used.insert(key.clone(), (now, address));
        }
    }

    /// Writes down when keys were last used. Called about once a minute and before the program ends.
    ///
    /// # Errors
    /// When the database fails; the uses are then written by the next flush.
    pub async fn flush_last_used(&self) -> Result<()> {
        let used = std::mem::take(&mut *self.callers.used());
        if used.is_empty() {
            return Ok(());
        }
        let outcome = self.write_last_used(&used).await;
        if outcome.is_err() {
            let mut since = self.callers.used();
            for (key, last_use) in used {
                since.entry(key).or_insert(last_use);
            }
        }
        outcome
    }

    async fn write_last_used(&self, used: &BTreeMap<KeyId, LastUse>) -> Result<()> {
        let mut tx = self.db.begin().await?;
        for (key, (at, address)) in used {
            with_tx!(tx, |conn| sqlx::query(TOUCH)
                .bind(key.as_str())
                .bind(at.as_micros())
                .bind(address.map(|address| address.to_string()))
                .execute(conn)
                .await
                .map(affected))?;
        }
        Ok(tx.commit().await?)
    }

    /// Forgets what is remembered of credentials when any process changed one since the last call.
    /// Called every [`VERSION_POLL`].
    ///
    /// # Errors
    /// When the database fails.
    pub async fn follow_changes(&self) -> Result<()> {
        let version: i64 = with_reader!(self.db, |conn| sqlx::query_scalar(VERSION).fetch_one(conn).await)?;
        let mut seen = self
            .callers
            .seen_version
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if seen.replace(version) != Some(version) {
            self.callers.forget_all();
        }
        Ok(())
    }

    /// Commits a change of credentials: this process forgets what it remembers at once, the others when
    /// they next look.
    ///
    /// # Errors
    /// When the database fails; nothing is changed then.
    pub async fn commit_credentials(&self, mut tx: Tx) -> Result<()> {
        with_tx!(tx, |conn| sqlx::query(RAISE_VERSION)
            .execute(conn)
            .await
            .map(affected))?;
        let committed = tx.commit().await;
        // Also when nobody can tell whether it was.
        self.callers.forget_all();
        Ok(committed?)
    }
}
