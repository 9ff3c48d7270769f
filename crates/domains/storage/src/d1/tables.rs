//! Which tables a database has, and how large they are.

use std::collections::BTreeMap;

use rusqlite::Connection;

const TABLES: &str =
    "SELECT name, sql FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'";
/// Pages of tables and of the indexes on them.
const SIZES: &str =
    "SELECT m.tbl_name, SUM(s.pgsize) FROM dbstat AS s JOIN sqlite_schema AS m ON m.name = s.name
     WHERE s.aggregate = TRUE GROUP BY m.tbl_name";

/// What the tables of virtual ones are called behind their name.
const SHADOWS: &[&str] = &[
    "_data", "_idx", "_content", "_docsize", "_config", "_node", "_rowid", "_parent",
];

/// What was written down of a database.
#[derive(Clone, Copy, Debug)]
pub(super) struct Known {
    pub(super) schema_version: i64,
    pub(super) measured_size: i64,
}

/// What a database is now.
#[derive(Debug)]
pub(super) struct Measured {
    pub(super) schema_version: i64,
    pub(super) size: i64,
    /// The tables with their bytes; `None` if what is known of them still holds, to a tenth.
    pub(super) tables: Option<BTreeMap<String, i64>>,
}

pub(super) fn measure(
    connection: &Connection,
    schema_version: i64,
    known: Known,
) -> rusqlite::Result<Measured> {
    let number =
        |name: &str| -> rusqlite::Result<i64> { connection.pragma_query_value(None, name, |row| row.get(0)) };
    let size = number("page_count")? * number("page_size")?;
    // Sizes are read from every page, so a database that grows is measured at each tenth of its size.
    let drifted = (size - known.measured_size).abs() * 10 > known.measured_size;
    let tables = if drifted || schema_version != known.schema_version {
        Some(tables(connection)?)
    } else {
        None
    };
    Ok(Measured {
        schema_version,
        size,
        tables,
    })
}

fn tables(connection: &Connection) -> rusqlite::Result<BTreeMap<String, i64>> {
    let listed: Vec<(String, String)> = connection
        .prepare(TABLES)?
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<rusqlite::Result<_>>()?;
    let sizes: BTreeMap<String, i64> = connection
        .prepare(SIZES)?
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<rusqlite::Result<_>>()?;
    let is_virtual = |sql: &str| {
        let mut words = sql.split_whitespace();
        words
            .nth(1)
            .is_some_and(|word| word.eq_ignore_ascii_case("virtual"))
    };
    let owners: Vec<&str> = listed
        .iter()
        .filter(|(_, sql)| is_virtual(sql))
        .map(|(name, _)| name.as_str())
        .collect();
    let owner_of = |name: &str| {
        owners.iter().find(|owner| {
            name.strip_prefix(**owner)
                .is_some_and(|rest| SHADOWS.contains(&rest))
        })
    };
    let mut tables = BTreeMap::new();
    for (name, _) in &listed {
        // What a virtual table keeps its rows in counts as its own.
        let table = owner_of(name).map_or(name.as_str(), |owner| owner);
        *tables.entry(table.to_owned()).or_default() += sizes.get(name).copied().unwrap_or(0);
    }
    Ok(tables)
}
