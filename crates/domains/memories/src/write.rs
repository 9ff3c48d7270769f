//! Storing memories: facts as they are given, or taken from a conversation.

use std::sync::atomic::Ordering;

use pentad_identity::Plan;
use pentad_kernel::{Actor, Timestamp, id, secret};
use pentad_retrieval::{Analyzer, Weight};
use pentad_store::{affected, with_tx};
use serde_json::{Value, json};

use crate::auto_supersede::{Draft, FoundSupersession, Judged, Stated, Verdict};
use crate::belief::Belief;
use crate::embedding::Embedded;
use crate::engine::{self, Fact, RULES_ENGINE, RULES_VERSION, VERBATIM};
use crate::index::encode_terms;
use crate::ledger::{Cause, Event, Ledger};
use crate::limits::{label, no_nul, text_bytes};
use crate::llm::{LanguageModel, PROMPT_VERSION};
use crate::memory::excerpt;
use crate::new_memory::{Added, Extraction, Input, Message, NewMemory};
use crate::{Error, Memories, Result, Tenant, idempotency};

const INSERT_INPUT: &str = "INSERT INTO memory_inputs (body, sha256) VALUES ($1, $2) RETURNING input";
const INSERT_MEMORY: &str = "
    INSERT INTO memories
        (id, scope, decision, topic, category, importance, source, channel, session_id, original_message, input,
         metadata, engine, prompt_version, degraded, created_at, explicit_valid_from, salt)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)
    RETURNING memory";
const INSERT_INDEX: &str =
    "INSERT INTO memory_index (scope, memory, terms, embedder, vector) VALUES ($1, $2, $3, $4, $5)";

/// How often a write is judged before it takes what it knows for good, where others keep storing.
const JUDGEMENTS: u32 = 5;

/// What is common to the memories of one write.
#[derive(Debug)]
struct Origin {
    source: String,
    channel: String,
    session_id: Option<String>,
    /// The conversation; `None` when the fact is all there was.
    body: Option<String>,
    engine: String,
    prompt_version: Option<&'static str>,
    degraded: bool,
    valid_from: Option<Timestamp>,
    valid_to: Option<Timestamp>,
    metadata: Option<String>,
}

impl Memories {
    /// Stores a fact, or the facts of a conversation, and retires what they contradict if that is wanted: all
    /// in one transaction.
    ///
    /// # Errors
    /// [`Error::Blank`], [`Error::TooLong`], [`Error::OutOfRange`], [`Error::BadCharacter`],
    /// [`Error::EmptyInterval`], [`Error::IdempotencyMismatch`], [`Error::PlanBlocked`], [`Error::Provider`] when
    /// the request's own model fails.
    pub async fn add(&self, actor: &Actor, plan: &Plan, new: NewMemory) -> Result<Added> {
        self.check(&new)?;
        let own_model = new
            .llm
            .as_ref()
            .map(|llm| LanguageModel::of_request(llm, &self.byo))
            .transpose()?;
        if let Some(idempotency) = &new.idempotency
            && let Some(answer) = self.repeated(actor, idempotency).await?
        {
            return Ok(answer);
        }
        self.check_plan(actor, plan).await?;
        let settings = self.settings(actor).await?;
        let automatic = new.auto_supersede.unwrap_or(settings.auto_supersede_default);

        let speaker = (actor, &new.tenant);
        let (mut drafts, extraction, origin) = self.drafts(speaker, new.input, own_model.as_ref()).await?;
        let origin = Origin {
            source: new
                .source
                .filter(|source| origin.content || source != "agent")
                .unwrap_or_else(|| {
                    if origin.content {
                        "agent".to_owned()
                    } else {
                        "agent_session".to_owned()
                    }
                }),
            channel: String::new(),
            session_id: new.session_id,
            body: origin.body,
            engine: origin.engine,
            prompt_version: origin.prompt_version,
            degraded: origin.degraded,
            valid_from: new.valid_from,
            valid_to: new.valid_to,
            metadata: new.metadata.map(|metadata| Value::Object(metadata).to_string()),
        };
        let channel = origin.session_id.clone().unwrap_or_else(|| origin.source.clone());
        let origin = Origin { channel, ..origin };
        self.embed_drafts(&mut drafts).await;

        let stated = Stated {
            from: new.valid_from,
            to: new.valid_to,
        };
        let mut judgements = 0;
        let (mut ledger, verdicts) = loop {
            let Judged { verdicts, seen } = if automatic {
                self.judge(
                    actor,
                    &new.tenant,
                    &settings,
                    (&drafts, stated),
                    own_model.as_ref(),
                )
                .await?
            } else {
                Judged::disabled(&drafts)
            };
            judgements += 1;
            let mut ledger = Ledger::begin(self, &actor.organisation).await?;
            // What somebody else stored meanwhile may be just what this contradicts or repeats.
            let outdated = match seen.filter(|_| judgements < JUDGEMENTS) {
                Some(seen) => ledger.scope_state(&new.tenant).await? != seen,
                None => false,
            };
            if !outdated {
                break (ledger, verdicts);
            }
        };
        if let Some(idempotency) = &new.idempotency
            && let Some(answer) = idempotency::recall(&mut ledger, actor, idempotency).await?
        {
            return Ok(answer);
        }
        let added = ledger
            .store(actor, &new.tenant, &origin, &drafts, verdicts, extraction)
            .await?;
        self.count_writes(&mut ledger, actor, plan, added.saved_count)
            .await?;
        if let Some(idempotency) = &new.idempotency {
            idempotency::remember(&mut ledger, actor, idempotency, &added, self.limits.idempotency).await?;
        }
        ledger.commit().await?;
        Ok(added)
    }

    fn check(&self, new: &NewMemory) -> Result<()> {
        let limits = &self.limits;
        match &new.input {
            Input::Content {
                content,
                topic,
                importance_score,
            } => {
                text_bytes("content", content, limits.content_bytes)?;
                if let Some(topic) = topic {
                    label("topic", topic, limits.topic_chars)?;
                }
                if importance_score.is_some_and(|score| !(1..=10).contains(&score)) {
                    let allowed = "a whole number from 1 to 10".to_owned();
                    return Err(Error::OutOfRange {
                        field: "importance_score",
                        allowed,
                    });
                }
            }
            Input::Messages(messages) => {
                if messages.is_empty() {
                    return Err(Error::Blank { field: "messages" });
                }
                if messages.len() > limits.messages {
                    return Err(Error::TooLong {
                        field: "messages",
                        limit: limits.messages,
                        unit: "messages",
                    });
                }
                for message in messages {
                    label("role", &message.role, 64)?;
                    no_nul("content", &message.content)?;
                    if message.content.len() > limits.content_bytes {
                        return Err(Error::TooLong {
                            field: "content",
                            limit: limits.content_bytes,
                            unit: "bytes",
                        });
                    }
                }
            }
        }
        if let Some(source) = &new.source {
            label("source", source, limits.source_chars)?;
        }
        if let Some(session_id) = &new.session_id {
            label("session_id", session_id, limits.session_id_chars)?;
        }
        if let Some(metadata) = &new.metadata {
            let text = Value::Object(metadata.clone()).to_string();
            if text.len() > limits.metadata_bytes {
                return Err(Error::TooLong {
                    field: "metadata",
                    limit: limits.metadata_bytes,
                    unit: "bytes",
                });
            }
        }
        if let Some(valid_to) = new.valid_to
            && valid_to <= new.valid_from.unwrap_or_else(|| self.clock.now())
        {
            return Err(Error::EmptyInterval);
        }
        if let Some(idempotency) = &new.idempotency {
            label("Idempotency-Key", &idempotency.key, 255)?;
        }
        Ok(())
    }

    /// What there is to store, before it is known what becomes of it.
    async fn drafts(
        &self,
        speaker: (&Actor, &Tenant),
        input: Input,
        own_model: Option<&LanguageModel>,
    ) -> Result<(Vec<Draft>, Option<Extraction>, Found)> {
        match input {
            Input::Content {
                content,
                topic,
                importance_score,
            } => {
                let draft = Draft {
                    id: id::ordered_uuid(),
                    category: engine::category(&content).to_owned(),
                    topic: topic.unwrap_or_else(|| "General".to_owned()),
                    importance: importance_score.unwrap_or(5),
                    context: String::new(),
                    decision: content,
                    terms: Vec::new(),
                    query: Vec::new(),
                    vector: None,
                };
                Ok((vec![draft], None, Found::verbatim()))
            }
            Input::Messages(messages) => {
                let found = self.extract(speaker, messages, own_model).await?;
                let draft = |fact: &Fact| Draft {
                    id: id::ordered_uuid(),
                    decision: fact.fact.clone(),
                    topic: fact.category.clone(),
                    category: fact.category.clone(),
                    importance: i64::from(fact.importance_score),
                    context: fact.context.clone(),
                    terms: Vec::new(),
                    query: Vec::new(),
                    vector: None,
                };
                let drafts = found.0.facts.iter().map(draft).collect();
                Ok((drafts, Some(found.0), found.1))
            }
        }
    }

    async fn extract(
        &self,
        (actor, tenant): (&Actor, &Tenant),
        messages: Vec<Message>,
        own_model: Option<&LanguageModel>,
    ) -> Result<(Extraction, Found)> {
        let body = conversation(&messages);
        let extraction = |model: &str, prompt_version: &str, degraded, facts, skipped| Extraction {
            model: model.to_owned(),
            prompt_version: prompt_version.to_owned(),
            extracted_at: self.clock.now(),
            degraded,
            facts,
            skipped,
        };
        let found = |extraction: Extraction, prompt_version| {
            let found = Found {
                content: false,
                body: Some(body.clone()),
                engine: extraction.model.clone(),
                prompt_version: Some(prompt_version),
                degraded: extraction.degraded,
            };
            (extraction, found)
        };
        let mut degraded = false;
        if let Some(model) = own_model {
            let facts = model.extract(&messages).await?;
            return Ok(found(
                extraction(model.id(), PROMPT_VERSION, false, facts, Vec::new()),
                PROMPT_VERSION,
            ));
        }
        if let Some(server) = &self.model {
            match server.model.extract(&messages).await {
                Ok(facts) => {
                    let id = server.model.id();
                    return Ok(found(
                        extraction(id, PROMPT_VERSION, false, facts, Vec::new()),
                        PROMPT_VERSION,
                    ));
                }
                Err(error) => server.fall_back(&error)?,
            }
            degraded = true;
        }
        let engine::Extracted { facts, skipped, .. } = self.extract_by_rules(actor, tenant, messages).await?;
        Ok(found(
            extraction(RULES_ENGINE, RULES_VERSION, degraded, facts, skipped),
            RULES_VERSION,
        ))
    }

    /// Gives drafts their terms and vectors. An embedder that does not answer leaves them without a vector: they
    /// are found by their words, and get one later.
    async fn embed_drafts(&self, drafts: &mut [Draft]) {
        let analyzer = Analyzer::default();
        for draft in drafts.iter_mut() {
            let mut terms = analyzer.document(&draft.decision);
            analyzer.add(&mut terms, &draft.context, Weight::Half);
            draft.terms = encode_terms(&terms);
            draft.query = analyzer.query(&draft.decision);
        }
        let texts: Vec<&str> = drafts.iter().map(|draft| draft.decision.as_str()).collect();
        match self.embedding.embed(&texts).await {
            Ok(vectors) => {
                for (draft, vector) in drafts.iter_mut().zip(vectors) {
                    draft.vector = Some(vector);
                }
            }
            Err(error) => {
                tracing::warn!(%error, "memories are stored without vectors for now");
                self.vectors_missing.store(true, Ordering::Relaxed);
            }
        }
    }
}

/// Where drafts come from.
#[derive(Debug)]
struct Found {
    content: bool,
    body: Option<String>,
    engine: String,
    prompt_version: Option<&'static str>,
    degraded: bool,
}

impl Found {
    fn verbatim() -> Self {
        Self {
            content: true,
            body: None,
            engine: VERBATIM.to_owned(),
            prompt_version: None,
            degraded: false,
        }
    }
}

/// The conversation as it is kept and quoted.
fn conversation(messages: &[Message]) -> String {
    let line = |message: &Message| {
        let mut role = match message.role.as_str() {
            "human" => "user",
            "ai" => "assistant",
            role => role,
        }
        .to_owned();
        if let Some(first) = role.get_mut(..1) {
            first.make_ascii_uppercase();
        }
        format!("{role}: {}", message.content)
    };
    messages.iter().map(line).collect::<Vec<_>>().join("\n")
}

impl Ledger<'_> {
    /// Writes drafts down, with what became of the memories that they contradict.
    async fn store(
        &mut self,
        actor: &Actor,
        tenant: &Tenant,
        origin: &Origin,
        drafts: &[Draft],
        verdicts: Vec<Verdict>,
        extraction: Option<Extraction>,
    ) -> Result<Added> {
        let mut added = Added {
            duplicate: false,
            memory_ids: Vec::new(),
            extracted_count: drafts.len(),
            saved_count: 0,
            extraction,
            auto_supersede: Vec::new(),
        };
        let mut scope = None;
        let mut input = None;
        for (draft, verdict) in drafts.iter().zip(verdicts) {
            let valid_from = |at| origin.valid_from.unwrap_or(at);
            if let Some(existing) = &verdict.duplicate_of
                && self.is_current(existing).await?
            {
                let at = self.tick();
                let superseded = self.retire(&verdict, existing, valid_from(at), at).await?;
                if origin.body.is_none() {
                    added.duplicate = true;
                    added.memory_ids.push(existing.clone());
                    added
                        .auto_supersede
                        .push(verdict.outcome(existing.clone(), superseded));
                }
                continue;
            }
            let scope = match scope {
                Some(scope) => scope,
                None => *scope.insert(self.scope(tenant).await?),
            };
            if input.is_none()
                && let Some(body) = &origin.body
            {
                input = Some(self.insert_input(body).await?);
            }
            let at = self.tick();
            self.insert(actor, tenant, origin, draft, (scope, input), at)
                .await?;
            let superseded = self.retire(&verdict, &draft.id, valid_from(at), at).await?;
            added.memory_ids.push(draft.id.clone());
            added.saved_count += 1;
            added
                .auto_supersede
                .push(verdict.outcome(draft.id.clone(), superseded));
        }
        Ok(added)
    }

    /// Puts `successor` in the place of what the verdict found to be contradicted; answers the surest of what could
    /// still be done.
    async fn retire(
        &mut self,
        verdict: &Verdict,
        successor: &str,
        valid_from: Timestamp,
        at: Timestamp,
    ) -> Result<Option<FoundSupersession>> {
        let mut surest = None;
        for found in &verdict.supersessions {
            let details = json!({
                "verdict": found.verdict,
                "confidence": found.confidence,
                "reasoning": found.reasoning,
                "model": verdict.model,
            });
            let done = self
                .supersede_by_verdict(&found.old_memory_id, successor, valid_from, at, details)
                .await?;
            if done && surest.is_none() {
                surest = Some(found.clone());
            }
        }
        Ok(surest)
    }

    async fn insert_input(&mut self, body: &str) -> Result<i64> {
        Ok(with_tx!(self.tx, |conn| sqlx::query_scalar(INSERT_INPUT)
            .bind(body)
            .bind(secret::sha256_hex(body))
            .fetch_one(conn)
            .await)?)
    }

    async fn insert(
        &mut self,
        actor: &Actor,
        tenant: &Tenant,
        origin: &Origin,
        draft: &Draft,
        (scope, input): (i64, Option<i64>),
        at: Timestamp,
    ) -> Result<()> {
        // Time has passed since the request was checked: a model may have been asked.
        if origin
            .valid_to
            .is_some_and(|end| end <= origin.valid_from.unwrap_or(at))
        {
            return Err(Error::EmptyInterval);
        }
        let salt = secret::random_hex(16);
        let memory: i64 = with_tx!(self.tx, |conn| sqlx::query_scalar(INSERT_MEMORY)
            .bind(&draft.id)
            .bind(scope)
            .bind(&draft.decision)
            .bind(&draft.topic)
            .bind(&draft.category)
            .bind(draft.importance)
            .bind(&origin.source)
            .bind(&origin.channel)
            .bind(origin.session_id.as_deref())
            .bind(origin.body.as_deref().map(excerpt))
            .bind(input)
            .bind(origin.metadata.as_deref())
            .bind(&origin.engine)
            .bind(origin.prompt_version)
            .bind(origin.degraded)
            .bind(at.as_micros())
            .bind(origin.valid_from.is_some())
            .bind(&salt)
            .fetch_one(conn)
            .await)?;
        let belief = Belief {
            valid_from: origin.valid_from.unwrap_or(at),
            valid_to: origin.valid_to.unwrap_or(Timestamp::MAX),
            tx_from: at,
            tx_to: Timestamp::MAX,
            superseded: false,
        };
        self.insert_version((memory, scope, at.as_micros()), &belief, None, Cause::Created)
            .await?;
        let (embedder, vector) = draft.stored_vector();
        with_tx!(self.tx, |conn| sqlx::query(INSERT_INDEX)
            .bind(scope)
            .bind(memory)
            .bind(draft.terms.as_slice())
            .bind(embedder)
            .bind(vector)
            .execute(conn)
            .await
            .map(affected))?;
        self.added(scope);
        let shape = if origin.body.is_none() {
            "legacy_content"
        } else {
            "messages"
        };
        let details = json!({
            "shape": shape,
            "topic": draft.topic,
            "source": origin.source,
            "tenant_id": tenant.id(),
            "decision_sha256": secret::sha256_hex(format!("{salt}\n{}", draft.decision)),
        });
        self.event(Event {
            memory_id: &draft.id,
            at,
            actor: actor.organisation.as_str(),
            kind: "memory.created",
            details: Some(details),
            salt: &salt,
        })
        .await
    }
}

impl Draft {
    fn stored_vector(&self) -> (Option<&str>, Option<Vec<u8>>) {
        let bytes = |embedded: &Embedded| {
            embedded
                .vector
                .values()
                .iter()
                .map(|&value| value.cast_unsigned())
                .collect()
        };
        (
            self.vector.as_ref().map(|embedded| embedded.embedder.as_str()),
            self.vector.as_ref().map(bytes),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_conversation_is_quoted_with_its_speakers() {
        let said = |role: &str, content: &str| Message {
            role: role.to_owned(),
            content: content.to_owned(),
        };
        let body = conversation(&[
            said("user", "Hi, I'm Alice."),
            said("assistant", "Hello!"),
            said("human", "Bye"),
        ]);
        assert_eq!(body, "User: Hi, I'm Alice.\nAssistant: Hello!\nUser: Bye");
    }
}
