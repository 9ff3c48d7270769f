//! The one server behind which the five APIs live.
//!
//! The gateway is the composition root: it mounts the surfaces at one origin, serves the few operations
//! that several of them share, publishes their documents, and runs the work that no request waits for.
//! It knows no SQL. The caller owns the socket and the signal to stop:
//!
//! ```no_run
//! # async fn example(deps: pentad_gateway::Deps) -> std::io::Result<()> {
//! let listener = pentad_gateway::listen("127.0.0.1:8080".parse().unwrap())?;
//! pentad_gateway::run(listener, deps, async { tokio::signal::ctrl_c().await.unwrap_or_default() }).await
//! # }
//! ```

mod background;
mod crossroads;
mod deps;
mod documents;
mod measurements;
mod operations;
mod pages;
mod ports;
mod server;
mod surfaces;

pub use deps::{Deps, ServerLimits};
pub use documents::{Document, documents};
pub use measurements::install_metrics;
pub use ports::{with_projects, with_storage};
pub use server::{listen, run};
pub use surfaces::{gateway_routes, surfaces};
