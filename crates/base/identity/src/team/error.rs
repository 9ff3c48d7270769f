//! Why a change of a team is refused.

use std::time::Duration;

use pentad_kernel::{Classify, ErrorKind};
use serde_json::{Value, json};

use crate::{Error, Feature, PlanName, Role};

/// A feature that the plan in question does not include.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Upgrade {
    /// The feature.
    pub feature: Feature,
    /// The plan that was asked.
    pub plan: PlanName,
    /// Whose plan it is: `user`, `org` or `project`.
    pub plan_scope: &'static str,
}

impl Upgrade {
    /// Passes when the plan includes the feature.
    ///
    /// # Errors
    /// The upgrade it would take.
    pub fn check(feature: Feature, plan: PlanName, plan_scope: &'static str) -> Result<(), Self> {
        if plan >= feature.from_plan() {
            Ok(())
        } else {
            Err(Self {
                feature,
                plan,
                plan_scope,
            })
        }
    }

    /// The sentence for people.
    pub fn message(&self) -> String {
        let (feature, plan) = (self.feature, self.plan);
        format!(
            "{feature} needs the plan {} or higher; this is {plan}",
            feature.from_plan()
        )
    }

    /// The facts for programs.
    pub fn details(&self) -> Value {
        json!({
            "feature": self.feature.name(),
            "current_tier": self.plan.name(),
            "required_tier": self.feature.from_plan().name(),
            "upgrade_url": "/api/v1/billing/checkout",
            "plan_scope": self.plan_scope,
        })
    }
}

/// A refused or failed change of a team.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TeamError {
    /// There is no such organisation, or it is none of the caller's business.
    #[error("Organization not found")]
    OrganisationNotFound,
    /// The caller belongs to no organisation but the personal one.
    #[error("You are not a member of an organization")]
    NoOrganisation {
        /// The least role that may do it.
        required: Role,
    },
    /// The member's role does not permit this.
    #[error("This needs the role {required}; yours is {current}")]
    InsufficientRole {
        /// The role of the caller.
        current: Role,
        /// The least role that may do it.
        required: Role,
    },
    /// Every seat is taken.
    #[error("All {limit} seats are taken")]
    SeatLimit {
        /// Seats taken.
        used: i64,
        /// Seats there are.
        limit: i64,
    },
    /// The plan does not include it.
    #[error("{}", .0.message())]
    UpgradeRequired(Upgrade),
    /// The user belongs to an organisation already.
    #[error("Already a member of an organization")]
    AlreadyInOrganisation,
    /// An organisation has the slug.
    #[error("Organization slug already taken")]
    SlugTaken,
    /// The address is that of a member.
    #[error("{0} is already a member")]
    AlreadyMember(String),
    /// The address has an invite that can still be accepted.
    #[error("{0} has an active invite already")]
    InvitePending(String),
    /// There is no such invite.
    #[error("Invite not found")]
    InviteNotFound,
    /// The invite is for another address.
    #[error("This invite is addressed to somebody else")]
    NotRecipient,
    /// The invite was answered or has ended.
    #[error("This invite {0}")]
    InviteOver(&'static str),
    /// The invite was answered or has ended, so that sending it again makes no sense.
    #[error("This invite {0} and cannot be sent again")]
    NotResendable(&'static str),
    /// There is no such member.
    #[error("Member not found")]
    MemberNotFound,
    /// The role is none that a member can be given.
    #[error("{0:?} is not a role: admin or member")]
    UnknownRole(String),
    /// Ownership is not given like a role.
    #[error("Ownership is no role to give: it takes a transfer of the organization")]
    OwnershipIsNoRole,
    /// Nobody changes the own role.
    #[error("You cannot change your own role")]
    OwnRole,
    /// The owner's role is not changed.
    #[error("The role of the owner cannot be changed: it takes a transfer of the organization")]
    OwnerRole,
    /// Nobody removes the own membership.
    #[error("You cannot remove yourself")]
    SelfRemoval,
    /// The owner is not removed.
    #[error("The owner cannot be removed before a transfer of the organization to somebody else")]
    OwnerRemoval,
    /// There is no such service key.
    #[error("Service key not found")]
    KeyNotFound,
    /// The key was revoked before.
    #[error("The key is revoked already")]
    KeyAlreadyRevoked,
    /// A field has a value it may not have.
    #[error("{field}: {reason}")]
    Field {
        /// Which.
        field: &'static str,
        /// Why not.
        reason: String,
    },
    /// A change of accounts failed.
    #[error(transparent)]
    Account(#[from] Error),
}

impl From<pentad_store::Error> for TeamError {
    fn from(error: pentad_store::Error) -> Self {
        Self::Account(error.into())
    }
}

impl From<Upgrade> for TeamError {
    fn from(upgrade: Upgrade) -> Self {
        Self::UpgradeRequired(upgrade)
    }
}

impl Classify for TeamError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::OrganisationNotFound | Self::InviteNotFound | Self::MemberNotFound | Self::KeyNotFound => {
                ErrorKind::NotFound
            }
            Self::NoOrganisation { .. }
            | Self::InsufficientRole { .. }
            | Self::SeatLimit { .. }
            | Self::UpgradeRequired(_)
            | Self::OwnerRole
            | Self::NotRecipient => ErrorKind::Forbidden,
            Self::AlreadyInOrganisation
            | Self::SlugTaken
            | Self::AlreadyMember(_)
            | Self::InvitePending(_)
            | Self::NotResendable(_)
            | Self::OwnerRemoval
            | Self::KeyAlreadyRevoked => ErrorKind::Conflict,
            Self::InviteOver(_)
            | Self::UnknownRole(_)
            | Self::OwnershipIsNoRole
            | Self::OwnRole
            | Self::SelfRemoval => ErrorKind::Invalid,
            Self::Field { .. } => ErrorKind::Unprocessable,
            Self::Account(error) => error.kind(),
        }
    }

    fn code(&self) -> Option<&'static str> {
        match self {
            Self::InsufficientRole { .. } | Self::NoOrganisation { .. } => Some("insufficient_role"),
            Self::SeatLimit { .. } => Some("seat_limit"),
            Self::UpgradeRequired(_) => Some("upgrade_required"),
            Self::KeyAlreadyRevoked => Some("key_already_revoked"),
            _ => None,
        }
    }

    fn details(&self) -> Option<Value> {
        match self {
            Self::InsufficientRole { current, required } => {
                Some(json!({ "current_role": current.name(), "required_role": required.name() }))
            }
            Self::NoOrganisation { required } => {
                Some(json!({ "current_role": "none", "required_role": required.name() }))
            }
            Self::SeatLimit { used, limit } => Some(json!({ "seats_used": used, "seats_limit": limit })),
            Self::UpgradeRequired(upgrade) => Some(upgrade.details()),
            _ => None,
        }
    }

    fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Account(error) => error.retry_after(),
            _ => None,
        }
    }
}
