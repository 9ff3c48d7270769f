//! Recorded JSON, for people.

use maud::{Markup, html};
use pentad_runs::Json;

use crate::words;

/// The most bytes of a document that a page shows; the file has the rest.
const SHOWN: usize = 200_000;

/// The most bytes of a document that is one of many.
const OF_MANY: usize = 10_000;

/// A document that is one of many on a page.
pub(crate) fn one_of_many(value: &Json) -> Markup {
    within(OF_MANY, value, None)
}

/// A whole document, and where its file is.
pub(crate) fn document(value: &Json, url: Option<&str>) -> Markup {
    within(SHOWN, value, url)
}

fn within(limit: usize, value: &Json, url: Option<&str>) -> Markup {
    let text = value.to_file();
    let shown = words::beginning(&text, limit);
    html! {
        pre.json tabindex="0" { (shown) }
        @if shown.len() < text.len() {
            p.muted { "The first " (words::number(shown.len() as u64)) " of " (words::number(text.len() as u64)) " bytes." }
        }
        @if let Some(url) = url {
            p { a href=(url) target="_blank" rel="noopener" { "Open the file" } }
        }
    }
}

/// A value in one line.
pub(crate) fn line(value: &Json) -> String {
    let text = match value {
        Json::Text(text) => text.clone(),
        Json::Number(text) => text.to_string(),
        other => other.to_line(),
    };
    words::beginning(&text, 2_000).to_owned()
}

/// Names and values, as far as there are values.
pub(crate) fn facts(rows: &[(&str, Option<String>)]) -> Markup {
    html! {
        dl.facts {
            @for (name, value) in rows {
                @if let Some(value) = value {
                    div { dt { (name) } dd { (value) } }
                }
            }
        }
    }
}
