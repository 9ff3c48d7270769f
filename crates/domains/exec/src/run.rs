//! Runs of sessions: one at a time, each on what the one before has left.

use std::sync::Arc;
use std::time::Duration;

use dashmap::DashMap;
use pentad_kernel::Actor;
use pentad_sandbox::{Control, InputFile, Job, Outcome, Workspace, WorkspacePath};
use tokio::sync::{OwnedMutexGuard, mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::admission::{Permit, Ticket};
use crate::engine::{Output, Piece, Work};
use crate::execution::{Launch, proxy_environment};
use crate::interest::{Interest, Waiting};
use crate::session::{Env, Object, Session, SessionId};
use crate::workspace::{DATA_FILE, Finished, check_object, is_reserved};
use crate::{Error, Exec, Execution, Result, repository};

/// How long a session belongs to a run that nobody renews: a gateway that is killed does not.
const HELD: Duration = Duration::from_secs(10);
/// How often it is renewed.
const RENEW: Duration = Duration::from_secs(3);
/// How long before its end a run that could not be renewed is stopped: stopping takes its time.
const SPARE: Duration = Duration::from_secs(1);
/// How often it is asked for while another gateway has it.
const ASK: Duration = Duration::from_millis(50);

/// What to run in a session.
#[derive(Clone, Debug, Default)]
pub struct RunRequest {
    /// The program; the session's stored code when there is none.
    pub code: Option<String>,
    /// Wall time, if not the session's.
    pub timeout: Option<Duration>,
    /// Members to set in the session's data before the run.
    pub update_data: Option<Object>,
    /// Its environment.
    pub env: Env,
    /// What a relayed request tells it, in variables that nobody else may set.
    pub request: Vec<(String, String)>,
    /// Its standard input.
    pub stdin: Vec<u8>,
}

/// What came of a run in a session.
#[derive(Clone, Debug)]
pub struct SessionRun {
    /// The run itself.
    pub execution: Execution,
    /// Files that it created, changed or deleted.
    pub files_modified: u64,
    /// The session's data after it.
    pub data: Object,
}

/// A run whose output arrives while it goes on. Dropped, the run is stopped.
#[derive(Debug)]
pub struct Streaming {
    pieces: mpsc::UnboundedReceiver<Piece>,
    end: End,
    _waiting: Waiting,
}

#[derive(Debug)]
enum End {
    Coming(JoinHandle<Result<SessionRun>>),
    Come(Box<SessionRun>),
}

impl Streaming {
    /// The next piece of output, never an empty one; `None` when there will be none.
    pub async fn next(&mut self) -> Option<Piece> {
        loop {
            match self.pieces.recv().await? {
                Piece::Stdout(text) | Piece::Stderr(text) if text.is_empty() => {}
                piece => return Some(piece),
            }
        }
    }

    /// What came of it, after the last piece.
    ///
    /// # Errors
    /// As [`Exec::run`].
    pub async fn end(self) -> Result<SessionRun> {
        match self.end {
            End::Coming(task) => task.await?,
            End::Come(run) => Ok(*run),
        }
    }
}

/// The sessions of which a run is under way here.
#[derive(Default)]
pub(crate) struct Live {
    locks: DashMap<String, Arc<tokio::sync::Mutex<()>>>,
    running: DashMap<String, Running>,
}

#[derive(Clone)]
pub(crate) struct Running {
    pub(crate) control: Arc<dyn Control>,
    interest: Interest,
}

impl Live {
    /// The sandbox in which the session's program runs now.
    pub(crate) fn running(&self, key: &str) -> Option<Arc<dyn Control>> {
        self.running.get(key).map(|running| Arc::clone(&running.control))
    }

    /// Whether a run here has the session, or waits for it.
    pub(crate) fn is_taken(&self, key: &str) -> bool {
        self.locks.contains_key(key)
    }

    /// Ends the session's run, if there is one.
    pub(crate) fn stop(&self, key: &str) {
        let running = self.running.get(key).map(|running| running.interest.clone());
        if let Some(interest) = running {
            interest.lose();
        }
    }

    pub(crate) fn stop_all(&self) {
        let all: Vec<Interest> = self
            .running
            .iter()
            .map(|running| running.interest.clone())
            .collect();
        all.iter().for_each(Interest::lose);
    }

    async fn lock(self: &Arc<Self>, key: &str) -> SessionLock {
        let lock = Arc::clone(&self.locks.entry(key.to_owned()).or_default());
        SessionLock {
            guard: Some(lock.lock_owned().await),
            live: Arc::clone(self),
            key: key.to_owned(),
        }
    }
}

/// The turn of one run among those of its session in this process; first come, first served.
pub(crate) struct SessionLock {
    guard: Option<OwnedMutexGuard<()>>,
    live: Arc<Live>,
    key: String,
}

impl Drop for SessionLock {
    fn drop(&mut self) {
        self.live.running.remove(&self.key);
        self.guard.take();
        // Whoever waits for it holds another reference.
        self.live
            .locks
            .remove_if(&self.key, |_, lock| Arc::strong_count(lock) == 1);
    }
}

/// A session that belongs to one run.
pub(crate) struct Turn {
    exec: Exec,
    pub(crate) epoch: i64,
    key: String,
    renewing: JoinHandle<()>,
    _permit: Permit,
    _lock: SessionLock,
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.renewing.abort();
    }
}

impl Turn {
    pub(crate) fn key(&self) -> &str {
        &self.key
    }

    /// Gives the session back without having changed it.
    pub(crate) async fn give_up(self) {
        if let Err(error) = repository::end_run(self.exec.db(), &self.key, self.epoch).await {
            tracing::warn!(%error, "a session stays taken until its time is over");
        }
    }
}

impl Exec {
    /// Runs a program in a session, after those that came before.
    ///
    /// # Errors
    /// As [`execute`](Self::execute); also [`Error::SessionNotFound`], when the session is deleted meanwhile
    /// too, and [`Error::NoCode`].
    pub async fn run(&self, actor: &Actor, id: &SessionId, request: RunRequest) -> Result<SessionRun> {
        let session = repository::find(self.db(), &actor.organisation, id).await?;
        self.run_in(actor, session, request).await
    }

    pub(crate) async fn run_in(
        &self,
        actor: &Actor,
        session: Session,
        request: RunRequest,
    ) -> Result<SessionRun> {
        self.check_has_code(&session, &request).await?;
        let (interest, waiting) = Interest::new();
        let task = self.start_run(actor, session, request, interest, Output::Kept, None)?;
        let outcome = task.await?;
        drop(waiting);
        outcome
    }

    /// The same, with output that arrives while the program runs. Returns when it begins.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub async fn stream(&self, actor: &Actor, id: &SessionId, request: RunRequest) -> Result<Streaming> {
        let session = repository::find(self.db(), &actor.organisation, id).await?;
        self.check_has_code(&session, &request).await?;
        let (interest, waiting) = Interest::new();
        let (sender, pieces) = mpsc::unbounded_channel();
        let (begun, begins) = oneshot::channel();
        let output = Output::Streamed(sender);
        let task = self.start_run(actor, session, request, interest, output, Some(begun))?;
        if begins.await.is_ok() {
            return Ok(Streaming {
                pieces,
                end: End::Coming(task),
                _waiting: waiting,
            });
        }
        // It was refused on the way, or its source is in error and nothing ever ran.
        let run = task.await??;
        let (sender, pieces) = mpsc::unbounded_channel();
        for piece in [
            Piece::Stdout(run.execution.stdout.text.clone()),
            Piece::Stderr(run.execution.stderr.text.clone()),
        ] {
            // The other end is still here.
            let _ = sender.send(piece);
        }
        Ok(Streaming {
            pieces,
            end: End::Come(Box::new(run)),
            _waiting: waiting,
        })
    }

    /// Refuses a run without code at once, not when its turn comes.
    async fn check_has_code(&self, session: &Session, request: &RunRequest) -> Result<()> {
        match request.code {
            None if repository::code(self.db(), &session.key).await?.is_none() => Err(Error::NoCode),
            _ => Ok(()),
        }
    }

    fn start_run(
        &self,
        actor: &Actor,
        session: Session,
        request: RunRequest,
        interest: Interest,
        output: Output,
        begun: Option<oneshot::Sender<()>>,
    ) -> Result<JoinHandle<Result<SessionRun>>> {
        if let Some(code) = &request.code {
            self.check_code(code)?;
        }
        self.check_env(&request.env)?;
        self.timeout(request.timeout, session.default_timeout)?;
        self.available(session.language)?;
        let ticket = self.admission().enter(&session.organisation)?;
        let (exec, actor) = (self.clone(), actor.clone());
        Ok(self.spawn(async move {
            let turn = exec.turn(&session.key, &session.id, ticket, &interest).await?;
            let outcome = exec
                .run_now(&turn, &actor, &session.key, request, interest, output, begun)
                .await;
            if outcome.is_err() {
                turn.give_up().await;
            }
            outcome
        }))
    }

    /// Waits until the session belongs to this run and there is a place for it.
    pub(crate) async fn turn(
        &self,
        key: &str,
        id: &SessionId,
        ticket: Ticket,
        interest: &Interest,
    ) -> Result<Turn> {
        let lock = interest
            .or_lost(async { Ok(self.live().lock(key).await) })
            .await?;
        let deadline = Instant::now() + self.settings().longest_wait;
        let epoch = loop {
            let now = self.now();
            if let Some(epoch) = repository::begin_run(self.db(), key, now, now.plus(HELD)).await? {
                break epoch;
            }
            if repository::by_key(self.db(), key).await?.is_none() {
                return Err(Error::SessionNotFound(id.to_string()));
            }
            if Instant::now() >= deadline {
                return Err(Error::Busy {
                    reason: "the session is busy on another gateway (exec longest_wait)".to_owned(),
                });
            }
            let pause = async {
                tokio::time::sleep(ASK).await;
                Ok(())
            };
            interest.or_lost(pause).await?;
        };
        let renewing = self.spawn(renew(self.clone(), key.to_owned(), epoch, interest.clone()));
        match interest.or_lost(ticket.place()).await {
            Ok(permit) => Ok(Turn {
                exec: self.clone(),
                epoch,
                key: key.to_owned(),
                renewing,
                _permit: permit,
                _lock: lock,
            }),
            Err(error) => {
                renewing.abort();
                repository::end_run(self.db(), key, epoch).await?;
                Err(error)
            }
        }
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "the parts of one run, none of which belong together"
    )]
    async fn run_now(
        &self,
        turn: &Turn,
        actor: &Actor,
        key: &str,
        request: RunRequest,
        interest: Interest,
        output: Output,
        begun: Option<oneshot::Sender<()>>,
    ) -> Result<SessionRun> {
        // As it is now: runs before this one, and requests, may have changed it.
        let Some(session) = repository::by_key(self.db(), key).await? else {
            return Err(Error::SessionNotFound(key.to_owned()));
        };
        let asked_data = request.update_data.map(|update| {
            let mut data = session.data.clone();
            data.extend(update);
            data
        });
        if let Some(data) = &asked_data {
            check_object("data", data, self.settings().data_bytes)?;
        }
        let code = match request.code {
            Some(code) => code,
            None => repository::code(self.db(), key).await?.ok_or(Error::NoCode)?.code,
        };
        let (mut workspace, in_use) = self.files_for_run(&session).await?;
        self.equip(
            &mut workspace,
            &session,
            asked_data.as_ref().unwrap_or(&session.data),
        )?;
        let timeout = self.timeout(request.timeout, session.default_timeout)?;
        let mut env = self.environment(request.env, session.id.as_str(), session.language);
        env.extend(self.storage_environment());
        env.extend(request.request);
        if let Some(url) = &self.settings().public_url {
            env.push(("ERA_PROXY_URL".to_owned(), format!("{url}/proxy/{}", session.key)));
        }
        env.extend(self.package_environment(&session));
        if session.allow_internet {
            env.extend(proxy_environment());
        }
        let job = Job {
            env,
            stdin: request.stdin,
            workspace,
            internet: session.allow_internet,
            run: self.run_limits(timeout),
            ..Job::new(session.language, code)
        };
        let (live, running_key, its_interest) = (Arc::clone(self.live()), key.to_owned(), interest.clone());
        let launch = Launch {
            actor: actor.clone(),
            work: Work::Job(Box::new(job)),
            egress: session.allow_internet.then(|| self.egress().clone()),
            interest,
            output,
            begun: Box::new(move |control| {
                let running = Running {
                    control,
                    interest: its_interest,
                };
                live.running.insert(running_key, running);
                if let Some(begun) = begun {
                    // Whoever waited for it may be gone.
                    let _ = begun.send(());
                }
            }),
        };
        let outcome = self.launch(launch).await;
        self.live().running.remove(key);
        drop(in_use);
        self.conclude(turn, &session, outcome?, asked_data).await
    }

    async fn conclude(
        &self,
        turn: &Turn,
        session: &Session,
        mut outcome: Outcome,
        asked_data: Option<Object>,
    ) -> Result<SessionRun> {
        let cancelled = outcome.cancelled;
        let mut execution = Execution::of(session.id.as_str(), session.language, &mut outcome);
        let committed = self
            .commit(Finished {
                session,
                epoch: turn.epoch,
                changes: outcome.take_changes(),
                asked_data,
                without_secrets: false,
            })
            .await?;
        if cancelled {
            return Err(Error::Cancelled);
        }
        if let Some(full) = committed.refused {
            execution.killed_by = execution.killed_by.or(Some(pentad_sandbox::KilledBy::Disk));
            if !execution.stderr.text.is_empty() && !execution.stderr.text.ends_with('\n') {
                execution.stderr.text.push('\n');
            }
            execution
                .stderr
                .text
                .push_str(&format!("{full}: no file of this run was kept\n"));
        }
        Ok(SessionRun {
            execution,
            files_modified: committed.files_modified,
            data: committed.data.unwrap_or_else(|| session.data.clone()),
        })
    }

    /// Adds the files that every run is given.
    fn equip(&self, workspace: &mut Workspace, session: &Session, data: &Object) -> Result<()> {
        workspace.files.retain(|file| !is_reserved(file.path.as_str()));
        let text = serde_json::Value::Object(data.clone()).to_string();
        let path = WorkspacePath::parse(DATA_FILE)?;
        workspace.files.push(InputFile::new(path, text.into_bytes()));
        workspace.files.extend(self.modules(session.language));
        Ok(())
    }
}

/// Keeps a session for its run; ends the run when the session is gone, and before another gateway may take the
/// session because this one could not renew it.
async fn renew(exec: Exec, key: String, epoch: i64, interest: Interest) {
    let mut held = Instant::now() + HELD;
    loop {
        tokio::time::sleep(RENEW).await;
        let asked = Instant::now();
        let renewal = repository::renew_run(exec.db(), &key, epoch, exec.now().plus(HELD));
        match tokio::time::timeout_at(held - SPARE, renewal).await {
            Ok(Ok(true)) => held = asked + HELD,
            Ok(Ok(false)) | Err(_) => return interest.lose(),
            Ok(Err(error)) => {
                tracing::warn!(%error, "a session could not be kept for its run");
                if Instant::now() + RENEW >= held - SPARE {
                    return interest.lose();
                }
            }
        }
    }
}
