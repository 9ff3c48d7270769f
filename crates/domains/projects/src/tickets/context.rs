//! What an agent is told when it starts on a ticket: a pure function.

use std::fmt::Write as _;

use super::model::Kind;
use crate::{Comment, Entry, Persona, Ticket};

/// Characters that a token has, roughly.
const CHARACTERS_PER_TOKEN: usize = 4;

/// How many tokens of context a tool takes well.
fn token_budget(tool: &str) -> usize {
    match tool {
        "claude-code" | "bedrock" => 16_000,
        "cursor" | "cline" | "windsurf" | "roo-code" | "kilo-code" | "copilot" | "copilot-cli" => 4_000,
        _ => 8_000,
    }
}

/// What the context is made of.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Parts<'a> {
    pub(crate) persona: Option<&'a Persona>,
    pub(crate) ticket: Option<&'a Ticket>,
    /// The issue that the ticket is a part of.
    pub(crate) parent: Option<&'a Ticket>,
    /// The tasks that an issue was split into.
    pub(crate) children: &'a [Ticket],
    pub(crate) claims: &'a [Entry],
    /// Finished tickets that this one depended on.
    pub(crate) finished: &'a [Ticket],
    /// The latest comments, oldest first.
    pub(crate) comments: &'a [Comment],
}

/// What stands at the end of a context that was cut.
const CUT: &str = "\n\n[...truncated to fit tool token limit]";

/// The context in Markdown, cut to what the tool takes. Its headings are those of seed 002's server: agents
/// are prompted with them.
pub(crate) fn compile(parts: Parts<'_>, tool: &str) -> String {
    let mut text = String::new();
    if let Some(persona) = parts.persona {
        let _ = writeln!(text, "# You are {} — {}\n", persona.name, persona.role);
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
        if !text.is_empty() {
            text.push_str("---\n\n");
        }
        of_ticket(&mut text, ticket, &parts);
    }
    let limit = token_budget(tool) * CHARACTERS_PER_TOKEN;
    match text.char_indices().nth(limit) {
        Some((end, _)) => format!("{}{CUT}", text[..end].trim_end()),
        None => text,
    }
}

fn of_ticket(text: &mut String, ticket: &Ticket, parts: &Parts<'_>) {
    let _ = writeln!(
        text,
        "# Current Ticket: {}\nId: {}\nKind: {}\nPriority: {}\nStatus: {}",
        ticket.title, ticket.id, ticket.kind, ticket.priority, ticket.status
    );
    if let Some(parent) = parts.parent {
        let _ = writeln!(
            text,
            "Parent Issue: {} — {} (status: {})",
            parent.id, parent.title, parent.status
        );
    }
    text.push('\n');
    if ticket.kind == Kind::Issue {
        let tasks: Vec<String> = parts
            .children
            .iter()
            .map(|task| format!("{} [{}] {}", task.id, task.status, task.title))
            .collect();
        list(text, &format!("Child Tasks ({})", tasks.len()), &tasks);
    }
    if !ticket.description.trim().is_empty() {
        let _ = writeln!(text, "## Description\n\n{}\n", ticket.description.trim());
    }
    let criteria: Vec<String> = ticket
        .acceptance_criteria
        .0
        .iter()
        .map(|criterion| format!("[ ] {criterion}"))
        .collect();
    list(text, "Acceptance Criteria", &criteria);
    list(text, "Files to Review/Modify", &ticket.file_refs.0);
    let claims: Vec<String> = parts
        .claims
        .iter()
        .map(|entry| format!("[{}] {} (KB {})", entry.entry_type, entry.content, entry.id))
        .collect();
    list(text, "Relevant Project Knowledge", &claims);
    for finished in parts.finished {
        if let Some(notes) = &finished.completion_notes {
            let _ = writeln!(
                text,
                "## From completed dependency #{} ({})\n\n{notes}\n",
                finished.id, finished.title
            );
        }
    }
    let comments: Vec<String> = parts
        .comments
        .iter()
        .map(|comment| {
            let who = comment.author_persona.as_deref().unwrap_or("user");
            let when = comment.created_at.timestamp().truncated_to_second();
            format!("**{who}** ({when}): {}", comment.content)
        })
        .collect();
    list(text, "Recent Comments", &comments);
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
