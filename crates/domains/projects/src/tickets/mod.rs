//! Tickets: work that people and agents pass to one another.

pub(crate) mod comments;
pub(crate) mod context;
pub(crate) mod create;
pub(crate) mod dependencies;
pub(crate) mod edit;
pub(crate) mod list;
pub(crate) mod model;
pub(crate) mod review;
pub(crate) mod transitions;
