//! The schema and how a database gets it.

use sqlx::migrate::{MigrateError, Migrator};

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
                let outcome = SQLITE.run_direct(None, &mut *writer, false).await;
                drop(lock);
                outcome.map_err(|error| explain(error, &SQLITE))
            }
            Self::Postgres(postgres) => POSTGRES
                .run(postgres.pool())
                .await
                .map_err(|error| explain(error, &POSTGRES)),
        }
    }

    /// The last schema version that this program knows.
    pub fn known_schema_version() -> i64 {
        newest(&SQLITE)
    }
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
    use super::*;

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
