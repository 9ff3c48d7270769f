//! How the watchers of a user's daemons are, as the daemons last said.

use pentad_kernel::Actor;
use serde::{Deserialize, Serialize};

use crate::summary::head;
use crate::{Error, Result, SessionSync};

/// Watchers of one user.
const MAX_WATCHERS: usize = 100;
/// Characters of a text of a watcher.
const TEXT_CHARS: usize = 1_000;

/// One watcher of a daemon.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Watcher {
    /// The tool it watches.
    pub name: String,
    /// How it is, in the daemon's words: `healthy`, `degraded`, …
    pub health: String,
    /// Since when it is degraded, as the daemon wrote it.
    #[serde(default)]
    pub degraded_since: Option<String>,
    /// What went wrong last.
    #[serde(default)]
    pub last_error: Option<String>,
    /// Sessions it has seen.
    #[serde(default)]
    pub sessions_tracked: i64,
}

impl SessionSync {
    /// How the watchers of the actor's daemons are; none when no daemon has said.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn capture_health(&self, actor: &Actor) -> Result<Vec<Watcher>> {
        let text = self.identity.profile(&actor.user).await?.capture_health;
        let watchers = text.and_then(|text| serde_json::from_str(&text).ok());
        Ok(watchers.unwrap_or_default())
    }

    /// Notes how the watchers of the actor's daemons are, in place of what was noted before.
    ///
    /// # Errors
    /// [`Error::Field`] for too many.
    pub async fn set_capture_health(&self, actor: &Actor, watchers: Vec<Watcher>) -> Result<usize> {
        if watchers.len() > MAX_WATCHERS {
            return Err(Error::Field {
                field: "watchers",
                message: format!("watchers must be at most {MAX_WATCHERS}"),
            });
        }
        let clean = |text: String| head(&text.replace('\0', ""), TEXT_CHARS);
        let watchers: Vec<Watcher> = watchers
            .into_iter()
            .map(|watcher| Watcher {
                name: clean(watcher.name),
                health: clean(watcher.health),
                degraded_since: watcher.degraded_since.map(clean),
                last_error: watcher.last_error.map(clean),
                sessions_tracked: watcher.sessions_tracked,
            })
            .collect();
        let text = serde_json::to_string(&watchers).expect("plain data has a JSON form");
        self.identity.set_capture_health(&actor.user, &text).await?;
        Ok(watchers.len())
    }
}
