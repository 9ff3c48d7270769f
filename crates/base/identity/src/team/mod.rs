//! Teams: organisations that people join, their members, invites and service keys (seed 002).

mod error;
mod invites;
mod members;
mod service_keys;

pub use error::{TeamError, Upgrade};
pub use invites::{INVITE_LIFETIME, Invite, InviteForMe};
pub use members::Member;
pub use service_keys::NewServiceKey;

/// What a call on a team gives.
pub type TeamResult<T> = std::result::Result<T, TeamError>;
