//! SQL databases.

mod chunks;
mod files;
mod functions;
mod guard;
mod memory;
mod registry;
mod run;
mod tables;

use std::sync::Arc;
use std::time::Duration;

use pentad_kernel::Actor;
use pentad_store::{Db, Tx};

use crate::{Error, Limits, Namespace, Result, Storage};
pub(crate) use chunks::Chunks;
use files::{Cached, Entry};
pub(crate) use files::{Databases, Form};
use registry::Row;
pub(crate) use registry::{Row as DatabaseRow, chunk_list};
use run::{Database, Ran, Read};
use tables::Measured;

/// A value of SQL.
#[derive(Clone, Debug, PartialEq)]
pub enum SqlValue {
    /// NULL.
    Null,
    /// INTEGER.
    Integer(i64),
    /// REAL.
    Real(f64),
    /// TEXT. Bytes in a database that are not UTF-8 come out as U+FFFD.
    Text(String),
    /// BLOB.
    Blob(Vec<u8>),
}

/// One statement and its parameters, in order.
#[derive(Clone, Debug, PartialEq)]
pub struct Statement {
    /// The SQL, with `?` for parameters.
    pub sql: String,
    /// Their values.
    pub parameters: Vec<SqlValue>,
}

impl Statement {
    /// A statement without parameters.
    pub fn of(sql: impl Into<String>) -> Self {
        Self {
            sql: sql.into(),
            parameters: Vec::new(),
        }
    }

    fn check(&self, limits: &Limits) -> Result<()> {
        let too_large = |what, limit: usize, name| {
            Err(Error::TooLarge {
                what,
                limit: limit as u64,
                name,
            })
        };
        if self.sql.len() > limits.d1_statement_bytes {
            return too_large("the statement", limits.d1_statement_bytes, "d1_statement_bytes");
        }
        if self.parameters.len() > limits.d1_parameters {
            return too_large("the list of parameters", limits.d1_parameters, "d1_parameters");
        }
        if self.sql.contains('\0') {
            return Err(Error::Sql("the statement holds a NUL character".to_owned()));
        }
        Ok(())
    }
}

/// What a statement gave.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// The names of the columns; empty for a statement that gives no rows.
    pub columns: Vec<String>,
    /// The rows, each with a value for every column.
    pub rows: Vec<Vec<SqlValue>>,
    /// How many rows the statement wrote.
    pub changes: u64,
    /// The row identifier of the last row that it inserted; 0 if it inserted none.
    pub last_row_id: i64,
    /// How long it ran.
    pub duration: Duration,
}

impl Storage {
    /// Runs a statement that only reads.
    ///
    /// A namespace without a database reads as an empty one.
    ///
    /// # Errors
    /// [`Error::SqlNotReadOnly`], [`Error::SqlMultipleStatements`], [`Error::Sql`], [`Error::SqlForbidden`],
    /// [`Error::SqlParameters`], [`Error::SqlTimeout`]; [`Error::TooLarge`] for statement and answer;
    /// [`Error::Busy`]; [`Error::Store`], [`Error::Objects`].
    pub async fn d1_query(
        &self,
        actor: &Actor,
        namespace: &Namespace,
        statement: Statement,
    ) -> Result<Answer> {
        statement.check(&self.limits)?;
        let Some(mut row) = Row::find(&self.db, &actor.organisation, namespace).await? else {
            return Ok(self.query(Database::Nowhere, statement).await?.answer);
        };
        let entry = self.databases.entry(&row.id)?;
        let ran = match self.databases.form() {
            Form::File => {
                let _reading = entry.file.read().await;
                if !self.databases.is_there(&row)? {
                    return Ok(self.query(Database::Nowhere, statement).await?.answer);
                }
                self.query(Database::At(entry.path.clone()), statement).await?
            }
            Form::Chunks => {
                let mut reading = self.up_to_date(&entry, &row).await;
                if matches!(reading, Err(Error::Objects(pentad_blob::Error::NotFound { .. }))) {
                    // A later version took its place meanwhile, and its chunks were swept.
                    if let Some(later) = Row::find(&self.db, &actor.organisation, namespace).await? {
                        row = later;
                    }
                    reading = self.up_to_date(&entry, &row).await;
                }
                let _reading = reading?;
                self.query(Database::At(entry.path.clone()), statement).await?
            }
        };
        if self.databases.form() == Form::File && ran.schema_version != row.schema_version {
            // The program was killed between a commit in the file and the row that tells of it.
            let _writing = entry.writing.lock().await;
            let known = row.measured();
            let measured = self
                .blocking(Database::At(entry.path.clone()), move |database, setup| {
                    run::measure(database, setup, known)
                })
                .await;
            self.note(&row, measured).await;
        }
        Ok(ran.answer)
    }

    /// Runs a statement that may write. It happens whole or not at all, and has happened for good when this
    /// returns.
    ///
    /// # Errors
    /// As for [`d1_query`](Self::d1_query), apart from [`Error::SqlNotReadOnly`]; also [`Error::DatabaseFull`].
    pub async fn d1_exec(
        &self,
        actor: &Actor,
        namespace: &Namespace,
        statement: Statement,
    ) -> Result<Answer> {
        statement.check(&self.limits)?;
        let (storage, organisation, namespace) =
            (self.clone(), actor.organisation.clone(), namespace.clone());
        // A task of its own: a client that goes away in the middle must not leave a file and its row apart.
        let task = tokio::spawn(async move {
            let now = storage.clock.now();
            let row = Row::find_or_make(&storage.db, &organisation, &namespace, now).await?;
            let entry = storage.databases.entry(&row.id)?;
            let _writing = entry.writing.lock().await;
            match storage.databases.form() {
                Form::File => storage.exec_in_file(&entry, &row, statement).await,
                Form::Chunks => storage.exec_in_chunks(&entry, &row.id, statement).await,
            }
        });
        task.await.map_err(|lost| Error::Lost(lost.to_string()))?
    }

    async fn exec_in_file(&self, entry: &Entry, row: &Row, statement: Statement) -> Result<Answer> {
        let known = row.measured();
        let ran = {
            let _file = entry.file.write().await;
            self.databases.is_there(row)?;
            self.blocking(Database::At(entry.path.clone()), move |database, setup| {
                run::exec(database, &statement, setup, known)
            })
            .await?
        };
        if let Some(measured) = ran.measured {
            self.note(row, measured).await;
        }
        Ok(ran.answer)
    }

    /// Writes down what a file holds. A failure is made good by the next statement, so it fails nothing.
    async fn note(&self, row: &Row, measured: Result<Measured>) {
        let noted = async {
            let tx = self.db.begin().await?;
            self.commit(tx, row, &measured?, &[]).await
        };
        if let Err(error) = noted.await {
            tracing::warn!(%error, "the tables of a database were not written down");
        }
    }

    async fn exec_in_chunks(&self, entry: &Entry, id: &str, statement: Statement) -> Result<Answer> {
        let _turn = self.databases.transaction_turn().await?;
        let mut tx = self.db.begin().await?;
        let row = Row::lock(&mut tx, id).await?;
        let mut cached = entry.file.write().await;
        let chunks = Chunks::of(&self.blobs, &row.id)?;
        self.bring_up_to_date(&chunks, entry, &mut cached, &row).await?;
        // Until the row tells of what happens now, the file is no copy of anything.
        let copy = cached.take();
        let known = row.measured();
        let ran = self
            .blocking(Database::At(entry.path.clone()), move |database, setup| {
                run::exec(database, &statement, setup, known)
            })
            .await;
        let (answer, measured) = match ran {
            Ok(Ran {
                answer,
                measured: Some(measured),
            }) => (answer, measured?),
            Ok(Ran {
                answer,
                measured: None,
            }) => {
                *cached = copy;
                return Ok(answer);
            }
            Err(error) => {
                // A statement that fails is rolled back; what else fails may leave the file in any state.
                if !matches!(error, Error::Engine(_) | Error::Lost(_)) {
                    *cached = copy;
                }
                return Err(error);
            }
        };
        let list = chunks.store(&entry.path, &row.chunks()?).await?;
        self.commit(tx, &row, &measured, &list).await?;
        *cached = Cached {
            version: Some(row.version + 1),
            chunks: list,
        };
        Ok(answer)
    }

    /// Writes the row and commits.
    async fn commit(
        &self,
        mut tx: Tx,
        row: &Row,
        measured: &Measured,
        list: &[pentad_blob::BlobId],
    ) -> Result<()> {
        row.write(&mut tx, measured, list, self.clock.now()).await?;
        tx.commit().await?;
        Ok(())
    }

    /// A copy that is at least as new as the row, and stays so while the guard is held.
    async fn up_to_date<'a>(
        &self,
        entry: &'a Entry,
        row: &Row,
    ) -> Result<tokio::sync::RwLockReadGuard<'a, Cached>> {
        let is_new = |cached: &Cached| cached.version.is_some_and(|version| version >= row.version);
        let reading = entry.file.read().await;
        if is_new(&reading) {
            return Ok(reading);
        }
        drop(reading);
        let mut cached = entry.file.write().await;
        if !is_new(&cached) {
            let chunks = Chunks::of(&self.blobs, &row.id)?;
            self.bring_up_to_date(&chunks, entry, &mut cached, row).await?;
        }
        Ok(cached.downgrade())
    }

    async fn bring_up_to_date(
        &self,
        chunks: &Chunks,
        entry: &Entry,
        cached: &mut Cached,
        row: &Row,
    ) -> Result<()> {
        if cached.version == Some(row.version) {
            return Ok(());
        }
        let known = cached.take();
        let list = row.chunks()?;
        let size = u64::try_from(row.size).unwrap_or(0);
        chunks.fetch(&entry.path, &known, &list, size).await?;
        *cached = Cached {
            version: Some(row.version),
            chunks: list,
        };
        self.databases.evict(self.limits.d1_cache_bytes);
        Ok(())
    }

    async fn query(&self, database: Database, statement: Statement) -> Result<Read> {
        self.blocking(database, move |database, setup| {
            run::query(database, &statement, setup)
        })
        .await
    }

    /// Works on a database on a thread of its own, once it is its turn.
    async fn blocking<T: Send + 'static>(
        &self,
        database: Database,
        work: impl FnOnce(&Database, &run::Setup) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let turn = self.databases.turn(self.limits.queue_time()).await?;
        let setup = run::Setup {
            limits: Arc::clone(&self.limits),
            durability: self.databases.durability(),
        };
        blocking(move || {
            let _turn = turn;
            work(&database, &setup)
        })
        .await
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|lost| Error::Lost(lost.to_string()))?
}

/// The form that databases have beside this one.
pub(crate) fn form_beside(db: &Db) -> Form {
    match db {
        Db::Sqlite(_) => Form::File,
        Db::Postgres(_) => Form::Chunks,
    }
}
