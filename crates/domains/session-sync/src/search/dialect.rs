//! Where the two engines search differently: FTS5 with BM25, and tsvector with `ts_rank`.
//!
//! Both are given tokens, never text, so both find the same. Every row also has a token that stands for its
//! owner: a search touches only the rows of its user, however many others there are.

use pentad_store::{Db, Tx, affected, with_tx};

use crate::Result;

/// What is searched for.
pub(crate) struct Needle<'a> {
    /// The owner's token.
    pub(crate) owner: &'a str,
    /// The tokens, all of which must be in a row.
    pub(crate) tokens: &'a [String],
    /// Whether a token may be the beginning of a word.
    pub(crate) prefixes: bool,
}

/// A row that was found.
#[derive(sqlx::FromRow)]
pub(crate) struct Hit {
    pub(crate) session_id: String,
    pub(crate) message_index: i64,
    /// Greater is better.
    pub(crate) rank: f64,
}

const SQLITE_INSERT: &str = "INSERT INTO sync_messages_fts (rowid, tokens) VALUES ($1, $2)";
const POSTGRES_INSERT: &str =
    "INSERT INTO sync_messages_fts (rowid, tokens) VALUES ($1, CAST($2 AS tsvector))";

/// Writes the tokens of a row, given with a space between them.
pub(crate) async fn insert(tx: &mut Tx, row: i64, owner: &str, tokens: &str) -> Result<()> {
    match tx {
        Tx::Sqlite(transaction) => {
            sqlx::query(SQLITE_INSERT)
                .bind(row)
                .bind(format!("{owner} {tokens}"))
                .execute(&mut **transaction)
                .await
                .map_err(pentad_store::Error::from)?;
        }
        Tx::Postgres(transaction) => {
            // Tokens are letters and digits, so none needs quoting beyond the quotes.
            let mut text = format!("'{owner}'");
            for (position, token) in tokens.split(' ').filter(|token| !token.is_empty()).enumerate() {
                use std::fmt::Write as _;
                let _ = write!(text, " '{token}':{}", (position + 1).min(16_383));
            }
            sqlx::query(POSTGRES_INSERT)
                .bind(row)
                .bind(text)
                .execute(&mut **transaction)
                .await
                .map_err(pentad_store::Error::from)?;
        }
    }
    Ok(())
}

const SQLITE_DELETE: &str = "
    DELETE FROM sync_messages_fts WHERE rowid IN (SELECT id FROM sync_search_rows WHERE session_id = $1)";
const DELETE_ROWS: &str = "DELETE FROM sync_search_rows WHERE session_id = $1";

/// Forgets the rows of a session. On PostgreSQL the tokens go with the rows.
pub(crate) async fn forget(tx: &mut Tx, session: &str) -> Result<()> {
    if let Tx::Sqlite(transaction) = tx {
        sqlx::query(SQLITE_DELETE)
            .bind(session)
            .execute(&mut **transaction)
            .await
            .map_err(pentad_store::Error::from)?;
    }
    with_tx!(*tx, |conn| sqlx::query(DELETE_ROWS)
        .bind(session)
        .execute(conn)
        .await
        .map(affected))?;
    Ok(())
}

/// `bm25` is negative and smaller is better; the owner's token, being in every row, weighs next to nothing.
const SQLITE_FIND: &str = "
    SELECT rows.session_id AS session_id, rows.message_index AS message_index, -bm25(sync_messages_fts) AS rank
    FROM sync_messages_fts JOIN sync_search_rows AS rows ON rows.id = sync_messages_fts.rowid
    WHERE sync_messages_fts MATCH $1 ORDER BY rank DESC, rows.id LIMIT $2";
const POSTGRES_FIND: &str = "
    SELECT rows.session_id AS session_id, rows.message_index AS message_index,
           CAST(ts_rank(found.tokens, CAST($3 AS tsquery), 1) AS DOUBLE PRECISION) AS rank
    FROM sync_messages_fts AS found JOIN sync_search_rows AS rows ON rows.id = found.rowid
    WHERE found.tokens @@ CAST($1 AS tsquery) ORDER BY rank DESC, rows.id LIMIT $2";

/// The best rows, best first.
pub(crate) async fn find(db: &Db, needle: &Needle<'_>, limit: i64) -> Result<Vec<Hit>> {
    let owner = needle.owner;
    let hits = match db {
        Db::Sqlite(sqlite) => {
            let mut query = format!("\"{owner}\"");
            for token in needle.tokens {
                let star = if needle.prefixes { "*" } else { "" };
                query.push_str(&format!(" AND \"{token}\"{star}"));
            }
            sqlx::query_as(SQLITE_FIND)
                .bind(query)
                .bind(limit)
                .fetch_all(sqlite.reader())
                .await
        }
        Db::Postgres(pool) => {
            let star = if needle.prefixes { ":*" } else { "" };
            let words: Vec<String> = needle
                .tokens
                .iter()
                .map(|token| format!("'{token}'{star}"))
                .collect();
            let words = words.join(" & ");
            sqlx::query_as(POSTGRES_FIND)
                .bind(format!("'{owner}' & {words}"))
                .bind(limit)
                .bind(words)
                .fetch_all(pool)
                .await
        }
    };
    Ok(hits.map_err(pentad_store::Error::from)?)
}
