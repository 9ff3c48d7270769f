//! Who is asking.

use crate::{KeyId, OrganisationId, Scope, ScopeSet, UserId};

/// By which kind of credential the actor came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ActorKind {
    /// A key of the person's own: does whatever the person may do, within its scopes.
    UserKey,
    /// A key of the organisation: reaches exactly what its scopes and its project list say.
    ServiceKey,
    /// The person's browser, by cookie.
    WebSession,
    /// Nobody in particular, on a gateway that is open to its own machine.
    Local,
}

/// Who is asking, and what they may do: the first argument of every domain call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Actor {
    /// The kind of credential.
    pub kind: ActorKind,
    /// The person; for a service key the one who minted it.
    pub user: UserId,
    /// The person's e-mail address.
    pub email: String,
    /// The organisation in which everything the actor does takes place.
    pub organisation: OrganisationId,
    /// The key, when a key was used.
    pub key: Option<KeyId>,
    /// The name the key was given.
    pub key_name: Option<String>,
    /// What the credential grants.
    pub scopes: ScopeSet,
    /// The only projects that a service key may touch; `None` for no such list.
    pub projects: Option<Vec<String>>,
    /// Whether the person administers the whole platform.
    pub is_admin: bool,
}

impl Actor {
    /// Whether the actor's credential grants the scope.
    pub const fn allows(&self, scope: Scope) -> bool {
        self.scopes.allows(scope)
    }

    /// Whether the actor is a service key.
    pub fn is_service_key(&self) -> bool {
        self.kind == ActorKind::ServiceKey
    }
}
