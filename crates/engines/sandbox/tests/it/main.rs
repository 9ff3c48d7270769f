//! Drives the crate as a user would: hostile programs, languages, files, reaching in and out.

#![allow(clippy::print_stderr, reason = "a test that skips something says so")]

mod attacks;
mod harness;
mod languages;
mod reach;
mod runs;
mod workspace;
