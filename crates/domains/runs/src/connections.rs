//! Which clients are there now.
//!
//! Every ingest call is a sign of life, so the table lives in memory. It is written down every few seconds, at
//! once when it says something new, and each gateway takes over what the others wrote.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use pentad_kernel::{Actor, OrganisationId, Timestamp};
use pentad_store::{affected, with_reader, with_tx, with_writer};

use crate::names::RunId;
use crate::record::{Client, Submission};
use crate::{Error, Result, Runs};

/// How many clients one process remembers: beyond that the ones silent for longest are forgotten.
const REMEMBERED: usize = 100_000;
/// How far back it is looked for what other gateways wrote: longer than they wait before they write.
const FOLLOW_BACK: Duration = Duration::from_secs(15);
/// The longest name a client may give itself, in bytes.
const MAX_NAME: usize = 200;

/// A client that showed a sign of life lately.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connection {
    /// The identifier that the client gave itself, or `run:<run id>` for one that never did.
    pub client_id: String,
    /// Its name.
    pub client_name: Option<String>,
    /// Its version.
    pub client_version: Option<String>,
    /// What it records.
    pub capture_mode: Option<String>,
    /// The run it records.
    pub run_id: Option<String>,
    /// What it did last.
    pub last_event: Option<String>,
    /// Its first sign of life.
    pub first_seen: Timestamp,
    /// Its latest.
    pub last_seen: Timestamp,
}

/// A sign of life, as a client sends it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Heartbeat {
    /// The identifier that the client gave itself.
    pub client_id: String,
    /// Its name.
    pub client_name: Option<String>,
    /// Its version.
    pub client_version: Option<String>,
    /// What it records.
    pub capture_mode: Option<String>,
    /// The run it records.
    pub run_id: Option<RunId>,
    /// What it does.
    pub last_event: Option<String>,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Connections {
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    clients: HashMap<(OrganisationId, String), Connection>,
    /// The client behind a run, as a heartbeat told.
    behind: HashMap<(OrganisationId, String), String>,
    /// In the order in which every gateway locks their rows.
    unwritten: BTreeSet<(OrganisationId, String)>,
    /// Until when the signs of life that others wrote are known.
    followed: Option<Timestamp>,
}

impl Connections {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the run is known to be streamed by this client.
    fn is_bound(&self, organisation: &OrganisationId, run: &RunId, client_id: &str) -> bool {
        let key = (organisation.clone(), run.as_str().to_owned());
        self.state()
            .behind
            .get(&key)
            .is_some_and(|known| known == client_id)
    }

    /// Takes a heartbeat. Whether it told something that was not known.
    fn beat(&self, organisation: &OrganisationId, beat: &Heartbeat, now: Timestamp) -> bool {
        let mut state = self.state();
        state.make_room();
        let key = (organisation.clone(), beat.client_id.clone());
        let before = state.clients.get(&key).map(Connection::facts);
        let opening = beat.last_event.as_deref() == Some("session_opened");
        let entry = state
            .clients
            .entry(key.clone())
            .or_insert_with(|| new_connection(&beat.client_id, now));
        let keep = |known: &mut Option<String>, said: &Option<String>| {
            if said.is_some() {
                known.clone_from(said);
            }
        };
        keep(&mut entry.client_name, &beat.client_name);
        keep(&mut entry.client_version, &beat.client_version);
        // The SDK opens with the mode `off`, before it knows better; that may arrive late.
        if !(opening && entry.capture_mode.is_some()) {
            keep(&mut entry.capture_mode, &beat.capture_mode);
        }
        keep(&mut entry.run_id, &beat.run_id.as_ref().map(ToString::to_string));
        entry.last_event = Some(beat.last_event.clone().unwrap_or_else(|| "heartbeat".to_owned()));
        entry.last_seen = now;
        let news = before != Some(entry.facts());
        state.unwritten.insert(key);
        if let Some(run) = &beat.run_id {
            state.behind.insert(
                (organisation.clone(), run.as_str().to_owned()),
                beat.client_id.clone(),
            );
            let anonymous = (organisation.clone(), format!("run:{run}"));
            state.clients.remove(&anonymous);
            state.unwritten.remove(&anonymous);
        }
        news
    }

    /// Takes over what other gateways wrote.
    fn follow(&self, written: Vec<(OrganisationId, Connection)>) {
        let mut state = self.state();
        for (organisation, client) in written {
            if let Some(run) = client.run_id.as_ref().filter(|_| !client.is_anonymous()) {
                let behind = (organisation.clone(), run.clone());
                state.behind.insert(behind, client.client_id.clone());
            }
            match state.clients.entry((organisation, client.client_id.clone())) {
                Entry::Occupied(mut known) => known.get_mut().merge(client),
                Entry::Vacant(place) => _ = place.insert(client),
            }
        }
        state.make_room();
    }

    /// A sign of life of whoever records the run. Whether it is the first.
    fn stamp(&self, organisation: &OrganisationId, run: &RunId, event: &str, now: Timestamp) -> bool {
        let mut state = self.state();
        state.make_room();
        let client_id = state
            .behind
            .get(&(organisation.clone(), run.as_str().to_owned()))
            .cloned()
            .unwrap_or_else(|| format!("run:{run}"));
        let key = (organisation.clone(), client_id);
        let is_first = !state.clients.contains_key(&key);
        let entry = state.clients.entry(key.clone()).or_insert_with(|| Connection {
            run_id: Some(run.to_string()),
            ..new_connection(&key.1, now)
        });
        entry.last_event = Some(event.to_owned());
        entry.last_seen = now;
        state.unwritten.insert(key);
        is_first
    }

    /// When the client behind the run was last heard of by this process.
    pub(crate) fn heard_of(&self, organisation: &OrganisationId, run_id: &str) -> Option<Timestamp> {
        let state = self.state();
        let client = state.behind.get(&(organisation.clone(), run_id.to_owned()))?;
        Some(
            state
                .clients
                .get(&(organisation.clone(), client.clone()))?
                .last_seen,
        )
    }

    /// Forgets who is behind a run that is gone.
    pub(crate) fn forget_run(&self, organisation: &OrganisationId, run: &RunId) {
        self.state()
            .behind
            .remove(&(organisation.clone(), run.as_str().to_owned()));
    }

    /// Forgets clients that were not heard of since.
    fn forget_before(&self, horizon: Timestamp) {
        let mut state = self.state();
        state.clients.retain(|_, client| client.last_seen >= horizon);
        let State { clients, behind, .. } = &mut *state;
        behind.retain(|(organisation, _), client| {
            clients.contains_key(&(organisation.clone(), client.clone()))
        });
    }
}

impl Connection {
    /// What a heartbeat says beyond that there is one.
    fn facts(&self) -> [Option<String>; 4] {
        [
            self.client_name.clone(),
            self.client_version.clone(),
            self.capture_mode.clone(),
            self.run_id.clone(),
        ]
    }

    /// Whether it is only known by its run.
    fn is_anonymous(&self) -> bool {
        self.client_id.starts_with("run:")
    }

    /// Adds what is known of the same client from elsewhere: of two answers the later counts.
    fn merge(&mut self, other: Self) {
        let later = other.last_seen >= self.last_seen;
        let take = |mine: &mut Option<String>, other: Option<String>| {
            if other.is_some() && (later || mine.is_none()) {
                *mine = other;
            }
        };
        take(&mut self.client_name, other.client_name);
        take(&mut self.client_version, other.client_version);
        take(&mut self.capture_mode, other.capture_mode);
        take(&mut self.run_id, other.run_id);
        take(&mut self.last_event, other.last_event);
        self.first_seen = self.first_seen.min(other.first_seen);
        self.last_seen = self.last_seen.max(other.last_seen);
    }
}

/// The clients as a list: a client that has a name by now is not listed a second time without one.
fn merged(found: impl IntoIterator<Item = Connection>) -> Vec<Connection> {
    let mut clients = BTreeMap::<String, Connection>::new();
    let mut anonymous = Vec::new();
    for client in found {
        if client.is_anonymous() {
            anonymous.push(client);
            continue;
        }
        match clients.get_mut(&client.client_id) {
            Some(known) => known.merge(client),
            None => _ = clients.insert(client.client_id.clone(), client),
        }
    }
    for unnamed in anonymous {
        let named = clients
            .values_mut()
            .find(|client| client.run_id.is_some() && client.run_id == unnamed.run_id);
        match named {
            // The run was heard of by a gateway that does not know who records it.
            Some(client) => client.merge(unnamed),
            None => match clients.get_mut(&unnamed.client_id) {
                Some(known) => known.merge(unnamed),
                None => _ = clients.insert(unnamed.client_id.clone(), unnamed),
            },
        }
    }
    let mut clients: Vec<Connection> = clients.into_values().collect();
    clients.sort_by(|one, other| {
        other
            .last_seen
            .cmp(&one.last_seen)
            .then_with(|| one.client_id.cmp(&other.client_id))
    });
    clients
}

impl State {
    fn make_room(&mut self) {
        if self.clients.len() < REMEMBERED {
            return;
        }
        let mut times: Vec<Timestamp> = self.clients.values().map(|client| client.last_seen).collect();
        let (_, median, _) = times.select_nth_unstable(REMEMBERED / 2);
        let median = *median;
        self.clients.retain(|_, client| client.last_seen > median);
    }
}

fn new_connection(client_id: &str, now: Timestamp) -> Connection {
    Connection {
        client_id: client_id.to_owned(),
        client_name: None,
        client_version: None,
        capture_mode: None,
        run_id: None,
        last_event: None,
        first_seen: now,
        last_seen: now,
    }
}

impl Heartbeat {
    /// Reads a heartbeat.
    ///
    /// # Errors
    /// [`Error::Invalid`].
    pub fn read(body: &crate::Json) -> Result<Self> {
        crate::schema::check(body, &crate::schema::records::HEARTBEAT)?;
        let text = |name: &str| -> Result<Option<String>> {
            let Some(text) = body.text_at(name).filter(|text| !text.is_empty()) else {
                return Ok(None);
            };
            if text.len() > MAX_NAME || text.contains('\0') {
                return Err(Error::invalid(
                    &["body", name],
                    "string_too_long",
                    format!("expected at most {MAX_NAME} bytes without NUL"),
                ));
            }
            Ok(Some(text.to_owned()))
        };
        let run_id = text("run_id")?
            .map(|run| RunId::parse_at(&run, &["body", "run_id"]))
            .transpose()?;
        Ok(Self {
            client_id: text("client_id")?.ok_or_else(|| {
                Error::invalid(
                    &["body", "client_id"],
                    "string_too_short",
                    "expected at least 1 byte",
                )
            })?,
            client_name: text("client_name")?,
            client_version: text("client_version")?,
            capture_mode: text("capture_mode")?,
            run_id,
            last_event: text("last_event")?,
        })
    }
}

#[derive(sqlx::FromRow)]
struct ConnectionRow {
    client_id: String,
    client_name: Option<String>,
    client_version: Option<String>,
    capture_mode: Option<String>,
    run_id: Option<String>,
    last_event: Option<String>,
    first_seen: i64,
    last_seen: i64,
}

#[derive(sqlx::FromRow)]
struct WrittenRow {
    organisation_id: String,
    #[sqlx(flatten)]
    client: ConnectionRow,
}

impl From<ConnectionRow> for Connection {
    fn from(row: ConnectionRow) -> Self {
        Self {
            client_id: row.client_id,
            client_name: row.client_name,
            client_version: row.client_version,
            capture_mode: row.capture_mode,
            run_id: row.run_id,
            last_event: row.last_event,
            first_seen: Timestamp::from_micros(row.first_seen),
            last_seen: Timestamp::from_micros(row.last_seen),
        }
    }
}

const RECENT: &str = "
    SELECT client_id, client_name, client_version, capture_mode, run_id, last_event, first_seen, last_seen
    FROM run_connections WHERE organisation_id = $1 AND last_seen > $2";
const UPSERT: &str = "
    INSERT INTO run_connections (organisation_id, client_id, client_name, client_version, capture_mode, run_id,
                                 last_event, first_seen, last_seen)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
    ON CONFLICT (organisation_id, client_id) DO UPDATE SET
        client_name = COALESCE(excluded.client_name, run_connections.client_name),
        client_version = COALESCE(excluded.client_version, run_connections.client_version),
        capture_mode = COALESCE(excluded.capture_mode, run_connections.capture_mode),
        run_id = COALESCE(excluded.run_id, run_connections.run_id),
        last_event = COALESCE(excluded.last_event, run_connections.last_event), last_seen = excluded.last_seen
    WHERE run_connections.last_seen <= excluded.last_seen";
/// Of all organisations, what was written since an instant.
const WRITTEN: &str = "
    SELECT organisation_id, client_id, client_name, client_version, capture_mode, run_id, last_event, first_seen,
           last_seen
    FROM run_connections WHERE last_seen > $1";
const SWEEP: &str = "DELETE FROM run_connections WHERE last_seen <= $1";

impl Runs {
    /// Takes a sign of life. One that names a run marks the run as streamed by the SDK, durably.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn heartbeat(&self, actor: &Actor, beat: &Heartbeat) -> Result<()> {
        let organisation = &actor.organisation;
        if let Some(run) = &beat.run_id
            && !self.connections.is_bound(organisation, run, &beat.client_id)
        {
            let client = Client {
                id: beat.client_id.clone(),
                name: beat.client_name.clone(),
                version: beat.client_version.clone(),
                capture_mode: beat.capture_mode.clone(),
            };
            self.writer
                .write_always(organisation, Submission::heartbeat(run.clone(), client))
                .await?;
        }
        let news = self.connections.beat(organisation, beat, self.clock.now());
        if news && self.db.is_shared() {
            // Whoever lists the clients next may ask another gateway.
            self.write_connections().await?;
        }
        Ok(())
    }

    /// Takes a sign of life of whoever records the run.
    pub(crate) async fn stamp(&self, organisation: &OrganisationId, run: &RunId, event: &str) {
        let is_first = self.connections.stamp(organisation, run, event, self.clock.now());
        if is_first && self.db.is_shared() {
            // What it is a sign of is done already; it is written once more with the next ones.
            if let Err(error) = self.write_connections().await {
                tracing::warn!(%error, "a sign of life could not be written down");
            }
        }
    }

    /// The clients of the actor's organisation that showed a sign of life within the horizon, the
    /// latest first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn connections(&self, actor: &Actor) -> Result<Vec<Connection>> {
        let horizon = self.clock.now().minus(self.limits.connection_horizon);
        let rows: Vec<ConnectionRow> = with_reader!(self.db, |conn| sqlx::query_as(RECENT)
            .bind(actor.organisation.as_str())
            .bind(horizon.as_micros())
            .fetch_all(conn)
            .await)?;
        let mut found: Vec<Connection> = rows.into_iter().map(Connection::from).collect();
        {
            let state = self.connections.state();
            for ((organisation, _), client) in &state.clients {
                if *organisation == actor.organisation && client.last_seen > horizon {
                    found.push(client.clone());
                }
            }
            let is_named = |client: &Connection| {
                let run = client.client_id.strip_prefix("run:")?;
                state.behind.get(&(actor.organisation.clone(), run.to_owned()))
            };
            found.retain(|client| is_named(client).is_none());
        }
        Ok(merged(found))
    }

    /// Writes down the signs of life since the last call, takes over what other gateways wrote, and forgets old
    /// ones. Called every few seconds.
    ///
    /// # Errors
    /// When the database fails; what could not be written is written by the next call.
    pub async fn flush_connections(&self) -> Result<()> {
        let horizon = self.clock.now().minus(self.limits.connection_horizon);
        let wrote = self.write_connections().await?;
        if self.db.is_shared() {
            self.follow_connections(horizon).await?;
        }
        self.connections.forget_before(horizon);
        if !wrote {
            return Ok(());
        }
        with_writer!(self.db, |conn| sqlx::query(SWEEP)
            .bind(horizon.as_micros())
            .execute(conn)
            .await
            .map(affected))?;
        Ok(())
    }

    /// Whether there was something to write.
    async fn write_connections(&self) -> Result<bool> {
        let unwritten = std::mem::take(&mut self.connections.state().unwritten);
        if unwritten.is_empty() {
            return Ok(false);
        }
        let outcome = self.write_down(&unwritten).await;
        if outcome.is_err() {
            self.connections.state().unwritten.extend(unwritten);
        }
        outcome.map(|()| true)
    }

    async fn write_down(&self, unwritten: &BTreeSet<(OrganisationId, String)>) -> Result<()> {
        let clients: Vec<(OrganisationId, Connection)> = {
            let state = self.connections.state();
            let known =
                |key: &(OrganisationId, String)| Some((key.0.clone(), state.clients.get(key)?.clone()));
            unwritten.iter().filter_map(known).collect()
        };
        let mut tx = self.db.begin().await?;
        for (organisation, client) in clients {
            with_tx!(tx, |conn| sqlx::query(UPSERT)
                .bind(organisation.as_str())
                .bind(&client.client_id)
                .bind(&client.client_name)
                .bind(&client.client_version)
                .bind(&client.capture_mode)
                .bind(&client.run_id)
                .bind(&client.last_event)
                .bind(client.first_seen.as_micros())
                .bind(client.last_seen.as_micros())
                .execute(conn)
                .await
                .map(affected))?;
        }
        tx.commit().await?;
        Ok(())
    }

    async fn follow_connections(&self, horizon: Timestamp) -> Result<()> {
        let now = self.clock.now();
        let since = self.connections.state().followed.unwrap_or(horizon);
        let rows: Vec<WrittenRow> = with_reader!(self.db, |conn| sqlx::query_as(WRITTEN)
            .bind(since.as_micros())
            .fetch_all(conn)
            .await)?;
        let written = rows
            .into_iter()
            .map(|row| (OrganisationId::new(row.organisation_id), row.client.into()));
        self.connections.follow(written.collect());
        // Clocks differ, and what was seen a moment ago is still on its way.
        self.connections.state().followed = Some(now.minus(FOLLOW_BACK));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(id: &str, run: Option<&str>, seen: i64) -> Connection {
        Connection {
            run_id: run.map(str::to_owned),
            ..new_connection(id, Timestamp::from_micros(seen))
        }
    }

    #[test]
    fn what_two_gateways_know_of_a_client_is_one_client() {
        let here = Connection {
            client_name: Some("sdk".to_owned()),
            ..client("c", Some("r"), 10)
        };
        let there = Connection {
            capture_mode: Some("full".to_owned()),
            ..client("c", None, 20)
        };
        let listed = merged([
            here,
            there,
            client("run:r", Some("r"), 30),
            client("run:other", Some("other"), 5),
        ]);
        let names: Vec<&str> = listed.iter().map(|client| client.client_id.as_str()).collect();
        assert_eq!(
            names,
            ["c", "run:other"],
            "the run's own entry is that of the client behind it"
        );
        let one = &listed[0];
        assert_eq!((one.first_seen.as_micros(), one.last_seen.as_micros()), (10, 30));
        assert_eq!(one.client_name.as_deref(), Some("sdk"));
        assert_eq!(one.capture_mode.as_deref(), Some("full"));
        assert_eq!(one.run_id.as_deref(), Some("r"));
    }
}
