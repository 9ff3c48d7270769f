//! Plans: every limit and feature gate, in one table.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;

use crate::{Error, Result};

macro_rules! names {
    ($(#[$type_meta:meta])* $type:ident { $($(#[$meta:meta])* $variant:ident => $name:literal,)* }) => {
        $(#[$type_meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $type { $($(#[$meta])* $variant,)* }

        impl $type {
            /// All of them, in rising order.
            pub const ALL: &[$type] = &[$($type::$variant,)*];

            /// The name in requests, answers and configuration.
            pub const fn name(self) -> &'static str {
                match self { $($type::$variant => $name,)* }
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.name())
            }
        }
    };
}

names! {
    /// The plans of the five surfaces, from least to most.
    PlanName {
        /// Try it.
        Free => "free",
        /// One person.
        Starter => "starter",
        /// One person, everything personal.
        Pro => "pro",
        /// Several people.
        Team => "team",
        /// Several people, many requests.
        Scale => "scale",
        /// Every feature.
        Enterprise => "enterprise",
        /// Every feature and no limit but the machine's.
        Unlimited => "unlimited",
    }
}

impl PlanName {
    /// Reads a name.
    ///
    /// # Errors
    /// [`Error::PlanNotFound`] for any other text.
    pub fn parse(name: &str) -> Result<Self> {
        let known = Self::ALL.iter().find(|plan| plan.name() == name).copied();
        known.ok_or_else(|| Error::PlanNotFound(name.to_owned()))
    }
}

names! {
    /// What a plan may include (contract of seed 002, section 3).
    Feature {
        /// Push, chunked upload and search of sessions.
        CloudSync => "cloud_sync",
        /// The dashboard.
        Dashboard => "dashboard",
        /// Bookmarks kept on the server.
        BookmarksCloud => "bookmarks_cloud",
        /// Aliases kept on the server.
        AliasesCloud => "aliases_cloud",
        /// Audits started by hand.
        JudgeManual => "judge_manual",
        /// Summaries without a language model.
        SummaryDeterministic => "summary_deterministic",
        /// Sync without being asked.
        Autosync => "autosync",
        /// Projects, their wiki and settings.
        ProjectContext => "project_context",
        /// Handing a session to a person.
        Handoff => "handoff",
        /// Summaries told by a language model.
        SummaryNarrative => "summary_narrative",
        /// Personas.
        AgentPersonas => "agent_personas",
        /// A judge at an address of one's own.
        CustomBaseUrl => "custom_base_url",
        /// Scanning pushes for secrets.
        DlpSecrets => "dlp_secrets",
        /// Audits without being asked.
        AutoAudit => "auto_audit",
        /// Tickets.
        AgentTickets => "agent_tickets",
        /// Agent runs.
        AgentRuns => "agent_runs",
        /// Handing a session to a team.
        TeamHandoff => "team_handoff",
        /// Members, invites and service keys.
        TeamManagement => "team_management",
        /// Groups of projects.
        ProjectGroups => "project_groups",
        /// Scanning pushes for health data.
        DlpHipaa => "dlp_hipaa",
        /// The security dashboard.
        SecurityDashboard => "security_dashboard",
        /// Policies.
        PolicyEngine => "policy_engine",
    }
}

impl Feature {
    /// The least plan that includes the feature.
    pub const fn from_plan(self) -> PlanName {
        match self {
            Self::CloudSync
            | Self::Dashboard
            | Self::BookmarksCloud
            | Self::AliasesCloud
            | Self::JudgeManual
            | Self::SummaryDeterministic => PlanName::Starter,
            Self::Autosync
            | Self::ProjectContext
            | Self::Handoff
            | Self::SummaryNarrative
            | Self::AgentPersonas
            | Self::CustomBaseUrl
            | Self::DlpSecrets
            | Self::AutoAudit => PlanName::Pro,
            Self::AgentTickets
            | Self::AgentRuns
            | Self::TeamHandoff
            | Self::TeamManagement
            | Self::ProjectGroups => PlanName::Team,
            Self::DlpHipaa | Self::SecurityDashboard | Self::PolicyEngine => PlanName::Enterprise,
        }
    }
}

/// The limits of one plan. `None` means no limit but the machine's.
#[derive(Clone, Debug, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Plan {
    /// Requests a second: per organisation for grep, per key elsewhere.
    pub requests_per_second: Option<u32>,
    /// Bytes of text in one grep session.
    pub grep_session_bytes: Option<u64>,
    /// Grep sessions alive at once in one organisation.
    pub grep_live_sessions: Option<u64>,
    /// Bytes that an organisation's grep sessions keep in the object store.
    pub grep_stored_bytes: Option<u64>,
    /// The longest life of a memory grep session, in minutes.
    pub grep_ttl_minutes: Option<u32>,
    /// Memories stored in a calendar month.
    pub memory_writes: Option<u64>,
    /// Bytes of synced sessions: per seat on team, else per user.
    pub sync_storage_bytes: Option<u64>,
    /// Bytes of one synced session's archive.
    pub sync_archive_bytes: Option<u64>,
    /// Bytes of one file inside it.
    pub sync_member_bytes: Option<u64>,
    /// Knowledge entries added in an hour by one user to one project.
    pub knowledge_adds_per_hour: Option<u64>,
}

const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;

/// Every plan with its limits, and the plan of those who were given none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlanTable {
    plans: BTreeMap<PlanName, Plan>,
    /// The plan of a new organisation.
    pub default_plan: PlanName,
}

impl Default for PlanTable {
    /// The documented limits; new organisations are unlimited, as self-hosting expects.
    fn default() -> Self {
        let plan = |requests_per_second, session, live, stored, ttl, writes, knowledge| Plan {
            requests_per_second: Some(requests_per_second),
            grep_session_bytes: Some(session),
            grep_live_sessions: Some(live),
            grep_stored_bytes: Some(stored),
            grep_ttl_minutes: Some(ttl),
            memory_writes: Some(writes),
            sync_storage_bytes: None,
            sync_archive_bytes: Some(300 * MIB),
            sync_member_bytes: Some(50 * MIB),
            knowledge_adds_per_hour: Some(knowledge),
        };
        let plans = BTreeMap::from([
            (
                PlanName::Free,
                Plan {
                    sync_storage_bytes: Some(0),
                    sync_archive_bytes: Some(50 * MIB),
                    sync_member_bytes: Some(10 * MIB),
                    ..plan(10, 64 * MIB, 5, GIB, 60, 5_000, 20)
                },
            ),
            (
                PlanName::Starter,
                Plan {
                    sync_storage_bytes: Some(500 * MIB),
                    ..plan(30, 256 * MIB, 20, 10 * GIB, 240, 50_000, 50)
                },
            ),
            (
                PlanName::Pro,
                Plan {
                    sync_storage_bytes: Some(2 * GIB),
                    ..plan(100, GIB, 100, 50 * GIB, 1_440, 500_000, 100)
                },
            ),
            (
                PlanName::Team,
                Plan {
                    sync_storage_bytes: Some(GIB),
                    ..plan(300, 2 * GIB, 500, 500 * GIB, 1_440, 2_000_000, 100)
                },
            ),
            (
                PlanName::Scale,
                plan(1_000, 4 * GIB, 2_000, 2_048 * GIB, 10_080, 10_000_000, 200),
            ),
            (
                PlanName::Enterprise,
                Plan {
                    sync_archive_bytes: Some(300 * MIB),
                    sync_member_bytes: Some(50 * MIB),
                    knowledge_adds_per_hour: Some(200),
                    ..Plan::default()
                },
            ),
            (
                PlanName::Unlimited,
                Plan {
                    sync_archive_bytes: Some(300 * MIB),
                    sync_member_bytes: Some(50 * MIB),
                    ..Plan::default()
                },
            ),
        ]);
        Self {
            plans,
            default_plan: PlanName::Unlimited,
        }
    }
}

impl PlanTable {
    /// The limits of a plan.
    pub fn plan(&self, name: PlanName) -> &Plan {
        self.plans
            .get(&name)
            .expect("every plan name has a row from the start and rows are only replaced")
    }

    /// Replaces the limits of a plan.
    pub fn set(&mut self, name: PlanName, plan: Plan) {
        self.plans.insert(name, plan);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documented_rates_are_those_of_seed_000() {
        let table = PlanTable::default();
        let rate = |name| table.plan(name).requests_per_second;
        assert_eq!(rate(PlanName::Free), Some(10));
        assert_eq!(rate(PlanName::Pro), Some(100));
        assert_eq!(rate(PlanName::Scale), Some(1_000));
        assert_eq!(rate(PlanName::Unlimited), None);
    }

    #[test]
    fn every_plan_has_a_row_and_every_name_reads_back() {
        let table = PlanTable::default();
        for &name in PlanName::ALL {
            let _ = table.plan(name);
            assert_eq!(PlanName::parse(name.name()).unwrap(), name);
        }
        assert!(PlanName::parse("gold").is_err());
    }
}
