//! Runs of agents: queued, running, and then passed, failed, errored or cancelled.

use pentad_identity::Feature;
use pentad_kernel::{Actor, id};
use pentad_store::{with_reader, with_writer};
use serde_json::Value;
use sqlx::QueryBuilder;

use crate::author::Author;
use crate::{At, Error, Json, Level, Projects, Result, Texts, checked_optional};

/// A run of an agent.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct AgentRun {
    /// `run_` and 16 hex digits.
    pub id: String,
    /// The project.
    pub project_id: String,
    /// The persona that the agent takes.
    pub persona_name: String,
    /// The tool that runs it.
    pub tool: String,
    /// `manual`, `ci`, `webhook`, `scheduled`, `mcp` or `api`.
    pub trigger_source: String,
    /// `queued`, `running`, `passed`, `failed`, `errored` or `cancelled`.
    pub status: String,
    /// The ticket it is for.
    pub ticket_id: Option<String>,
    /// What triggered it, as a commit.
    pub trigger_ref: Option<String>,
    /// The system that triggered it.
    pub ci_provider: Option<String>,
    /// Where to look at it there.
    pub ci_run_url: Option<String>,
    /// What came out.
    pub result_summary: Option<String>,
    /// The worst of it: `none`, `low`, `medium`, `high` or `critical`.
    pub severity: Option<String>,
    /// What was found.
    pub findings: Json<Vec<Value>>,
    /// From which severity on the run fails.
    pub fail_on: Option<String>,
    /// `pass` or `fail`.
    pub policy_result: Option<String>,
    /// What a script should exit with.
    pub exit_code: Option<i64>,
    /// The session of the run.
    pub session_id: Option<String>,
    /// Who triggered it.
    pub triggered_by_user_id: String,
    /// As which persona.
    pub triggered_by_persona: Option<String>,
    /// The run that this one repeats.
    pub replayed_from: Option<String>,
    /// What the agent is asked.
    pub prompt: Option<String>,
    /// What it is to read first.
    pub context_refs: Texts,
    /// `user` or `service_key`.
    pub actor_type: String,
    /// The service key.
    pub service_key_id: Option<String>,
    /// Its name.
    pub service_key_name: Option<String>,
    /// When it was queued.
    pub created_at: At,
    /// When it was started.
    pub started_at: Option<At>,
    /// When it ended.
    pub completed_at: Option<At>,
}

impl AgentRun {
    /// How many seconds it took; `None` until it has ended, and when it was never started.
    pub fn duration_seconds(&self) -> Option<i64> {
        let (started, ended) = (self.started_at?, self.completed_at?);
        i64::try_from(ended.timestamp().since(started.timestamp()).as_secs()).ok()
    }
}

/// What a run shall be.
#[derive(Clone, Debug, Default)]
pub struct NewRun {
    /// See [`AgentRun::persona_name`].
    pub persona_name: String,
    /// See [`AgentRun::tool`]; `None` for `generic`.
    pub tool: Option<String>,
    /// See [`AgentRun::trigger_source`]; `None` for `manual`.
    pub trigger_source: Option<String>,
    /// See [`AgentRun::ticket_id`].
    pub ticket_id: Option<String>,
    /// See [`AgentRun::trigger_ref`].
    pub trigger_ref: Option<String>,
    /// See [`AgentRun::ci_provider`].
    pub ci_provider: Option<String>,
    /// See [`AgentRun::ci_run_url`].
    pub ci_run_url: Option<String>,
    /// See [`AgentRun::fail_on`].
    pub fail_on: Option<String>,
    /// See [`AgentRun::triggered_by_persona`].
    pub triggered_by_persona: Option<String>,
    /// See [`AgentRun::prompt`].
    pub prompt: Option<String>,
    /// See [`AgentRun::context_refs`].
    pub context_refs: Vec<String>,
}

/// How a run ended.
#[derive(Clone, Debug, Default)]
pub struct Completion {
    /// `passed`, `failed` or `errored`.
    pub status: String,
    /// See [`AgentRun::result_summary`].
    pub result_summary: Option<String>,
    /// See [`AgentRun::severity`].
    pub severity: Option<String>,
    /// See [`AgentRun::findings`].
    pub findings: Vec<Value>,
    /// See [`AgentRun::session_id`].
    pub session_id: Option<String>,
}

/// Which runs are wanted; `None` for any.
#[derive(Clone, Debug, Default)]
pub struct RunFilter {
    /// See [`AgentRun::persona_name`], in any case.
    pub persona_name: Option<String>,
    /// See [`AgentRun::status`].
    pub status: Option<String>,
    /// See [`AgentRun::trigger_source`].
    pub trigger_source: Option<String>,
    /// See [`AgentRun::ticket_id`].
    pub ticket_id: Option<String>,
    /// How many at most.
    pub limit: i64,
}

/// A run that was started.
#[derive(Clone, Debug)]
pub struct StartedRun {
    /// The run.
    pub run: AgentRun,
    /// What the agent is to be told.
    pub compiled_context: String,
}

const TRIGGERS: &[&str] = &["manual", "ci", "webhook", "scheduled", "mcp", "api"];
const SEVERITIES: &[&str] = &["none", "low", "medium", "high", "critical"];
const STATUSES: &[&str] = &["queued", "running", "passed", "failed", "errored", "cancelled"];
const FINDINGS_MOST: usize = 1000;

macro_rules! columns {
    () => {
        "id, project_id, persona_name, tool, trigger_source, status, ticket_id, trigger_ref, ci_provider,
         ci_run_url, result_summary, severity, findings, fail_on, policy_result, exit_code, session_id,
         triggered_by_user_id, triggered_by_persona, replayed_from, prompt, context_refs, actor_type,
         service_key_id, service_key_name, created_at, started_at, completed_at"
    };
}

const INSERT: &str = concat!(
    "INSERT INTO agent_runs (id, project_id, persona_name, tool, trigger_source, status, ticket_id, trigger_ref,
        ci_provider, ci_run_url, findings, fail_on, triggered_by_user_id, triggered_by_persona, replayed_from,
        prompt, context_refs, actor_type, service_key_id, service_key_name, created_at)
     VALUES ($1, $2, $3, $4, $5, 'queued', $6, $7, $8, $9, '[]', $10, $11, $12, $13, $14, $15, $16, $17, $18, $19)
     RETURNING ",
    columns!()
);
const BY_ID: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM agent_runs WHERE id = $1 AND project_id = $2"
);
const START: &str = concat!(
    "UPDATE agent_runs SET status = 'running', started_at = $3, tool = COALESCE($4, tool)
     WHERE id = $1 AND project_id = $2 AND status = 'queued' RETURNING ",
    columns!()
);
const COMPLETE: &str = concat!(
    "UPDATE agent_runs SET status = $3, result_summary = $4, severity = $5, findings = $6, session_id = $7,
        policy_result = $8, exit_code = $9, completed_at = $10
     WHERE id = $1 AND project_id = $2 AND status IN ('queued', 'running') RETURNING ",
    columns!()
);
const CANCEL: &str = concat!(
    "UPDATE agent_runs SET status = 'cancelled', completed_at = $3
     WHERE id = $1 AND project_id = $2 AND status IN ('queued', 'running') RETURNING ",
    columns!()
);

fn one_of(field: &'static str, value: Option<&str>, words: &[&str]) -> Result<()> {
    match value {
        Some(value) if !words.contains(&value) => {
            Err(Error::field(field, format!("one of {}", words.join(", "))))
        }
        _ => Ok(()),
    }
}

/// Refuses what a CI system would have filled in: an expression that reached us is one it did not.
fn no_expression(field: &'static str, text: &str) -> Result<()> {
    if text.contains("${{") {
        return Err(Error::field(field, "contains an unfilled CI expression: ${{"));
    }
    Ok(())
}

/// How a run ends by its policy: failed when what was found is as bad as it may not be.
fn by_policy(status: &str, severity: Option<&str>, fail_on: Option<&str>) -> (String, &'static str, i64) {
    let rank = |severity: Option<&str>| SEVERITIES.iter().position(|known| Some(*known) == severity);
    let too_bad = match (rank(severity), rank(fail_on)) {
        // "none" as a threshold is no threshold.
        (Some(found), Some(limit)) => limit > 0 && found >= limit,
        _ => false,
    };
    let status = if status == "passed" && too_bad {
        "failed"
    } else {
        status
    };
    if status == "passed" {
        (status.to_owned(), "pass", 0)
    } else {
        (status.to_owned(), "fail", 1)
    }
}

impl Projects {
    /// Queues a run.
    ///
    /// # Errors
    /// As [`Projects::open_for`] for editing; [`Error::Field`].
    pub async fn create_run(&self, actor: &Actor, project: &str, new: NewRun) -> Result<AgentRun> {
        self.insert_run(actor, project, new, None).await
    }

    async fn insert_run(
        &self,
        actor: &Actor,
        project: &str,
        new: NewRun,
        replayed_from: Option<&str>,
    ) -> Result<AgentRun> {
        self.open_for(actor, project, Level::Edit, Feature::AgentRuns)
            .await?;
        self.check_run(&new)?;
        let persona = self
            .require_persona(project, "persona_name", &new.persona_name)
            .await?;
        if let Some(ticket) = &new.ticket_id {
            self.find_ticket(project, ticket)
                .await
                .map_err(|error| match error {
                    Error::NotFound { .. } => Error::field("ticket_id", "no such ticket in this project"),
                    other => other,
                })?;
        }
        let author = Author::from(actor);
        Ok(with_writer!(self.db, |conn| sqlx::query_as(INSERT)
            .bind(id::prefixed("run_", 16))
            .bind(project)
            .bind(&persona.name)
            .bind(new.tool.as_deref().unwrap_or("generic"))
            .bind(new.trigger_source.as_deref().unwrap_or("manual"))
            .bind(&new.ticket_id)
            .bind(&new.trigger_ref)
            .bind(&new.ci_provider)
            .bind(&new.ci_run_url)
            .bind(&new.fail_on)
            .bind(author.user)
            .bind(&new.triggered_by_persona)
            .bind(replayed_from)
            .bind(&new.prompt)
            .bind(Json(new.context_refs.clone()))
            .bind(author.actor_type)
            .bind(author.service_key_id)
            .bind(author.service_key_name)
            .bind(self.now().as_micros())
            .fetch_one(conn)
            .await)?)
    }

    fn check_run(&self, new: &NewRun) -> Result<()> {
        checked_optional("tool", new.tool.as_deref(), 50)?;
        one_of("trigger_source", new.trigger_source.as_deref(), TRIGGERS)?;
        one_of("fail_on", new.fail_on.as_deref(), SEVERITIES)?;
        checked_optional("trigger_ref", new.trigger_ref.as_deref(), 200)?;
        checked_optional("ci_provider", new.ci_provider.as_deref(), 50)?;
        checked_optional("ci_run_url", new.ci_run_url.as_deref(), 500)?;
        checked_optional("triggered_by_persona", new.triggered_by_persona.as_deref(), 50)?;
        checked_optional("prompt", new.prompt.as_deref(), 20_000)?;
        if new.context_refs.len() > 50 {
            return Err(Error::field("context_refs", "at most 50"));
        }
        for reference in &new.context_refs {
            checked_optional("context_refs", Some(reference), 500)?;
            no_expression("context_refs", reference)?;
        }
        no_expression("trigger_ref", new.trigger_ref.as_deref().unwrap_or_default())?;
        no_expression("prompt", new.prompt.as_deref().unwrap_or_default())
    }

    /// Starts a queued run.
    ///
    /// # Errors
    /// As [`Projects::open_for`] for editing; [`Error::NotFound`]; [`Error::WrongState`] unless it is queued.
    pub async fn start_run(
        &self,
        actor: &Actor,
        project: &str,
        run: &str,
        tool: Option<&str>,
    ) -> Result<StartedRun> {
        self.open_for(actor, project, Level::Edit, Feature::AgentRuns)
            .await?;
        checked_optional("tool", tool, 50)?;
        let started: Option<AgentRun> = with_writer!(self.db, |conn| sqlx::query_as(START)
            .bind(run)
            .bind(project)
            .bind(self.now().as_micros())
            .bind(tool)
            .fetch_optional(conn)
            .await)?;
        let Some(started) = started else {
            return Err(self
                .wrong_run_state(project, run, "started: it has to be queued")
                .await);
        };
        let persona = self.find_persona(project, &started.persona_name, true).await?;
        let ticket = match &started.ticket_id {
            Some(ticket) => self.find_ticket(project, ticket).await.ok(),
            None => None,
        };
        let mut compiled_context = self
            .ticket_context(project, persona.as_ref(), ticket.as_ref(), &started.tool)
            .await?;
        if let Some(prompt) = &started.prompt {
            compiled_context.push_str(&format!("# Prompt\n\n{prompt}\n"));
        }
        Ok(StartedRun {
            run: started,
            compiled_context,
        })
    }

    async fn wrong_run_state(&self, project: &str, run: &str, what: &str) -> Error {
        match self.find_run(project, run).await {
            Ok(known) => Error::WrongState(format!("a run that is {} cannot be {what}", known.status)),
            Err(error) => error,
        }
    }

    /// Says how a run ended. What was found decides with it: see [`AgentRun::fail_on`].
    ///
    /// # Errors
    /// As [`Projects::open_for`] for editing; [`Error::NotFound`]; [`Error::Field`]; [`Error::WrongState`]
    /// when it ended before.
    pub async fn complete_run(
        &self,
        actor: &Actor,
        project: &str,
        run: &str,
        completion: Completion,
    ) -> Result<AgentRun> {
        self.open_for(actor, project, Level::Edit, Feature::AgentRuns)
            .await?;
        one_of(
            "status",
            Some(&completion.status),
            &["passed", "failed", "errored"],
        )?;
        one_of("severity", completion.severity.as_deref(), SEVERITIES)?;
        checked_optional(
            "result_summary",
            completion.result_summary.as_deref(),
            self.limits.text_characters,
        )?;
        checked_optional("session_id", completion.session_id.as_deref(), 64)?;
        if completion.findings.len() > FINDINGS_MOST {
            return Err(Error::field("findings", format!("at most {FINDINGS_MOST}")));
        }
        let known = self.find_run(project, run).await?;
        let (status, policy_result, exit_code) = by_policy(
            &completion.status,
            completion.severity.as_deref(),
            known.fail_on.as_deref(),
        );
        let completed: Option<AgentRun> = with_writer!(self.db, |conn| sqlx::query_as(COMPLETE)
            .bind(run)
            .bind(project)
            .bind(&status)
            .bind(&completion.result_summary)
            .bind(&completion.severity)
            .bind(Json(completion.findings.clone()))
            .bind(&completion.session_id)
            .bind(policy_result)
            .bind(exit_code)
            .bind(self.now().as_micros())
            .fetch_optional(conn)
            .await)?;
        match completed {
            Some(completed) => Ok(completed),
            None => Err(self
                .wrong_run_state(project, run, "completed: it ended before")
                .await),
        }
    }

    /// Cancels a run that has not ended.
    ///
    /// # Errors
    /// As [`Projects::open_for`] for editing; [`Error::NotFound`]; [`Error::WrongState`] when it has.
    pub async fn cancel_run(&self, actor: &Actor, project: &str, run: &str) -> Result<AgentRun> {
        self.open_for(actor, project, Level::Edit, Feature::AgentRuns)
            .await?;
        let cancelled: Option<AgentRun> = with_writer!(self.db, |conn| sqlx::query_as(CANCEL)
            .bind(run)
            .bind(project)
            .bind(self.now().as_micros())
            .fetch_optional(conn)
            .await)?;
        match cancelled {
            Some(cancelled) => Ok(cancelled),
            None => Err(self
                .wrong_run_state(project, run, "cancelled: it ended before")
                .await),
        }
    }

    /// Queues the same run again.
    ///
    /// # Errors
    /// As [`Projects::create_run`]; [`Error::NotFound`].
    pub async fn replay_run(&self, actor: &Actor, project: &str, run: &str) -> Result<AgentRun> {
        self.open(actor, project, Level::Edit).await?;
        let known = self.find_run(project, run).await?;
        let again = NewRun {
            persona_name: known.persona_name,
            tool: Some(known.tool),
            trigger_source: Some(known.trigger_source),
            ticket_id: known.ticket_id,
            trigger_ref: known.trigger_ref,
            ci_provider: known.ci_provider,
            ci_run_url: known.ci_run_url,
            fail_on: known.fail_on,
            triggered_by_persona: known.triggered_by_persona,
            prompt: known.prompt,
            context_refs: known.context_refs.0,
        };
        self.insert_run(actor, project, again, Some(run)).await
    }

    async fn find_run(&self, project: &str, run: &str) -> Result<AgentRun> {
        let run: Option<AgentRun> = with_reader!(self.db, |conn| sqlx::query_as(BY_ID)
            .bind(run)
            .bind(project)
            .fetch_optional(conn)
            .await)?;
        run.ok_or(Error::NotFound { kind: "Agent run" })
    }

    /// One run.
    ///
    /// # Errors
    /// As [`Projects::open_for`]; [`Error::NotFound`].
    pub async fn run(&self, actor: &Actor, project: &str, run: &str) -> Result<AgentRun> {
        self.open_for(actor, project, Level::Read, Feature::AgentRuns)
            .await?;
        self.find_run(project, run).await
    }

    /// The runs that the filter wants, newest first.
    ///
    /// # Errors
    /// As [`Projects::open_for`]; [`Error::Field`].
    pub async fn runs(&self, actor: &Actor, project: &str, filter: &RunFilter) -> Result<Vec<AgentRun>> {
        self.open_for(actor, project, Level::Read, Feature::AgentRuns)
            .await?;
        one_of("status", filter.status.as_deref(), STATUSES)?;
        one_of("trigger_source", filter.trigger_source.as_deref(), TRIGGERS)?;
        Ok(with_reader!(self.db, |conn| {
            let mut builder = QueryBuilder::new(concat!(
                "SELECT ",
                columns!(),
                " FROM agent_runs WHERE project_id = "
            ));
            builder.push_bind(project.to_owned());
            for (column, value) in [
                (" AND status = ", &filter.status),
                (" AND trigger_source = ", &filter.trigger_source),
                (" AND ticket_id = ", &filter.ticket_id),
            ] {
                if let Some(value) = value {
                    builder.push(column).push_bind(value.clone());
                }
            }
            if let Some(persona) = &filter.persona_name {
                builder
                    .push(" AND LOWER(persona_name) = ")
                    .push_bind(persona.to_lowercase());
            }
            builder
                .push(" ORDER BY created_at DESC, id LIMIT ")
                .push_bind(filter.limit);
            builder.build_query_as().fetch_all(conn).await
        })?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_as_bad_as_the_policy_forbids_fails_the_run() {
        assert_eq!(
            by_policy("passed", Some("high"), Some("high")),
            ("failed".to_owned(), "fail", 1)
        );
        assert_eq!(
            by_policy("passed", Some("medium"), Some("high")),
            ("passed".to_owned(), "pass", 0)
        );
        assert_eq!(
            by_policy("passed", Some("critical"), Some("none")),
            ("passed".to_owned(), "pass", 0)
        );
        assert_eq!(by_policy("passed", None, None), ("passed".to_owned(), "pass", 0));
        assert_eq!(
            by_policy("errored", None, None),
            ("errored".to_owned(), "fail", 1)
        );
    }
}
