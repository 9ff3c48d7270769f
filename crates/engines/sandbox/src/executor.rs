//! Programs in their languages: from source to outcome.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::backend::{Backend, Control, Sink, Slot};
use crate::error::{Error, Result};
use crate::outcome::Outcome;
use crate::pool::{Pool, PoolKind, PoolSizes, PoolState};
use crate::runtimes::go::{Built, GoTools};
use crate::runtimes::{Language, RuntimeKind, Runtimes, Start, base_env, deno, read_at_start};
use crate::spec::{EXECUTABLE, InputFile, Program, Run, Shape, Workspace};
use crate::{GuardReport, Limits, RunLimits, WorkspacePath};

/// How an executor works.
#[derive(Clone, Debug)]
pub struct ExecutorOptions {
    /// How many sandboxes wait.
    pub pool: PoolSizes,
    /// Limits of a run that does not ask for others.
    pub limits: Limits,
    /// Ports of 127.0.0.1 inside every sandbox that the caller may answer, see [`Placed::take_listener`].
    pub listen: Vec<u16>,
    /// Where Go's compiled standard library and compiled programs are kept. Without it there is no Go.
    pub state: Option<PathBuf>,
    /// Bytes of compiled programs kept.
    pub go_binaries_bytes: u64,
}

impl Default for ExecutorOptions {
    fn default() -> Self {
        Self {
            pool: PoolSizes::default(),
            limits: Limits::default(),
            listen: Vec::new(),
            state: None,
            go_binaries_bytes: 256 << 20,
        }
    }
}

/// A program to run.
#[derive(Clone, Debug)]
pub struct Job {
    /// Its language.
    pub language: Language,
    /// Its source.
    pub code: String,
    /// Environment beside the usual `PATH`, `HOME`, `LANG` and `TMPDIR`, which it may override.
    pub env: Vec<(String, String)>,
    /// Its standard input.
    pub stdin: Vec<u8>,
    /// The files it finds in its working directory.
    pub workspace: Workspace,
    /// Whether the caller answers for the internet, at one of [`ExecutorOptions::listen`]: Deno asks for leave to
    /// reach it, when it starts.
    pub internet: bool,
    /// Limits, where they differ from the executor's; then nothing that waits can be used.
    pub limits: Option<Limits>,
    /// Time and output.
    pub run: RunLimits,
}

impl Job {
    /// A program without files and with the usual limits.
    #[must_use]
    pub fn new(language: Language, code: impl Into<String>) -> Self {
        Self {
            language,
            code: code.into(),
            env: Vec::new(),
            stdin: Vec::new(),
            workspace: Workspace::default(),
            internet: false,
            limits: None,
            run: RunLimits::default(),
        }
    }
}

/// Runs programs in five languages, on sandboxes that wait for them.
pub struct Executor {
    backend: Arc<dyn Backend>,
    runtimes: Runtimes,
    options: ExecutorOptions,
    pool: Pool,
    go: Option<Arc<GoTools>>,
}

/// A program in its sandbox, ready to go.
pub struct Placed<'executor> {
    executor: &'executor Executor,
    place: Place,
    build: Option<Duration>,
}

enum Place {
    Ready {
        slot: Box<dyn Slot>,
        run: Box<Run>,
    },
    /// The source is in error; there is nothing to run.
    Refused(Box<Outcome>),
}

impl Executor {
    /// Starts keeping sandboxes ready.
    ///
    /// # Errors
    /// When the state directory cannot be used.
    pub fn start(backend: Arc<dyn Backend>, runtimes: Runtimes, options: ExecutorOptions) -> Result<Self> {
        let pool = Pool::start(Arc::clone(&backend), options.pool.clone())
            .map_err(Error::io("starting a thread"))?;
        let go = match (&options.state, runtimes.of(Language::Go)) {
            (Some(state), Ok(runtime)) => {
                std::fs::create_dir_all(state).map_err(Error::io("making the state directory"))?;
                // Who makes sandboxes works in another directory than this process.
                let state = std::path::absolute(state).map_err(Error::io("making the state directory"))?;
                let tools = GoTools::new(runtime.clone(), &state, options.go_binaries_bytes);
                Some(Arc::new(tools.map_err(Error::io("making the state directory"))?))
            }
            _ => None,
        };
        let executor = Self {
            backend,
            runtimes,
            options,
            pool,
            go,
        };
        for (kind, language) in [
            (PoolKind::Python, Language::Python),
            (PoolKind::Node, Language::Node),
            (PoolKind::Deno, Language::Deno),
        ] {
            if executor.runtimes.of(language).is_ok() {
                executor.pool.keep(
                    kind,
                    executor.interpreter_shape(language, &executor.options.limits, &[], Start::InAdvance)?,
                );
            }
        }
        executor
            .pool
            .keep(PoolKind::Empty, executor.empty_shape(&executor.options.limits));
        if let Some(go) = &executor.go
            && go.is_prepared()
        {
            executor.pool.keep(PoolKind::GoBuild, go.build_shape());
        }
        Ok(executor)
    }

    /// What isolates programs here.
    #[must_use]
    pub fn guards(&self) -> &GuardReport {
        self.backend.guards()
    }

    /// The runtimes found.
    #[must_use]
    pub fn runtimes(&self) -> &Runtimes {
        &self.runtimes
    }

    /// How the pools are doing.
    #[must_use]
    pub fn pools(&self) -> BTreeMap<PoolKind, PoolState> {
        self.pool.states()
    }

    /// Waits until as many sandboxes wait as should, at most `timeout`; false when the time was over.
    #[must_use]
    pub fn wait_filled(&self, timeout: Duration) -> bool {
        self.pool.wait_filled(timeout)
    }

    /// Does, once, what takes long: compiles Go's standard library. Without this call the first Go program
    /// waits for it. Best called on a thread of its own at the start of a server.
    ///
    /// # Errors
    /// When it does not compile, or cannot be kept.
    pub fn prepare_go(&self) -> Result<()> {
        let go = self.go()?;
        if !go.is_prepared() {
            go.prepare(self.backend.as_ref())?;
        }
        if !self.pool.states().contains_key(&PoolKind::GoBuild) {
            self.pool.keep(PoolKind::GoBuild, go.build_shape());
        }
        Ok(())
    }

    /// Gives up what takes long and serves no run, so that the executor can be dropped at once.
    pub fn stop(&self) {
        if let Some(go) = &self.go {
            go.stop();
        }
    }

    /// Runs a program to its end.
    ///
    /// # Errors
    /// When its language is not available, or the sandbox fails; an error of the program is an [`Outcome`].
    pub fn execute(&self, job: Job, sink: &mut dyn Sink) -> Result<Outcome> {
        self.place(job)?.run(sink)
    }

    /// Puts a program into a sandbox without letting it go: compiles it, if its language wants that.
    ///
    /// # Errors
    /// As [`execute`](Self::execute).
    pub fn place(&self, job: Job) -> Result<Placed<'_>> {
        let started = Instant::now();
        let language = job.language;
        self.runtimes.of(language)?;
        let mut build = None;
        let place = match language {
            Language::Go => {
                let place = self.place_go(job)?;
                build = Some(started.elapsed());
                place
            }
            Language::Python => {
                let message = python_message(&job);
                self.place_interpreted(PoolKind::Python, job, &message)?
            }
            Language::Node => {
                let env = environment(&job.env);
                let message = json!({ "language": "node", "code": job.code, "env": env, "modules": {}, "commonjs": {} });
                self.place_interpreted(PoolKind::Node, job, message.to_string().as_bytes())?
            }
            Language::TypeScript => self.place_typescript(job)?,
            Language::Deno => self.place_deno(job)?,
        };
        Ok(Placed {
            executor: self,
            place,
            build,
        })
    }

    /// Puts a program of one's own into a sandbox without letting it go: for tools such as package managers.
    /// It sees every runtime that was found, at the place that [`Runtime::program`](crate::Runtime) names.
    ///
    /// # Errors
    /// When the sandbox fails.
    pub fn place_program(
        &self,
        program: Program,
        workspace: Workspace,
        limits: &Limits,
        run: RunLimits,
    ) -> Result<Placed<'_>> {
        let mounts = self.runtimes.iter().flat_map(|runtime| runtime.mounts.clone());
        let shape = Shape {
            mounts: mounts.collect(),
            ..self.shape(limits)
        };
        let mut env = base_env();
        env.retain(|(name, _)| !program.env.iter().any(|(given, _)| given == name));
        env.extend(program.env);
        let run = Run {
            program: Some(Program {
                argv: program.argv,
                env,
            }),
            workspace,
            limits: run,
            ..Run::default()
        };
        Ok(Placed {
            executor: self,
            place: Place::Ready {
                slot: self.backend.prepare(&shape)?,
                run: Box::new(run),
            },
            build: None,
        })
    }

    /// The limits of a run that does not ask for others.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.options.limits
    }

    fn go(&self) -> Result<&GoTools> {
        self.runtimes.of(Language::Go)?;
        self.go.as_deref().ok_or_else(|| Error::LanguageUnavailable {
            language: "go",
            remedy: "no state directory is configured to keep its compiled standard library in".into(),
        })
    }

    fn shape(&self, limits: &Limits) -> Shape {
        Shape {
            limits: limits.clone(),
            listen: self.options.listen.clone(),
            ..Shape::default()
        }
    }

    /// A sandbox for a compiled program, or for any interpreter.
    fn empty_shape(&self, limits: &Limits) -> Shape {
        let interpreters = self
            .runtimes
            .iter()
            .filter(|runtime| runtime.kind != RuntimeKind::Go);
        let mounts = interpreters.flat_map(|runtime| runtime.mounts.clone()).collect();
        Shape {
            mounts,
            ..self.shape(limits)
        }
    }

    fn interpreter_shape(
        &self,
        language: Language,
        limits: &Limits,
        env: &[(String, String)],
        start: Start,
    ) -> Result<Shape> {
        let runtime = self.runtimes.of(language)?;
        Ok(Shape {
            mounts: runtime.mounts.clone(),
            interpreter: Some(runtime.interpreter(limits, env, &self.options.listen, start)),
            ..self.shape(limits)
        })
    }

    /// A waiting interpreter; or, with limits of the job's own or variables that are read at the start, a
    /// fresh one.
    fn place_interpreted(&self, kind: PoolKind, job: Job, message: &[u8]) -> Result<Place> {
        let own_limits = job
            .limits
            .as_ref()
            .filter(|limits| **limits != self.options.limits);
        let start = if job.internet && kind == PoolKind::Deno {
            Start::Online
        } else {
            Start::AtOnce
        };
        let fresh = own_limits.is_some()
            || start == Start::Online
            || job.env.iter().any(|(name, _)| read_at_start(name));
        let mut program = None;
        let slot = if own_limits.is_none() && fresh {
            // An interpreter of its own, in a sandbox that waits all the same.
            let runtime = self.runtimes.of(job.language)?;
            let limits = &self.options.limits;
            program = Some(
                runtime
                    .interpreter(limits, &job.env, &self.options.listen, start)
                    .program,
            );
            match self.pool.take(PoolKind::Empty) {
                Some(slot) => slot?,
                None => self.backend.prepare(&self.empty_shape(limits))?,
            }
        } else {
            match (own_limits, if fresh { None } else { self.pool.take(kind) }) {
                (None, Some(slot)) => slot?,
                (limits, _) => {
                    let limits = limits.unwrap_or(&self.options.limits);
                    let shape = self.interpreter_shape(job.language, limits, &job.env, start)?;
                    self.backend.prepare(&shape)?
                }
            }
        };
        let mut payload = (message.len() as u32).to_le_bytes().to_vec();
        payload.extend_from_slice(message);
        let run = Run {
            announces: program.is_some(),
            program,
            payload,
            stdin: job.stdin,
            workspace: job.workspace,
            limits: job.run,
            ..Run::default()
        };
        Ok(Place::Ready {
            slot,
            run: Box::new(run),
        })
    }

    fn place_deno(&self, mut job: Job) -> Result<Place> {
        let main = WorkspacePath::parse(deno::MAIN).map_err(|error| Error::Io {
            doing: "naming the main file",
            source: std::io::Error::new(std::io::ErrorKind::InvalidInput, error),
        })?;
        let below = format!("{main}/");
        job.workspace
            .files
            .retain(|file| file.path != main && !file.path.as_str().starts_with(&below));
        job.workspace
            .files
            .push(InputFile::injected(main, deno::program(&job.code).as_bytes()));
        let message = json!({ "env": environment(&job.env), "main": deno::MAIN });
        self.place_interpreted(PoolKind::Deno, job, message.to_string().as_bytes())
    }

    #[cfg(feature = "typescript")]
    fn place_typescript(&self, job: Job) -> Result<Place> {
        let made = match crate::runtimes::typescript::program(&job.code, &job.workspace)? {
            Ok(made) => made,
            Err(message) => return Ok(Place::Refused(Box::new(Outcome::source_error(&message)))),
        };
        let message = json!({
            "language": "typescript", "code": made.main.code, "script": made.main.commonjs,
            "env": environment(&job.env), "modules": made.modules, "commonjs": made.commonjs,
        });
        self.place_interpreted(PoolKind::Node, job, message.to_string().as_bytes())
    }

    #[cfg(not(feature = "typescript"))]
    fn place_typescript(&self, _job: Job) -> Result<Place> {
        Err(Error::LanguageUnavailable {
            language: "typescript",
            remedy: "build pentad-sandbox with its feature `typescript`".into(),
        })
    }

    fn place_go(&self, job: Job) -> Result<Place> {
        let go = self.go()?;
        self.prepare_go()?;
        let built = go.build(&job.code, &job.workspace, || {
            match self.pool.take(PoolKind::GoBuild) {
                Some(slot) => slot,
                None => self.backend.prepare(&go.build_shape()),
            }
        })?;
        let binary = match built {
            Built::Binary(binary) => binary,
            Built::Refused(outcome) => return Ok(Place::Refused(outcome)),
        };
        let own_limits = job
            .limits
            .as_ref()
            .filter(|limits| **limits != self.options.limits);
        let waiting = if own_limits.is_some() {
            None
        } else {
            self.pool.take(PoolKind::Empty)
        };
        let slot = match waiting {
            Some(slot) => slot?,
            None => self
                .backend
                .prepare(&self.shape(own_limits.unwrap_or(&self.options.limits)))?,
        };
        let env = environment(&job.env).into_iter().collect();
        let run = Run {
            program: Some(Program {
                argv: vec![EXECUTABLE.into()],
                env,
            }),
            executable: Some(binary),
            stdin: job.stdin,
            workspace: job.workspace,
            limits: job.run,
            ..Run::default()
        };
        Ok(Place::Ready {
            slot,
            run: Box::new(run),
        })
    }
}

impl Placed<'_> {
    /// The caller's end of one of [`ExecutorOptions::listen`].
    pub fn take_listener(&mut self, port: u16) -> Option<TcpListener> {
        match &mut self.place {
            Place::Ready { slot, .. } => slot.take_listener(port),
            Place::Refused(_) => None,
        }
    }

    /// A handle for other threads; `None` when there is nothing to run.
    #[must_use]
    pub fn control(&self) -> Option<Box<dyn Control>> {
        match &self.place {
            Place::Ready { slot, .. } => Some(slot.control()),
            Place::Refused(_) => None,
        }
    }

    /// Lets the program go, and returns when all of it is gone.
    ///
    /// # Errors
    /// Only for failures of the sandbox.
    pub fn run(self, sink: &mut dyn Sink) -> Result<Outcome> {
        let mut outcome = match self.place {
            Place::Refused(outcome) => *outcome,
            Place::Ready { slot, run } => {
                let _underway = self.executor.pool.underway();
                slot.run(*run, sink)?
            }
        };
        outcome.build = self.build;
        Ok(outcome)
    }
}

/// The whole environment of a program.
fn environment(given: &[(String, String)]) -> BTreeMap<String, String> {
    base_env().into_iter().chain(given.iter().cloned()).collect()
}

/// What Python reads without loading anything: the number of variables, each ended by NUL, then the source.
fn python_message(job: &Job) -> Vec<u8> {
    let env = environment(&job.env);
    let mut message = (env.len() as u32).to_le_bytes().to_vec();
    for (name, value) in env {
        message.extend(format!("{name}={value}\0").into_bytes());
    }
    message.extend(job.code.as_bytes());
    message
}
