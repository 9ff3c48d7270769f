//! Installing packages and running commands when a session is made.

use std::time::{Duration, Instant};

use pentad_kernel::Actor;
use pentad_sandbox::{Limits, Outcome, Program, RunLimits, RuntimeKind};
use serde_json::{Value, json};

use crate::egress::Egress;
use crate::engine::{Chain, Output, Tool, Work};
use crate::execution::{Launch, proxy_environment};
use crate::interest::Interest;
use crate::run::Turn;
use crate::session::{Env, Object, Session};
use crate::workspace::Finished;
use crate::{Error, Exec, Result, repository};

/// Where packages of Python lie in a workspace.
const PYTHON_PACKAGES: &str = ".python";
/// Where packages come from, and nothing else may be reached.
const REGISTRIES: [&str; 6] = [
    "pypi.org",
    "files.pythonhosted.org",
    "registry.npmjs.org",
    "proxy.golang.org",
    "sum.golang.org",
    "storage.googleapis.com",
];
/// Packages of one kind.
const MOST_PACKAGES: usize = 100;
/// Commands.
const MOST_COMMANDS: usize = 20;
/// Longest name of a package with its version, longest command.
const LONGEST: usize = 4096;

/// What a session is made with.
#[derive(Clone, Debug, Default)]
pub struct Setup {
    /// Packages of Python, as pip names them.
    pub pip: Vec<String>,
    /// The text of a `requirements.txt`.
    pub requirements: Option<String>,
    /// Packages of Node, as npm names them.
    pub npm: Vec<String>,
    /// The text of a `package.json`.
    pub package_json: Option<String>,
    /// Modules of Go.
    pub go: Vec<String>,
    /// The text of a `go.mod`.
    pub go_mod: Option<String>,
    /// Commands for the shell, run in their order after the packages.
    pub commands: Vec<String>,
    /// Environment of all of it; never stored.
    pub env: Env,
}

/// One program that a setup runs.
struct Step {
    what: &'static str,
    argv: Vec<String>,
    files: Vec<(&'static str, String)>,
}

impl Setup {
    /// Refuses what is no package, and too much of everything.
    ///
    /// # Errors
    /// [`Error::Invalid`] names the package.
    pub(crate) fn check(&self) -> Result<()> {
        for (kind, names) in [("pip", &self.pip), ("npm", &self.npm), ("go", &self.go)] {
            if names.len() > MOST_PACKAGES {
                return Err(Error::Invalid(format!(
                    "setup: more than {MOST_PACKAGES} packages of {kind}"
                )));
            }
            if let Some(wrong) = names.iter().find(|name| !is_package(name)) {
                let shown: String = wrong.chars().take(100).collect();
                return Err(Error::Invalid(format!(
                    "setup: {shown:?} is no name of a package of {kind}"
                )));
            }
        }
        if self.commands.len() > MOST_COMMANDS {
            return Err(Error::Invalid(format!(
                "setup: more than {MOST_COMMANDS} commands"
            )));
        }
        let wrong =
            |command: &&String| command.is_empty() || command.len() > LONGEST || command.contains('\0');
        if self.commands.iter().any(|command| wrong(&command)) {
            return Err(Error::Invalid(format!(
                "setup: a command has 1 to {LONGEST} bytes and no NUL"
            )));
        }
        Ok(())
    }

    /// What is told of it afterwards: all but the environment.
    pub(crate) fn as_object(&self) -> Object {
        let mut told = Object::new();
        let pip = match &self.requirements {
            Some(text) => json!({ "requirements": text }),
            None => json!(self.pip),
        };
        let npm = match &self.package_json {
            Some(text) => json!({ "packageJson": text }),
            None => json!(self.npm),
        };
        let go = match &self.go_mod {
            Some(text) => json!({ "goMod": text }),
            None => json!(self.go),
        };
        for (name, value) in [
            ("pip", pip),
            ("npm", npm),
            ("go", go),
            ("commands", json!(self.commands)),
        ] {
            if value.as_array().is_none_or(|items| !items.is_empty()) {
                told.insert(name.to_owned(), value);
            }
        }
        told
    }

    fn steps(&self, exec: &Exec) -> Result<Vec<Step>> {
        let runtimes = exec.engine().executor()?.runtimes();
        let program = |kind: RuntimeKind| {
            let found = runtimes.iter().find(|runtime| runtime.kind == kind);
            found
                .map(|runtime| runtime.program.clone())
                .ok_or_else(|| Error::LanguageUnavailable(kind.remedy().to_owned()))
        };
        let words = |fixed: &[&str], names: &[String]| -> Vec<String> {
            fixed
                .iter()
                .map(|word| (*word).to_owned())
                .chain(names.iter().cloned())
                .collect()
        };
        let mut steps = Vec::new();
        if !self.pip.is_empty() || self.requirements.is_some() {
            let python = program(RuntimeKind::Python)?;
            let mut argv = words(
                &[
                    &python,
                    "-m",
                    "pip",
                    "install",
                    "--no-input",
                    "--disable-pip-version-check",
                    "--no-cache-dir",
                    "--no-warn-script-location",
                    "--target",
                    PYTHON_PACKAGES,
                    "--upgrade",
                ],
                &self.pip,
            );
            let mut files = Vec::new();
            if let Some(text) = &self.requirements {
                argv.extend(["-r".to_owned(), "requirements.txt".to_owned()]);
                files.push(("requirements.txt", text.clone()));
            }
            steps.push(Step {
                what: "pip",
                argv,
                files,
            });
        }
        if !self.npm.is_empty() || self.package_json.is_some() {
            let node = program(RuntimeKind::Node)?;
            let npm = match node.strip_suffix("/bin/node") {
                Some(prefix) => format!("{prefix}/bin/npm"),
                None => "npm".to_owned(),
            };
            let files = self
                .package_json
                .iter()
                .map(|text| ("package.json", text.clone()));
            steps.push(Step {
                what: "npm",
                argv: words(
                    &[
                        &npm,
                        "install",
                        "--no-audit",
                        "--no-fund",
                        "--cache",
                        "/tmp/npm",
                        "--",
                    ],
                    &self.npm,
                ),
                files: files.collect(),
            });
        }
        if !self.go.is_empty() || self.go_mod.is_some() {
            let go = program(RuntimeKind::Go)?;
            let text = self.go_mod.clone().unwrap_or_else(|| "module main\n".to_owned());
            let names = if self.go.is_empty() {
                vec!["all".to_owned()]
            } else {
                self.go.clone()
            };
            let imports: String = self
                .go
                .iter()
                .map(|name| format!("import _ {:?}\n", name.split('@').next().unwrap_or(name)))
                .collect();
            // Only what is imported is vendored, and there is no program yet that imports it.
            let files = vec![
                ("go.mod", text),
                (
                    "packages.go",
                    format!("//go:build packages\n\npackage main\n\n{imports}"),
                ),
            ];
            steps.push(Step {
                what: "go",
                argv: words(&[&go, "get", "--"], &names),
                files,
            });
            steps.push(Step {
                what: "go",
                argv: words(&[&go, "mod", "vendor"], &[]),
                files: Vec::new(),
            });
        }
        for command in &self.commands {
            let argv = words(&["/bin/sh", "-c"], std::slice::from_ref(command));
            steps.push(Step {
                what: "command",
                argv,
                files: Vec::new(),
            });
        }
        Ok(steps)
    }
}

/// Whether a text can be a package with its version, and neither an option nor a path.
fn is_package(name: &str) -> bool {
    let first = name
        .chars()
        .next()
        .is_some_and(|first| first.is_ascii_alphanumeric() || first == '@');
    let usual = |c: char| c.is_ascii_alphanumeric() || "._-@/^~<>=!,[]*+ ".contains(c);
    first && name.len() <= 214 && name.chars().all(usual) && !name.contains("..")
}

impl Exec {
    /// Starts installing, in the background.
    pub(crate) fn begin_setup(&self, actor: &Actor, session: &Session, setup: Setup) {
        let (exec, actor, session) = (self.clone(), actor.clone(), session.clone());
        drop(self.spawn(async move {
            let (key, started) = (session.key.clone(), Instant::now());
            let mut report = Report::default();
            let outcome = exec.set_up(&actor, &session, &setup, &mut report).await;
            let error = outcome.err().map(|error| Chain(&error).to_string());
            let status = if error.is_none() { "completed" } else { "failed" };
            let result = report.finish(&setup, error.as_deref(), started.elapsed());
            if let Err(error) =
                repository::set_setup(exec.db(), &key, status, Some(&result), exec.now()).await
            {
                tracing::warn!(%error, "the end of a setup could not be written down");
            }
        }));
    }

    async fn set_up(
        &self,
        actor: &Actor,
        session: &Session,
        setup: &Setup,
        report: &mut Report,
    ) -> Result<()> {
        let steps = setup.steps(self)?;
        let _one_of_few = self.setups().enter(&session.organisation)?.place().await?;
        repository::set_setup(self.db(), &session.key, "running", None, self.now()).await?;
        let deadline = Instant::now() + self.settings().setup_timeout;
        for step in steps {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(Error::Invalid(format!(
                    "the setup took longer than {} seconds (exec setup_timeout)",
                    self.settings().setup_timeout.as_secs()
                )));
            }
            self.step(actor, session, setup, step, left, report).await?;
        }
        Ok(())
    }

    async fn step(
        &self,
        actor: &Actor,
        session: &Session,
        setup: &Setup,
        step: Step,
        left: Duration,
        report: &mut Report,
    ) -> Result<()> {
        for (name, text) in &step.files {
            let mut upload = self.upload();
            upload.write(text.as_bytes())?;
            self.put_file(actor, &session.id, name, None, upload).await?;
        }
        // Not one of those who run programs: a setup has a place of its own.
        let interest = Interest::default();
        let ticket = self.setup_steps().enter(&session.organisation)?;
        let turn = self.turn(&session.key, &session.id, ticket, &interest).await?;
        let outcome = self.step_now(&turn, actor, setup, &step, left, interest).await;
        if outcome.is_err() {
            turn.give_up().await;
        }
        let mut outcome = outcome?;
        report.take(&mut outcome);
        match (outcome.exit_code, outcome.killed_by) {
            (0, None) => Ok(()),
            (_, Some(limit)) if outcome.stopped => {
                Err(Error::Invalid(format!("{} was stopped: {limit}", step.what)))
            }
            (code, _) => Err(Error::Invalid(format!(
                "{} ended with exit code {code}",
                step.what
            ))),
        }
    }

    async fn step_now(
        &self,
        turn: &Turn,
        actor: &Actor,
        setup: &Setup,
        step: &Step,
        left: Duration,
        interest: Interest,
    ) -> Result<Outcome> {
        let Some(session) = repository::by_key(self.db(), turn.key()).await? else {
            return Err(Error::SessionNotFound(turn.key().to_owned()));
        };
        let (workspace, in_use) = self.files_for_run(&session).await?;
        let tool = Tool {
            program: Program {
                argv: step.argv.clone(),
                env: self.setup_environment(setup, &session),
            },
            workspace,
            limits: Limits {
                memory_bytes: 1 << 30,
                processes: 256,
                cpu_millis: 2000,
                tmp_bytes: 512 << 20,
                ..self.engine().executor()?.limits().clone()
            },
            run: RunLimits {
                timeout: left,
                kept_output_bytes: 256 << 10,
                ..RunLimits::default()
            },
        };
        let mut outcome = self
            .launch(Launch {
                actor: actor.clone(),
                work: Work::Tool(Box::new(tool)),
                egress: Some(self.registries()),
                interest,
                output: Output::Kept,
                begun: Box::new(|_| {}),
            })
            .await?;
        drop(in_use);
        let changes = outcome.take_changes();
        let committed = self
            .commit(Finished {
                session: &Session {
                    persistent: true,
                    ..session
                },
                epoch: turn.epoch,
                changes,
                asked_data: None,
                without_secrets: true,
            })
            .await?;
        match committed.refused {
            Some(full) => Err(full),
            None => Ok(outcome),
        }
    }

    fn registries(&self) -> Egress {
        match self.settings().registries.as_slice() {
            [] => Egress::new(&REGISTRIES.map(str::to_owned)),
            named => Egress::trusted(named),
        }
    }

    fn setup_environment(&self, setup: &Setup, session: &Session) -> Vec<(String, String)> {
        let mut env = self.environment(setup.env.clone(), session.id.as_str(), session.language);
        env.extend(proxy_environment());
        let go = [
            ("GOPATH", "/tmp/go"),
            ("GOCACHE", "/tmp/go-cache"),
            ("GOFLAGS", "-mod=mod"),
            ("GOTOOLCHAIN", "local"),
            ("GOTELEMETRY", "off"),
            ("npm_config_update_notifier", "false"),
        ];
        env.extend(go.map(|(name, value)| (name.to_owned(), value.to_owned())));
        env
    }

    /// How programs of a session find its packages.
    pub(crate) fn package_environment(&self, session: &Session) -> Option<(String, String)> {
        let has_python = session
            .setup
            .as_ref()
            .is_some_and(|setup| setup.contains_key("pip"));
        (has_python && session.language == pentad_sandbox::Language::Python).then(|| {
            (
                "PYTHONPATH".to_owned(),
                format!("{}/{PYTHON_PACKAGES}", pentad_sandbox::WORKSPACE),
            )
        })
    }
}

/// What the steps have said.
#[derive(Default)]
struct Report {
    stdout: String,
    stderr: String,
}

impl Report {
    fn take(&mut self, outcome: &mut Outcome) {
        self.stdout.push_str(&outcome.stdout.text);
        self.stderr.push_str(&outcome.stderr.text);
    }

    fn finish(&self, setup: &Setup, error: Option<&str>, took: Duration) -> Value {
        json!({
            "success": error.is_none(),
            "duration_ms": u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
            "pip_packages": setup.pip,
            "npm_packages": setup.npm,
            "go_packages": setup.go,
            "commands": setup.commands.len(),
            "stdout": last(&self.stdout),
            "stderr": last(&self.stderr),
            "error": error,
        })
    }
}

/// The end of a text, which says how it went.
fn last(text: &str) -> &str {
    const MOST: usize = 64 << 10;
    let mut start = text.len().saturating_sub(MOST);
    while !text.is_char_boundary(start) {
        start += 1;
    }
    &text[start..]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_are_names_and_nothing_else() {
        for good in [
            "requests",
            "requests==2.31.0",
            "numpy>=1.2,<2",
            "uvicorn[standard]",
            "@types/node@20",
            "lodash@^4.17",
            "github.com/google/uuid@v1.6.0",
            "left-pad@1.x",
        ] {
            assert!(is_package(good), "{good}");
        }
        for bad in [
            "",
            "-r/etc/passwd",
            "--index-url=http://x",
            "../x",
            "a; rm -rf /",
            "$(id)",
            "a|b",
            "./x",
            "/x",
            "git+https://x",
            "a&b",
            "x\ny",
            "`id`",
            "file:x",
        ] {
            assert!(!is_package(bad), "{bad}");
        }
    }
}
