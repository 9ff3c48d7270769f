//! `pentad backup` and `pentad restore`.
//!
//! A backup is a directory:
//!
//! | file | holds |
//! |---|---|
//! | `manifest.json` | what this is, and the size and SHA-256 of every other file; written last |
//! | `manifest.sha256` | the SHA-256 of the manifest, for `sha256sum -c` |
//! | `database.sqlite`, `database.dump` | the database as it was at one instant: a SQLite file, or what `pg_dump` made |
//! | `objects/…` | the objects that the rows of that instant name, by their keys |
//! | `d1/….db` | the SQL databases of agents, beside SQLite |
//! | `sealing-secret` | what saved keys of language models are sealed with, unless the environment has it |

mod manifest;
mod objects;
mod postgres;
mod progress;
mod restore;
mod take;

pub(crate) use restore::run as restore;
pub(crate) use take::run as take;

/// Below which a backup has its objects, and a data directory too.
const OBJECTS: &str = "objects";
/// Below which a backup has SQL databases of agents, and a data directory too.
const SQL_DATABASES: &str = "d1";
/// What a backup and a data directory call the sealing secret.
const SEALING_SECRET: &str = "sealing-secret";
/// What a backup calls the copy of a SQLite database.
const SQLITE_COPY: &str = "database.sqlite";
/// What a backup calls what `pg_dump` made.
const POSTGRES_DUMP: &str = "database.dump";

/// A number of bytes for people.
fn in_bytes(bytes: u64) -> String {
    let units = ["B", "kB", "MB", "GB", "TB"];
    let mut unit = 0;
    let mut divisor = 1;
    while unit + 1 < units.len() && bytes >= divisor * 1000 {
        divisor *= 1000;
        unit += 1;
    }
    let tenths = bytes * 10 / divisor;
    match unit {
        0 => format!("{bytes} B"),
        _ => format!("{}.{} {}", tenths / 10, tenths % 10, units[unit]),
    }
}

/// `1 object`, `2 objects`.
fn counted(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_told_in_units_of_a_thousand() {
        for (bytes, text) in [
            (0, "0 B"),
            (999, "999 B"),
            (1_000, "1.0 kB"),
            (999_999, "999.9 kB"),
            (4_250_000_000, "4.2 GB"),
            (7_000_000_000_000_000, "7000.0 TB"),
        ] {
            assert_eq!(in_bytes(bytes), text);
        }
    }
}
