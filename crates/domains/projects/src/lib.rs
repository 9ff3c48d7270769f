//! Projects of teams and their agents (seed 002): context documents, knowledge that compiles into them,
//! a wiki, personas, tickets with fenced leases, agent runs, rules and the audit of what agents retrieved.
//!
//! ```
//! use std::sync::Arc;
//! use pentad_identity::{Identity, KeyFamily, NewKey, PlanTable};
//! use pentad_kernel::SystemClock;
//! use pentad_projects::{NewProject, NewTicket, NoSessions, Projects};
//! use pentad_store::{Db, Options};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! # let directory = std::env::temp_dir().join(pentad_kernel::id::random_uuid());
//! let db = Db::open(&format!("sqlite:{}/pentad.db", directory.display()), &Options::default()).await?;
//! db.migrate().await?;
//! let clock = Arc::new(SystemClock);
//! let identity = Identity::new(db.clone(), clock.clone(), PlanTable::default());
//! let ada = identity.create_user("ada@example.com", None, false).await?;
//! let key = identity.mint_key(&ada.home_organisation, &ada.id, NewKey::of(KeyFamily::User)).await?;
//! let actor = &identity.authenticate(key.secret()).await?.actor;
//!
//! let projects = Projects::new(db, identity.clone(), clock, Arc::new(NoSessions));
//! let project = projects.create(actor, NewProject {
//!     name: "Widgets".into(), git_remote: "git@github.com:acme/widgets.git".into(), organisation: None,
//! }).await?;
//! assert_eq!(project.git_remote, "acme/widgets");
//! let ticket = projects.create_ticket(actor, &project.id, NewTicket::titled("Fix the retry loop")).await?;
//! let started = projects.start_ticket(actor, &project.id, &ticket.ticket.id, Default::default()).await?;
//! assert_eq!(started.ticket.ticket.lease_epoch, 1);
//! # std::fs::remove_dir_all(directory)?;
//! # Ok(())
//! # }
//! # tokio::runtime::Runtime::new().unwrap().block_on(example()).unwrap();
//! ```
//!
//! Every call takes the [`Actor`](pentad_kernel::Actor) first and checks what it may do to the project:
//! [`Level`] says how far people get, and a service key reaches the projects of its organisation that are
//! on its list. What projects need to know of captured sessions comes through the port [`Sessions`].

mod access;
mod agent_runs;
mod author;
mod columns;
mod error;
mod integrations;
mod knowledge;
mod personas;
mod project;
mod project_list;
mod repositories;
mod retrieval;
mod rules;
mod run_comparison;
mod sessions;
mod team;
mod tickets;
mod wiki;

use std::sync::Arc;

use pentad_identity::Identity;
use pentad_kernel::SharedClock;
use pentad_language_model::UrlPolicy;
use pentad_store::Db;

pub use access::{Granted, Level};
pub use agent_runs::{AgentRun, Completion as RunCompletion, NewRun, RunFilter, StartedRun};
pub use columns::{At, Json, Texts};
pub use error::Error;
pub use integrations::{GithubChange, GithubSettings, GitlabChange, GitlabSettings};
pub use knowledge::bulk::{BulkPromoted, BulkPromotion};
pub use knowledge::compile::{Compilation, CompileCause, Compiled, Restored};
pub use knowledge::entry::{AddedEntry, ClaimClass, Entry, EntryChange, NewEntry};
pub use knowledge::extract::evidence;
pub use knowledge::health::Health;
pub use knowledge::list::{EntryFilter, EntryOrder};
pub use knowledge::merge::{Claim, Dropped, Merged, merge};
pub use knowledge::phrase::{ModelRequest, Phrase};
pub use personas::{NewPersona, Persona, PersonaChange};
pub use project::{NewProject, Project, ProjectView, SettingsChange};
pub use repositories::Repository;
pub use retrieval::{NewRetrievalEvent, RetrievalContext, RetrievalEvent, RetrievalLog};
pub use rules::{CompiledRules, Rules, RulesChange, RulesOutput, RulesVersion, SUPPORTED_TOOLS};
pub use run_comparison::{RunComparison, severity_counts};
pub use sessions::{Captured, NoSessions, OwnSession, PortError, SessionFacts, Sessions};
pub use team::{Possessions, ProjectDefaults, Removed, Standing, TeamOverview, TeamSettings};
pub use tickets::comments::{Comment, CommentCursor, NewComment};
pub use tickets::create::NewTicket;
pub use tickets::edit::TicketChange;
pub use tickets::list::TicketFilter;
pub use tickets::model::{Kind, Priority, Status, Ticket, TicketView};
pub use tickets::review::{Finding, ReviewRound, ReviewState, review_state};
pub use tickets::transitions::{Completion, StartOptions, StartedTicket};
pub use wiki::{Backlink, History, Page, PageSummary, PageView, PageWrite, Regenerated, Revision};

/// What a call on a project gives.
pub type Result<T> = std::result::Result<T, Error>;

/// The projects of every organisation. Clones share everything.
#[derive(Clone, Debug)]
pub struct Projects {
    db: Db,
    identity: Identity,
    clock: SharedClock,
    sessions: Arc<dyn Sessions>,
    limits: Limits,
    /// Which addresses of language models may be called.
    model_urls: UrlPolicy,
}

/// The sizes beyond which things are refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a context document, a wiki page or the static rules.
    pub document_bytes: usize,
    /// Characters of a knowledge entry.
    pub entry_characters: usize,
    /// Items in a list of a ticket.
    pub list_items: usize,
    /// Characters of one such item, of a description and of completion notes.
    pub text_characters: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            document_bytes: 1 << 20,
            entry_characters: 20_000,
            list_items: 500,
            text_characters: 100_000,
        }
    }
}

impl Projects {
    /// The projects in this database.
    pub fn new(db: Db, identity: Identity, clock: SharedClock, sessions: Arc<dyn Sessions>) -> Self {
        Self {
            db,
            identity,
            clock,
            sessions,
            limits: Limits::default(),
            model_urls: UrlPolicy::default(),
        }
    }

    /// The same with other limits.
    #[must_use]
    pub fn with_limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// The accounts that the projects belong to.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    fn checked_document(&self, field: &'static str, text: &str) -> Result<()> {
        let limit = self.limits.document_bytes;
        if text.len() > limit {
            return Err(Error::field(field, format!("at most {limit} bytes")));
        }
        checked_text(field, text)
    }

    fn checked_list(&self, field: &'static str, items: &[String]) -> Result<()> {
        let limits = self.limits;
        if items.len() > limits.list_items {
            return Err(Error::field(
                field,
                format!("at most {} items", limits.list_items),
            ));
        }
        items.iter().try_for_each(|item| self.checked_prose(field, item))
    }

    fn checked_prose(&self, field: &'static str, text: &str) -> Result<()> {
        let limit = self.limits.text_characters;
        if text.chars().count() > limit {
            return Err(Error::field(field, format!("at most {limit} characters")));
        }
        checked_text(field, text)
    }
}

/// PostgreSQL keeps no NUL in a text, so neither engine is given one.
fn checked_text(field: &'static str, text: &str) -> Result<()> {
    if text.contains('\0') {
        return Err(Error::field(field, "NUL characters are not allowed"));
    }
    Ok(())
}

/// A one-line text of 1 to `limit` characters.
fn checked_line(field: &'static str, text: &str, limit: usize) -> Result<String> {
    checked_text(field, text)?;
    let text = text.trim();
    if text.is_empty() || text.chars().count() > limit {
        return Err(Error::field(field, format!("1 to {limit} characters")));
    }
    Ok(text.to_owned())
}

fn checked_optional(field: &'static str, text: Option<&str>, limit: usize) -> Result<()> {
    let Some(text) = text else { return Ok(()) };
    if text.chars().count() > limit {
        return Err(Error::field(field, format!("at most {limit} characters")));
    }
    checked_text(field, text)
}

/// The number of words that limits and statistics count: runs of anything but white space.
fn word_count(text: &str) -> i64 {
    i64::try_from(text.split_whitespace().count()).unwrap_or(i64::MAX)
}
