//! Where the two engines search differently: FTS5 with BM25, and tsvector with `ts_rank`.
//!
//! Both are given tokens, never text, so both find the same. Every token begins with what stands for the user whose
//! text it is of: a search reads the postings of its user alone, however many others there are, and how often a word
//! stands in the texts of others does not show in the order.

use pentad_store::{Db, Tx, affected, with_postgres, with_tx};

use crate::Result;

/// What is searched for.
pub(crate) struct Needle<'a> {
    /// What the owner's tokens begin with.
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

/// Rows that one statement writes: a statement for each row costs more than what it writes.
const ROWS: usize = 500;

const SQLITE_ROWS: &str = "
    INSERT INTO sync_search_rows (session_id, message_index, digest)
    SELECT $1, json_extract(value, '$[0]'), json_extract(value, '$[1]') FROM json_each($2)
    RETURNING id, message_index";
const SQLITE_TOKENS: &str = "
    INSERT INTO sync_messages_fts (rowid, tokens)
    SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]') FROM json_each($1)";
const POSTGRES_ROWS: &str = "
    INSERT INTO sync_search_rows (session_id, message_index, digest) SELECT $1, UNNEST($2), UNNEST($3)
    RETURNING id, message_index";
const POSTGRES_TOKENS: &str = "
    INSERT INTO sync_messages_fts (rowid, tokens)
    SELECT rowid, CAST(tokens AS tsvector) FROM UNNEST($1, $2) AS new (rowid, tokens)";

/// A row to be written.
pub(crate) struct NewRow {
    /// The line that it is of.
    pub(crate) line: i64,
    /// What the line was made from.
    pub(crate) digest: i64,
    /// The tokens, with a space between them.
    pub(crate) tokens: String,
}

/// Writes rows of a session.
pub(crate) async fn insert(tx: &mut Tx, session: &str, owner: &str, rows: &[NewRow]) -> Result<()> {
    for rows in rows.chunks(ROWS) {
        match tx {
            Tx::Sqlite(transaction) => {
                let lines: Vec<(i64, i64)> = rows.iter().map(|row| (row.line, row.digest)).collect();
                let made = sqlx::query_as(SQLITE_ROWS)
                    .bind(session)
                    .bind(serde_json::to_string(&lines).expect("numbers have a JSON form"))
                    .fetch_all(&mut **transaction)
                    .await
                    .map_err(pentad_store::Error::from)?;
                let tokens: Vec<(i64, String)> = matched(made, rows)
                    .map(|(id, tokens)| (id, owned(owner, tokens)))
                    .collect();
                sqlx::query(SQLITE_TOKENS)
                    .bind(serde_json::to_string(&tokens).expect("texts have a JSON form"))
                    .execute(&mut **transaction)
                    .await
                    .map_err(pentad_store::Error::from)?;
            }
            Tx::Postgres(transaction) => {
                let lines: Vec<i64> = rows.iter().map(|row| row.line).collect();
                let digests: Vec<i64> = rows.iter().map(|row| row.digest).collect();
                let made = with_postgres!(transaction, |conn| sqlx::query_as(POSTGRES_ROWS)
                    .bind(session)
                    .bind(lines)
                    .bind(digests)
                    .fetch_all(conn)
                    .await)?;
                let (ids, tokens): (Vec<i64>, Vec<String>) = matched(made, rows)
                    .map(|(id, tokens)| (id, vector(owner, tokens)))
                    .unzip();
                with_postgres!(transaction, |conn| sqlx::query(POSTGRES_TOKENS)
                    .bind(ids)
                    .bind(tokens)
                    .execute(conn)
                    .await)?;
            }
        }
    }
    Ok(())
}

/// The rows with the identifiers that were made for them. Rows come back in no order; those of one line may
/// change places, because they are found as the same line.
fn matched(mut made: Vec<(i64, i64)>, rows: &[NewRow]) -> impl Iterator<Item = (i64, &str)> {
    made.sort_by_key(|(id, line)| (*line, *id));
    let mut rows: Vec<&NewRow> = rows.iter().collect();
    rows.sort_by_key(|row| row.line);
    made.into_iter()
        .zip(rows)
        .map(|((id, _), row)| (id, row.tokens.as_str()))
}

/// Tokens as those of a user.
fn owned(owner: &str, tokens: &str) -> String {
    let mut text = String::with_capacity(tokens.len() * 5 / 2);
    for token in tokens.split(' ').filter(|token| !token.is_empty()) {
        text.push_str(owner);
        text.push_str(token);
        text.push(' ');
    }
    text
}

/// The same as PostgreSQL writes them. They are letters and digits, so none needs quoting beyond the quotes.
fn vector(owner: &str, tokens: &str) -> String {
    use std::fmt::Write as _;
    let mut text = String::with_capacity(tokens.len() * 3);
    for (position, token) in tokens.split(' ').filter(|token| !token.is_empty()).enumerate() {
        let _ = write!(text, " '{owner}{token}':{}", (position + 1).min(16_383));
    }
    text
}

const SQLITE_DELETE: &str = "
    DELETE FROM sync_messages_fts WHERE rowid IN (SELECT id FROM sync_search_rows WHERE session_id = $1)";
const DELETE_ROWS: &str = "DELETE FROM sync_search_rows WHERE session_id = $1";
const SQLITE_DELETE_THESE: &str =
    "DELETE FROM sync_messages_fts WHERE rowid IN (SELECT value FROM json_each($1))";
const SQLITE_DELETE_THESE_ROWS: &str =
    "DELETE FROM sync_search_rows WHERE id IN (SELECT value FROM json_each($1))";
const POSTGRES_DELETE_THESE: &str = "DELETE FROM sync_search_rows WHERE id = ANY($1)";

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

/// Forgets some rows.
pub(crate) async fn forget_rows(tx: &mut Tx, ids: &[i64]) -> Result<()> {
    if ids.is_empty() {
        return Ok(());
    }
    match tx {
        Tx::Sqlite(transaction) => {
            let ids = serde_json::to_string(ids).expect("numbers have a JSON form");
            for sql in [SQLITE_DELETE_THESE, SQLITE_DELETE_THESE_ROWS] {
                sqlx::query(sql)
                    .bind(&ids)
                    .execute(&mut **transaction)
                    .await
                    .map_err(pentad_store::Error::from)?;
            }
        }
        Tx::Postgres(transaction) => {
            with_postgres!(transaction, |conn| sqlx::query(POSTGRES_DELETE_THESE)
                .bind(ids)
                .execute(conn)
                .await
                .map(affected))?;
        }
    }
    Ok(())
}

/// `bm25` is negative and smaller is better.
const SQLITE_FIND: &str = "
    SELECT rows.session_id AS session_id, rows.message_index AS message_index, -bm25(sync_messages_fts) AS rank
    FROM sync_messages_fts JOIN sync_search_rows AS rows ON rows.id = sync_messages_fts.rowid
    WHERE sync_messages_fts MATCH $1 ORDER BY rank DESC, rows.id LIMIT $2";
const POSTGRES_FIND: &str = "
    SELECT rows.session_id AS session_id, rows.message_index AS message_index,
           CAST(ts_rank(found.tokens, CAST($1 AS tsquery), 1) AS DOUBLE PRECISION) AS rank
    FROM sync_messages_fts AS found JOIN sync_search_rows AS rows ON rows.id = found.rowid
    WHERE found.tokens @@ CAST($1 AS tsquery) ORDER BY rank DESC, rows.id LIMIT $2";

/// The best rows, best first.
pub(crate) async fn find(db: &Db, needle: &Needle<'_>, limit: i64) -> Result<Vec<Hit>> {
    let owner = needle.owner;
    let hits = match db {
        Db::Sqlite(sqlite) => {
            let star = if needle.prefixes { "*" } else { "" };
            let words = needle
                .tokens
                .iter()
                .map(|token| format!("\"{owner}{token}\"{star}"));
            let query = words.collect::<Vec<_>>().join(" AND ");
            sqlx::query_as(SQLITE_FIND)
                .bind(query)
                .bind(limit)
                .fetch_all(sqlite.reader())
                .await
                .map_err(pentad_store::Error::from)?
        }
        Db::Postgres(postgres) => {
            let star = if needle.prefixes { ":*" } else { "" };
            let words = needle
                .tokens
                .iter()
                .map(|token| format!("'{owner}{token}'{star}"));
            let query = words.collect::<Vec<_>>().join(" & ");
            let mut connection = postgres.connection().await?;
            with_postgres!(&mut connection, |conn| sqlx::query_as(POSTGRES_FIND)
                .bind(query)
                .bind(limit)
                .fetch_all(conn)
                .await)?
        }
    };
    Ok(hits)
}
