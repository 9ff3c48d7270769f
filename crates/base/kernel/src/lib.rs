//! Identifiers, time, scopes and error kinds: the words every layer of Pentad shares.
//!
//! The crate does no input or output. Everything above it takes a [`Clock`] for the time, makes
//! identifiers through [`id`], says who is asking with an [`Actor`], and classifies its errors with
//! [`Classify`], so that only the outermost layer needs to know about HTTP.
//!
//! ```
//! use pentad_kernel::{Clock, ManualClock, Scope, ScopeSet, Timestamp};
//!
//! let clock = ManualClock::at(Timestamp::parse("2026-05-07T12:00:00Z").unwrap());
//! clock.advance_micros(600_000_000);
//! assert_eq!(clock.now().to_string(), "2026-05-07T12:10:00Z");
//!
//! let granted = ScopeSet::parse(["grep:*"]).unwrap();
//! assert!(granted.allows(Scope::GrepRead));
//! assert!(!granted.allows(Scope::ExecRun));
//! ```

// So that macros which name this crate also work inside it.
extern crate self as pentad_kernel;

mod actor;
mod address;
pub mod cursor;
mod error;
pub mod id;
mod remote;
mod scope;
pub mod secret;
mod time;

pub use actor::{Actor, ActorKind};
pub use address::is_public;
pub use error::{Classify, ErrorKind};
pub use id::{KeyId, OrganisationId, UserId};
pub use remote::normalised_remote;
pub use scope::{Scope, ScopeSet, UnknownScope};
pub use time::{Clock, ManualClock, SharedClock, SystemClock, Timestamp, TimestampError};
