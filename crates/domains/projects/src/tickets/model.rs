//! What a ticket is and which states it goes through.

use std::fmt;

use crate::{At, Error, Texts};

macro_rules! words {
    ($(#[$type_meta:meta])* $type:ident, $field:literal { $($(#[$meta:meta])* $variant:ident => $name:literal,)* }) => {
        $(#[$type_meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $type { $($(#[$meta])* $variant,)* }

        impl $type {
            /// All of them.
            pub const ALL: &[$type] = &[$($type::$variant,)*];

            /// The name in requests and answers.
            pub const fn name(self) -> &'static str {
                match self { $($type::$variant => $name,)* }
            }

            /// Reads a name.
            ///
            /// # Errors
            /// [`Error::Field`] for any other text.
            pub fn parse(name: &str) -> Result<Self, Error> {
                Self::ALL.iter().find(|known| known.name() == name).copied().ok_or_else(|| {
                    let names: Vec<&str> = Self::ALL.iter().map(|known| known.name()).collect();
                    Error::field($field, format!("one of {}", names.join(", ")))
                })
            }
        }

        impl TryFrom<String> for $type {
            type Error = Error;

            fn try_from(name: String) -> Result<Self, Error> {
                Self::parse(&name)
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.name())
            }
        }
    };
}

words! {
    /// How a ticket stands.
    Status, "status" {
        /// Somebody who may not decide proposes it.
        Suggested => "suggested",
        /// It can be started.
        Open => "open",
        /// Somebody works on it.
        InProgress => "in_progress",
        /// Whoever works on it waits for something.
        Blocked => "blocked",
        /// It is finished, if the review says so.
        Review => "review",
        /// It is finished.
        Done => "done",
        /// An issue that is over.
        Closed => "closed",
        /// It will not be done.
        Cancelled => "cancelled",
    }
}

words! {
    /// How soon it has to be done.
    Priority, "priority" {
        /// Some day.
        Low => "low",
        /// In its turn.
        Medium => "medium",
        /// Soon.
        High => "high",
        /// Now.
        Critical => "critical",
    }
}

words! {
    /// What kind of ticket it is.
    Kind, "kind" {
        /// Something to do.
        Task => "task",
        /// Something that tasks hang under.
        Issue => "issue",
    }
}

impl Priority {
    /// One step more urgent; the most urgent stays.
    #[must_use]
    pub const fn raised(self) -> Self {
        match self {
            Self::Low => Self::Medium,
            Self::Medium => Self::High,
            Self::High | Self::Critical => Self::Critical,
        }
    }
}

impl Status {
    /// The states that a ticket of this kind may go to from here.
    pub const fn next(self, kind: Kind) -> &'static [Self] {
        match (kind, self) {
            (_, Self::Suggested) => &[Self::Open, Self::Cancelled],
            (_, Self::Open) => &[Self::InProgress, Self::Cancelled],
            (Kind::Task, Self::InProgress) => &[Self::Blocked, Self::Review],
            (Kind::Task, Self::Blocked) => &[Self::InProgress],
            (Kind::Task, Self::Review) => &[Self::Done, Self::Open],
            (Kind::Issue, Self::InProgress) => &[Self::Closed, Self::Open, Self::Cancelled],
            _ => &[],
        }
    }

    /// Whether nothing happens to the ticket any more.
    pub const fn is_terminal(self) -> bool {
        matches!(self, Self::Done | Self::Closed | Self::Cancelled)
    }
}

/// The columns of [`Ticket`].
macro_rules! ticket_columns {
    () => {
        "id, project_id, title, description, priority, assigned_to, created_by_user_id,
         created_by_session_id, created_by_persona, status, kind, lease_epoch, context_refs, file_refs,
         related_sessions, acceptance_criteria, resolver_session_id, resolver_user_id, completion_notes,
         changed_files, knowledge_entry_ids, parent_ticket_id, created_at, updated_at, resolved_at"
    };
}
pub(crate) use ticket_columns;

/// A ticket.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Ticket {
    /// `tk_` and 16 hex digits.
    pub id: String,
    /// The project.
    pub project_id: String,
    /// What it is about, in one line.
    pub title: String,
    /// What it is about.
    pub description: String,
    /// How soon.
    #[sqlx(try_from = "String")]
    pub priority: Priority,
    /// The persona that is to do it.
    pub assigned_to: Option<String>,
    /// Who made it.
    pub created_by_user_id: String,
    /// In which session.
    pub created_by_session_id: Option<String>,
    /// As which persona.
    pub created_by_persona: Option<String>,
    /// How it stands.
    #[sqlx(try_from = "String")]
    pub status: Status,
    /// What kind it is.
    #[sqlx(try_from = "String")]
    pub kind: Kind,
    /// Rises with every start: writes of an earlier worker are refused by it.
    pub lease_epoch: i64,
    /// Knowledge entries to read first.
    pub context_refs: Texts,
    /// Files it is about.
    pub file_refs: Texts,
    /// Sessions it is about.
    pub related_sessions: Texts,
    /// When it counts as done.
    pub acceptance_criteria: Texts,
    /// The session in which it was done.
    pub resolver_session_id: Option<String>,
    /// Who did it.
    pub resolver_user_id: Option<String>,
    /// What was done.
    pub completion_notes: Option<String>,
    /// Files that were changed.
    pub changed_files: Texts,
    /// Knowledge that came out of it.
    pub knowledge_entry_ids: Texts,
    /// The issue it hangs under.
    pub parent_ticket_id: Option<String>,
    /// When it was made.
    pub created_at: At,
    /// When it was last changed.
    pub updated_at: At,
    /// When it was done or closed.
    pub resolved_at: Option<At>,
}

/// A ticket with those it hangs together with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TicketView {
    /// The ticket.
    pub ticket: Ticket,
    /// What has to be done before.
    pub depends_on: Vec<String>,
    /// What waits for it.
    pub dependents: Vec<String>,
    /// What hangs under it, when it is an issue.
    pub children: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terminal_states_lead_nowhere_and_only_they_do() {
        for &kind in Kind::ALL {
            for &status in Status::ALL {
                let reachable = status == Status::Open
                    || Status::ALL.iter().any(|from| from.next(kind).contains(&status));
                if reachable {
                    assert_eq!(
                        status.next(kind).is_empty(),
                        status.is_terminal(),
                        "{kind} {status}"
                    );
                }
            }
        }
    }

    #[test]
    fn priorities_rise_to_the_top_and_stay() {
        assert_eq!(Priority::Low.raised().raised().raised(), Priority::Critical);
        assert_eq!(Priority::Critical.raised(), Priority::Critical);
    }
}
