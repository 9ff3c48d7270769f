//! Rules for coding tools: written once, compiled into the file that each tool reads.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use pentad_kernel::{Actor, id, secret};
use pentad_store::{affected, with_reader, with_tx};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::knowledge::classify::section_of;
use crate::knowledge::merge::Claim;
use crate::{At, Error, Json, Level, Projects, Result, Texts};

/// The tools that rules compile for, with the file that each reads.
pub const SUPPORTED_TOOLS: &[(&str, &str)] = &[
    ("claude-code", "CLAUDE.md"),
    ("codex", "codex.md"),
    ("copilot", ".github/copilot-instructions.md"),
    ("cursor", ".cursorrules"),
    ("gemini", "GEMINI.md"),
];

/// The rules of a project.
#[derive(Clone, Debug, PartialEq, sqlx::FromRow)]
pub struct Rules {
    /// `rules_` and 16 hex digits.
    pub id: String,
    /// The project.
    pub project_id: String,
    /// The version that was compiled last; 1 before any was.
    pub version: i64,
    /// Rises with every change.
    pub edition: i64,
    /// What people wrote.
    pub static_rules: String,
    /// Whether the project's claims go in.
    pub include_knowledge: bool,
    /// Which types of it.
    pub knowledge_types: Texts,
    /// How many tokens of it.
    pub knowledge_max_tokens: i64,
    /// Whether parts of the context document go in.
    pub include_context: bool,
    /// Which sections of it: their headings, in any case, with `_` for what is no letter or digit.
    pub context_sections: Texts,
    /// How many tokens of it.
    pub context_max_tokens: i64,
    /// What single tools are told besides: by tool, a text or an object with `extra`.
    pub tool_overrides: Json<BTreeMap<String, Value>>,
    /// The tools to compile for.
    pub enabled_tools: Texts,
    /// When they were first looked at.
    pub created_at: At,
    /// When they were last changed.
    pub updated_at: At,
}

impl Rules {
    /// What changes with every change of the rules.
    pub fn etag(&self) -> String {
        let digest = secret::sha256_hex(format!("{}:{}", self.id, self.edition));
        format!("W/\"{}\"", &digest[..32])
    }
}

/// What to change of the rules; `None` leaves it as it is.
#[derive(Clone, Debug, Default)]
pub struct RulesChange {
    /// See [`Rules::static_rules`].
    pub static_rules: Option<String>,
    /// See [`Rules::include_knowledge`].
    pub include_knowledge: Option<bool>,
    /// See [`Rules::knowledge_types`].
    pub knowledge_types: Option<Vec<String>>,
    /// See [`Rules::knowledge_max_tokens`]: 0 to 20,000.
    pub knowledge_max_tokens: Option<i64>,
    /// See [`Rules::include_context`].
    pub include_context: Option<bool>,
    /// See [`Rules::context_sections`].
    pub context_sections: Option<Vec<String>>,
    /// See [`Rules::context_max_tokens`]: 0 to 20,000.
    pub context_max_tokens: Option<i64>,
    /// See [`Rules::tool_overrides`].
    pub tool_overrides: Option<BTreeMap<String, Value>>,
    /// See [`Rules::enabled_tools`].
    pub enabled_tools: Option<Vec<String>>,
}

/// The file of one tool.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RulesOutput {
    /// The tool.
    pub tool: String,
    /// The file it reads.
    pub filename: String,
    /// What belongs into it.
    pub content: String,
    /// SHA-256 of the content without its marker.
    pub hash: String,
    /// Its tokens, roughly.
    pub token_count: i64,
}

/// Compiled rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompiledRules {
    /// Their version.
    pub version: i64,
    /// Whether this compilation made it.
    pub created_new_version: bool,
    /// SHA-256 over the hashes of the outputs.
    pub aggregate_hash: String,
    /// One for each tool.
    pub outputs: Vec<RulesOutput>,
}

/// A version of the past.
#[derive(Clone, Debug, PartialEq, sqlx::FromRow)]
pub struct RulesVersion {
    /// `rv_` and 16 hex digits.
    pub id: String,
    /// Its number.
    pub version: i64,
    /// What people had written.
    pub static_rules: String,
    /// What it compiled to.
    pub compiled_outputs: Json<Vec<RulesOutput>>,
    /// See [`CompiledRules::aggregate_hash`].
    pub content_hash: String,
    /// Who compiled it.
    pub compiled_by: String,
    /// When.
    pub compiled_at: At,
}

const CHARACTERS_PER_TOKEN: usize = 4;
const TOKENS_MOST: i64 = 20_000;

macro_rules! columns {
    () => {
        "id, project_id, version, edition, static_rules, include_knowledge, knowledge_types, knowledge_max_tokens,
         include_context, context_sections, context_max_tokens, tool_overrides, enabled_tools, created_at,
         updated_at"
    };
}

const OF_PROJECT: &str = concat!("SELECT ", columns!(), " FROM project_rules WHERE project_id = $1");
const CREATE: &str = "
    INSERT INTO project_rules (id, project_id, version, edition, static_rules, include_knowledge, knowledge_types,
        knowledge_max_tokens, include_context, context_sections, context_max_tokens, tool_overrides,
        enabled_tools, created_at, updated_at)
    VALUES ($1, $2, 1, 1, '', TRUE, $3, 1500, TRUE, $4, 1500, '{}', '[]', $5, $5)
    ON CONFLICT (project_id) DO NOTHING";
const UPDATE: &str = concat!(
    "UPDATE project_rules SET static_rules = $2, include_knowledge = $3, knowledge_types = $4,
        knowledge_max_tokens = $5, include_context = $6, context_sections = $7, context_max_tokens = $8,
        tool_overrides = $9, enabled_tools = $10, updated_at = $11, edition = edition + 1
     WHERE id = $1 AND edition = $12 RETURNING ",
    columns!()
);
const SET_VERSION: &str = "UPDATE project_rules SET version = $2 WHERE id = $1";
const LATEST_HASH: &str =
    "SELECT version, content_hash FROM rules_versions WHERE project_id = $1 ORDER BY version DESC LIMIT 1";
const INSERT_VERSION: &str = "
    INSERT INTO rules_versions (id, project_id, version, static_rules, compiled_outputs, content_hash, compiled_by,
                                compiled_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
const VERSIONS: &str = "
    SELECT id, version, static_rules, compiled_outputs, content_hash, compiled_by, compiled_at
    FROM rules_versions WHERE project_id = $1 ORDER BY version DESC LIMIT 200";
const VERSION: &str = "
    SELECT id, version, static_rules, compiled_outputs, content_hash, compiled_by, compiled_at
    FROM rules_versions WHERE project_id = $1 AND version = $2";

impl Projects {
    /// The rules of a project, which has empty ones until somebody writes some.
    ///
    /// # Errors
    /// As [`Projects::open`].
    pub async fn rules(&self, actor: &Actor, project: &str) -> Result<Rules> {
        self.open(actor, project, Level::Read).await?;
        if let Some(rules) = self.find_rules(project).await? {
            return Ok(rules);
        }
        let mut tx = self.db.begin().await?;
        with_tx!(tx, |conn| sqlx::query(CREATE)
            .bind(id::prefixed("rules_", 16))
            .bind(project)
            .bind(Json(["convention", "decision"]))
            .bind(Json(["overview", "architecture"]))
            .bind(self.now().as_micros())
            .execute(conn)
            .await
            .map(affected))?;
        tx.commit().await?;
        self.find_rules(project).await?.ok_or(Error::ProjectNotFound)
    }

    async fn find_rules(&self, project: &str) -> Result<Option<Rules>> {
        Ok(with_reader!(self.db, |conn| sqlx::query_as(OF_PROJECT)
            .bind(project)
            .fetch_optional(conn)
            .await)?)
    }

    /// Changes the rules, if they are still those of the etag.
    ///
    /// # Errors
    /// As [`Projects::open`] for editing; [`Error::Field`]; [`Error::EtagMismatch`].
    pub async fn change_rules(
        &self,
        actor: &Actor,
        project: &str,
        if_match: Option<&str>,
        change: RulesChange,
    ) -> Result<Rules> {
        self.open(actor, project, Level::Edit).await?;
        let known = self.rules(actor, project).await?;
        let current = known.etag();
        if if_match.is_some_and(|etag| etag.trim() != current && etag.trim() != "*") {
            return Err(Error::EtagMismatch { current });
        }
        let next = self.apply_rules(known.clone(), change)?;
        let mut tx = self.db.begin().await?;
        let updated: Option<Rules> = with_tx!(tx, |conn| sqlx::query_as(UPDATE)
            .bind(&next.id)
            .bind(&next.static_rules)
            .bind(next.include_knowledge)
            .bind(next.knowledge_types.clone())
            .bind(next.knowledge_max_tokens)
            .bind(next.include_context)
            .bind(next.context_sections.clone())
            .bind(next.context_max_tokens)
            .bind(next.tool_overrides.clone())
            .bind(next.enabled_tools.clone())
            .bind(self.now().as_micros())
            .bind(known.edition)
            .fetch_optional(conn)
            .await)?;
        let updated = updated.ok_or(Error::EtagMismatch { current })?;
        tx.commit().await?;
        Ok(updated)
    }

    fn apply_rules(&self, mut rules: Rules, change: RulesChange) -> Result<Rules> {
        let tokens = |field, value: i64| {
            if (0..=TOKENS_MOST).contains(&value) {
                Ok(value)
            } else {
                Err(Error::TooManyTokens {
                    field,
                    most: TOKENS_MOST,
                    current: value,
                })
            }
        };
        if let Some(text) = change.static_rules {
            self.checked_document("static_rules", &text)?;
            rules.static_rules = text;
        }
        if let Some(include) = change.include_knowledge {
            rules.include_knowledge = include;
        }
        if let Some(types) = change.knowledge_types {
            if types.iter().any(|name| section_of(name).is_none()) {
                return Err(Error::field("knowledge_types", "not a type of entries"));
            }
            rules.knowledge_types.0 = types;
        }
        if let Some(most) = change.knowledge_max_tokens {
            rules.knowledge_max_tokens = tokens("knowledge_max_tokens", most)?;
        }
        if let Some(include) = change.include_context {
            rules.include_context = include;
        }
        if let Some(sections) = change.context_sections {
            self.checked_list("context_sections", &sections)?;
            rules.context_sections.0 = sections;
        }
        if let Some(most) = change.context_max_tokens {
            rules.context_max_tokens = tokens("context_max_tokens", most)?;
        }
        if let Some(overrides) = change.tool_overrides {
            for tool in overrides.keys() {
                file_of("tool_overrides", tool)?;
            }
            self.checked_document("tool_overrides", &Value::from_iter(overrides.clone()).to_string())?;
            rules.tool_overrides.0 = overrides;
        }
        if let Some(tools) = change.enabled_tools {
            for tool in &tools {
                file_of("enabled_tools", tool)?;
            }
            rules.enabled_tools.0 = tools;
        }
        Ok(rules)
    }

    /// Compiles the rules for the enabled tools; what is different from the last version is a new one. For tools
    /// that are named they are compiled as well, and no version is made of them: it would lack the others.
    ///
    /// # Errors
    /// As [`Projects::open`] for editing; [`Error::Field`] for an unknown tool.
    pub async fn compile_rules(
        &self,
        actor: &Actor,
        project: &str,
        tools: Option<Vec<String>>,
    ) -> Result<CompiledRules> {
        self.open(actor, project, Level::Edit).await?;
        let rules = self.rules(actor, project).await?;
        let document = self.context(project).await?;
        let partial = tools.is_some();
        let mut tools = tools.unwrap_or_else(|| rules.enabled_tools.0.clone());
        tools.sort_unstable();
        tools.dedup();
        let mut tx = self.db.begin().await?;
        self.take_turn(&mut tx, project).await?;
        let claims = self.live_claims(&mut tx, project).await?;
        let mut outputs = Vec::new();
        for tool in &tools {
            let filename = file_of("tools", tool)?;
            let body = body(&rules, tool, &claims, &document);
            outputs.push(RulesOutput {
                tool: tool.clone(),
                filename: filename.to_owned(),
                hash: secret::sha256_hex(&body),
                token_count: i64::try_from(body.chars().count() / CHARACTERS_PER_TOKEN).unwrap_or(i64::MAX),
                content: body,
            });
        }
        let hashes: Vec<String> = outputs
            .iter()
            .map(|output| format!("{}:{}", output.tool, output.hash))
            .collect();
        let aggregate_hash = secret::sha256_hex(hashes.join("\n"));
        let latest: Option<(i64, String)> = with_tx!(tx, |conn| sqlx::query_as(LATEST_HASH)
            .bind(project)
            .fetch_optional(conn)
            .await)?;
        let unchanged = partial || latest.as_ref().is_some_and(|(_, hash)| *hash == aggregate_hash);
        let latest = latest.map_or(i64::from(partial), |(version, _)| version);
        let version = if unchanged { latest } else { latest + 1 };
        for output in &mut outputs {
            output.content = format!(
                "<!-- sessionfs-managed: version={version} hash={} -->\n\n{}",
                output.hash, output.content
            );
        }
        if !unchanged {
            with_tx!(tx, |conn| sqlx::query(INSERT_VERSION)
                .bind(id::prefixed("rv_", 16))
                .bind(project)
                .bind(version)
                .bind(&rules.static_rules)
                .bind(Json(outputs.clone()))
                .bind(&aggregate_hash)
                .bind(actor.user.as_str())
                .bind(self.now().as_micros())
                .execute(conn)
                .await
                .map(affected))?;
            with_tx!(tx, |conn| sqlx::query(SET_VERSION)
                .bind(&rules.id)
                .bind(version)
                .execute(conn)
                .await
                .map(affected))?;
        }
        tx.commit().await?;
        Ok(CompiledRules {
            version,
            created_new_version: !unchanged,
            aggregate_hash,
            outputs,
        })
    }

    /// The latest 200 versions, newest first.
    ///
    /// # Errors
    /// As [`Projects::open`].
    pub async fn rules_versions(&self, actor: &Actor, project: &str) -> Result<Vec<RulesVersion>> {
        self.open(actor, project, Level::Read).await?;
        Ok(with_reader!(self.db, |conn| sqlx::query_as(VERSIONS)
            .bind(project)
            .fetch_all(conn)
            .await)?)
    }

    /// One version.
    ///
    /// # Errors
    /// As [`Projects::open`]; [`Error::NotFound`].
    pub async fn rules_version(&self, actor: &Actor, project: &str, version: i64) -> Result<RulesVersion> {
        self.open(actor, project, Level::Read).await?;
        let version: Option<RulesVersion> = with_reader!(self.db, |conn| sqlx::query_as(VERSION)
            .bind(project)
            .bind(version)
            .fetch_optional(conn)
            .await)?;
        version.ok_or(Error::NotFound {
            kind: "Version of the rules",
        })
    }
}

fn file_of(field: &'static str, tool: &str) -> Result<&'static str> {
    SUPPORTED_TOOLS
        .iter()
        .find(|(known, _)| *known == tool)
        .map(|(_, file)| *file)
        .ok_or_else(|| {
            let tools: Vec<&str> = SUPPORTED_TOOLS.iter().map(|(tool, _)| *tool).collect();
            Error::field(field, format!("{tool:?} is none of {}", tools.join(", ")))
        })
}

/// What one tool is told: a pure function.
fn body(rules: &Rules, tool: &str, claims: &[Claim], document: &str) -> String {
    let mut text = String::new();
    let mut add = |part: &str| {
        if !part.trim().is_empty() {
            text.push_str(part.trim());
            text.push_str("\n\n");
        }
    };
    add(&rules.static_rules);
    match rules.tool_overrides.0.get(tool) {
        Some(Value::String(extra)) => add(extra),
        Some(Value::Object(fields)) => add(fields.get("extra").and_then(Value::as_str).unwrap_or_default()),
        _ => {}
    }
    if rules.include_context {
        let mut sections = String::new();
        for wanted in &rules.context_sections.0 {
            if let Some((heading, section)) = section(document, wanted) {
                let _ = write!(sections, "## {heading}\n\n{section}\n\n");
            }
        }
        add(cut(&sections, rules.context_max_tokens));
    }
    if rules.include_knowledge {
        let mut known = String::new();
        for claim in claims
            .iter()
            .rev()
            .filter(|claim| rules.knowledge_types.0.contains(&claim.entry_type))
        {
            let content = claim.content.split_whitespace().collect::<Vec<_>>().join(" ");
            let line = format!("- [{}] {content}\n", claim.entry_type);
            // Whole facts only: one cut short may say something else.
            if (known.len() + line.len()) / CHARACTERS_PER_TOKEN
                > usize::try_from(rules.knowledge_max_tokens).unwrap_or(usize::MAX)
            {
                break;
            }
            known.push_str(&line);
        }
        if !known.is_empty() {
            add(&format!("## What is known\n\n{known}"));
        }
    }
    text
}

/// The heading of the second level that is meant, and the text under it, when there is some.
fn section<'a>(document: &'a str, wanted: &str) -> Option<(&'a str, &'a str)> {
    let wanted = folded(wanted);
    let (start, heading) = document
        .match_indices("## ")
        .filter(|(at, _)| *at == 0 || document.as_bytes()[at - 1] == b'\n')
        .filter_map(|(at, _)| Some((at + 3, document[at + 3..].lines().next()?.trim())))
        .find(|(_, heading)| folded(heading) == wanted)?;
    let body = document[start..].split_once('\n')?.1;
    let end = body.find("\n## ").unwrap_or(body.len());
    let text = body[..end].trim();
    (!text.is_empty() && !text.starts_with("## ")).then_some((heading, text))
}

/// A heading as it is named in requests: `api_contracts` for "API Contracts".
fn folded(heading: &str) -> String {
    let words: Vec<String> = heading
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(str::to_lowercase)
        .collect();
    words.join("_")
}

fn cut(text: &str, tokens: i64) -> &str {
    let most = usize::try_from(tokens).unwrap_or(0) * CHARACTERS_PER_TOKEN;
    text.char_indices()
        .nth(most)
        .map_or(text, |(end, _)| &text[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_section_is_the_text_up_to_the_next_heading() {
        let document =
            "# D\n\n## Overview\nA factory.\n\n### Detail\nMore.\n\n## Empty\n\n## Who we are?\nAda\n";
        assert_eq!(
            section(document, "overview"),
            Some(("Overview", "A factory.\n\n### Detail\nMore."))
        );
        assert_eq!(section(document, "Who_We Are"), Some(("Who we are?", "Ada")));
        assert_eq!(section(document, "Empty"), None);
        assert_eq!(section(document, "Nothing"), None);
    }
}
