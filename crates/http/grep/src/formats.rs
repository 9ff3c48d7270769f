//! The three forms of an answer.

use std::fmt::Write as _;

use actix_web::HttpResponse;
use serde::Serialize;
use serde_json::json;

use crate::parameters::Format;
use crate::wire::{Answer, HitAnswer, MatchAnswer};

pub(crate) fn write(answer: Answer, format: Format) -> HttpResponse {
    match format {
        Format::Json => HttpResponse::Ok().json(answer),
        Format::Ndjson => HttpResponse::Ok()
            .content_type("application/x-ndjson")
            .body(ndjson(answer)),
        Format::Text => HttpResponse::Ok()
            .content_type("text/plain; charset=utf-8")
            .body(text(&answer)),
    }
}

/// A matching line on a line of its own.
#[derive(Serialize)]
struct Line<'a> {
    path: &'a str,
    #[serde(flatten)]
    found: &'a MatchAnswer,
}

/// A line a match (a line a file when they are counted), then the totals.
fn ndjson(mut answer: Answer) -> String {
    let mut out = String::new();
    let mut put = |value: serde_json::Result<String>| {
        out.push_str(&value.unwrap_or_default());
        out.push('\n');
    };
    for hit in std::mem::take(&mut answer.hits) {
        if hit.matches.is_empty() {
            put(serde_json::to_string(&hit));
        }
        for found in &hit.matches {
            put(serde_json::to_string(&Line {
                path: &hit.path,
                found,
            }));
        }
    }
    let mut totals = serde_json::to_value(&answer).unwrap_or_else(|_| json!({}));
    if let Some(totals) = totals.as_object_mut() {
        totals.remove("hits");
    }
    put(serde_json::to_string(&totals));
    out
}

/// As grep prints with headings: the path, then `line:text`, context as `line-text`, overlapping context
/// once, `--` between parts that do not touch. When files or lines are counted: the paths, with `:lines`.
fn text(answer: &Answer) -> String {
    let mut out = String::new();
    for hit in &answer.hits {
        if hit.matches.is_empty() {
            out.push_str(&hit.path);
            if let Some(lines) = hit.lines {
                let _ = write!(out, ":{lines}");
            }
            out.push('\n');
            continue;
        }
        if !out.is_empty() {
            out.push('\n');
        }
        write_hit(&mut out, hit);
    }
    let _ = write!(out, "\n{} files", answer.total);
    if let Some(lines) = answer.total_lines {
        let _ = write!(out, ", {lines} lines");
    }
    if let Some(next) = answer.next_file_offset {
        let _ = write!(out, ", more from file_offset={next}");
    }
    if answer.truncated {
        out.push_str(", truncated");
    }
    out.push('\n');
    out
}

fn write_hit(out: &mut String, hit: &HitAnswer) {
    let _ = writeln!(out, "{}", hit.path);
    let mut last_shown = 0;
    for (index, found) in hit.matches.iter().enumerate() {
        let before = found.before_context.as_deref().unwrap_or_default();
        let after = found.after_context.as_deref().unwrap_or_default();
        let first = found.line - before.len();
        if last_shown > 0
            && first > last_shown + 1
            && (found.before_context.is_some() || found.after_context.is_some())
        {
            out.push_str("--\n");
        }
        for (line, text) in (first..).zip(before) {
            if line > last_shown {
                let _ = writeln!(out, "{line}-{text}");
            }
        }
        let _ = writeln!(out, "{}:{}", found.line, found.snippet);
        last_shown = found.line;
        // The next match shows itself, and what comes after it.
        let next = hit.matches.get(index + 1).map_or(usize::MAX, |next| next.line);
        for (line, text) in (found.line + 1..next).zip(after) {
            let _ = writeln!(out, "{line}-{text}");
            last_shown = line;
        }
    }
    if hit.truncated {
        out.push_str("…\n");
    }
}
