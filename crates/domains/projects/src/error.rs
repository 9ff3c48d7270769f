//! Why something in a project is refused.

use std::time::Duration;

use pentad_identity::{TeamError, Upgrade};
use pentad_kernel::{Classify, ErrorKind};
use pentad_language_model::ProviderError;
use serde_json::{Value, json};

use crate::PortError;

/// A refused or failed call.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// There is no such project.
    #[error("Project not found")]
    ProjectNotFound,
    /// No project is registered for the remote.
    #[error("No project context found")]
    RemoteNotFound,
    /// There is no such thing in the project.
    #[error("{kind} not found")]
    NotFound {
        /// What was looked for.
        kind: &'static str,
    },
    /// The caller may not even read the project.
    #[error("No access to this project")]
    NoAccess,
    /// The caller may read the project, not change it.
    #[error("You can read this project, not change it: that takes its owner or a member of its organization")]
    EditForbidden,
    /// It takes the project's owner or an administrator of its organisation.
    #[error("This takes the owner of the project or an admin of its organization")]
    AdminRequired,
    /// The caller is somebody else than the one who may.
    #[error("{0}")]
    NotYours(&'static str),
    /// The service key has no organisation that projects could be in.
    #[error("This service key belongs to no organization")]
    KeyWithoutOrganisation,
    /// The project is not in the service key's organisation.
    #[error("This service key belongs to another organization than the project")]
    CrossOrganisation {
        /// The key's.
        key: String,
        /// The project's.
        project: Option<String>,
    },
    /// The project is not on the service key's list.
    #[error("This service key may not touch this project")]
    NotInAllowList {
        /// The list.
        allowed: Vec<String>,
        /// The project.
        requested: String,
    },
    /// The plan does not include it.
    #[error("{}", .upgrade.message())]
    UpgradeRequired {
        /// What it would take.
        upgrade: Upgrade,
        /// The project whose plan it is.
        project: Option<String>,
    },
    /// A field has a value it may not have.
    #[error("{field}: {reason}")]
    Field {
        /// Which.
        field: &'static str,
        /// Why not.
        reason: String,
    },
    /// The request makes no sense for this thing.
    #[error("{0}")]
    Senseless(String),
    /// The thing's state does not permit it.
    #[error("{0}")]
    WrongState(String),
    /// Something of the same name is there already.
    #[error("{0}")]
    Taken(String),
    /// The project has the repository already.
    #[error("This repository is linked to the project already")]
    RepositoryLinked {
        /// The project.
        project: String,
    },
    /// A project keeps at least one repository.
    #[error("The last repository of a project cannot be unlinked: delete the project instead")]
    LastRepository,
    /// The lease that the writer holds is not the present one.
    #[error("The ticket's lease epoch is {current}, not {passed}: somebody else has started it since")]
    StaleLease {
        /// The epoch that was passed.
        passed: i64,
        /// The epoch of the ticket.
        current: i64,
    },
    /// The precondition of a write does not hold.
    #[error("It was changed since: its etag is {current}")]
    EtagMismatch {
        /// The present etag.
        current: String,
    },
    /// A bound of tokens beyond what may be given.
    #[error("{field} must be between 0 and {most}. Got {current}.")]
    TooManyTokens {
        /// Which.
        field: &'static str,
        /// The most there may be.
        most: i64,
        /// What was given.
        current: i64,
    },
    /// The address of a GitLab is none.
    #[error("instance_url must be an https address without user and path")]
    GitlabUrl,
    /// Too many of something for now.
    #[error("{0}")]
    Quota(String),
    /// A change of a team failed.
    #[error(transparent)]
    Team(#[from] TeamError),
    /// What is known of sessions could not be read.
    #[error("the sessions could not be read")]
    Sessions(#[source] PortError),
    /// A language model gave nothing that can be used.
    #[error("{0}")]
    Model(ProviderError),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] pentad_store::Error),
}

impl From<pentad_identity::Error> for Error {
    fn from(error: pentad_identity::Error) -> Self {
        Self::Team(error.into())
    }
}

impl Error {
    pub(crate) fn field(field: &'static str, reason: impl Into<String>) -> Self {
        Self::Field {
            field,
            reason: reason.into(),
        }
    }
}

impl Classify for Error {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::ProjectNotFound | Self::RemoteNotFound | Self::NotFound { .. } => ErrorKind::NotFound,
            Self::NoAccess
            | Self::EditForbidden
            | Self::AdminRequired
            | Self::NotYours(_)
            | Self::KeyWithoutOrganisation
            | Self::CrossOrganisation { .. }
            | Self::NotInAllowList { .. }
            | Self::UpgradeRequired { .. } => ErrorKind::Forbidden,
            Self::Field { .. } | Self::TooManyTokens { .. } | Self::LastRepository | Self::GitlabUrl => {
                ErrorKind::Unprocessable
            }
            Self::Senseless(_) => ErrorKind::Invalid,
            Self::WrongState(_)
            | Self::Taken(_)
            | Self::RepositoryLinked { .. }
            | Self::StaleLease { .. }
            | Self::EtagMismatch { .. } => ErrorKind::Conflict,
            Self::Quota(_) => ErrorKind::RateLimited,
            Self::Team(error) => error.kind(),
            Self::Sessions(error) => stored(error).map_or(ErrorKind::Internal, Classify::kind),
            Self::Model(error) if error.is_timeout() => ErrorKind::Timeout,
            Self::Model(_) => ErrorKind::Unavailable,
            Self::Store(error) => error.kind(),
        }
    }

    fn code(&self) -> Option<&'static str> {
        match self {
            Self::EditForbidden => Some("project_edit_forbidden"),
            Self::KeyWithoutOrganisation => Some("service_key_missing_org"),
            Self::CrossOrganisation { .. } => Some("cross_org_denied"),
            Self::NotInAllowList { .. } => Some("project_not_in_allowlist"),
            Self::UpgradeRequired { .. } => Some("upgrade_required"),
            Self::StaleLease { .. } => Some("stale_lease_epoch"),
            Self::EtagMismatch { .. } => Some("etag_mismatch"),
            Self::RepositoryLinked { .. } => Some("repo_already_linked"),
            Self::LastRepository => Some("last_repo"),
            Self::TooManyTokens { .. } => Some("max_tokens_exceeded"),
            Self::GitlabUrl => Some("invalid_gitlab_instance_url"),
            Self::Model(error) if error.is_timeout() => Some("llm_timeout"),
            Self::Model(_) => Some("llm_request_failed"),
            Self::Team(error) => error.code(),
            _ => None,
        }
    }

    fn details(&self) -> Option<Value> {
        match self {
            Self::CrossOrganisation { key, project } => {
                Some(json!({ "key_org_id": key, "project_org_id": project }))
            }
            Self::NotInAllowList { allowed, requested } => {
                Some(json!({ "allowed_project_ids": allowed, "requested_project_id": requested }))
            }
            Self::UpgradeRequired { upgrade, project } => {
                let mut details = upgrade.details();
                details["project_id"] = json!(project);
                Some(details)
            }
            Self::StaleLease { passed, current } => {
                Some(json!({ "passed_lease_epoch": passed, "current_lease_epoch": current }))
            }
            Self::EtagMismatch { current } => Some(json!({ "current_etag": current })),
            Self::RepositoryLinked { project } => Some(json!({ "existing_project_id": project })),
            Self::Field { field, .. } => Some(json!({ "field": field })),
            Self::TooManyTokens { field, most, current } => {
                Some(json!({ "field": field, "min": 0, "max": most, "current": current }))
            }
            Self::Team(error) => error.details(),
            _ => None,
        }
    }

    fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Quota(_) => Some(Duration::from_secs(60)),
            Self::Team(error) => error.retry_after(),
            Self::Sessions(error) => stored(error)?.retry_after(),
            Self::Store(error) => error.retry_after(),
            _ => None,
        }
    }
}

/// The failure of the database that is behind one of a port.
fn stored(error: &PortError) -> Option<&pentad_store::Error> {
    error.downcast_ref()
}
