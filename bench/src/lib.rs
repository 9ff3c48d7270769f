//! A pentad of one's own, a client that costs next to nothing, and what the kernel says of the server.

pub mod client;
pub mod form;
pub mod processor;
pub mod server;
pub mod timing;
