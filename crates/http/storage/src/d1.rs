//! SQL databases.

use std::collections::HashMap;

use actix_web::HttpResponse;
use actix_web::web::Data;
use pentad_http_kit::{Fault, JsonBody, Principal};
use pentad_storage::{Answer, SqlValue, Statement, Storage};
use serde::ser::{SerializeMap as _, SerializeSeq as _};
use serde::{Serialize, Serializer};
use serde_json::{Value, json};

use crate::place::InNamespace;
use crate::wire::SqlStatement;

/// Query a database
///
/// Runs one statement that only reads. A namespace that was never written to is an empty database.
///
/// A statement has up to 100,000 bytes (`d1_statement_bytes`) and 100 parameters (`d1_parameters`), runs up to 2 s
/// (`d1_timeout_ms`), and answers with up to 10,000 rows (`d1_rows`) and 8 MiB (`d1_answer_bytes`). Numbers are
/// JSON numbers whatever their size, blobs arrays of bytes; of columns with one name the last counts.
#[utoipa::path(post, path = "/api/storage/d1/{namespace}/query", tag = "storage",
    params(("namespace" = String, Path, description = "The namespace; each has a database of its own.", example = "myapp")),
    request_body = SqlStatement,
    responses((status = 200, description = "The rows; `meta.duration` is in milliseconds.", body = Object,
               example = json!({"success": true, "results": [{"id": 123, "name": "Alice"}], "meta": {"duration": 0.21}})),
              (status = 400, description = "`SQL_ERROR`, `SQL_NOT_READ_ONLY`, `SQL_MULTIPLE_STATEMENTS`, or the request is wrong."),
              (status = 408, description = "It ran too long (`SQL_TIMEOUT`)."),
              (status = 413, description = "Statement or answer is larger than its limit, which the message names.")))]
pub(crate) async fn query_d1(
    storage: Data<Storage>,
    principal: Principal,
    place: InNamespace,
    body: JsonBody<SqlStatement>,
) -> Result<HttpResponse, Fault> {
    let statement = statement(body.0)?;
    let answer = storage.d1_query(&principal.actor, &place.0, statement).await?;
    let duration = milliseconds(&answer);
    Ok(HttpResponse::Ok().json(Queried {
        success: true,
        results: Rows(&answer),
        meta: json!({ "duration": duration }),
    }))
}

/// Change a database
///
/// Runs one statement of any kind, whole or not at all; the first one makes the database, which has up to 64 MiB
/// (`d1_database_bytes`). The rows of a statement with RETURNING are in `results`. Limits are those of a query.
/// ATTACH, VACUUM, transactions, extensions and pragmas but those that describe tables are refused.
#[utoipa::path(post, path = "/api/storage/d1/{namespace}/exec", tag = "storage",
    params(("namespace" = String, Path, description = "The namespace; each has a database of its own.", example = "myapp")),
    request_body(content = SqlStatement, example = json!({"sql": "CREATE TABLE IF NOT EXISTS users (id INTEGER PRIMARY KEY, name TEXT)", "params": []})),
    responses((status = 200, description = "What it changed; `meta.duration` is in milliseconds.", body = Object,
               example = json!({"success": true, "meta": {"duration": 0.84, "changes": 1, "last_row_id": 1}})),
              (status = 400, description = "`SQL_ERROR`, `SQL_MULTIPLE_STATEMENTS`, or the request is wrong. Nothing was changed."),
              (status = 408, description = "It ran too long (`SQL_TIMEOUT`). Nothing was changed."),
              (status = 413, description = "Statement or answer is larger than its limit, which the message names. Nothing was changed."),
              (status = 507, description = "The database is full (`QUOTA_EXCEEDED`). Nothing was changed.")))]
pub(crate) async fn exec_d1(
    storage: Data<Storage>,
    principal: Principal,
    place: InNamespace,
    body: JsonBody<SqlStatement>,
) -> Result<HttpResponse, Fault> {
    let statement = statement(body.0)?;
    let answer = storage.d1_exec(&principal.actor, &place.0, statement).await?;
    let meta = json!({
        "duration": milliseconds(&answer),
        "changes": answer.changes,
        "last_row_id": answer.last_row_id,
    });
    if answer.columns.is_empty() {
        return Ok(HttpResponse::Ok().json(json!({ "success": true, "meta": meta })));
    }
    Ok(HttpResponse::Ok().json(Queried {
        success: true,
        results: Rows(&answer),
        meta,
    }))
}

fn milliseconds(answer: &Answer) -> f64 {
    (answer.duration.as_secs_f64() * 1e6).round() / 1e3
}

fn statement(body: SqlStatement) -> Result<Statement, Fault> {
    let parameters = body.params.unwrap_or_default().into_iter().enumerate();
    Ok(Statement {
        sql: body.sql,
        parameters: parameters
            .map(|(place, value)| parameter(place, value))
            .collect::<Result<_, _>>()?,
    })
}

fn parameter(place: usize, value: Value) -> Result<SqlValue, Fault> {
    let wrong = |what: &str| {
        let message = format!("params.{place}: {what}");
        Fault::unprocessable(&["body", "params", &place.to_string()], message, "type_error")
    };
    match value {
        Value::Null => Ok(SqlValue::Null),
        Value::Bool(yes) => Ok(SqlValue::Integer(i64::from(yes))),
        Value::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(integer), _) => Ok(SqlValue::Integer(integer)),
            (None, Some(real)) => Ok(SqlValue::Real(real)),
            (None, None) => Err(wrong("this number cannot be stored")),
        },
        Value::String(text) => Ok(SqlValue::Text(text)),
        Value::Array(bytes) => {
            let byte = |value: &Value| value.as_u64().and_then(|byte| u8::try_from(byte).ok());
            let blob: Option<Vec<u8>> = bytes.iter().map(byte).collect();
            blob.map(SqlValue::Blob)
                .ok_or_else(|| wrong("an array holds bytes, each from 0 to 255"))
        }
        Value::Object(_) => Err(wrong("an object is no value of SQL")),
    }
}

#[derive(Serialize)]
struct Queried<'a> {
    success: bool,
    results: Rows<'a>,
    meta: Value,
}

/// The rows as objects.
struct Rows<'a>(&'a Answer);

impl Serialize for Rows<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // Names stand where they first come, with the value of the last column that has them.
        let mut last: HashMap<&str, usize> = HashMap::new();
        let mut names: Vec<&str> = Vec::new();
        for (place, name) in self.0.columns.iter().enumerate() {
            if last.insert(name, place).is_none() {
                names.push(name);
            }
        }
        let columns: Vec<(&str, usize)> = names.into_iter().map(|name| (name, last[name])).collect();
        let mut rows = serializer.serialize_seq(Some(self.0.rows.len()))?;
        for values in &self.0.rows {
            rows.serialize_element(&Row {
                columns: &columns,
                values,
            })?;
        }
        rows.end()
    }
}

struct Row<'a> {
    columns: &'a [(&'a str, usize)],
    values: &'a [SqlValue],
}

impl Serialize for Row<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut row = serializer.serialize_map(Some(self.columns.len()))?;
        for (name, place) in self.columns {
            match &self.values[*place] {
                SqlValue::Null => row.serialize_entry(name, &())?,
                SqlValue::Integer(number) => row.serialize_entry(name, number)?,
                // What JSON has no number for becomes null.
                SqlValue::Real(number) => row.serialize_entry(name, number)?,
                SqlValue::Text(text) => row.serialize_entry(name, text)?,
                SqlValue::Blob(bytes) => row.serialize_entry(name, bytes)?,
            }
        }
        row.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_objects_in_the_order_of_the_columns() {
        let answer = Answer {
            columns: ["z", "a", "z"].map(str::to_owned).to_vec(),
            rows: vec![vec![
                SqlValue::Integer(1),
                SqlValue::Blob(vec![0, 255]),
                SqlValue::Real(f64::INFINITY),
            ]],
            changes: 0,
            last_row_id: 0,
            duration: std::time::Duration::ZERO,
        };
        let text = serde_json::to_string(&Rows(&answer)).unwrap();
        assert_eq!(text, r#"[{"z":null,"a":[0,255]}]"#);
    }

    #[test]
    fn a_parameter_has_a_type_of_sql() {
        for (value, expected) in [
            (json!(null), SqlValue::Null),
            (json!(true), SqlValue::Integer(1)),
            (json!(-5), SqlValue::Integer(-5)),
            (
                json!(18_446_744_073_709_551_615_u64),
                SqlValue::Real(18_446_744_073_709_551_615.0),
            ),
            (json!(0.5), SqlValue::Real(0.5)),
            (json!("x"), SqlValue::Text("x".to_owned())),
            (json!([]), SqlValue::Blob(Vec::new())),
        ] {
            assert_eq!(parameter(0, value).unwrap(), expected);
        }
        for wrong in [json!({}), json!([256]), json!(["a"])] {
            assert!(parameter(3, wrong).unwrap_err().message.starts_with("params.3: "));
        }
    }
}
