//! Bi-temporal memories: what was true when, what was believed when, and answers that cite them.
//!
//! Content never changes. What changes is what is believed of its validity, and no belief is ever overwritten:
//! a change ends one and begins another, at one instant of a transaction clock that never goes back. So every
//! read can ask about two instants at once: what was *true* at one, as it was *known* at the other.
//!
//! ```
//! use std::sync::Arc;
//! use pentad_identity::{Identity, KeyFamily, NewKey, Plan, PlanTable};
//! use pentad_kernel::SystemClock;
//! use pentad_memories::{Config, Input, Memories, NewMemory, Query};
//! use pentad_store::{Db, Options};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! # let directory = std::env::temp_dir().join(pentad_kernel::id::random_uuid());
//! let db = Db::open(&format!("sqlite:{}/pentad.db", directory.display()), &Options::default()).await?;
//! db.migrate().await?;
//! let identity = Identity::new(db.clone(), Arc::new(SystemClock), PlanTable::default());
//! let user = identity.create_user("ada@example.com", None, false).await?;
//! let key = identity.mint_key(&user.home_organisation, &user.id, NewKey::of(KeyFamily::Memory)).await?;
//! let actor = identity.authenticate(key.secret()).await?.actor.clone();
//!
//! let memories = Memories::new(db, identity, Arc::new(SystemClock), Config::default())?;
//! let content = |text: &str| Input::Content { content: text.to_owned(), topic: None, importance_score: None };
//! memories.add(&actor, &Plan::default(), NewMemory::of(content("Alice lives in Berlin."))).await?;
//! let moved = NewMemory { auto_supersede: Some(true), ..NewMemory::of(content("Alice moved to Oslo.")) };
//! memories.add(&actor, &Plan::default(), moved).await?;
//!
//! let answer = memories.query(&actor, &Query::of("Where does Alice live?")).await?;
//! assert_eq!(answer.answer_with_citations, "Alice moved to Oslo [mem-1].");
//! # std::fs::remove_dir_all(directory)?;
//! # Ok(())
//! # }
//! # tokio::runtime::Runtime::new().unwrap().block_on(example()).unwrap();
//! ```
//!
//! # What is where
//! - `belief` is the algebra: which belief a view shows. `list` has it as SQL, `index` in memory.
//! - `ledger` is the only way to change anything: one transaction that holds the organisation's account row,
//!   takes instants from its clock and chains events.
//! - `indexes` keeps what search needs of recently used tenants in memory; the database has all of it.
//! - `llm` asks language models; nothing depends on there being one.

mod answer;
mod auto_supersede;
mod belief;
mod config;
mod embedding;
mod engine;
mod erase;
mod error;
mod export;
mod idempotency;
mod index;
mod indexes;
mod instant;
mod ledger;
mod limits;
mod list;
mod llm;
mod memory;
mod new_memory;
mod proof;
mod query;
mod read;
mod settings;
mod speaker;
mod supersede;
mod usage;
mod write;

pub use auto_supersede::{AutoSupersede, FoundSupersession};
pub use belief::Axes;
pub use config::{Config, ForeignIds, Memories};
pub use embedding::{Embedding, HttpEmbedder};
pub use engine::{Fact, RULES_ENGINE, Skipped};
pub use error::Error;
pub use export::{ExportedEvent, ExportedMemory, ExportedVersion};
pub use instant::{parse_instant, printed, printed_end};
pub use limits::{Limits, Tenant};
pub use list::{ListQuery, Page};
pub use llm::{ByoPolicy, LlmRequest, OnError, Provider, ProviderError, ServerModel};
pub use memory::Memory;
pub use new_memory::{Added, Extraction, Idempotency, Input, Message, NewMemory};
pub use proof::{ChainLink, ClaimedProof, Evidence, HASH_SPEC, Mismatch, Proof, SupersessionChain};
pub use query::{Query, QueryAnswer};
pub use read::{Audit, AuditEntry};
pub use settings::{Settings, SettingsChange};
pub use supersede::{Superseded, Supersession};
pub use usage::{NO_LIMIT, PlanStatus, Usage};

/// What a call on the memories gives.
pub type Result<T> = std::result::Result<T, Error>;
