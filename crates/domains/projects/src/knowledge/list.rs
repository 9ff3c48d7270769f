//! Finding entries.

use pentad_kernel::{Actor, Scope};
use pentad_store::{affected, with_reader, with_writer};
use sqlx::QueryBuilder;

use super::classify::section_of;
use super::entry::entry_columns;
use crate::{At, Entry, Error, Level, Projects, Result};

/// In which order entries are listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum EntryOrder {
    /// The newest first.
    #[default]
    Created,
    /// The last relevant first.
    Relevant,
    /// The surest first.
    Confident,
}

/// Which entries are wanted; `None` for any.
#[derive(Clone, Debug, Default)]
pub struct EntryFilter {
    /// See [`Entry::entry_type`].
    pub entry_type: Option<String>,
    /// `true` for neither compiled nor dismissed, `false` for compiled.
    pub pending: Option<bool>,
    /// Part of the content, in any case: at least three characters.
    pub search: Option<String>,
    /// See [`Entry::claim_class`].
    pub claim_class: Option<String>,
    /// See [`Entry::freshness_class`].
    pub freshness_class: Option<String>,
    /// See [`Entry::dismissed`].
    pub dismissed: Option<bool>,
    /// See [`Entry::session_id`].
    pub session_id: Option<String>,
    /// See [`Entry::persona_name`].
    pub persona_name: Option<String>,
    /// See [`Entry::author_class`].
    pub author_class: Option<String>,
    /// `manual` for entries written by hand, `session` for those of sessions.
    pub source: Option<String>,
    /// The order.
    pub order: EntryOrder,
    /// Entries older than this one; only in the order of creation.
    pub before: Option<i64>,
    /// How many to leave out.
    pub offset: i64,
    /// How many at most.
    pub limit: i64,
    /// Whether what a search finds goes into an answer.
    pub used_in_answer: bool,
}

const BY_ID: &str = concat!(
    "SELECT ",
    entry_columns!(),
    " FROM knowledge_entries WHERE id = $1 AND project_id = $2"
);

/// What matches any text that contains `term` in a LIKE with `\` as escape.
fn like_pattern(term: &str) -> String {
    let mut pattern = String::from("%");
    for c in term.chars() {
        if matches!(c, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(c);
    }
    pattern.push('%');
    pattern
}

macro_rules! filtered {
    ($builder:expr, $project:expr, $filter:expr, $term:expr) => {{
        let builder = &mut $builder;
        let filter: &EntryFilter = $filter;
        builder
            .push(" FROM knowledge_entries WHERE project_id = ")
            .push_bind($project);
        for (column, value) in [
            (" AND entry_type = ", &filter.entry_type),
            (" AND claim_class = ", &filter.claim_class),
            (" AND freshness_class = ", &filter.freshness_class),
            (" AND session_id = ", &filter.session_id),
            (" AND persona_name = ", &filter.persona_name),
            (" AND author_class = ", &filter.author_class),
        ] {
            if let Some(value) = value {
                builder.push(column).push_bind(value.clone());
            }
        }
        match filter.pending {
            Some(true) => {
                builder.push(" AND compiled_at IS NULL AND NOT dismissed");
            }
            Some(false) => {
                builder.push(" AND compiled_at IS NOT NULL");
            }
            None => {}
        }
        match filter.dismissed {
            Some(true) => {
                builder.push(" AND dismissed");
            }
            Some(false) => {
                builder.push(" AND NOT dismissed");
            }
            None => {}
        }
        match filter.source.as_deref() {
            Some("manual") => {
                builder.push(" AND session_id IN ('manual', 'cli-ask')");
            }
            Some(_) => {
                builder.push(" AND session_id NOT IN ('manual', 'cli-ask')");
            }
            None => {}
        }
        if let Some(term) = $term {
            let lower = like_pattern(&term.to_lowercase());
            builder
                .push(" AND (LOWER(content) LIKE ")
                .push_bind(lower)
                .push(" ESCAPE '\\'");
            if !term.is_ascii() {
                // SQLite changes the case of ASCII letters alone.
                let upper = like_pattern(&term.to_uppercase());
                builder
                    .push(" OR UPPER(content) LIKE ")
                    .push_bind(upper)
                    .push(" ESCAPE '\\'");
                let same = like_pattern(term);
                builder
                    .push(" OR content LIKE ")
                    .push_bind(same)
                    .push(" ESCAPE '\\'");
            }
            builder.push(")");
        }
        if let Some(before) = filter.before {
            builder.push(" AND id < ").push_bind(before);
        }
        builder.push(match filter.order {
            EntryOrder::Created => " ORDER BY id DESC",
            EntryOrder::Relevant => " ORDER BY last_relevant_at DESC, id DESC",
            EntryOrder::Confident => " ORDER BY confidence DESC, id DESC",
        });
        builder.push(" LIMIT ").push_bind(filter.limit);
        if filter.offset > 0 {
            builder.push(" OFFSET ").push_bind(filter.offset);
        }
    }};
}

impl Projects {
    /// The entries that the filter wants. A search counts as a retrieval of what it finds, unless the
    /// caller may only read.
    ///
    /// # Errors
    /// As [`Projects::open`]; [`Error::Field`] for filters that are none.
    pub async fn entries(&self, actor: &Actor, project: &str, filter: &EntryFilter) -> Result<Vec<Entry>> {
        self.open(actor, project, Level::Read).await?;
        let term = check(filter)?;
        let mut entries: Vec<Entry> = with_reader!(self.db, |conn| {
            let mut builder = QueryBuilder::new(concat!("SELECT ", entry_columns!()));
            filtered!(builder, project.to_owned(), filter, term);
            builder.build_query_as().fetch_all(conn).await
        })?;
        if filter.search.is_some() && actor.allows(Scope::KnowledgeWrite) && !entries.is_empty() {
            self.note_retrieval(&mut entries, filter.used_in_answer).await?;
        }
        Ok(entries)
    }

    async fn note_retrieval(&self, entries: &mut [Entry], used_in_answer: bool) -> Result<()> {
        let at = self.now();
        let now = at.as_micros();
        with_writer!(self.db, |conn| {
            let mut builder = QueryBuilder::new("UPDATE knowledge_entries SET ");
            if used_in_answer {
                builder
                    .push("used_in_answer_count = used_in_answer_count + 1, last_relevant_at = ")
                    .push_bind(now);
            } else {
                builder.push("retrieved_count = retrieved_count + 1");
            }
            builder.push(" WHERE id IN (");
            let mut list = builder.separated(", ");
            for entry in entries.iter() {
                list.push_bind(entry.id);
            }
            builder.push(")");
            builder.build().execute(conn).await.map(affected)
        })?;
        for entry in entries {
            if used_in_answer {
                entry.used_in_answer_count += 1;
                entry.last_relevant_at = At(at);
            } else {
                entry.retrieved_count += 1;
            }
        }
        Ok(())
    }

    /// One entry.
    ///
    /// # Errors
    /// As [`Projects::open`]; [`Error::NotFound`].
    pub async fn entry(&self, actor: &Actor, project: &str, id: i64) -> Result<Entry> {
        self.open(actor, project, Level::Read).await?;
        self.find_entry(project, id).await
    }

    /// The claims that hold among these entries, in their order.
    pub(crate) async fn claims_to_read(&self, project: &str, ids: &[i64]) -> Result<Vec<Entry>> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let mut claims: Vec<Entry> = with_reader!(self.db, |conn| {
            let mut builder = QueryBuilder::new(concat!(
                "SELECT ",
                entry_columns!(),
                " FROM knowledge_entries
                  WHERE claim_class = 'claim' AND superseded_by IS NULL AND NOT dismissed AND project_id = "
            ));
            builder.push_bind(project.to_owned()).push(" AND id IN (");
            let mut list = builder.separated(", ");
            for id in ids {
                list.push_bind(*id);
            }
            builder.push(")");
            builder.build_query_as().fetch_all(conn).await
        })?;
        claims.sort_by_key(|claim| ids.iter().position(|id| *id == claim.id));
        Ok(claims)
    }

    pub(crate) async fn find_entry(&self, project: &str, id: i64) -> Result<Entry> {
        let entry: Option<Entry> = with_reader!(self.db, |conn| sqlx::query_as(BY_ID)
            .bind(id)
            .bind(project)
            .fetch_optional(conn)
            .await)?;
        entry.ok_or(Error::NotFound { kind: "Entry" })
    }
}

/// Refuses filters that are none; gives the text that is searched for.
fn check(filter: &EntryFilter) -> Result<Option<&str>> {
    let one_of = |field, value: &Option<String>, words: &[&str]| match value {
        Some(value) if !words.contains(&value.as_str()) => {
            Err(Error::field(field, format!("one of {}", words.join(", "))))
        }
        _ => Ok(()),
    };
    if filter
        .entry_type
        .as_deref()
        .is_some_and(|name| section_of(name).is_none())
    {
        return Err(Error::field(
            "type",
            "one of decision, pattern, discovery, convention, bug, dependency",
        ));
    }
    one_of("claim_class", &filter.claim_class, &["evidence", "claim", "note"])?;
    one_of(
        "freshness_class",
        &filter.freshness_class,
        &["current", "aging", "stale", "superseded"],
    )?;
    one_of("author_class", &filter.author_class, &["human", "agent"])?;
    one_of("source_filter", &filter.source, &["manual", "session"])?;
    let Some(term) = filter.search.as_deref().map(str::trim) else {
        return Ok(None);
    };
    if term.chars().count() < 3 {
        return Err(Error::field("search", "at least 3 characters"));
    }
    crate::checked_text("search", term)?;
    Ok(Some(term))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_like_would_interpret_is_escaped() {
        assert_eq!(like_pattern("100%_a\\"), "%100\\%\\_a\\\\%");
    }
}
