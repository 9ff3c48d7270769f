//! The pages, in a real Chromium.
#![allow(missing_docs, clippy::unwrap_used, reason = "tests")]

mod agent;
mod looking;
mod pages;
mod reader;
mod screens;
