//! Who may reach an operation.

use pentad_kernel::Scope;

/// Who may reach an operation: declared once, beside the handler. Enforcement, the document's security
/// section and the scope table all read it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Everybody.
    Public,
    /// Everybody; who shows a key that works, or is on this machine on a gateway open to it, is known by a
    /// [`crate::Visitor`].
    Visitor,
    /// A key that holds any of these scopes.
    Key(&'static [Scope]),
    /// A person's own key. Service keys never pass.
    User,
    /// A key that holds any of these scopes, or nobody in particular on a gateway open to its own machine.
    Exec(&'static [Scope]),
    /// A key that holds any of these scopes; an unknown key is forbidden, not unauthenticated (contract of
    /// seed 004, section 1).
    Ingest(&'static [Scope]),
    /// A browser session, or a key that holds any of these scopes.
    Browser(&'static [Scope]),
    /// A platform administrator, by browser session or by own key.
    Admin,
    /// A platform administrator's key, or anybody on this machine: for probes and scrapers.
    Operator,
    /// Any credential at all: the handler decides by [`crate::Principal::require`] once it has read which
    /// surface the request is meant for.
    Credential,
}

impl Access {
    /// The scopes that open the operation to a key.
    pub const fn scopes(self) -> &'static [Scope] {
        match self {
            Self::Key(scopes) | Self::Exec(scopes) | Self::Ingest(scopes) | Self::Browser(scopes) => scopes,
            Self::Public | Self::Visitor | Self::User | Self::Admin | Self::Operator | Self::Credential => {
                &[]
            }
        }
    }

    /// Whether a browser session opens it.
    pub const fn takes_cookie(self) -> bool {
        matches!(self, Self::Browser(_) | Self::Admin | Self::Credential)
    }
}
