//! What a person tells a running agent.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;
use std::time::Duration;

use pentad_kernel::{Actor, OrganisationId, Timestamp};
use pentad_store::{affected, with_reader, with_tx, with_writer};

use crate::json::Json;
use crate::names::RunId;
use crate::reading;
use crate::watch::RunChanged;
use crate::{Error, Result, Runs};

/// How often a poll asks the database for commands that another gateway took.
const LOOK: Duration = Duration::from_secs(1);
/// How many commands one poll gives.
const PAGE: i64 = 100;
/// How many commands of a run are listed.
const LISTED: i64 = 10_000;

/// What kind of command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CommandKind {
    /// Stop for now.
    Pause,
    /// Go on.
    Resume,
    /// Stop for good.
    Kill,
    /// Consider this text.
    InjectHint,
    /// Act here instead.
    OverrideAction,
}

impl CommandKind {
    const ALL: [Self; 5] = [
        Self::Pause,
        Self::Resume,
        Self::Kill,
        Self::InjectHint,
        Self::OverrideAction,
    ];

    /// The name in requests and answers.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pause => "pause",
            Self::Resume => "resume",
            Self::Kill => "kill",
            Self::InjectHint => "inject_hint",
            Self::OverrideAction => "override_action",
        }
    }
}

/// A command as its agent gets it.
#[derive(Clone, Debug, PartialEq)]
pub struct Command {
    /// Its number in the run, from 1.
    pub number: u64,
    /// What kind of command.
    pub kind: String,
    /// What goes with it.
    pub payload: Option<Json>,
    /// Who gave it.
    pub operator_id: String,
    /// When it was given.
    pub issued_at: Timestamp,
    /// When the agent first got it.
    pub delivered_at: Option<Timestamp>,
}

impl Command {
    /// The identifier on the wire, which sorts as the numbers do.
    pub fn id(&self) -> String {
        format!("cmd_{:010}", self.number)
    }
}

/// A command that a person wants to give, checked.
#[derive(Clone, Debug, PartialEq)]
pub struct NewCommand {
    kind: CommandKind,
    payload: Option<Json>,
}

impl NewCommand {
    /// Reads `{type, payload?}`.
    ///
    /// # Errors
    /// [`Error::Invalid`] for an unknown type or a payload without what the type needs.
    pub fn read(body: &Json) -> Result<Self> {
        let kind = body
            .text_at("type")
            .and_then(|name| CommandKind::ALL.into_iter().find(|kind| kind.name() == name))
            .ok_or_else(|| {
                Error::invalid(
                    &["body", "type"],
                    "enum",
                    "expected one of pause, resume, kill, inject_hint, override_action",
                )
            })?;
        let payload = body.get("payload").filter(|payload| !payload.is_null()).cloned();
        let part = |path: &[&str]| payload.as_ref().and_then(|payload| payload.at(path));
        match kind {
            CommandKind::InjectHint if part(&["text"]).and_then(Json::text).is_none() => Err(Error::invalid(
                &["body", "payload", "text"],
                "missing",
                "field required",
            )),
            CommandKind::OverrideAction
                if part(&["coordinates", "x"]).and_then(Json::number).is_none()
                    || part(&["coordinates", "y"]).and_then(Json::number).is_none() =>
            {
                Err(Error::invalid(
                    &["body", "payload", "coordinates"],
                    "missing",
                    "numbers x and y required",
                ))
            }
            _ => Ok(Self { kind, payload }),
        }
    }
}

#[derive(sqlx::FromRow)]
struct CommandRow {
    number: i64,
    #[sqlx(rename = "type")]
    kind: String,
    payload: Option<String>,
    operator_id: String,
    issued_at: i64,
    delivered_at: Option<i64>,
}

impl TryFrom<CommandRow> for Command {
    type Error = Error;

    fn try_from(row: CommandRow) -> Result<Self> {
        let payload = row
            .payload
            .map(|payload| Json::parse(payload.as_bytes()).map_err(|_| Error::Damaged("a command")))
            .transpose()?;
        Ok(Self {
            number: u64::try_from(row.number).unwrap_or_default(),
            kind: row.kind,
            payload,
            operator_id: row.operator_id,
            issued_at: Timestamp::from_micros(row.issued_at),
            delivered_at: row.delivered_at.map(Timestamp::from_micros),
        })
    }
}

// Touching the run's row first makes two operators wait for each other, so numbers never repeat.
const TOUCH: &str = "UPDATE runs SET rev = rev + 1 WHERE id = $1 RETURNING rev";
const INSERT: &str = "
    INSERT INTO run_commands (run, number, type, payload, operator_id, issued_at)
    SELECT $1, COALESCE(MAX(number), 0) + 1, $2, $3, $4, $5 FROM run_commands WHERE run = $1
    RETURNING number, type, payload, operator_id, issued_at, delivered_at";
const AFTER: &str = "
    SELECT number, type, payload, operator_id, issued_at, delivered_at FROM run_commands
    WHERE run = $1 AND number > $2 ORDER BY number LIMIT $3";
const DELIVERED: &str = "
    UPDATE run_commands SET delivered_at = $3 WHERE run = $1 AND number <= $2 AND delivered_at IS NULL";

impl Runs {
    /// Gives a command to the agent of a run.
    ///
    /// # Errors
    /// [`Error::RunNotFound`].
    pub async fn command(&self, actor: &Actor, run_id: &RunId, new: NewCommand) -> Result<Command> {
        let run = reading::run(&self.db, &actor.organisation, run_id).await?.id;
        let mut tx = self.db.begin().await?;
        let rev: i64 = with_tx!(tx, |conn| sqlx::query_scalar(TOUCH)
            .bind(run)
            .fetch_one(conn)
            .await)?;
        let row: CommandRow = with_tx!(tx, |conn| sqlx::query_as(INSERT)
            .bind(run)
            .bind(new.kind.name())
            .bind(new.payload.as_ref().map(Json::to_line))
            .bind(actor.user.as_str())
            .bind(self.clock.now().as_micros())
            .fetch_one(conn)
            .await)?;
        tx.commit().await?;
        self.watch.announce_command(run);
        self.watch.announce(RunChanged::new(run, rev, BTreeSet::new()));
        row.try_into()
    }

    /// The commands of a run, oldest first; at most 10,000.
    ///
    /// # Errors
    /// [`Error::RunNotFound`].
    pub async fn commands(&self, actor: &Actor, run_id: &RunId) -> Result<Vec<Command>> {
        let run = reading::run(&self.db, &actor.organisation, run_id).await?.id;
        self.commands_after(run, 0, LISTED).await
    }

    /// What an agent is to do: commands after the one that `cursor` names, as soon as there are any, or
    /// none when none came within `hold`. A run that nobody has heard of yet is waited for.
    ///
    /// # Errors
    /// [`Error::TooManyPolls`], [`Error::Invalid`] for a cursor of another form.
    pub async fn poll_commands(
        &self,
        actor: &Actor,
        run_id: &RunId,
        cursor: Option<&str>,
        hold: Duration,
    ) -> Result<Vec<Command>> {
        let after = parse_cursor(cursor)?;
        let _waiting = Waiting::new(self, &actor.organisation)?;
        self.stamp(&actor.organisation, run_id, "commands").await;
        let deadline = tokio::time::Instant::now() + hold;
        let mut commanded = self.watch.commands();
        loop {
            if let Some(commands) = self.deliver(&actor.organisation, run_id, after).await? {
                return Ok(commands);
            }
            let look = (tokio::time::Instant::now() + LOOK).min(deadline);
            tokio::select! {
                () = tokio::time::sleep_until(look) => {
                    if look >= deadline || self.is_closing() {
                        return Ok(Vec::new());
                    }
                }
                // For this run or another, or one of several that were missed: looking tells.
                _ = commanded.recv() => {}
            }
        }
    }

    async fn deliver(
        &self,
        organisation: &OrganisationId,
        run_id: &RunId,
        after: u64,
    ) -> Result<Option<Vec<Command>>> {
        let run = match reading::run(&self.db, organisation, run_id).await {
            Ok(info) => info.id,
            Err(Error::RunNotFound) => return Ok(None),
            Err(other) => return Err(other),
        };
        let commands = self.commands_after(run, after, PAGE).await?;
        let Some(last) = commands.last() else {
            return Ok(None);
        };
        if commands.iter().any(|command| command.delivered_at.is_none()) {
            with_writer!(self.db, |conn| sqlx::query(DELIVERED)
                .bind(run)
                .bind(i64::try_from(last.number).unwrap_or(i64::MAX))
                .bind(self.clock.now().as_micros())
                .execute(conn)
                .await
                .map(affected))?;
        }
        Ok(Some(commands))
    }

    async fn commands_after(&self, run: i64, after: u64, limit: i64) -> Result<Vec<Command>> {
        let rows: Vec<CommandRow> = with_reader!(self.db, |conn| sqlx::query_as(AFTER)
            .bind(run)
            .bind(i64::try_from(after).unwrap_or(i64::MAX))
            .bind(limit)
            .fetch_all(conn)
            .await)?;
        rows.into_iter().map(Command::try_from).collect()
    }
}

fn parse_cursor(cursor: Option<&str>) -> Result<u64> {
    let Some(cursor) = cursor.filter(|cursor| !cursor.is_empty()) else {
        return Ok(0);
    };
    cursor
        .strip_prefix("cmd_")
        .and_then(|number| number.parse().ok())
        .ok_or_else(|| {
            Error::invalid(
                &["query", "cursor"],
                "value_error",
                "expected a command id such as cmd_0000000001",
            )
        })
}

/// A poll that waits, counted for its organisation.
struct Waiting<'a> {
    runs: &'a Runs,
    organisation: OrganisationId,
}

impl<'a> Waiting<'a> {
    fn new(runs: &'a Runs, organisation: &OrganisationId) -> Result<Self> {
        let count = runs.polls.get_with(organisation.clone(), std::sync::Arc::default);
        if count.fetch_add(1, Ordering::SeqCst) >= runs.limits.waiting_polls {
            count.fetch_sub(1, Ordering::SeqCst);
            return Err(Error::TooManyPolls(runs.limits.waiting_polls));
        }
        Ok(Self {
            runs,
            organisation: organisation.clone(),
        })
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if let Some(count) = self.runs.polls.get(&self.organisation) {
            count.fetch_sub(1, Ordering::SeqCst);
        }
    }
}
