//! What a stranger's statement may do, and for how long.
//!
//! Four things stand between a statement and the machine: the authorizer, which SQLite asks about every step of a
//! statement while it compiles it; the limits of the connection; a handler that SQLite calls every few
//! instructions, which ends a statement that ran too long or took too much memory; and own versions of those
//! functions that would work for minutes between two instructions ([`super::functions`]).

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rusqlite::config::DbConfig;
use rusqlite::hooks::{AuthAction, AuthContext, Authorization};
use rusqlite::limits::Limit;
use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::{functions, memory};
use crate::{Error, Limits, Result};

/// Whose statement is being compiled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    /// Ours.
    Own,
    /// A stranger's, who may only read.
    Query,
    /// A stranger's, who may write.
    Exec,
}

/// Instructions between two looks at clock and memory: some microseconds.
const INSTRUCTIONS: i32 = 200;

/// Pragmas that tell of the schema and change nothing; the first is what FTS5 asks by itself.
const PRAGMAS: &[&str] = &[
    "data_version",
    "table_info",
    "table_xinfo",
    "table_list",
    "index_list",
    "index_info",
    "index_xinfo",
    "foreign_key_list",
];

/// Kinds of virtual tables that can be made.
const MODULES: &[&str] = &["fts5", "rtree", "fts5vocab"];

/// Virtual tables that are there without being made, and tell of pages or of the library.
const HIDDEN_TABLES: &[&str] = &[
    "dbstat",
    "sqlite_dbpage",
    "sqlite_stmt",
    "fts3tokenize",
    "fts4aux",
];

/// Functions that reach outside of the database, or that a few bytes of SQL make work for minutes.
const FUNCTIONS: &[&str] = &[
    "load_extension",
    "fts3_tokenizer",
    "readfile",
    "writefile",
    "edit",
    "sqlite_log",
    "json_pretty",
    "json_patch",
    "jsonb_patch",
    "highlight",
];

#[derive(Debug)]
struct State {
    mode: Mode,
    /// What was refused, in words.
    refused: Option<String>,
    wrote: bool,
    /// The tables that the statement reads, in lower case.
    reads: BTreeSet<String>,
    /// Whether the statement's values are bounded as a search.
    searches: bool,
    deadline: Instant,
    memory: u64,
    stopped: Option<Stopped>,
}

#[derive(Clone, Copy, Debug)]
enum Stopped {
    Time,
    Memory,
}

/// The guard of one connection.
#[derive(Clone, Debug)]
pub(super) struct Guard {
    state: Arc<Mutex<State>>,
    limits: Arc<Limits>,
}

/// Opens a database under a guard. Without a path it is an empty one in memory.
pub(super) fn open(path: Option<&Path>, limits: &Arc<Limits>) -> Result<(Connection, Guard)> {
    let guard = Guard {
        state: Arc::new(Mutex::new(State {
            mode: Mode::Own,
            refused: None,
            wrote: false,
            reads: BTreeSet::new(),
            searches: false,
            deadline: Instant::now() + limits.statement_time(),
            memory: memory::in_use().saturating_add(limits.d1_memory_bytes),
            stopped: None,
        })),
        limits: Arc::clone(limits),
    };
    let connection = match path {
        Some(path) => {
            let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
                | OpenFlags::SQLITE_OPEN_CREATE
                | OpenFlags::SQLITE_OPEN_NO_MUTEX
                | OpenFlags::SQLITE_OPEN_NOFOLLOW;
            Connection::open_with_flags(path, flags)
        }
        None => Connection::open_in_memory(),
    };
    let connection = connection.map_err(Error::Engine)?;
    guard.install(&connection).map_err(Error::Engine)?;
    Ok((connection, guard))
}

impl Guard {
    fn install(&self, connection: &Connection) -> rusqlite::Result<()> {
        connection.busy_timeout(Duration::from_secs(5))?;
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_FTS3_TOKENIZER, false)?;
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_WRITABLE_SCHEMA, false)?;
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_FKEY, true)?;
        let number = |limit: usize| i32::try_from(limit).unwrap_or(i32::MAX);
        for (limit, value) in [
            (Limit::SQLITE_LIMIT_ATTACHED, 0),
            (Limit::SQLITE_LIMIT_LENGTH, number(self.limits.d1_value_bytes)),
            (
                Limit::SQLITE_LIMIT_SQL_LENGTH,
                number(self.limits.d1_statement_bytes),
            ),
            (
                Limit::SQLITE_LIMIT_VARIABLE_NUMBER,
                number(self.limits.d1_parameters),
            ),
            (Limit::SQLITE_LIMIT_EXPR_DEPTH, 100),
            (Limit::SQLITE_LIMIT_COMPOUND_SELECT, 50),
            (
                Limit::SQLITE_LIMIT_LIKE_PATTERN_LENGTH,
                number(self.limits.d1_pattern_bytes),
            ),
            (Limit::SQLITE_LIMIT_TRIGGER_DEPTH, 10),
            (Limit::SQLITE_LIMIT_COLUMN, 100),
            (Limit::SQLITE_LIMIT_FUNCTION_ARG, 32),
            (Limit::SQLITE_LIMIT_VDBE_OP, 250_000),
            (Limit::SQLITE_LIMIT_WORKER_THREADS, 0),
        ] {
            connection.set_limit(limit, value)?;
        }
        let pages = self.limits.d1_database_bytes.div_ceil(PAGE_BYTES).max(1);
        connection.pragma_update(None, "page_size", i64::try_from(PAGE_BYTES).unwrap_or(4096))?;
        connection.pragma_update(None, "max_page_count", i64::try_from(pages).unwrap_or(i64::MAX))?;
        connection.pragma_update(None, "temp_store", "memory")?;
        connection.pragma_update(None, "cell_size_check", true)?;
        connection.pragma_update(None, "mmap_size", 0)?;
        functions::install(connection, self.limits.d1_value_bytes)?;
        let asked = self.clone();
        connection.authorizer(Some(move |context: AuthContext<'_>| asked.authorize(&context)))?;
        let called = self.clone();
        connection.progress_handler(INSTRUCTIONS, Some(move || called.is_over()))?;
        Ok(())
    }

    /// Whose statements come next. Each time the clock starts anew.
    pub(super) fn enter(&self, mode: Mode) {
        let mut state = self.lock();
        state.mode = mode;
        state.refused = None;
        state.wrote = false;
        state.reads.clear();
        state.searches = false;
        state.stopped = None;
        state.deadline = Instant::now() + self.limits.statement_time();
    }

    /// Bounds the values of a compiled statement that reads a full-text index, or the paths of `json_tree`, if it
    /// does. What it looks for there takes time that grows with the square of its length, between two looks at the
    /// clock.
    pub(super) fn bound_search(&self, connection: &Connection) -> rusqlite::Result<()> {
        let (mode, reads) = {
            let mut state = self.lock();
            (
                std::mem::replace(&mut state.mode, Mode::Own),
                std::mem::take(&mut state.reads),
            )
        };
        let virtual_tables = || -> rusqlite::Result<Vec<String>> {
            connection
                .prepare("SELECT lower(name) FROM sqlite_schema WHERE sql LIKE 'CREATE VIRTUAL TABLE %'")?
                .query_map([], |row| row.get(0))?
                .collect()
        };
        let tables = if reads.is_empty() {
            Ok(Vec::new())
        } else {
            virtual_tables()
        };
        let mut state = self.lock();
        state.mode = mode;
        state.searches |= tables?.iter().any(|name| reads.contains(name));
        if state.searches {
            let longest = i32::try_from(self.limits.d1_statement_bytes).unwrap_or(i32::MAX);
            connection.set_limit(Limit::SQLITE_LIMIT_LENGTH, longest)?;
        }
        Ok(())
    }

    /// What a failure means.
    pub(super) fn explain(&self, error: rusqlite::Error) -> Error {
        let mut state = self.lock();
        if state.mode == Mode::Own {
            return match error.sqlite_error_code() {
                Some(ErrorCode::DiskFull) => self.full(),
                _ => Error::Engine(error),
            };
        }
        if let Some(refused) = state.refused.take() {
            return Error::SqlForbidden(refused);
        }
        if std::mem::take(&mut state.wrote) {
            return Error::SqlNotReadOnly;
        }
        match error.sqlite_error_code() {
            Some(ErrorCode::OperationInterrupted) => match state.stopped {
                Some(Stopped::Memory) => self.out_of_memory(),
                _ => Error::SqlTimeout(self.limits.statement_time()),
            },
            Some(ErrorCode::OutOfMemory) => self.out_of_memory(),
            Some(ErrorCode::DiskFull) => self.full(),
            Some(ErrorCode::TooBig) if state.searches => Error::TooLarge {
                what: "a text, blob or row of a statement that reads a virtual table",
                limit: self.limits.d1_statement_bytes as u64,
                name: "d1_statement_bytes",
            },
            Some(ErrorCode::TooBig) => Error::TooLarge {
                what: "a text, blob or row of the statement",
                limit: self.limits.d1_value_bytes as u64,
                name: "d1_value_bytes",
            },
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
                Error::Busy(self.limits.d1_concurrency)
            }
            Some(
                ErrorCode::DatabaseCorrupt
                | ErrorCode::NotADatabase
                | ErrorCode::SystemIoFailure
                | ErrorCode::CannotOpen
                | ErrorCode::InternalMalfunction
                | ErrorCode::PermissionDenied,
            ) => Error::Engine(error),
            _ => Error::Sql(message(&error)),
        }
    }

    fn full(&self) -> Error {
        Error::DatabaseFull {
            limit: self.limits.d1_database_bytes,
        }
    }

    fn out_of_memory(&self) -> Error {
        Error::TooLarge {
            what: "the memory that the statement takes",
            limit: self.limits.d1_memory_bytes,
            name: "d1_memory_bytes",
        }
    }

    fn is_over(&self) -> bool {
        let mut state = self.lock();
        if Instant::now() >= state.deadline {
            state.stopped = Some(Stopped::Time);
        } else if memory::in_use() > state.memory {
            state.stopped = Some(Stopped::Memory);
        }
        state.stopped.is_some()
    }

    fn authorize(&self, context: &AuthContext<'_>) -> Authorization {
        let mut state = self.lock();
        let verdict = match state.mode {
            Mode::Own => Verdict::Allowed,
            mode => judge(&context.action, mode),
        };
        if state.mode != Mode::Own
            && let AuthAction::Read {
                table_name,
                column_name,
            } = &context.action
        {
            state.reads.insert(table_name.to_lowercase());
            if is_path_of_tree(table_name, column_name) {
                state.searches = true;
            }
        }
        match verdict {
            Verdict::Allowed => Authorization::Allow,
            Verdict::Writes => {
                state.wrote = true;
                Authorization::Deny
            }
            Verdict::Forbidden(what) => {
                state.refused = Some(what);
                Authorization::Deny
            }
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What SQLite says of a failure.
pub(super) fn message(error: &rusqlite::Error) -> String {
    match error {
        rusqlite::Error::SqliteFailure(_, Some(message)) => message.clone(),
        other => other.to_string(),
    }
}

/// The bytes of a page of a database.
pub(super) const PAGE_BYTES: u64 = 4096;

fn is_path_of_tree(table: &str, column: &str) -> bool {
    table.eq_ignore_ascii_case("json_tree") && column.eq_ignore_ascii_case("path")
}

#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    Allowed,
    /// It would be allowed to somebody who may write.
    Writes,
    Forbidden(String),
}

fn judge(action: &AuthAction<'_>, mode: Mode) -> Verdict {
    use AuthAction as Action;
    let forbidden = |what: &str| Verdict::Forbidden(what.to_owned());
    let listed = |names: &[&str], name: &str| names.iter().any(|known| name.eq_ignore_ascii_case(known));
    match action {
        Action::Select | Action::Recursive => Verdict::Allowed,
        Action::Read { table_name, .. } if listed(HIDDEN_TABLES, table_name) => {
            forbidden(&format!("the table {table_name}"))
        }
        Action::Read { .. } => Verdict::Allowed,
        Action::Function { function_name } if listed(FUNCTIONS, function_name) => {
            forbidden(&format!("the function {function_name}"))
        }
        Action::Function { .. } => Verdict::Allowed,
        Action::Pragma { pragma_name, .. } if listed(PRAGMAS, pragma_name) => Verdict::Allowed,
        Action::Pragma { pragma_name, .. } => forbidden(&format!("PRAGMA {pragma_name}")),
        Action::Attach { .. } => forbidden("ATTACH and VACUUM"),
        Action::Detach { .. } => forbidden("DETACH"),
        Action::Transaction { .. } | Action::Savepoint { .. } => {
            forbidden("transactions: each statement is one of its own")
        }
        Action::CreateTempIndex { .. }
        | Action::CreateTempTable { .. }
        | Action::CreateTempTrigger { .. }
        | Action::CreateTempView { .. }
        | Action::DropTempIndex { .. }
        | Action::DropTempTable { .. }
        | Action::DropTempTrigger { .. }
        | Action::DropTempView { .. } => {
            forbidden("temporary tables, views and triggers: they would end with the statement")
        }
        Action::CreateVtable { module_name, .. } if !listed(MODULES, module_name) => {
            forbidden(&format!("virtual tables of the kind {module_name}"))
        }
        Action::CreateIndex { .. }
        | Action::CreateTable { .. }
        | Action::CreateTrigger { .. }
        | Action::CreateView { .. }
        | Action::CreateVtable { .. }
        | Action::DropIndex { .. }
        | Action::DropTable { .. }
        | Action::DropTrigger { .. }
        | Action::DropView { .. }
        | Action::DropVtable { .. }
        | Action::Insert { .. }
        | Action::Update { .. }
        | Action::Delete { .. }
        | Action::AlterTable { .. }
        | Action::Reindex { .. }
        | Action::Analyze { .. } => match mode {
            Mode::Exec | Mode::Own => Verdict::Allowed,
            Mode::Query => Verdict::Writes,
        },
        _ => forbidden("what this statement does"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_only_reads_writes_nothing() {
        let insert = AuthAction::Insert { table_name: "t" };
        assert_eq!(judge(&insert, Mode::Exec), Verdict::Allowed);
        assert_eq!(judge(&insert, Mode::Query), Verdict::Writes);
        assert_eq!(judge(&AuthAction::Select, Mode::Query), Verdict::Allowed);
    }

    #[test]
    fn what_is_not_known_is_forbidden() {
        let unknown = AuthAction::Unknown {
            code: 99,
            arg1: None,
            arg2: None,
        };
        assert!(matches!(judge(&unknown, Mode::Exec), Verdict::Forbidden(_)));
        let shell = AuthAction::Function {
            function_name: "LOAD_EXTENSION",
        };
        assert!(matches!(judge(&shell, Mode::Exec), Verdict::Forbidden(_)));
    }
}
