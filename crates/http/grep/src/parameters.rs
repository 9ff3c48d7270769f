//! From query parameters to a query of the engine.

use pentad_grep_engine::{Case, Count, Mode, PathFilter, QueryBuilder, Sort};
use pentad_http_kit::{Fault, Query};
use utoipa::IntoParams;

use crate::wire::Shown;

/// How an answer is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(crate) enum Format {
    #[default]
    Json,
    Ndjson,
    Text,
}

/// A search as it was asked for.
#[derive(Debug)]
pub(crate) struct Search {
    pub(crate) query: QueryBuilder,
    pub(crate) shown: Shown,
    pub(crate) format: Format,
}

/// Bytes that a token of a language model stands for, on average, in source code.
const BYTES_PER_TOKEN: i64 = 4;

/// The parameters of a search, for the document.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "the document is made from it; requests are read by name")]
pub(crate) struct SearchParameters {
    /// What to search for, up to 4096 bytes, without line breaks. Never rewritten: filters are parameters
    /// of their own.
    #[param(example = "runAgentLoop", max_length = 4096)]
    query: Option<String>,
    /// A further pattern; repeatable. A line matches if any pattern does, and each match says which.
    pattern: Option<Vec<String>>,
    /// `plain` (default), `regex` (the syntax of Rust's regex crate; a match never spans lines) or
    /// `fuzzy`.
    #[param(example = "plain")]
    mode: Option<String>,
    /// Ignore case unless the query contains an upper-case letter. Default false.
    smart_case: Option<bool>,
    /// `sensitive`, `insensitive` or `smart`; wins over `smart_case`.
    case: Option<String>,
    /// Match whole words only. Default false.
    word: Option<bool>,
    /// Lines of context before each match, 0 to 100. Default 0.
    before_context: Option<u32>,
    /// Lines of context after each match, 0 to 100. Default 0.
    after_context: Option<u32>,
    /// Files on a page, 1 to 1000. Default 20.
    #[param(example = 20)]
    page_limit: Option<u32>,
    /// Matching files to skip. Default 0.
    file_offset: Option<u32>,
    /// Say of every match whether its line defines something, and what. Default false.
    classify_definitions: Option<bool>,
    /// Only files whose path matches the glob; `!` in front excludes. Repeatable.
    #[param(example = "**/*.ts")]
    glob: Option<Vec<String>>,
    /// Only paths that begin with this: `src/` for what is below a directory.
    path: Option<String>,
    /// Only files of this kind, as `rust` or `py`. Repeatable.
    r#type: Option<Vec<String>>,
    /// `files` or `lines`: count instead of showing matches.
    count: Option<String>,
    /// `path` (default), `definitions` first, or most `matches` first.
    sort: Option<String>,
    /// Show at most this many matches of each file.
    max_matches_per_file: Option<u32>,
    /// Spend at most about this many bytes on the page, the first matches of every file first.
    max_bytes: Option<u32>,
    /// The same in tokens of a language model, at four bytes a token.
    max_tokens: Option<u32>,
    /// Say where in the line the pattern matches. Default false.
    ranges: Option<bool>,
    /// Cut white space off both ends of snippets. Default false.
    trim: Option<bool>,
    /// `json` (default), `ndjson` (a line a match, then one with the totals) or `text` (as grep prints).
    format: Option<String>,
}

impl Search {
    /// Reads a search; the pattern itself is checked when the search runs.
    pub(crate) fn read(parameters: &Query) -> Result<Self, Fault> {
        let mode = parameters
            .choice(
                "mode",
                &[
                    ("plain", Mode::Plain),
                    ("regex", Mode::Regex),
                    ("fuzzy", Mode::Fuzzy),
                ],
            )?
            .unwrap_or(Mode::Plain);
        let mut query = QueryBuilder::new(mode);
        let patterns: Vec<&str> = parameters
            .text("query")
            .into_iter()
            .chain(parameters.texts("pattern"))
            .collect();
        if patterns.is_empty() {
            return Err(Fault::invalid("query is required: what to search for"));
        }
        for pattern in patterns {
            query = query.pattern(pattern);
        }
        let smart = if parameters.boolean("smart_case")? {
            Case::Smart
        } else {
            Case::Default
        };
        let cases = [
            ("sensitive", Case::Sensitive),
            ("insensitive", Case::Insensitive),
            ("smart", Case::Smart),
        ];
        query = query.case(parameters.choice("case", &cases)?.unwrap_or(smart));
        query = query
            .word(parameters.boolean("word")?)
            .trim(parameters.boolean("trim")?);

        let before = size(parameters, "before_context", 0, 100)?.unwrap_or(0);
        let after = size(parameters, "after_context", 0, 100)?.unwrap_or(0);
        let shown = Shown {
            before: before > 0,
            after: after > 0,
            definitions: parameters.boolean("classify_definitions")?,
            ranges: parameters.boolean("ranges")?,
        };
        query = query
            .context(before, after)
            .classify_definitions(shown.definitions)
            .ranges(shown.ranges)
            .page_limit(size(parameters, "page_limit", 1, 1000)?.unwrap_or(20))
            .file_offset(size(parameters, "file_offset", 0, 1 << 31)?.unwrap_or(0));

        for glob in parameters.texts("glob") {
            query = query.glob(glob);
        }
        for kind in parameters.texts("type") {
            query = query.file_type(kind);
        }
        if let Some(path) = parameters.text("path") {
            query = query.path_prefix(path);
        }
        if let Some(count) =
            parameters.choice("count", &[("files", Count::Files), ("lines", Count::Lines)])?
        {
            query = query.count(count);
        }
        let sorts = [
            ("path", Sort::Path),
            ("definitions", Sort::Definitions),
            ("matches", Sort::Matches),
        ];
        if let Some(sort) = parameters.choice("sort", &sorts)? {
            query = query.sort(sort);
        }
        if let Some(matches) = size(parameters, "max_matches_per_file", 1, 1_000_000)? {
            query = query.max_matches_per_file(matches);
        }
        if let Some(bytes) = byte_budget(parameters)? {
            query = query.max_bytes(bytes);
        }
        let formats = [
            ("json", Format::Json),
            ("ndjson", Format::Ndjson),
            ("text", Format::Text),
        ];
        let format = parameters.choice("format", &formats)?.unwrap_or_default();
        Ok(Self { query, shown, format })
    }
}

fn byte_budget(parameters: &Query) -> Result<Option<usize>, Fault> {
    let bytes = parameters.integer("max_bytes", &(1..=1 << 30))?;
    let tokens = parameters
        .integer("max_tokens", &(1..=1 << 28))?
        .map(|tokens| tokens * BYTES_PER_TOKEN);
    let least = [bytes, tokens].into_iter().flatten().min();
    Ok(least.map(|bytes| usize::try_from(bytes).unwrap_or(usize::MAX)))
}

fn size(parameters: &Query, name: &str, least: i64, most: i64) -> Result<Option<usize>, Fault> {
    let number = parameters.integer(name, &(least..=most))?;
    Ok(number.map(|number| usize::try_from(number).unwrap_or(usize::MAX)))
}

/// Reads the filters of a list of files.
pub(crate) fn path_filter(parameters: &Query) -> Result<PathFilter, Fault> {
    let texts = |name| parameters.texts(name).map(str::to_owned).collect::<Vec<_>>();
    PathFilter::new(
        parameters.text("path").unwrap_or_default(),
        &texts("glob"),
        &texts("type"),
    )
    .map_err(|error| Fault::invalid(error.to_string()))
}
