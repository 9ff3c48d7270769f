//! One statement on one connection.

use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use pentad_store::Durability;
use rusqlite::fallible_iterator::FallibleIterator as _;
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Batch, Connection, ToSql};

use super::guard::{self, Guard, Mode};
use super::tables::{self, Known, Measured};
use super::{Answer, SqlValue, Statement};
use crate::{Error, Limits, Result};

/// Where a database is.
pub(super) enum Database {
    /// In this file.
    At(PathBuf),
    /// Nowhere: it is empty.
    Nowhere,
}

/// What every statement needs.
pub(super) struct Setup {
    pub(super) limits: Arc<Limits>,
    pub(super) durability: Durability,
}

/// What reading gave.
pub(super) struct Read {
    pub(super) answer: Answer,
    pub(super) schema_version: i64,
}

/// What writing gave.
pub(super) struct Ran {
    pub(super) answer: Answer,
    /// What the database is now; `None` if the statement wrote nothing.
    pub(super) measured: Option<Result<Measured>>,
}

impl Database {
    fn path(&self) -> Option<&Path> {
        match self {
            Self::At(path) => Some(path),
            Self::Nowhere => None,
        }
    }
}

/// Runs a statement that only reads.
pub(super) fn query(database: &Database, statement: &Statement, setup: &Setup) -> Result<Read> {
    let (connection, guard) = guard::open(database.path(), &setup.limits)?;
    own(&guard, connection.pragma_update(None, "query_only", true))?;
    guard.enter(Mode::Query);
    let answer = step(&connection, &guard, statement, &setup.limits)?;
    guard.enter(Mode::Own);
    Ok(Read {
        answer,
        schema_version: own(&guard, schema_version(&connection))?,
    })
}

/// Runs a statement that may write, in a transaction.
pub(super) fn exec(database: &Database, statement: &Statement, setup: &Setup, known: Known) -> Result<Ran> {
    let (connection, guard) = guard::open(database.path(), &setup.limits)?;
    // The journal is cut off at the end of each transaction, so that the file alone is the database then.
    let journal = connection.pragma_update(None, "journal_mode", "truncate");
    own(&guard, journal)?;
    let synchronous = match setup.durability {
        Durability::Fsync => "full",
        Durability::Os => "normal",
    };
    own(&guard, connection.pragma_update(None, "synchronous", synchronous))?;
    let before = database.path().map_or(0, change_counter);
    own(&guard, connection.execute_batch("BEGIN IMMEDIATE"))?;
    guard.enter(Mode::Exec);
    let outcome = step(&connection, &guard, statement, &setup.limits);
    guard.enter(Mode::Own);
    let outcome = outcome.and_then(|answer| commit(&connection, &guard).map(|()| answer));
    let answer = match outcome {
        Ok(answer) => answer,
        Err(error) => {
            // SQLite may have rolled back by itself.
            if !connection.is_autocommit() {
                own(&guard, connection.execute_batch("ROLLBACK"))?;
            }
            return Err(error);
        }
    };
    let changed = database.path().map_or(0, change_counter) != before;
    Ok(Ran {
        answer,
        measured: changed.then(|| measured(&connection, &guard, known)),
    })
}

fn commit(connection: &Connection, guard: &Guard) -> Result<()> {
    connection.execute_batch("COMMIT").map_err(|error| {
        // A deferred constraint fails here, and is the statement's failure.
        if error.sqlite_error_code() == Some(rusqlite::ErrorCode::ConstraintViolation) {
            Error::Sql(guard::message(&error))
        } else {
            guard.explain(error)
        }
    })
}

/// Reads which tables a database has.
pub(super) fn measure(database: &Database, setup: &Setup, known: Known) -> Result<Measured> {
    let (connection, guard) = guard::open(database.path(), &setup.limits)?;
    measured(&connection, &guard, known)
}

fn measured(connection: &Connection, guard: &Guard, known: Known) -> Result<Measured> {
    let schema_version = own(guard, schema_version(connection))?;
    own(guard, tables::measure(connection, schema_version, known))
}

fn schema_version(connection: &Connection) -> rusqlite::Result<i64> {
    connection.pragma_query_value(None, "schema_version", |row| row.get(0))
}

fn own<T>(guard: &Guard, outcome: rusqlite::Result<T>) -> Result<T> {
    outcome.map_err(|error| guard.explain(error))
}

/// The counter in a database's head that rises with every transaction that writes (sqlite.org/fileformat2.html,
/// section 1.3.7); 0 for an empty one.
fn change_counter(path: &Path) -> u32 {
    let mut counter = [0; 4];
    let read = std::fs::File::open(path).and_then(|mut file| {
        file.seek(SeekFrom::Start(24))?;
        file.read_exact(&mut counter)
    });
    read.map_or(0, |()| u32::from_be_bytes(counter))
}

impl ToSql for SqlValue {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Null => ValueRef::Null,
            Self::Integer(number) => ValueRef::Integer(*number),
            Self::Real(number) => ValueRef::Real(*number),
            Self::Text(text) => ValueRef::Text(text.as_bytes()),
            Self::Blob(bytes) => ValueRef::Blob(bytes),
        }))
    }
}

impl From<ValueRef<'_>> for SqlValue {
    fn from(value: ValueRef<'_>) -> Self {
        match value {
            ValueRef::Null => Self::Null,
            ValueRef::Integer(number) => Self::Integer(number),
            ValueRef::Real(number) => Self::Real(number),
            ValueRef::Text(text) => Self::Text(String::from_utf8_lossy(text).into_owned()),
            ValueRef::Blob(bytes) => Self::Blob(bytes.to_vec()),
        }
    }
}

/// The bytes that a value takes as JSON, more or less.
fn json_bytes(value: ValueRef<'_>) -> usize {
    match value {
        ValueRef::Null => 4,
        ValueRef::Integer(_) | ValueRef::Real(_) => 8,
        ValueRef::Text(text) => text.len() + 2,
        // An array of numbers.
        ValueRef::Blob(bytes) => bytes.len() * 4 + 2,
    }
}

/// Compiles and runs a stranger's statement. The guard is in the mode that is theirs.
fn step(connection: &Connection, guard: &Guard, statement: &Statement, limits: &Limits) -> Result<Answer> {
    let began = Instant::now();
    let mut batch = Batch::new(connection, &statement.sql);
    let mut compiled = batch
        .next()
        .map_err(|error| guard.explain(error))?
        .ok_or_else(|| Error::Sql("there is no statement".to_owned()))?;
    // Whatever follows, right or wrong, is a second one.
    if !matches!(batch.next(), Ok(None)) {
        return Err(Error::SqlMultipleStatements);
    }
    guard
        .bound_search(connection)
        .map_err(|error| guard.explain(error))?;
    let wanted = compiled.parameter_count();
    if wanted != statement.parameters.len() {
        return Err(Error::SqlParameters {
            wanted,
            given: statement.parameters.len(),
        });
    }
    for (position, parameter) in statement.parameters.iter().enumerate() {
        compiled
            .raw_bind_parameter(position + 1, parameter)
            .map_err(|error| guard.explain(error))?;
    }
    let columns: Vec<String> = compiled.column_names().into_iter().map(str::to_owned).collect();
    let names: usize = columns.iter().map(|name| name.len() + 4).sum();
    let mut size = 0;
    let mut read = Vec::new();
    let mut rows = compiled.raw_query();
    while let Some(row) = rows.next().map_err(|error| guard.explain(error))? {
        if read.len() == limits.d1_rows {
            return Err(Error::TooLarge {
                what: "the number of rows in the answer",
                limit: limits.d1_rows as u64,
                name: "d1_rows",
            });
        }
        size += names;
        let mut values = Vec::with_capacity(columns.len());
        for column in 0..columns.len() {
            let value = row.get_ref(column).map_err(|error| guard.explain(error))?;
            size += json_bytes(value);
            if size > limits.d1_answer_bytes {
                return Err(Error::TooLarge {
                    what: "the answer",
                    limit: limits.d1_answer_bytes as u64,
                    name: "d1_answer_bytes",
                });
            }
            values.push(value.into());
        }
        read.push(values);
    }
    drop(rows);
    drop(compiled);
    Ok(Answer {
        columns,
        rows: read,
        changes: connection.changes(),
        last_row_id: connection.last_insert_rowid(),
        duration: began.elapsed(),
    })
}
