//! What an agent is told when it starts on a ticket: a pure function.

use std::fmt::Write as _;

use crate::{Comment, Entry, Persona, Ticket};

/// Characters that a token has, roughly.
const CHARACTERS_PER_TOKEN: usize = 4;

/// How many tokens of context a tool takes well.
fn token_budget(tool: &str) -> usize {
    match tool {
        "claude-code" | "bedrock" => 16_000,
        "cursor" | "cline" | "windsurf" | "copilot" | "copilot-cli" => 4_000,
        _ => 8_000,
    }
}

/// What the context is made of.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Parts<'a> {
    pub(crate) persona: Option<&'a Persona>,
    pub(crate) ticket: Option<&'a Ticket>,
    pub(crate) claims: &'a [Entry],
    /// Finished tickets that this one depended on.
    pub(crate) finished: &'a [Ticket],
    /// The latest comments, oldest first.
    pub(crate) comments: &'a [Comment],
}

/// The context in Markdown, cut to what the tool takes.
pub(crate) fn compile(parts: Parts<'_>, tool: &str) -> String {
    let mut text = String::new();
    if let Some(persona) = parts.persona {
        let _ = writeln!(text, "# Persona: {}\n\nRole: {}\n", persona.name, persona.role);
        if !persona.specializations.0.is_empty() {
            let _ = writeln!(
                text,
                "Specializations: {}\n",
                persona.specializations.0.join(", ")
            );
        }
        if !persona.content.trim().is_empty() {
            let _ = writeln!(text, "{}\n", persona.content.trim());
        }
    }
    if let Some(ticket) = parts.ticket {
        let _ = writeln!(
            text,
            "# Ticket {}: {}\n\nPriority: {}\n",
            ticket.id, ticket.title, ticket.priority
        );
        if !ticket.description.trim().is_empty() {
            let _ = writeln!(text, "{}\n", ticket.description.trim());
        }
        list(&mut text, "Acceptance criteria", &ticket.acceptance_criteria.0);
        list(&mut text, "Files", &ticket.file_refs.0);
    }
    let claims: Vec<String> = parts
        .claims
        .iter()
        .map(|entry| format!("[KB {}, {}] {}", entry.id, entry.entry_type, entry.content))
        .collect();
    list(&mut text, "What is known", &claims);
    let finished: Vec<String> = parts
        .finished
        .iter()
        .filter_map(|ticket| {
            let notes = ticket.completion_notes.as_deref()?;
            Some(format!("{} ({}): {notes}", ticket.title, ticket.id))
        })
        .collect();
    list(&mut text, "Finished before", &finished);
    let comments: Vec<String> = parts
        .comments
        .iter()
        .map(|comment| {
            let who = comment.author_persona.as_deref().unwrap_or("user");
            let when = comment.created_at.timestamp().truncated_to_second();
            format!("{when} {who}: {}", comment.content)
        })
        .collect();
    list(&mut text, "Recent comments", &comments);
    let limit = token_budget(tool) * CHARACTERS_PER_TOKEN;
    match text.char_indices().nth(limit) {
        Some((end, _)) => text[..end].to_owned(),
        None => text,
    }
}

fn list(text: &mut String, heading: &str, items: &[String]) {
    if items.is_empty() {
        return;
    }
    let _ = writeln!(text, "## {heading}\n");
    for item in items {
        let _ = writeln!(text, "- {item}");
    }
    text.push('\n');
}
