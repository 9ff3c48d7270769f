//! What is asked of a run and what came of it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use pentad_kernel::Actor;
use pentad_sandbox::{
    Captured, Control, InputFile, Job, KilledBy, Language, Limits, Outcome, RunLimits, Usage, Workspace,
};

use crate::egress::Egress;
use crate::engine::{EGRESS_PORT, Listeners, Output, STORAGE_PORT, Watch, Work};
use crate::interest::Interest;
use crate::session::Env;
use crate::workspace::{check_paths, is_reserved};
use crate::{Error, Exec, Result};
use tokio::task::JoinHandle;

/// A program to run once, in a workspace that is gone afterwards.
#[derive(Clone, Debug)]
pub struct Execute {
    /// Its language.
    pub language: Language,
    /// Its source.
    pub code: String,
    /// Wall time, if not the usual one.
    pub timeout: Option<Duration>,
    /// Its environment.
    pub env: Env,
    /// The files it finds.
    pub files: Vec<InputFile>,
    /// Its standard input.
    pub stdin: Vec<u8>,
    /// Tighter limits than the usual ones.
    pub limits: TighterLimits,
}

/// Limits of one run; none is wider than the server's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TighterLimits {
    /// Bytes of memory of all its processes.
    pub memory_bytes: Option<u64>,
    /// Processes and threads.
    pub processes: Option<u32>,
}

/// What came of a run.
#[derive(Clone, Debug)]
pub struct Execution {
    /// A label of the run; for a run of a session the session's id.
    pub session_id: String,
    /// The language.
    pub language: Language,
    /// Standard output.
    pub stdout: Captured,
    /// Standard error.
    pub stderr: Captured,
    /// The program's exit code; 128 + n when signal n ended it; 124 when the time was over.
    pub exit_code: i32,
    /// The limit that ended the run.
    pub killed_by: Option<KilledBy>,
    /// Whether the sandbox stopped the program; false when it ended by itself, perhaps because it was refused
    /// more of what `killed_by` says.
    pub stopped: bool,
    /// Wall time of the program.
    pub duration: Duration,
    /// Wall time spent compiling, which is not part of `duration`.
    pub build: Option<Duration>,
    /// What it used.
    pub usage: Usage,
}

impl Execution {
    pub(crate) fn of(session_id: &str, language: Language, outcome: &mut Outcome) -> Self {
        Self {
            session_id: session_id.to_owned(),
            language,
            stdout: std::mem::take(&mut outcome.stdout),
            stderr: std::mem::take(&mut outcome.stderr),
            exit_code: outcome.exit_code,
            killed_by: outcome.killed_by,
            stopped: outcome.stopped,
            duration: outcome.duration,
            build: outcome.build,
            usage: outcome.usage,
        }
    }

    /// Whether its time was over.
    #[must_use]
    pub fn timed_out(&self) -> bool {
        self.killed_by == Some(KilledBy::Timeout)
    }
}

/// A program on its way into a sandbox.
pub(crate) struct Launch {
    pub(crate) actor: Actor,
    pub(crate) work: Work,
    /// What answers for the internet, where the program may reach it.
    pub(crate) egress: Option<Egress>,
    pub(crate) interest: Interest,
    pub(crate) output: Output,
    /// Told how to reach into the sandbox, before the program is let go.
    pub(crate) begun: Box<dyn FnOnce(Arc<dyn Control>) + Send>,
}

impl Exec {
    /// Runs a program once.
    ///
    /// # Errors
    /// [`Error::Invalid`], [`Error::TooLarge`], [`Error::Busy`], [`Error::LanguageUnavailable`],
    /// [`Error::SandboxUnavailable`]. A program that fails is a result.
    pub async fn execute(&self, actor: &Actor, request: Execute) -> Result<Execution> {
        self.check_code(&request.code)?;
        self.check_env(&request.env)?;
        self.available(request.language)?;
        check_files(&request.files)?;
        let label = pentad_kernel::id::prefixed("exec_", 20);
        let timeout = self.timeout(request.timeout, None)?;
        let mut env = self.environment(request.env, &label, request.language);
        env.extend(self.storage_environment());
        let job = Job {
            env,
            stdin: request.stdin,
            workspace: Workspace {
                base: None,
                files: [self.modules(request.language), request.files].concat(),
            },
            limits: self.tightened(request.limits)?,
            run: self.run_limits(timeout),
            ..Job::new(request.language, request.code)
        };
        let ticket = self.admission().enter(&actor.organisation)?;
        let (interest, waiting) = Interest::new();
        let (exec, actor, language) = (self.clone(), actor.clone(), request.language);
        let task = self.spawn(async move {
            let _permit = interest.or_lost(ticket.place()).await?;
            let launch = Launch {
                actor,
                work: Work::Job(Box::new(job)),
                egress: None,
                interest,
                output: Output::Kept,
                begun: Box::new(|_| {}),
            };
            let mut outcome = exec.launch(launch).await?;
            if outcome.cancelled {
                return Err(Error::Cancelled);
            }
            Ok(Execution::of(&label, language, &mut outcome))
        });
        let outcome = task.await?;
        drop(waiting);
        outcome
    }

    /// Runs a program that has its place.
    pub(crate) async fn launch(&self, launch: Launch) -> Result<Outcome> {
        let Launch {
            actor,
            work,
            egress,
            interest,
            output,
            begun,
        } = launch;
        let (exec, watched) = (self.clone(), interest.clone());
        let kind = match &work {
            Work::Job(job) => job.language.as_str(),
            Work::Tool(_) => "tool",
        };
        let cancelled = interest.flag();
        let answers = Answers::default();
        let answering = answers.clone();
        let begin = Box::new(move |control: Arc<dyn Control>, listeners: Listeners| {
            watched.begin(Arc::clone(&control));
            begun(control);
            exec.answer(&actor, listeners, egress, &answering);
        });
        let outcome = self
            .engine()
            .run(
                work,
                Watch {
                    begin,
                    cancelled,
                    output,
                },
            )
            .await;
        interest.end();
        answers.stop();
        if let Ok(outcome) = &outcome {
            let end = match outcome.killed_by {
                Some(limit) => limit.as_str(),
                None if outcome.exit_code == 0 => "ok",
                None => "failed",
            };
            metrics::histogram!("pentad_exec_run_seconds", "language" => kind, "end" => end)
                .record(outcome.duration.as_secs_f64());
        }
        outcome
    }

    /// Refuses a language that is not installed, before anything else is done.
    pub(crate) fn available(&self, language: Language) -> Result<()> {
        self.engine().executor()?.runtimes().of(language)?;
        Ok(())
    }

    pub(crate) fn check_code(&self, code: &str) -> Result<()> {
        if code.is_empty() {
            return Err(Error::Invalid("code must not be empty".to_owned()));
        }
        if code.len() > self.settings().code_bytes {
            return Err(Error::TooLarge {
                what: "code",
                limit: self.settings().code_bytes as u64,
                name: "exec code_bytes",
            });
        }
        Ok(())
    }

    pub(crate) fn check_env(&self, env: &Env) -> Result<()> {
        let settings = self.settings();
        if env.len() > settings.env_names {
            return Err(Error::Invalid(format!(
                "env: more than {} variables (exec env_names)",
                settings.env_names
            )));
        }
        if env.bytes() > settings.env_bytes {
            return Err(Error::TooLarge {
                what: "env",
                limit: settings.env_bytes as u64,
                name: "exec env_bytes",
            });
        }
        Ok(())
    }

    /// The wall time of a run: the request's own, the session's, or the usual one.
    pub(crate) fn timeout(&self, asked: Option<Duration>, session: Option<Duration>) -> Result<Duration> {
        let settings = self.settings();
        let timeout = asked.or(session).unwrap_or(settings.default_timeout);
        if timeout.is_zero() {
            return Err(Error::Invalid("the timeout must be greater than zero".to_owned()));
        }
        if timeout > settings.max_timeout {
            return Err(Error::Invalid(format!(
                "the timeout must be at most {} seconds (exec max_timeout)",
                settings.max_timeout.as_secs()
            )));
        }
        Ok(timeout)
    }

    fn tightened(&self, tighter: TighterLimits) -> Result<Option<Limits>> {
        if tighter == TighterLimits::default() {
            return Ok(None);
        }
        let usual = self.engine().executor()?.limits();
        let least = |asked: Option<u64>, most: u64, floor: u64, name: &str| match asked {
            None => Ok(most),
            Some(asked) if (floor..=most).contains(&asked) => Ok(asked),
            Some(_) => Err(Error::Invalid(format!(
                "limits: {name} must be from {floor} to {most}"
            ))),
        };
        let processes = least(
            tighter.processes.map(u64::from),
            u64::from(usual.processes),
            4,
            "processes",
        )?;
        Ok(Some(Limits {
            memory_bytes: least(tighter.memory_bytes, usual.memory_bytes, 16 << 20, "memory_bytes")?,
            processes: u32::try_from(processes).unwrap_or(usual.processes),
            ..usual.clone()
        }))
    }

    pub(crate) fn run_limits(&self, timeout: Duration) -> RunLimits {
        RunLimits {
            timeout,
            kept_output_bytes: self.settings().output_bytes,
            streamed_output_bytes: self.settings().streamed_output_bytes,
            ..RunLimits::default()
        }
    }

    /// The variables of a run: those given, then those that every run has.
    pub(crate) fn environment(&self, given: Env, session: &str, language: Language) -> Vec<(String, String)> {
        let mut env: Vec<(String, String)> = given.into_variables().collect();
        let mut add = |name: &str, value: &str| env.push((name.to_owned(), value.to_owned()));
        add("ERA_SESSION", "true");
        add("ERA_SESSION_ID", session);
        add("ERA_LANGUAGE", language.as_str());
        if let Some(url) = &self.settings().public_url {
            add("ERA_BASE_URL", url);
        }
        env
    }

    /// How programs reach storage, where there is some.
    pub(crate) fn storage_environment(&self) -> Option<(String, String)> {
        self.storage().map(|_| {
            (
                "ERA_STORAGE_URL".to_owned(),
                format!("http://127.0.0.1:{STORAGE_PORT}"),
            )
        })
    }

    /// Answers what the program connects to.
    fn answer(&self, actor: &Actor, listeners: Listeners, egress: Option<Egress>, answers: &Answers) {
        if let (Some(storage), Some(listener)) = (self.storage(), listeners.storage) {
            let (storage, actor) = (Arc::clone(storage), actor.clone());
            answers.keep(self.spawn(accept(listener, move |connection| {
                let over = storage.connect(&actor, connection);
                async move { drop(over.await) }
            })));
        }
        if let (Some(egress), Some(listener)) = (egress, listeners.egress) {
            answers.keep(self.spawn(accept(listener, move |connection| {
                let egress = egress.clone();
                async move { egress.serve(connection).await }
            })));
        }
    }
}

/// What answers a program, until the program is gone.
#[derive(Clone, Default)]
struct Answers(Arc<Mutex<Vec<JoinHandle<()>>>>);

impl Answers {
    fn keep(&self, task: JoinHandle<()>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(task);
    }

    fn stop(&self) {
        let tasks = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        tasks.iter().for_each(JoinHandle::abort);
    }
}

/// Connections that one program may have open at once, to storage and to the internet each.
const CONNECTIONS: usize = 64;

/// Serves every connection of a listener, some at a time.
async fn accept<W: Future<Output = ()> + Send + 'static>(
    listener: std::net::TcpListener,
    serve: impl Fn(std::net::TcpStream) -> W + Send + 'static,
) {
    let listener = listener
        .set_nonblocking(true)
        .and_then(|()| tokio::net::TcpListener::from_std(listener));
    let Ok(listener) = listener else { return };
    // Dropped with this task, and all connections with it.
    let mut serving = tokio::task::JoinSet::new();
    loop {
        if serving.len() >= CONNECTIONS {
            serving.join_next().await;
        }
        let Ok((connection, _)) = listener.accept().await else {
            return;
        };
        while serving.try_join_next().is_some() {}
        if let Ok(connection) = connection.into_std() {
            serving.spawn(serve(connection));
        }
    }
}

/// Refuses files of which one would have to be a directory, or that a run fills itself.
fn check_files(files: &[InputFile]) -> Result<()> {
    let paths = || files.iter().map(|file| file.path.as_str());
    match paths().find(|path| is_reserved(path)) {
        Some(reserved) => Err(Error::ReservedPath(reserved.to_owned())),
        None => check_paths(paths()),
    }
}

/// The variables that lead programs to the proxy.
pub(crate) fn proxy_environment() -> impl Iterator<Item = (String, String)> {
    let proxy = format!("http://127.0.0.1:{EGRESS_PORT}");
    [
        "HTTP_PROXY",
        "HTTPS_PROXY",
        "http_proxy",
        "https_proxy",
        "ALL_PROXY",
    ]
    .map(|name| (name.to_owned(), proxy.clone()))
    .into_iter()
    .chain([
        ("NO_PROXY".to_owned(), "127.0.0.1,localhost".to_owned()),
        ("no_proxy".to_owned(), "127.0.0.1,localhost".to_owned()),
    ])
}
