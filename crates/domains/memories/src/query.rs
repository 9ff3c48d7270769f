//! Questions: retrieval at any two instants, and an answer that cites what it found.

use std::collections::HashMap;

use pentad_kernel::{Actor, Timestamp};
use pentad_retrieval::{Align, Analyzer, Fusion, REFINED, Scored};
use pentad_store::with_reader;

use crate::answer::Answer;
use crate::belief::{Axes, View};
use crate::index::{Found, Hit, Search};
use crate::limits::{label, text_bytes};
use crate::llm::{LanguageModel, LlmRequest};
use crate::memory::{MemoryRow, memory_columns};
use crate::proof::{Evidence, Proof};
use crate::{Error, Memories, Memory, RULES_ENGINE, Result, Tenant};

/// A question.
#[derive(Clone, Debug)]
pub struct Query {
    /// The question.
    pub question: String,
    /// The tenant to look in.
    pub tenant: Tenant,
    /// The instants to look at.
    pub axes: Axes,
    /// The only sources to look at; `None` for all, an empty list for none.
    pub sources: Option<Vec<String>>,
    /// How many memories to cite at most.
    pub limit: u32,
    /// Whether to prove the answer.
    pub include_proof: bool,
    /// A language model for this request alone.
    pub llm: Option<LlmRequest>,
}

impl Query {
    /// The question, in the default tenant, about the present.
    pub fn of(question: &str) -> Self {
        Self {
            question: question.to_owned(),
            tenant: Tenant::default(),
            axes: Axes::default(),
            sources: None,
            limit: 10,
            include_proof: false,
            llm: None,
        }
    }
}

/// What a question was answered with.
#[derive(Clone, Debug, PartialEq)]
pub struct QueryAnswer {
    /// The answer.
    pub answer: String,
    /// The answer with `[mem-N]` after each statement, N counting `evidence` from 1.
    pub answer_with_citations: String,
    /// What was evaluated, best first.
    pub evidence: Vec<Evidence>,
    /// How many memories the question could see.
    pub memories_searched: usize,
    /// `hybrid`, or `lexical` without vectors.
    pub search_type: &'static str,
    /// What phrased the answer.
    pub engine: String,
    /// The embedder whose vectors were compared.
    pub embedder: Option<String>,
    /// Whether a language model should have phrased it and was not there.
    pub degraded: bool,
    /// Whether a statement of a language model had no support in what it cited, and lost its citation.
    pub ungrounded: bool,
    /// The proof, when it was asked for.
    pub proof: Option<Proof>,
}

/// Names a version: the memory, and the instant since when it is believed.
pub(crate) type VersionKey = (i64, Timestamp);

/// The same memories in the order that comparing them word by word gives.
fn refined(ranked: Vec<(Memory, Hit)>, aligned: &dyn Align) -> Vec<(Memory, Hit)> {
    let places = ranked.iter().enumerate().map(|(key, (_, hit))| Scored {
        key,
        score: hit.score,
    });
    let order = Fusion::default().refine(places.collect(), |&place| {
        aligned.score(&ranked[place].0.decision)
    });
    let mut ranked: Vec<Option<(Memory, Hit)>> = ranked.into_iter().map(Some).collect();
    order
        .into_iter()
        .filter_map(|Scored { key, score }| {
            let (memory, hit) = ranked[key].take()?;
            Some((memory, Hit { score, ..hit }))
        })
        .collect()
}

/// How many versions are read at once.
const BATCH: usize = 400;

impl Memories {
    /// Answers a question from the memories of a tenant.
    ///
    /// # Errors
    /// [`Error::Blank`], [`Error::TooLong`], [`Error::OutOfRange`], [`Error::Provider`] when the request's own
    /// model fails.
    pub async fn query(&self, actor: &Actor, query: &Query) -> Result<QueryAnswer> {
        self.check_query(query)?;
        let own_model = query
            .llm
            .as_ref()
            .map(|llm| LanguageModel::of_request(llm, &self.byo))
            .transpose()?;
        let snapshot = self
            .snapshot(&actor.organisation, &query.tenant, query.axes.transaction)
            .await?;
        let vector = match self.embedding.embed(&[&query.question]).await {
            Ok(mut vectors) => vectors.pop(),
            Err(error) => {
                tracing::warn!(%error, "the question is looked up by its words alone");
                None
            }
        };
        let search_type = if vector.is_some() { "hybrid" } else { "lexical" };
        let embedder = vector.as_ref().map(|embedded| embedded.embedder.clone());
        let found = match snapshot.scope {
            None => Found::default(),
            Some(state) => {
                let entry = self.indexes.fresh(&self.db, state, self.embedding.id()).await?;
                let (question, sources) = (query.question.clone(), query.sources.clone());
                let view = View::of(query.axes, false, self.clock.now());
                // The best are looked at once more, word by word, however few are asked for.
                let (clock, limit) = (snapshot.clock, (query.limit as usize).max(REFINED));
                tokio::task::spawn_blocking(move || {
                    let terms = Analyzer::default().query(&question);
                    let vector = vector.as_ref().map(|embedded| &embedded.vector);
                    let sources = sources.as_deref();
                    let search = Search {
                        terms: &terms,
                        vector,
                        view,
                        clock,
                        sources,
                        limit,
                    };
                    entry.read(|index| index.search(&search))
                })
                .await
                .map_err(Error::Computation)?
            }
        };
        let wanted: Vec<VersionKey> = found.hits.iter().map(|hit| (hit.memory, hit.tx_from)).collect();
        let mut memories = self.hydrate(&wanted).await?;
        let mut ranked: Vec<(Memory, Hit)> = found
            .hits
            .iter()
            .filter_map(|hit| Some((memories.remove(&(hit.memory, hit.tx_from))?, *hit)))
            .collect();
        if let Some(aligned) = self.embedding.align(&query.question) {
            ranked = refined(ranked, &*aligned);
        }
        ranked.truncate(query.limit as usize);

        let (answer, engine, degraded) = self.answer(query, &ranked, own_model.as_ref()).await?;
        let evidence: Vec<Evidence> = ranked
            .into_iter()
            .enumerate()
            .map(|(index, (memory, hit))| Evidence {
                memory,
                similarity: hit.similarity,
                cited: answer.cited.contains(&index),
            })
            .collect();
        let proof = if query.include_proof {
            Some(self.prove(&answer.text, &evidence, snapshot.clock).await?)
        } else {
            None
        };
        Ok(QueryAnswer {
            answer: answer.text,
            answer_with_citations: answer.with_citations,
            evidence,
            memories_searched: found.visible,
            search_type,
            engine,
            embedder,
            degraded,
            ungrounded: answer.ungrounded,
            proof,
        })
    }

    fn check_query(&self, query: &Query) -> Result<()> {
        let limits = &self.limits;
        if query.question.len() > limits.question_bytes {
            return Err(Error::TooLong {
                field: "question",
                limit: limits.question_bytes,
                unit: "bytes",
            });
        }
        text_bytes("question", &query.question, limits.question_bytes)?;
        if query.limit == 0 || query.limit > limits.query {
            let allowed = format!("a whole number from 1 to {}", limits.query);
            return Err(Error::OutOfRange {
                field: "limit",
                allowed,
            });
        }
        if let Some(sources) = &query.sources {
            if sources.len() > limits.sources {
                return Err(Error::TooLong {
                    field: "sources",
                    limit: limits.sources,
                    unit: "entries",
                });
            }
            for source in sources {
                label("sources", source, limits.source_chars)?;
            }
        }
        Ok(())
    }

    /// The answer, what phrased it, and whether that was a makeshift.
    async fn answer(
        &self,
        query: &Query,
        ranked: &[(Memory, Hit)],
        own_model: Option<&LanguageModel>,
    ) -> Result<(Answer, String, bool)> {
        let mut degraded = false;
        if !ranked.is_empty() {
            let decisions: Vec<&str> = ranked
                .iter()
                .map(|(memory, _)| memory.decision.as_str())
                .collect();
            if let Some(model) = own_model {
                let said = model.answer(&query.question, &decisions).await?;
                return Ok((
                    Answer::verified(query.axes, &said, &decisions),
                    model.id().to_owned(),
                    false,
                ));
            }
            if let Some(server) = &self.model {
                match server.model.answer(&query.question, &decisions).await {
                    Ok(said) => {
                        let answer = Answer::verified(query.axes, &said, &decisions);
                        return Ok((answer, server.model.id().to_owned(), false));
                    }
                    Err(error) => server.fall_back(&error)?,
                }
                degraded = true;
            }
        }
        Ok((
            Answer::extractive(query.axes, ranked),
            RULES_ENGINE.to_owned(),
            degraded,
        ))
    }

    /// The memories as the named versions have them.
    pub(crate) async fn hydrate(&self, wanted: &[VersionKey]) -> Result<HashMap<VersionKey, Memory>> {
        let mut memories = HashMap::with_capacity(wanted.len());
        for batch in wanted.chunks(BATCH) {
            let rows: Vec<MemoryRow> = with_reader!(self.db, |conn| {
                let mut sql = sqlx::QueryBuilder::new("WITH wanted (memory, tx_from) AS (");
                sql.push_values(batch, |mut row, &(memory, tx_from)| {
                    row.push_bind(memory).push_bind(tx_from.as_micros());
                });
                sql.push(concat!(
                    ") SELECT ",
                    memory_columns!(),
                    " FROM wanted
                      JOIN memory_versions AS v ON v.memory = wanted.memory AND v.tx_from = wanted.tx_from
                      JOIN memories AS m ON m.memory = v.memory
                      JOIN memory_scopes AS s ON s.scope = m.scope"
                ));
                sql.build_query_as().fetch_all(conn).await
            })?;
            for row in rows {
                let key = (row.memory, row.belief().tx_from);
                memories.insert(key, Memory::try_from(row)?);
            }
        }
        Ok(memories)
    }
}
