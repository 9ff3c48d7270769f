//! Hostile programs. Each is run as root and as an ordinary user; each must be contained, and what is
//! reported about it must be true. Afterwards nothing of them may be left.
//!
//! A missing runtime or guard is said loudly and skips what needs it; with `CI=true` it fails.

mod files;
mod kernel;
mod languages;
mod neighbours;
mod network;
mod processes;
mod resources;

use crate::harness::{self, Attack, Ground};

/// The whole table.
fn attacks() -> Vec<Attack> {
    [
        kernel::attacks(),
        processes::attacks(),
        resources::attacks(),
        files::attacks(),
        network::attacks(),
        languages::attacks(),
    ]
    .concat()
}

#[test]
fn the_table_is_as_long_as_promised_and_without_duplicates() {
    let mut names: Vec<_> = attacks().iter().map(|attack| attack.name).collect();
    assert!(names.len() >= 60, "{} attacks", names.len());
    names.sort_unstable();
    let count = names.len();
    names.dedup();
    assert_eq!(names.len(), count, "duplicate names");
}

/// The table itself, in a process of its own, so that what is left behind is nobody else's.
#[test]
fn ground() {
    if std::env::var_os(harness::ALONE).is_none() {
        return;
    }
    let Some(ground) = Ground::prepare("every attack") else {
        return;
    };
    ground.withstand(&attacks());
    neighbours::check(&ground);
    ground.assert_nothing_is_left();
}

#[test]
fn every_attack_is_contained() {
    harness::alone("attacks::ground", harness::As::Oneself);
}

/// When the tests run as root: the same again as an ordinary user.
#[test]
fn every_attack_is_contained_as_an_ordinary_user() {
    harness::alone("attacks::ground", harness::As::OrdinaryUser);
}
