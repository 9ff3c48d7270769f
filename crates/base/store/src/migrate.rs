//! The schema and how a database gets it.

use sqlx::migrate::{MigrateError, Migrator};
use sqlx::postgres::{PgPool, PgPoolOptions};

use crate::{Db, Error, Result};

static SQLITE: Migrator = sqlx::migrate!("../../../migrations/sqlite");
static POSTGRES: Migrator = sqlx::migrate!("../../../migrations/postgres");

impl Db {
    /// Brings the schema up to date; several programs may do so at once.
    ///
    /// # Errors
    /// [`Error::SchemaTooNew`] when the database was written by a later version, [`Error::Migrate`] when a
    /// migration fails, in which case the schema is as it was before that migration.
    pub async fn migrate(&self) -> Result<()> {
        self.migrate_by(&SQLITE, &POSTGRES).await
    }

    async fn migrate_by(&self, for_sqlite: &Migrator, for_postgres: &Migrator) -> Result<()> {
        match self {
            Self::Sqlite(sqlite) => {
                // SQLite has no advisory locks; a lock file keeps a second program from the same step.
                let lock_path = sqlite.path().with_extension("migrate-lock");
                let lock = tokio::task::spawn_blocking(move || {
                    let file = std::fs::File::create(lock_path)?;
                    file.lock()?;
                    Ok(file)
                })
                .await
                .map_err(|panic| Error::Directory(std::io::Error::other(panic)))?
                .map_err(Error::Directory)?;
                let mut writer = sqlite.writer().acquire().await?;
                let outcome = for_sqlite.run_direct(None, &mut *writer, false).await;
                drop(lock);
                outcome.map_err(|error| explain(error, for_sqlite))
            }
            Self::Postgres(postgres) => migrate_postgres(postgres.pool(), for_postgres).await,
        }
    }

    /// The last schema version that this program knows.
    pub fn known_schema_version() -> i64 {
        newest(&SQLITE)
    }
}

/// Migrates under an advisory lock, which whoever comes later waits for.
///
/// On a connection of its own that is closed afterwards: a migration may take longer than any statement of a request,
/// and a failed one leaves the lock to the end of the connection.
async fn migrate_postgres(pool: &PgPool, migrator: &Migrator) -> Result<()> {
    let options = pool.connect_options().as_ref().clone();
    let alone = PgPoolOptions::new()
        .max_connections(1)
        .connect_with(options.options([("statement_timeout", "0")]))
        .await?;
    let outcome = migrator.run(&alone).await;
    alone.close().await;
    outcome.map_err(|error| explain(error, migrator))
}

fn newest(migrator: &Migrator) -> i64 {
    migrator
        .iter()
        .map(|migration| migration.version)
        .max()
        .unwrap_or(0)
}

fn explain(error: MigrateError, migrator: &Migrator) -> Error {
    match error {
        MigrateError::VersionMissing(found) if found > newest(migrator) => Error::SchemaTooNew {
            found,
            known: newest(migrator),
        },
        MigrateError::Execute(error) => match Error::from(error) {
            unavailable @ Error::Unavailable(_) => unavailable,
            Error::Statement(error)
            | Error::Duplicate(error)
            | Error::Conflict(error)
            | Error::Full(error) => Error::Migrate(MigrateError::Execute(error)),
            other => other,
        },
        other => Error::Migrate(other),
    }
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use super::*;
    use crate::testing::TestDb;

    /// What the program knew some versions ago.
    fn before(migrator: &'static Migrator, versions: i64) -> Migrator {
        let known = newest(migrator) - versions;
        let steps = migrator
            .iter()
            .filter(|step| step.version <= known)
            .cloned()
            .collect();
        Migrator {
            migrations: Cow::Owned(steps),
            ..Migrator::DEFAULT
        }
    }

    /// Old and new programs that start at the same time, several of each.
    async fn old_and_new_at_once(db: &Db) {
        let starts = (0..6).map(|number| {
            let db = db.clone();
            tokio::spawn(async move {
                if number % 2 == 0 {
                    return (true, db.migrate().await);
                }
                let (sqlite, postgres) = (before(&SQLITE, 2), before(&POSTGRES, 2));
                (false, db.migrate_by(&sqlite, &postgres).await)
            })
        });
        for start in starts.collect::<Vec<_>>() {
            match start.await.unwrap() {
                (_, Ok(())) => {}
                // It came too late, and touched nothing.
                (false, Err(Error::SchemaTooNew { found, known })) => assert!(found > known),
                (is_new, Err(error)) => panic!("new: {is_new}: {error:?}"),
            }
        }
        assert_eq!(db.schema_version().await.unwrap(), Db::known_schema_version());
        db.migrate().await.unwrap();
    }

    #[tokio::test]
    async fn old_and_new_programs_may_start_at_once_on_postgres() {
        let Some(database) = TestDb::empty_postgres().await else {
            return;
        };
        assert_eq!(database.db().schema_version().await.unwrap(), 0);
        old_and_new_at_once(&database.db()).await;
    }

    #[tokio::test]
    async fn old_and_new_programs_may_start_at_once_on_sqlite() {
        let directory = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}/new.db", directory.path().display());
        let db = Db::open(&url, &crate::Options::default()).await.unwrap();
        old_and_new_at_once(&db).await;
    }

    #[test]
    fn both_engines_have_the_same_migrations() {
        let names = |migrator: &Migrator| {
            migrator
                .iter()
                .map(|step| (step.version, step.description.clone()))
                .collect::<Vec<_>>()
        };
        assert_eq!(names(&SQLITE), names(&POSTGRES));
    }
}
