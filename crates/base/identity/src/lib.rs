//! One account and key model for every surface: organisations, users, keys, scopes, plans, rate
//! limits, browser sessions, meters and the audit log.
//!
//! ```
//! use std::sync::Arc;
//! use pentad_identity::{Identity, KeyFamily, NewKey, PlanTable};
//! use pentad_kernel::{Scope, SystemClock};
//! use pentad_store::{Db, Options};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! # let directory = std::env::temp_dir().join(pentad_kernel::id::random_uuid());
//! let db = Db::open(&format!("sqlite:{}/pentad.db", directory.display()), &Options::default()).await?;
//! db.migrate().await?;
//! let identity = Identity::new(db, Arc::new(SystemClock), PlanTable::default());
//!
//! let user = identity.create_user("ada@example.com", None, false).await?;
//! let minted = identity.mint_key(&user.home_organisation, &user.id, NewKey::of(KeyFamily::Grep)).await?;
//! let caller = identity.authenticate(minted.secret()).await?;
//! assert!(caller.actor.allows(Scope::GrepRead));
//! assert!(!caller.actor.allows(Scope::ExecRun));
//! # std::fs::remove_dir_all(directory)?;
//! # Ok(())
//! # }
//! # tokio::runtime::Runtime::new().unwrap().block_on(example()).unwrap();
//! ```
//!
//! A secret is shown once, when it is minted; only its SHA-256 is stored. [`Identity::authenticate`]
//! answers from memory: what it remembers is dropped when this process changes a credential, and
//! within [`VERSION_POLL`] when another one does.

mod administration;
mod audit;
mod authenticate;
mod bootstrap;
mod effective_plan;
mod error;
mod keys;
mod limiter;
mod meters;
mod organisations;
mod passwords;
mod plan;
mod profile;
mod team;
mod users;
mod verification;
mod web_sessions;

use std::sync::Arc;

use pentad_kernel::SharedClock;
use pentad_store::Db;

pub use administration::{UserPage, UserQuery};
pub use audit::AuditEvent;
pub use authenticate::{Caller, Refusal, VERSION_POLL};
pub use bootstrap::{Bootstrapped, DEFAULT_ORGANISATION};
pub use error::Error;
pub use keys::{Key, KeyFamily, MintedKey, NewKey};
pub use limiter::{Limited, Limiter, Standing};
pub use meters::Meter;
pub use organisations::{Membership, Organisation, Role, valid_slug};
pub use plan::{Feature, Plan, PlanName, PlanTable};
pub use profile::{Account, Profile, Tenant};
pub use team::{INVITE_LIFETIME, Invite, InviteForMe, Member, NewServiceKey, TeamError, TeamResult, Upgrade};
pub use users::{SignedUp, User};
pub use web_sessions::{SESSION_LIFETIME, WebSession};

/// What a call on the accounts gives.
pub type Result<T> = std::result::Result<T, Error>;

/// The accounts. Clones share the same memory of credentials.
#[derive(Clone, Debug)]
pub struct Identity {
    db: Db,
    clock: SharedClock,
    plans: Arc<PlanTable>,
    callers: authenticate::Callers,
    passwords: passwords::Passwords,
}

impl Identity {
    /// The accounts in this database.
    pub fn new(db: Db, clock: SharedClock, plans: PlanTable) -> Self {
        Self {
            db,
            clock,
            plans: Arc::new(plans),
            callers: authenticate::Callers::default(),
            passwords: passwords::Passwords::default(),
        }
    }

    /// The plans and their limits.
    pub fn plans(&self) -> &PlanTable {
        &self.plans
    }
}
