//! Which memories a new one contradicts or repeats. Only the most similar ones of the same tenant are ever
//! looked at, and a verdict counts only when it is sure enough.

use std::collections::HashMap;
use std::sync::Arc;

use pentad_kernel::{Actor, Timestamp};
use serde::{Deserialize, Serialize};

use crate::belief::{Axes, View};
use crate::embedding::Embedded;
use crate::engine::{self, Judgement, RULES_ENGINE};
use crate::index::Search;
use crate::ledger::ScopeState;
use crate::llm::{LanguageModel, Pair};
use crate::settings::Settings;
use crate::{Error, Memories, Result, Tenant};

/// What became of memories that a new one contradicts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AutoSupersede {
    /// Whether it was looked for.
    pub ran: bool,
    /// Why not: `disabled`, `excluded_category:NAME`, or `no_candidates`, also for a fact whose end is known.
    pub skipped_reason: Option<String>,
    /// How many memories were compared.
    pub candidates_examined: usize,
    /// The memory whose place was taken; the one of the surest verdict, when there were several.
    pub supersession: Option<FoundSupersession>,
    /// The new memory; the one that was there, when the new one is a duplicate.
    pub memory_id: String,
}

/// A memory whose place was taken because of a verdict.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FoundSupersession {
    /// The memory.
    pub old_memory_id: String,
    /// How sure the verdict is, 0 to 1.
    pub confidence: f64,
    /// The verdict.
    pub verdict: String,
    /// Why.
    pub reasoning: String,
}

/// When drafts hold, as far as the caller said so.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stated {
    pub(crate) from: Option<Timestamp>,
    pub(crate) to: Option<Timestamp>,
}

impl Stated {
    /// Whether a draft may take the place of a memory that is true now: not when the draft is over, or will be, by
    /// what the caller says; and not when the memory is known to have begun later.
    fn may_replace(self, candidate: &Candidate) -> bool {
        let began_later = |from| candidate.is_dated && from < candidate.valid_from;
        self.to.is_none() && !self.from.is_some_and(began_later)
    }

    /// Whether a draft of the same words says nothing about when that is not known.
    fn may_repeat(self, candidate: &Candidate) -> bool {
        self.to.is_none() && self.from.is_none_or(|from| candidate.valid_from <= from)
    }
}

/// A memory that is about to be stored.
#[derive(Clone, Debug)]
pub(crate) struct Draft {
    pub(crate) id: String,
    pub(crate) decision: String,
    pub(crate) topic: String,
    pub(crate) category: String,
    pub(crate) importance: i64,
    pub(crate) context: String,
    /// As they are stored.
    pub(crate) terms: Vec<u8>,
    /// The same, as they are looked up.
    pub(crate) query: Vec<String>,
    pub(crate) vector: Option<Embedded>,
}

/// What was found out about a draft.
#[derive(Clone, Debug, Default)]
pub(crate) struct Verdict {
    skipped: Option<String>,
    examined: usize,
    /// The memories that it contradicts, the surest verdict first.
    pub(crate) supersessions: Vec<FoundSupersession>,
    /// The memory that says the same.
    pub(crate) duplicate_of: Option<String>,
    /// What judged.
    pub(crate) model: String,
}

impl Verdict {
    pub(crate) fn skipped(reason: &str) -> Self {
        Self {
            skipped: Some(reason.to_owned()),
            ..Self::default()
        }
    }

    /// What is reported, with what was really superseded.
    pub(crate) fn outcome(
        &self,
        memory_id: String,
        supersession: Option<FoundSupersession>,
    ) -> AutoSupersede {
        AutoSupersede {
            ran: self.skipped.is_none(),
            skipped_reason: self.skipped.clone(),
            candidates_examined: self.examined,
            supersession,
            memory_id,
        }
    }
}

/// A memory that a draft may contradict.
#[derive(Clone, Debug)]
struct Candidate {
    id: String,
    decision: String,
    category: String,
    topic: String,
    valid_from: Timestamp,
    /// Whether the caller said since when it holds.
    is_dated: bool,
}

/// The verdicts on the drafts of a write.
#[derive(Clone, Debug)]
pub(crate) struct Judged {
    /// One for each draft, in their order.
    pub(crate) verdicts: Vec<Verdict>,
    /// The state of the tenant that was judged by; `None` when nothing was looked for, or when a language model was
    /// asked, which is not done twice.
    pub(crate) seen: Option<Option<ScopeState>>,
}

impl Judged {
    /// Nothing was looked for.
    pub(crate) fn disabled(drafts: &[Draft]) -> Self {
        Self {
            verdicts: drafts.iter().map(|_| Verdict::skipped("disabled")).collect(),
            seen: None,
        }
    }
}

impl Memories {
    /// A verdict for each draft, in their order.
    pub(crate) async fn judge(
        &self,
        actor: &Actor,
        tenant: &Tenant,
        settings: &Settings,
        (drafts, stated): (&[Draft], Stated),
        own_model: Option<&LanguageModel>,
    ) -> Result<Judged> {
        let excluded = |category: &str, topic: &str| {
            let listed = |name: &str| {
                settings
                    .excluded_categories
                    .iter()
                    .any(|excluded| excluded == name)
            };
            [category, topic]
                .into_iter()
                .find(|name| listed(name))
                .map(str::to_owned)
        };
        let (seen, stored) = self.candidates(actor, tenant, drafts).await?;
        let mut judged = Vec::with_capacity(drafts.len());
        for (number, (draft, stored)) in drafts.iter().zip(stored).enumerate() {
            if let Some(name) = excluded(&draft.category, &draft.topic) {
                judged.push((Verdict::skipped(&format!("excluded_category:{name}")), Vec::new()));
                continue;
            }
            // Facts of the same conversation contradict each other too: "I live in Berlin. I moved to Oslo."
            let earlier = drafts[..number].iter().map(|draft| Candidate {
                id: draft.id.clone(),
                decision: draft.decision.clone(),
                category: draft.category.clone(),
                topic: draft.topic.clone(),
                valid_from: stated.from.unwrap_or(Timestamp::MAX),
                is_dated: false,
            });
            let candidates: Vec<Candidate> = earlier
                .chain(stored)
                .filter(|candidate| excluded(&candidate.category, &candidate.topic).is_none())
                .filter(|candidate| stated.may_replace(candidate))
                .collect();
            let verdict = if candidates.is_empty() {
                Verdict::skipped("no_candidates")
            } else {
                Verdict {
                    examined: candidates.len(),
                    ..Verdict::default()
                }
            };
            judged.push((verdict, candidates));
        }
        let (judgements, model) = self.compare(settings, drafts, &judged, own_model).await?;
        // Memories that an earlier draft takes the place of, and drafts that are not stored because they repeat one.
        let mut gone: Vec<String> = Vec::new();
        let mut verdicts = Vec::with_capacity(judged.len());
        for ((draft, (mut verdict, candidates)), judgements) in drafts.iter().zip(judged).zip(judgements) {
            model.clone_into(&mut verdict.model);
            let mut sure = candidates
                .iter()
                .zip(judgements)
                .filter(|(candidate, judgement)| {
                    judgement.confidence >= settings.min_confidence && !gone.contains(&candidate.id)
                })
                .collect::<Vec<_>>();
            // Stable: of equals, the one that is nearer comes first.
            sure.sort_by(|(_, one), (_, other)| other.confidence.total_cmp(&one.confidence));
            let of_kind = |wanted| {
                let sure = sure.iter();
                sure.filter(move |(_, judgement)| judgement.verdict == wanted)
            };
            verdict.duplicate_of = of_kind(engine::Verdict::Duplicate)
                .find(|(candidate, _)| stated.may_repeat(candidate))
                .map(|(candidate, _)| candidate.id.clone());
            // A rule that fires twice is right twice; a model that says so of everything must not empty a tenant.
            let most = if model == RULES_ENGINE { usize::MAX } else { 1 };
            // A repetition contradicts as much as what it repeats: that may have been said before anyone looked.
            verdict.supersessions = of_kind(engine::Verdict::Contradicts)
                .take(most)
                .map(|(candidate, judgement)| FoundSupersession {
                    old_memory_id: candidate.id.clone(),
                    confidence: judgement.confidence,
                    verdict: judgement.verdict.name().to_owned(),
                    reasoning: judgement.reasoning.clone(),
                })
                .collect();
            gone.extend(
                verdict
                    .supersessions
                    .iter()
                    .map(|found| found.old_memory_id.clone()),
            );
            if verdict.duplicate_of.is_some() {
                gone.push(draft.id.clone());
            }
            verdicts.push(verdict);
        }
        let seen = (model == RULES_ENGINE).then_some(seen);
        Ok(Judged { verdicts, seen })
    }

    /// The current memories of the tenant that are most similar to each draft, and the state that it was in.
    async fn candidates(
        &self,
        actor: &Actor,
        tenant: &Tenant,
        drafts: &[Draft],
    ) -> Result<(Option<ScopeState>, Vec<Vec<Candidate>>)> {
        let snapshot = self.snapshot(&actor.organisation, tenant, None).await?;
        let Some(state) = snapshot.scope else {
            return Ok((None, vec![Vec::new(); drafts.len()]));
        };
        let entry = self.indexes.fresh(&self.db, state, self.embedding.id()).await?;
        // What another gateway stored an instant ago is true already, whatever the clock here says.
        let view = View::of(Axes::default(), false, self.clock.now().max(snapshot.clock));
        let (limit, clock, drafts) = (self.limits.candidates, snapshot.clock, drafts.to_vec());
        let found: Vec<Vec<(i64, pentad_kernel::Timestamp)>> = tokio::task::spawn_blocking(move || {
            let nearest = |draft: &Draft| {
                let vector = draft.vector.as_ref().map(|embedded| &embedded.vector);
                let search = Search {
                    terms: &draft.query,
                    vector,
                    view,
                    clock,
                    sources: None,
                    limit,
                };
                let hits = entry.read(|index| index.search(&search)).hits;
                hits.into_iter().map(|hit| (hit.memory, hit.tx_from)).collect()
            };
            drafts.iter().map(nearest).collect()
        })
        .await
        .map_err(Error::Computation)?;
        let mut wanted: Vec<_> = found.iter().flatten().copied().collect();
        wanted.sort_unstable();
        wanted.dedup();
        let memories = self.hydrate(&wanted).await?;
        let candidate = |key: &(i64, pentad_kernel::Timestamp)| {
            memories.get(key).map(|memory| Candidate {
                id: memory.id.clone(),
                decision: memory.decision.clone(),
                category: memory.category.clone(),
                topic: memory.topic.clone(),
                valid_from: memory.valid_from,
                is_dated: memory.valid_from != memory.created_at,
            })
        };
        let candidates = found
            .iter()
            .map(|keys| keys.iter().filter_map(candidate).collect());
        Ok((snapshot.scope, candidates.collect()))
    }

    /// A judgement for each candidate of each draft, and the name of what judged.
    async fn compare(
        &self,
        settings: &Settings,
        drafts: &[Draft],
        judged: &[(Verdict, Vec<Candidate>)],
        own_model: Option<&LanguageModel>,
    ) -> Result<(Vec<Vec<Judgement>>, String)> {
        let pairs: Vec<Pair<'_>> = drafts
            .iter()
            .zip(judged)
            .flat_map(|(draft, (_, candidates))| {
                candidates.iter().map(|candidate| Pair {
                    new: &draft.decision,
                    old: &candidate.decision,
                })
            })
            .collect();
        if pairs.is_empty() {
            return Ok((vec![Vec::new(); drafts.len()], RULES_ENGINE.to_owned()));
        }
        let server = self
            .model
            .as_ref()
            .filter(|_| settings.classifier_model != RULES_ENGINE);
        let (judgements, model) = if let Some(model) = own_model {
            (by_model(model, &pairs).await?, model.id().to_owned())
        } else if let Some(server) = server {
            let model = server.classifier(&settings.classifier_model);
            match by_model(&model, &pairs).await {
                Ok(judgements) => (judgements, model.id().to_owned()),
                Err(error) => {
                    server.fall_back(&error)?;
                    (by_rules(&pairs).await?, RULES_ENGINE.to_owned())
                }
            }
        } else {
            (by_rules(&pairs).await?, RULES_ENGINE.to_owned())
        };
        let mut judgements = judgements.into_iter();
        let of_draft = |(_, candidates): &(Verdict, Vec<Candidate>)| {
            judgements.by_ref().take(candidates.len()).collect()
        };
        Ok((judged.iter().map(of_draft).collect(), model))
    }
}

async fn by_model(
    model: &LanguageModel,
    pairs: &[Pair<'_>],
) -> std::result::Result<Vec<Judgement>, crate::llm::ProviderError> {
    let verdicts = model.compare(pairs).await?;
    let judgement = |verdict: crate::llm::PairVerdict| Judgement {
        verdict: engine::verdict(&verdict.verdict).unwrap_or(engine::Verdict::New),
        confidence: if verdict.confidence.is_finite() {
            verdict.confidence.clamp(0.0, 1.0)
        } else {
            0.0
        },
        reasoning: verdict
            .reasoning
            .chars()
            .filter(|&c| c != '\0')
            .take(500)
            .collect(),
    };
    Ok(verdicts.into_iter().map(judgement).collect())
}

async fn by_rules(pairs: &[Pair<'_>]) -> Result<Vec<Judgement>> {
    let pairs: Arc<[(String, String)]> = pairs
        .iter()
        .map(|pair| (pair.new.to_owned(), pair.old.to_owned()))
        .collect();
    tokio::task::spawn_blocking(move || {
        let mut known: HashMap<&(String, String), Judgement> = HashMap::new();
        let judge = |pair| {
            known
                .entry(pair)
                .or_insert_with(|| engine::judge(&pair.0, &pair.1))
                .clone()
        };
        pairs.iter().map(judge).collect()
    })
    .await
    .map_err(Error::Computation)
}
