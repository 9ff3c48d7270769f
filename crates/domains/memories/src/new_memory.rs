//! What a write is told, and what it answers.

use pentad_kernel::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::Tenant;
use crate::auto_supersede::AutoSupersede;
use crate::engine::{Fact, Skipped};
use crate::llm::LlmRequest;

/// What to store.
#[derive(Clone, Debug)]
pub struct NewMemory {
    /// The fact itself, or a conversation to take facts from.
    pub input: Input,
    /// The tenant to store it in.
    pub tenant: Tenant,
    /// Where it comes from; `agent` for facts and `agent_session` for conversations when `None`.
    pub source: Option<String>,
    /// The session it was said in.
    pub session_id: Option<String>,
    /// Whether to look for what it supersedes; as the key prefers when `None`.
    pub auto_supersede: Option<bool>,
    /// Since when it holds; since it is stored when `None`.
    pub valid_from: Option<Timestamp>,
    /// Until when it holds.
    pub valid_to: Option<Timestamp>,
    /// Whatever the caller wants to keep with it.
    pub metadata: Option<Map<String, Value>>,
    /// A language model for this request alone.
    pub llm: Option<LlmRequest>,
    /// What makes a repetition of the request be recognised.
    pub idempotency: Option<Idempotency>,
}

impl NewMemory {
    /// The fact or conversation, in the default tenant, with nothing else said.
    pub fn of(input: Input) -> Self {
        Self {
            input,
            tenant: Tenant::default(),
            source: None,
            session_id: None,
            auto_supersede: None,
            valid_from: None,
            valid_to: None,
            metadata: None,
            llm: None,
            idempotency: None,
        }
    }
}

/// The content of a write.
#[derive(Clone, Debug)]
pub enum Input {
    /// One fact, stored word for word.
    Content {
        /// The fact.
        content: String,
        /// What it is about; `General` when `None`.
        topic: Option<String>,
        /// 1 to 10; 5 when `None`.
        importance_score: Option<i64>,
    },
    /// A conversation.
    Messages(Vec<Message>),
}

/// One message of a conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Who speaks: facts are taken from `user` (or `human`) alone.
    pub role: String,
    /// What is said.
    pub content: String,
}

/// A request that may come again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Idempotency {
    /// The name that the caller gave it.
    pub key: String,
    /// A digest of the request, so that the name cannot stand for another one.
    pub fingerprint: String,
}

/// What a write did.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Added {
    /// Whether the write was rejected as a duplicate; `memory_ids` then names the memory that was there.
    pub duplicate: bool,
    /// The stored memories.
    pub memory_ids: Vec<String>,
    /// How many facts there were.
    pub extracted_count: usize,
    /// How many of them were stored.
    pub saved_count: usize,
    /// How they were found; `None` when one fact was given.
    pub extraction: Option<Extraction>,
    /// What became of memories that they contradict, in the order of `memory_ids`.
    pub auto_supersede: Vec<AutoSupersede>,
}

/// How facts were taken from a conversation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Extraction {
    /// What found them.
    pub model: String,
    /// The version of what it was told.
    pub prompt_version: String,
    /// When.
    pub extracted_at: Timestamp,
    /// Whether a language model should have done it and was not there.
    pub degraded: bool,
    /// The facts.
    pub facts: Vec<Fact>,
    /// What was passed over.
    pub skipped: Vec<Skipped>,
}
