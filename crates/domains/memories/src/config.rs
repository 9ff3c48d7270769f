//! The handle and how it is set up.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use moka::sync::Cache;
use pentad_identity::Identity;
use pentad_kernel::{OrganisationId, SharedClock, Timestamp};
use pentad_store::Db;

use crate::embedding::Embedding;
use crate::indexes::Indexes;
use crate::llm::{ByoPolicy, LanguageModel, OnError, ServerModel};
use crate::settings::{Owner, Settings};
use crate::{Error, Limits, Result, Tenant};

/// How long preferences are remembered: how long it takes until a change at another gateway is followed.
const SETTINGS_BELIEVED: Duration = Duration::from_secs(2);
const SETTINGS_REMEMBERED: u64 = 10_000;
const SCOPES_REMEMBERED: u64 = 100_000;

/// How memories are set up.
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// What requests may hold.
    pub limits: Limits,
    /// Where vectors come from.
    pub embedding: Embedding,
    /// The server's own language model, if it has one.
    pub model: Option<ServerModel>,
    /// What requests may do with models of their own.
    pub byo: ByoPolicy,
    /// What is said of an identifier of another organisation.
    pub foreign_ids: ForeignIds,
}

/// What is said of an identifier of another organisation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum ForeignIds {
    /// That it is another's, and nothing else of it. Identifiers cannot be guessed, so this tells a caller only
    /// what it knew.
    #[default]
    Forbidden,
    /// That it does not exist.
    NotFound,
}

/// The memories. Clones share the same connections and search indexes.
#[derive(Clone, Debug)]
pub struct Memories {
    pub(crate) db: Db,
    pub(crate) identity: Identity,
    pub(crate) clock: SharedClock,
    pub(crate) limits: Limits,
    pub(crate) embedding: Embedding,
    pub(crate) model: Option<Server>,
    pub(crate) byo: ByoPolicy,
    foreign_ids: ForeignIds,
    pub(crate) indexes: Indexes,
    /// The numbers of scopes; a scope is never removed.
    pub(crate) scopes: Cache<(OrganisationId, Tenant), i64>,
    pub(crate) settings: Cache<Owner, Settings>,
    /// Whether there may be memories without a vector of the present embedder.
    pub(crate) vectors_missing: Arc<AtomicBool>,
    /// Whether something that was erased may still be in the database's write-ahead log.
    pub(crate) erased_in_log: Arc<AtomicBool>,
}

impl Memories {
    /// The memories in this database.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] when the server's language model is not fully described.
    pub fn new(db: Db, identity: Identity, clock: SharedClock, config: Config) -> Result<Self> {
        let model = config.model.as_ref().map(Server::new).transpose()?;
        Ok(Self {
            db,
            identity,
            clock,
            indexes: Indexes::new(config.limits.index_bytes),
            limits: config.limits,
            embedding: config.embedding,
            model,
            vectors_missing: Arc::new(AtomicBool::new(true)),
            // The process before may have ended between erasing and overwriting.
            erased_in_log: Arc::new(AtomicBool::new(true)),
            byo: config.byo,
            foreign_ids: config.foreign_ids,
            scopes: Cache::new(SCOPES_REMEMBERED),
            settings: Cache::builder()
                .max_capacity(SETTINGS_REMEMBERED)
                .time_to_live(SETTINGS_BELIEVED)
                .build(),
        })
    }

    /// Bytes that search indexes take in memory: for metrics.
    pub fn index_bytes(&self) -> usize {
        self.indexes.bytes()
    }

    /// What requests may hold.
    pub const fn limits(&self) -> &Limits {
        &self.limits
    }

    /// The present instant, by the clock that everything here goes by.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// The refusal of an identifier of another organisation.
    pub(crate) const fn foreign(&self) -> Error {
        match self.foreign_ids {
            ForeignIds::Forbidden => Error::Foreign,
            ForeignIds::NotFound => Error::NotFound,
        }
    }
}

/// The server's own language model.
#[derive(Clone, Debug)]
pub(crate) struct Server {
    pub(crate) model: LanguageModel,
    on_error: OnError,
}

impl Server {
    fn new(config: &ServerModel) -> Result<Self> {
        Ok(Self {
            model: LanguageModel::of_server(config)?,
            on_error: config.on_error,
        })
    }

    /// Goes on without the model after it failed, unless it is not to be done without.
    pub(crate) fn fall_back(&self, error: &crate::llm::ProviderError) -> Result<()> {
        tracing::warn!(%error, "the configured language model failed");
        match self.on_error {
            OnError::Fallback => Ok(()),
            OnError::Fail => Err(Error::ModelUnavailable),
        }
    }

    /// The model that compares statements: the one the key prefers, where the provider has it.
    pub(crate) fn classifier(&self, preferred: &str) -> LanguageModel {
        if self.model.provider() == crate::llm::Provider::Anthropic {
            self.model.with_model(preferred)
        } else {
            self.model.clone()
        }
    }
}
