//! Lists: both time axes on one page, each combination by the index that fits it.

use pentad_kernel::{Actor, Timestamp, cursor};
use pentad_store::with_reader;

use crate::belief::{Axes, Order, View};
use crate::{Error, Memories, Memory, Result, Tenant};

/// Which memories to list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListQuery {
    /// The tenant to look in.
    pub tenant: Tenant,
    /// The instants to look at.
    pub axes: Axes,
    /// Whether to show what was superseded. Without meaning once a valid instant is given.
    pub include_superseded: bool,
    /// Only memories of this source.
    pub source: Option<String>,
    /// Only memories of this session.
    pub session_id: Option<String>,
    /// How many at most.
    pub limit: u32,
    /// Where the page before ended.
    pub cursor: Option<String>,
}

impl Default for ListQuery {
    fn default() -> Self {
        Self {
            tenant: Tenant::default(),
            axes: Axes::default(),
            include_superseded: false,
            source: None,
            session_id: None,
            limit: 20,
            cursor: None,
        }
    }
}

/// One page of a list.
#[derive(Clone, Debug, PartialEq)]
pub struct Page {
    /// The memories, as believed at the transaction instant.
    pub memories: Vec<Memory>,
    /// Where to go on; `None` at the end.
    pub next_cursor: Option<String>,
}

/// Where a page ended: the value it is ordered by, and the number of the memory. Numbers are those of the table, and
/// would tell one account how much the others store: they never leave this crate.
type Position = (i64, i64);
/// The same for the outside: the value, and when the memory was stored, which no two memories of an account share.
type Cursor = (i64, i64);

/// The memory that was the last one stored in the scope at an instant.
const LAST_STORED: &str = "
    SELECT created_at, memory FROM memory_versions WHERE scope = $1 AND created_at <= $2
    ORDER BY created_at DESC, memory DESC LIMIT 1";

impl Memories {
    /// One page of the memories that a view shows, newest first; latest valid first where a valid instant
    /// decides.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] for the limit, [`Error::BadCursor`].
    pub async fn list(&self, actor: &Actor, query: &ListQuery) -> Result<Page> {
        if query.limit == 0 || query.limit > self.limits.list {
            let allowed = format!("a whole number from 1 to {}", self.limits.list);
            return Err(Error::OutOfRange {
                field: "limit",
                allowed,
            });
        }
        let cursor: Option<Cursor> = match &query.cursor {
            Some(text) => Some(cursor::decode(text).ok_or(Error::BadCursor)?),
            None => None,
        };
        let snapshot = self
            .snapshot(&actor.organisation, &query.tenant, query.axes.transaction)
            .await?;
        let Some(state) = snapshot.scope else {
            return Ok(Page {
                memories: Vec::new(),
                next_cursor: None,
            });
        };
        let view = View::of(query.axes, query.include_superseded, self.clock.now());
        let bounds = Bounds::of(&view, snapshot.clock);
        // A view begins at its instant: the statements do not ask for that again, because SQLite would take either
        // bound, and from the other one walk over all that came later.
        let first = match view.order() {
            Order::Created => bounds.transaction,
            Order::ValidFrom => bounds.valid,
        };
        let after = match cursor {
            Some(cursor) => self.position(state.scope, cursor).await?.min((first, i64::MAX)),
            None => (first, i64::MAX),
        };
        let rows = dialect::rows(&self.db, &view, query, state.scope, bounds, after).await?;
        let full = rows.len() > query.limit as usize;
        let mut rows = rows;
        rows.truncate(query.limit as usize);
        let next_cursor = rows.last().filter(|_| full).map(|row| {
            let key = match view.order() {
                Order::Created => row.created_at,
                Order::ValidFrom => row.valid_from,
            };
            cursor::encode::<Cursor>(&(key, row.created_at))
        });
        let memories = rows.into_iter().map(Memory::try_from).collect::<Result<_>>()?;
        Ok(Page {
            memories,
            next_cursor,
        })
    }
}

impl Memories {
    /// The position of a cursor, also when the memory that it names is erased.
    async fn position(&self, scope: i64, (key, created_at): Cursor) -> Result<Position> {
        let last: Option<(i64, i64)> = with_reader!(self.db, |conn| sqlx::query_as(LAST_STORED)
            .bind(scope)
            .bind(created_at)
            .fetch_optional(conn)
            .await)?;
        Ok(match last {
            Some((stored, memory)) if stored == created_at => (key, memory),
            Some((_, memory)) => (key, memory + 1),
            None => (key, 0),
        })
    }
}

/// The instants that a statement compares with: `$2` and `$3` of every list.
#[derive(Clone, Copy, Debug)]
struct Bounds {
    valid: i64,
    transaction: i64,
}

impl Bounds {
    fn of(view: &View, clock: Timestamp) -> Self {
        let open = i64::MAX;
        let known = |transaction: Timestamp| transaction.min(clock).as_micros();
        let (valid, transaction) = match *view {
            View::Current { now } => (now.as_micros(), open),
            View::History => (open, open),
            View::AsOf { valid } => (valid.as_micros(), open),
            View::Known { transaction } | View::KnownHistory { transaction } => (open, known(transaction)),
            View::Both { valid, transaction } => (valid.as_micros(), known(transaction)),
        };
        Self { valid, transaction }
    }
}

/// The statements. SQLite is told which index to take and in which order to join (`CROSS JOIN` keeps it), because it
/// cannot know that one way reads twenty rows and another a million; PostgreSQL follows the order of the list.
mod dialect {
    use pentad_store::{Db, Error as StoreError, with_postgres};

    use super::{Bounds, ListQuery, Position};
    use crate::Result;
    use crate::belief::{Order, View};
    use crate::memory::{MemoryRow, memory_columns};

    /// A statement with each engine's way of naming an index.
    struct Sql {
        sqlite: &'static str,
        postgres: &'static str,
    }

    macro_rules! list {
        ($index:literal, $shown:literal, $order:literal) => {
            Sql {
                sqlite: list!(@text concat!("memory_versions AS v INDEXED BY ", $index, " CROSS JOIN"),
                              "CROSS JOIN memory_scopes AS s NOT INDEXED", $shown, $order),
                postgres: list!(@text "memory_versions AS v JOIN", "JOIN memory_scopes AS s", $shown, $order),
            }
        };
        (@text $versions:expr, $scopes:literal, $shown:literal, $order:literal) => {
            concat!(
                "SELECT ", memory_columns!(), " FROM ", $versions,
                " memories AS m ON m.memory = v.memory ", $scopes, " ON s.scope = v.scope
                  WHERE v.scope = $1 AND ", $shown,
                " AND (v.", $order, ", v.memory) < ($4, $5)
                  ORDER BY v.", $order, " DESC, v.memory DESC LIMIT $6"
            )
        };
    }

    /// The list of what a column of the memories has in common, by the index of that column.
    macro_rules! list_of {
        ($index:literal, $common:literal, $shown:literal, $order:literal) => {
            Sql {
                sqlite: list_of!(@text concat!("memories AS m INDEXED BY ", $index, " CROSS JOIN"), $common, $shown, $order),
                postgres: list_of!(@text "memories AS m JOIN", $common, $shown, $order),
            }
        };
        (@text $memories:expr, $common:literal, $shown:literal, $order:literal) => {
            concat!(
                "SELECT ", memory_columns!(), " FROM ", $memories,
                " memory_versions AS v ON v.memory = m.memory
                  JOIN memory_scopes AS s ON s.scope = m.scope
                  WHERE m.scope = $1 AND ", $common, " AND ", $shown,
                " AND (v.", $order, ", v.memory) < ($4, $5)
                  ORDER BY v.", $order, " DESC, v.memory DESC LIMIT $6"
            )
        };
    }

    /// One view: everything, and what is of one session, of one source, or of both.
    struct Statements {
        all: Sql,
        of_session: Sql,
        of_source: Sql,
        of_both: Sql,
    }

    macro_rules! views {
        ($($name:ident: $index:literal, $order:literal, $shown:literal;)*) => {
            $(const $name: Statements = Statements {
                all: list!($index, $shown, $order),
                of_session: list_of!("memories_by_session", "m.session_id = $7", $shown, $order),
                of_source: list_of!("memories_by_source", "m.source = $7", $shown, $order),
                of_both: list_of!("memories_by_session", "m.session_id = $7 AND m.source = $8", $shown, $order),
            };)*
        };
    }

    // $2 is the valid instant, $3 the transaction instant; either is the open end where the view has none. That the
    // column of the order is not beyond its instant is left to the cursor.
    views! {
        CURRENT: "memory_versions_current", "created_at",
            "v.tx_to = 9223372036854775807 AND v.superseded_by IS NULL
             AND v.valid_from <= $2 AND v.valid_to > $2 AND v.tx_from <= $3";
        HISTORY: "memory_versions_by_creation", "created_at",
            "v.tx_to = 9223372036854775807 AND v.valid_from <= $2 AND v.tx_from <= $3";
        AS_OF: "memory_versions_by_validity", "valid_from",
            "v.tx_to = 9223372036854775807 AND v.valid_to > $2 AND v.tx_from <= $3";
        KNOWN: "memory_versions_by_creation", "created_at",
            "v.tx_from <= $3 AND v.tx_to > $3 AND v.superseded_by IS NULL AND v.valid_from <= $2";
        KNOWN_HISTORY: "memory_versions_by_creation", "created_at",
            "v.tx_from <= $3 AND v.tx_to > $3 AND v.valid_from <= $2";
        BOTH_BY_CREATION: "memory_versions_by_creation", "created_at",
            "v.tx_from <= $3 AND v.tx_to > $3 AND v.valid_from <= $2 AND v.valid_to > $2";
        BOTH_BY_VALIDITY: "memory_versions_by_validity", "valid_from",
            "v.valid_to > $2 AND v.tx_from <= $3 AND v.tx_to > $3";
    }

    fn statements(view: &View) -> &'static Statements {
        match (view, view.order()) {
            (View::Current { .. }, _) => &CURRENT,
            (View::History, _) => &HISTORY,
            (View::AsOf { .. }, _) => &AS_OF,
            (View::Known { .. }, _) => &KNOWN,
            (View::KnownHistory { .. }, _) => &KNOWN_HISTORY,
            (View::Both { .. }, Order::Created) => &BOTH_BY_CREATION,
            (View::Both { .. }, Order::ValidFrom) => &BOTH_BY_VALIDITY,
        }
    }

    /// One row more than the page has, which tells whether there is another page.
    pub(super) async fn rows(
        db: &Db,
        view: &View,
        query: &ListQuery,
        scope: i64,
        bounds: Bounds,
        after: Position,
    ) -> Result<Vec<MemoryRow>> {
        let statements = statements(view);
        let (session, source) = (query.session_id.as_deref(), query.source.as_deref());
        let sql = match (session, source) {
            (None, None) => &statements.all,
            (Some(_), None) => &statements.of_session,
            (None, Some(_)) => &statements.of_source,
            (Some(_), Some(_)) => &statements.of_both,
        };
        macro_rules! fetch {
            ($sql:expr, $pool:expr) => {{
                let statement = sqlx::query_as($sql)
                    .bind(scope)
                    .bind(bounds.valid)
                    .bind(bounds.transaction)
                    .bind(after.0)
                    .bind(after.1)
                    .bind(i64::from(query.limit) + 1);
                let statement = [session, source]
                    .into_iter()
                    .flatten()
                    .fold(statement, |it, common| it.bind(common));
                statement.fetch_all($pool).await
            }};
        }
        Ok(match db {
            Db::Sqlite(sqlite) => fetch!(sql.sqlite, sqlite.reader()).map_err(StoreError::from)?,
            Db::Postgres(postgres) => {
                let mut connection = postgres.connection().await?;
                with_postgres!(&mut connection, |conn| fetch!(sql.postgres, conn))?
            }
        })
    }

    #[cfg(test)]
    mod tests {
        use pentad_store::testing::TestDb;
        use sqlx::QueryBuilder;

        use super::*;

        /// A table of a million versions beside one of two scopes, as SQLite would have counted them.
        const STATISTICS: &str = "
            ANALYZE;
            DELETE FROM sqlite_stat1;
            INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES
                ('memory_scopes', 'sqlite_autoindex_memory_scopes_1', '2 1 1'),
                ('memories', 'sqlite_autoindex_memories_1', '1000000 1'),
                ('memory_versions', 'memory_versions_current', '800000 800000 1 1 1 1'),
                ('memory_versions', 'memory_versions_by_validity', '1200000 1200000 2 2 1 1 1'),
                ('memory_versions', 'memory_versions_by_creation', '1200000 1200000 2 2 1 1 1 1');
            ANALYZE sqlite_schema";

        #[tokio::test]
        async fn sqlite_reads_a_page_in_the_order_of_its_index_whatever_it_knows_of_the_tables() {
            let database = TestDb::sqlite().await;
            let Db::Sqlite(sqlite) = database.db() else {
                unreachable!("it was asked for")
            };
            let mut writer = sqlite.writer().acquire().await.unwrap();
            for statistics in ["SELECT 1", STATISTICS] {
                sqlx::raw_sql(statistics).execute(&mut *writer).await.unwrap();
                for view in [
                    &CURRENT,
                    &HISTORY,
                    &AS_OF,
                    &KNOWN,
                    &KNOWN_HISTORY,
                    &BOTH_BY_CREATION,
                    &BOTH_BY_VALIDITY,
                ] {
                    let mut query = QueryBuilder::new("EXPLAIN QUERY PLAN ");
                    let plan: Vec<(i64, i64, i64, String)> = query
                        .push(view.all.sqlite)
                        .build_query_as()
                        .bind(1_i64)
                        .bind(1_i64)
                        .bind(1_i64)
                        .bind(1_i64)
                        .bind(1_i64)
                        .bind(21_i64)
                        .fetch_all(&mut *writer)
                        .await
                        .unwrap();
                    let first = &plan[0].3;
                    assert!(first.starts_with("SEARCH v USING"), "{plan:?}");
                    assert!(first.contains("(scope=?"), "{plan:?}");
                    assert!(
                        plan.iter().all(|(.., step)| !step.contains("TEMP B-TREE")),
                        "{plan:?}"
                    );
                }
            }
        }
    }
}
