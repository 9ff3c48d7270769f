//! Which of the five APIs a request belongs to.

use pentad_kernel::id::is_uuid;

/// One of the five APIs: it decides envelope, statuses and words of every failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Surface {
    /// Seed 000: grep sessions.
    Grep,
    /// Seed 001: temporal memories.
    Memory,
    /// Seed 002: sessions, organisations, projects.
    Sync,
    /// Seed 003: code execution and storage.
    Exec,
    /// Seed 004: recorded runs.
    Ingest,
}

impl Surface {
    /// All five.
    pub const ALL: [Self; 5] = [Self::Grep, Self::Memory, Self::Sync, Self::Exec, Self::Ingest];

    /// The short name: its document is `openapi/{name}.json`, its schemas begin with it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Grep => "grep",
            Self::Memory => "memories",
            Self::Sync => "sync",
            Self::Exec => "exec",
            Self::Ingest => "runs",
        }
    }

    /// The surface that a path belongs to by its prefix, or `None` outside of all of them.
    pub fn of_path(path: &str) -> Option<Self> {
        let mut segments = path.split('/').filter(|segment| !segment.is_empty());
        match (segments.next()?, segments.next(), segments.next()) {
            ("agent" | "memories" | "plan", _, _) => Some(Self::Memory),
            ("proxy" | "mcp", _, _) => Some(Self::Exec),
            ("viewer", _, _) | ("v1", Some("traces"), _) => Some(Self::Ingest),
            ("api", Some("v1"), area) => Self::of_area(area?, segments.next(), segments.next()),
            ("api", Some("docs" | "redoc"), _) => None,
            // Only seed 003 has paths of no version.
            ("api", Some(_), _) => Some(Self::Exec),
            _ => None,
        }
    }

    fn of_area(area: &str, next: Option<&str>, last: Option<&str>) -> Option<Self> {
        match (area, next) {
            ("sessions", None) => Some(Self::Grep),
            ("sessions", Some(id)) if is_uuid(id) => Some(Self::Grep),
            ("sessions", Some(_)) => match last {
                // A mistyped identifier in front of one of grep's own operations is still meant for grep.
                Some("grep" | "append" | "restart") => Some(Self::Grep),
                _ => Some(Self::Sync),
            },
            ("runs" | "heartbeat" | "connections" | "tenant" | "healthz" | "otel", _)
            | ("admin", Some("tenants" | "impersonate"))
            | ("auth", Some("login" | "logout")) => Some(Self::Ingest),
            (
                "auth" | "orgs" | "org" | "handoffs" | "bookmarks" | "sync" | "settings" | "projects"
                | "admin" | "billing",
                _,
            ) => Some(Self::Sync),
            _ => None,
        }
    }

    /// The surface whose client presents a bearer of this form: for paths outside all of them.
    pub fn of_bearer(token: &str) -> Self {
        if token.starts_with("juras_live_") {
            Self::Grep
        } else if token.starts_with("aurra_") {
            Self::Memory
        } else if token.starts_with("era_") {
            Self::Exec
        } else {
            Self::Sync
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_decide() {
        for (path, expected) in [
            ("/api/v1/sessions", Some(Surface::Grep)),
            (
                "/api/v1/sessions/3fa85f64-5717-4562-b3fc-2c963f66afa6",
                Some(Surface::Grep),
            ),
            ("/api/v1/sessions/not-a-uuid/grep", Some(Surface::Grep)),
            ("/api/v1/sessions/ses_0123456789abcdef/sync", Some(Surface::Sync)),
            ("/api/v1/sessions/search", Some(Surface::Sync)),
            ("/api/v1/projects/acme/widgets", Some(Surface::Sync)),
            ("/api/v1/auth/login", Some(Surface::Ingest)),
            ("/api/v1/auth/me", Some(Surface::Sync)),
            ("/api/v1/admin/tenants", Some(Surface::Ingest)),
            ("/api/v1/admin/users", Some(Surface::Sync)),
            ("/api/v1/admin/users/1/api-keys", Some(Surface::Sync)),
            ("/api/v1/runs/1/trace", Some(Surface::Ingest)),
            ("/api/execute", Some(Surface::Exec)),
            ("/api/storage/kv/a/b", Some(Surface::Exec)),
            ("/api/nothing-here", Some(Surface::Exec)),
            ("/api/docs/nothing-here", None),
            ("/api/v1", None),
            ("/agent/query", Some(Surface::Memory)),
            ("/memories/1/audit", Some(Surface::Memory)),
            ("/api/v1/nothing-here", None),
            ("/", None),
        ] {
            assert_eq!(Surface::of_path(path), expected, "{path}");
        }
    }
}
