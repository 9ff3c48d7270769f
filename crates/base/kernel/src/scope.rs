//! What a key may do.

use std::fmt;

macro_rules! scopes {
    ($($(#[$meta:meta])* $variant:ident => $name:literal,)*) => {
        /// One permission. A route declares which scopes open it; a key carries the scopes it was given.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Scope { $($(#[$meta])* $variant,)* }

        impl Scope {
            /// Every scope that can be granted by name.
            pub const ALL: &[Scope] = &[$(Scope::$variant,)*];

            /// The name, as it stands in keys, documents and errors.
            pub const fn name(self) -> &'static str {
                match self { $(Scope::$variant => $name,)* }
            }
        }
    };
}

scopes! {
    /// Search grep sessions and read their files.
    GrepRead => "grep:read",
    /// Create, extend, stop and restart grep sessions.
    GrepWrite => "grep:write",
    /// Read and query memories.
    MemoriesRead => "memories:read",
    /// Store, supersede and erase memories.
    MemoriesWrite => "memories:write",
    /// Read execution sessions and their files.
    ExecRead => "exec:read",
    /// Run code and change execution sessions.
    ExecRun => "exec:run",
    /// Read key-value, SQL and object storage.
    StorageRead => "storage:read",
    /// Write key-value, SQL and object storage.
    StorageWrite => "storage:write",
    /// Read recorded runs.
    RunsRead => "runs:read",
    /// Record runs and send commands to their agents.
    RunsWrite => "runs:write",
    /// Record runs, and nothing else: what a DSN key carries.
    RunsIngest => "runs:ingest",
    /// Read handoffs, their comments and events.
    HandoffsRead => "handoffs:read",
    /// Create, claim, revoke, decline and comment on handoffs.
    HandoffsWrite => "handoffs:write",
    /// Read tickets.
    TicketsRead => "tickets:read",
    /// Create and change tickets.
    TicketsWrite => "tickets:write",
    /// Read knowledge entries.
    KnowledgeRead => "knowledge:read",
    /// Add and change knowledge entries.
    KnowledgeWrite => "knowledge:write",
    /// Read personas.
    PersonasRead => "personas:read",
    /// Create, change and delete personas.
    PersonasWrite => "personas:write",
    /// Read agent runs.
    AgentRunsRead => "agent_runs:read",
    /// Create and complete agent runs.
    AgentRunsWrite => "agent_runs:write",
    /// Reserved by seed 002: can be granted, opens nothing.
    SessionsRead => "sessions:read",
    /// Reserved by seed 002: can be granted, opens nothing.
    RulesRead => "rules:read",
    /// Reserved by seed 002: can be granted, opens nothing.
    RulesWrite => "rules:write",
    /// Reserved by seed 002: can be granted, opens nothing.
    RetrievalAuditRead => "retrieval_audit:read",
    /// Reserved by seed 002: can be granted, opens nothing.
    AdminAll => "admin:*",
}

const _: () = assert!(Scope::ALL.len() <= 64, "a set of scopes is kept in 64 bits");

impl Scope {
    const fn bit(self) -> u64 {
        1 << self as u32
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The name is not that of a scope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownScope(pub String);

impl fmt::Display for UnknownScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "unknown scope {:?}", self.0)
    }
}

impl std::error::Error for UnknownScope {}

/// Wildcards that stand for every scope of one family.
const FAMILIES: &[&str] = &["grep", "memories", "exec", "storage", "runs"];

/// The scopes that a key was granted, in the order in which they were given.
///
/// `*` grants everything; `grep:*`, `memories:*`, `exec:*`, `storage:*` and `runs:*` grant a family.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct ScopeSet {
    names: Vec<String>,
    bits: u64,
}

impl ScopeSet {
    /// The set that grants everything.
    pub fn all() -> Self {
        Self {
            names: vec!["*".to_owned()],
            bits: u64::MAX,
        }
    }

    /// Reads a list of names; repeated ones count once.
    ///
    /// # Errors
    /// [`UnknownScope`] for the first name that is neither a scope nor one of the wildcards.
    pub fn parse<T: AsRef<str>>(names: impl IntoIterator<Item = T>) -> Result<Self, UnknownScope> {
        let mut set = Self::default();
        for name in names {
            let name = name.as_ref();
            set.bits |= bits_of(name).ok_or_else(|| UnknownScope(name.to_owned()))?;
            if !set.names.iter().any(|known| known == name) {
                set.names.push(name.to_owned());
            }
        }
        Ok(set)
    }

    /// Whether the scope is granted.
    pub const fn allows(&self, scope: Scope) -> bool {
        self.bits & scope.bit() != 0
    }

    /// Whether any of the scopes is granted.
    pub fn allows_any(&self, scopes: &[Scope]) -> bool {
        scopes.iter().any(|&scope| self.allows(scope))
    }

    /// Whether everything is granted.
    pub fn is_all(&self) -> bool {
        self.bits == u64::MAX
    }

    /// The granted names, as they were given.
    pub fn names(&self) -> &[String] {
        &self.names
    }
}

fn bits_of(name: &str) -> Option<u64> {
    if name == "*" {
        return Some(u64::MAX);
    }
    if let Some(family) = name.strip_suffix(":*")
        && FAMILIES.contains(&family)
    {
        let of_family = |scope: &&Scope| scope.name().split(':').next() == Some(family);
        return Some(
            Scope::ALL
                .iter()
                .filter(of_family)
                .fold(0, |bits, scope| bits | scope.bit()),
        );
    }
    Scope::ALL
        .iter()
        .find(|scope| scope.name() == name)
        .map(|scope| scope.bit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_family_wildcard_grants_that_family_and_nothing_else() {
        let set = ScopeSet::parse(["runs:*", "tickets:read"]).unwrap();
        for &scope in Scope::ALL {
            let expected = scope.name().starts_with("runs:") || scope == Scope::TicketsRead;
            assert_eq!(set.allows(scope), expected, "{scope}");
        }
    }

    #[test]
    fn the_star_grants_every_scope() {
        let set = ScopeSet::parse(["*"]).unwrap();
        assert!(set.is_all());
        assert!(Scope::ALL.iter().all(|&scope| set.allows(scope)));
        assert!(!ScopeSet::parse(["grep:*"]).unwrap().is_all());
    }

    #[test]
    fn names_keep_their_order_and_lose_their_repetitions() {
        let set = ScopeSet::parse(["tickets:write", "tickets:read", "tickets:write"]).unwrap();
        assert_eq!(set.names(), ["tickets:write", "tickets:read"]);
    }

    #[test]
    fn an_unknown_name_is_refused() {
        assert_eq!(
            ScopeSet::parse(["tickets:*"]),
            Err(UnknownScope("tickets:*".to_owned()))
        );
    }

    #[test]
    fn the_empty_set_grants_nothing() {
        assert!(Scope::ALL.iter().all(|&scope| !ScopeSet::default().allows(scope)));
    }
}
