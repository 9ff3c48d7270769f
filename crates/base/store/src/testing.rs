//! Temporary, migrated databases on both engines.
//!
//! PostgreSQL tests run against the server that `PENTAD_TEST_POSTGRES` names (a superuser's URL);
//! `cargo xtask test` starts one. Each test gets a database of its own, cloned from a migrated template.

#![expect(
    clippy::print_stderr,
    reason = "a skipped half has to be seen by whoever runs the tests"
)]
#![expect(
    clippy::disallowed_types,
    reason = "the names of test databases are made here and cannot be bound"
)]

use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection};

use crate::{Db, Durability, Options};

/// The environment variable that names the PostgreSQL server for tests.
pub const POSTGRES_VARIABLE: &str = "PENTAD_TEST_POSTGRES";

/// A database that lives as long as the test that made it.
#[derive(Debug)]
pub struct TestDb {
    db: Db,
    url: String,
    _directory: Option<tempfile::TempDir>,
    drop_database: Option<(String, String)>,
}

fn options() -> Options {
    Options {
        durability: Durability::Os,
        connections: 4,
        ..Options::default()
    }
}

impl TestDb {
    /// A SQLite file in a temporary directory.
    pub async fn sqlite() -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory can be made");
        let url = format!("sqlite:{}", directory.path().join("pentad.db").display());
        let db = Db::open(&url, &options()).await.expect("a new SQLite file opens");
        db.migrate().await.expect("the SQLite migrations apply");
        Self {
            db,
            url,
            _directory: Some(directory),
            drop_database: None,
        }
    }

    /// A PostgreSQL database, or `None`, said aloud, where no server is given outside CI.
    ///
    /// # Panics
    /// When `CI` is set and no server is given: half of the tests must not vanish unseen.
    pub async fn postgres() -> Option<Self> {
        let server = Self::server()?;
        let template = template(&server).await;
        Some(Self::cloned(server, &template).await)
    }

    /// A PostgreSQL database that holds nothing, not even a schema; otherwise as [`TestDb::postgres`].
    ///
    /// # Panics
    /// As [`TestDb::postgres`].
    pub async fn empty_postgres() -> Option<Self> {
        Some(Self::cloned(Self::server()?, "template0").await)
    }

    fn server() -> Option<String> {
        let Ok(server) = std::env::var(POSTGRES_VARIABLE) else {
            assert!(
                std::env::var_os("CI").is_none(),
                "{POSTGRES_VARIABLE} must name a server in CI"
            );
            eprintln!(
                "SKIPPED on PostgreSQL: {POSTGRES_VARIABLE} names no server (cargo xtask test starts one)"
            );
            return None;
        };
        Some(server)
    }

    async fn cloned(server: String, template: &str) -> Self {
        let name = pentad_kernel::id::prefixed("pentad_test_", 16);
        let mut admin = PgConnection::connect(&server)
            .await
            .expect("the test server answers");
        admin
            .execute(AssertSqlSafe(format!(
                "CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy"
            )))
            .await
            .expect("the template can be cloned");
        let url = with_database(&server, &name);
        let db = Db::open(&url, &options())
            .await
            .expect("the cloned database opens");
        Self {
            db,
            url,
            _directory: None,
            drop_database: Some((server, name)),
        }
    }

    /// The database.
    pub fn db(&self) -> Db {
        self.db.clone()
    }

    /// The URL under which another program opens the same database.
    pub fn url(&self) -> &str {
        &self.url
    }
}

impl Drop for TestDb {
    fn drop(&mut self) {
        let Some((server, name)) = self.drop_database.take() else {
            return;
        };
        let dropped = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()?;
            runtime.block_on(async {
                let mut admin = PgConnection::connect(&server)
                    .await
                    .map_err(std::io::Error::other)?;
                admin
                    .execute(AssertSqlSafe(format!(
                        "DROP DATABASE IF EXISTS {name} WITH (FORCE)"
                    )))
                    .await
                    .map_err(std::io::Error::other)
            })
        })
        .join();
        if !matches!(dropped, Ok(Ok(_))) {
            eprintln!("a test database was left behind");
        }
    }
}

/// The name of a migrated database to clone, made by whichever test comes first.
async fn template(server: &str) -> String {
    let name = format!("pentad_template_{}", schema_fingerprint());
    let mut admin = PgConnection::connect(server)
        .await
        .expect("the test server answers");
    // One test process makes the template, the others wait for it here.
    admin
        .execute("SELECT pg_advisory_lock(7239461)")
        .await
        .expect("an advisory lock is granted");
    let exists: Option<i32> = sqlx::query_scalar("SELECT 1 FROM pg_database WHERE datname = $1")
        .bind(&name)
        .fetch_optional(&mut admin)
        .await
        .expect("the catalogue can be read");
    if exists.is_none() {
        let building = format!("{name}_building");
        for statement in [
            format!("DROP DATABASE IF EXISTS {building}"),
            format!("CREATE DATABASE {building}"),
        ] {
            admin
                .execute(AssertSqlSafe(statement))
                .await
                .expect("the template can be made");
        }
        let db = Db::open(&with_database(server, &building), &options())
            .await
            .expect("the template opens");
        db.migrate().await.expect("the PostgreSQL migrations apply");
        db.close().await;
        admin
            .execute(AssertSqlSafe(format!(
                "ALTER DATABASE {building} RENAME TO {name}"
            )))
            .await
            .expect("the template can be renamed");
    }
    name
}

/// Makes a database look as if a later version of the program had migrated it.
///
/// # Panics
/// When the database fails.
pub async fn pretend_newer(db: &Db) {
    const LATER: &str =
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
        VALUES ($1, 'later', TRUE, $2, 0)";
    crate::with_writer!(*db, |conn| sqlx::query(LATER)
        .bind(Db::known_schema_version() + 1)
        .bind(vec![0_u8])
        .execute(conn)
        .await
        .map(crate::affected))
    .expect("the table of migrations can be written");
}

fn schema_fingerprint() -> String {
    let sql: String = sqlx::migrate!("../../../migrations/postgres")
        .iter()
        .map(|step| step.sql.as_str())
        .collect();
    pentad_kernel::secret::sha256_hex(sql)[..16].to_owned()
}

fn with_database(server: &str, name: &str) -> String {
    let (address, query) = server
        .split_once('?')
        .map_or((server, None), |(address, query)| (address, Some(query)));
    let authority_end = address.find("://").map_or(0, |start| start + 3);
    let base = address[authority_end..]
        .find('/')
        .map_or(address, |slash| &address[..authority_end + slash]);
    query.map_or_else(
        || format!("{base}/{name}"),
        |query| format!("{base}/{name}?{query}"),
    )
}

/// Declares tests that run once on SQLite and once on PostgreSQL.
///
/// ```
/// pentad_store::both_engines! {
///     async fn answers(db: pentad_store::Db) {
///         db.ping().await.unwrap();
///     }
/// }
/// ```
#[macro_export]
macro_rules! both_engines {
    ($($(#[$meta:meta])* async fn $name:ident($db:ident: $type:ty) $body:block)+) => {
        $($(#[$meta])* mod $name {
            #[allow(unused_imports, reason = "a scenario may need nothing from its surroundings")]
            use super::*;

            async fn scenario($db: $type) $body

            #[tokio::test]
            async fn sqlite() {
                let database = $crate::testing::TestDb::sqlite().await;
                scenario(database.db()).await;
            }

            #[tokio::test]
            async fn postgres() {
                if let Some(database) = $crate::testing::TestDb::postgres().await {
                    scenario(database.db()).await;
                }
            }
        })+
    };
}
