//! Requests that reach into a session: to a port of the program that runs, or to the stored code.

use std::net::TcpStream;

use pentad_kernel::{Actor, ActorKind, ScopeSet, UserId};

use crate::run::{RunRequest, SessionRun};
use crate::session::{Session, SessionId};
use crate::{Error, Exec, Result, repository};

/// A session that takes requests.
#[derive(Clone, Debug)]
pub struct Target(Session);

impl Target {
    /// The session.
    #[must_use]
    pub fn session(&self) -> &Session {
        &self.0
    }
}

/// How a request reaches a session.
#[derive(Debug)]
pub enum Relayed {
    /// A connection to the port of the program that runs now.
    Port(TcpStream),
    /// No program runs: the stored code answers, see [`Exec::answer_request`].
    Code,
}

impl Exec {
    /// The session that a request names: one of the actor's, by its id, or any public one, by its key. Another
    /// organisation's id means nothing: two of them may have the same.
    ///
    /// # Errors
    /// [`Error::SessionNotFound`]; [`Error::PublicAccessDisabled`], which only its owner is told.
    pub async fn target(&self, actor: Option<&Actor>, id: &str) -> Result<Target> {
        let missing = || Error::SessionNotFound(id.chars().take(140).collect());
        if let (Some(actor), Ok(name)) = (actor, SessionId::parse(id)) {
            match repository::find(self.db(), &actor.organisation, &name).await {
                Ok(session) if session.allow_public => return Ok(Target(session)),
                Ok(session) => return Err(Error::PublicAccessDisabled(session.id.to_string())),
                Err(Error::SessionNotFound(_)) => {}
                Err(error) => return Err(error),
            }
        }
        match repository::by_key(self.db(), id).await? {
            Some(session) if session.allow_public => Ok(Target(session)),
            _ => Err(missing()),
        }
    }

    /// The way to the program that runs in the session now.
    ///
    /// # Errors
    /// [`Error::ProxyUnreachable`] when nothing listens on the port; [`Error::Elsewhere`] when another gateway runs
    /// the program.
    pub async fn reach(&self, target: &Target, port: u16) -> Result<Relayed> {
        let Some(control) = self.live().running(&target.0.key) else {
            let may_be = self.db().is_shared() && !self.live().is_taken(&target.0.key);
            if may_be && repository::is_running(self.db(), &target.0.key, self.now()).await? {
                return Err(Error::Elsewhere);
            }
            return Ok(Relayed::Code);
        };
        let dialled = tokio::task::spawn_blocking(move || control.dial(port)).await?;
        match dialled {
            Ok(connection) => Ok(Relayed::Port(connection)),
            // It may have ended in this very moment.
            Err(_) if self.live().running(&target.0.key).is_none() => Ok(Relayed::Code),
            Err(error) => {
                tracing::debug!(%error, port, "a program could not be reached");
                Err(Error::ProxyUnreachable(format!(
                    "nothing listens on port {port} of the program that runs in the session"
                )))
            }
        }
    }

    /// Runs the stored code for one request, which `variables` describe.
    ///
    /// # Errors
    /// As [`Exec::run`]; [`Error::NoCode`] when there is no code.
    pub async fn answer_request(
        &self,
        target: &Target,
        variables: Vec<(String, String)>,
    ) -> Result<SessionRun> {
        let request = RunRequest {
            request: variables,
            ..RunRequest::default()
        };
        self.run_in(&owner(&target.0), target.0.clone(), request).await
    }
}

/// The organisation of a session itself, for what strangers make its code do: storage, and nothing else.
fn owner(session: &Session) -> Actor {
    Actor {
        kind: ActorKind::ServiceKey,
        user: UserId::new(""),
        email: String::new(),
        organisation: session.organisation.clone(),
        key: None,
        key_name: Some(format!("requests to {}", session.id)),
        scopes: ScopeSet::parse(["storage:*"]).unwrap_or_default(),
        projects: Some(Vec::new()),
        is_admin: false,
    }
}
