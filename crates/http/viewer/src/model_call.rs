//! A call of a model, as a conversation.

use maud::{Markup, html};
use pentad_runs::Json;

use crate::{json, words};

/// The most bytes of one message that a page shows.
const SHOWN: usize = 20_000;
/// The most tokens whose probability a page shows.
const TOKENS: usize = 2_000;

/// Calls by the names of their files.
pub(crate) fn calls(run: &str, calls: &[(String, Json)]) -> Markup {
    html! {
        @for (name, call) in calls {
            section.call {
                h3 {
                    (call.text_at("layer").unwrap_or_default()) " · "
                    code { (call.at(&["request", "model"]).and_then(Json::text).unwrap_or("model")) }
                }
                p.muted { (facts(call)) }
                @if let Some(system) = call.at(&["request", "system"]).and_then(Json::text) {
                    (message("system", &html! { (text(system)) }))
                }
                @for sent in call.at(&["request", "messages"]).and_then(Json::elements).unwrap_or_default() {
                    (message(sent.text_at("role").unwrap_or("?"), &content(sent.get("content").unwrap_or(&Json::Null))))
                }
                (answer(call))
                p { a href=(words::file_url(run, &format!("modelio/{name}"))) target="_blank" rel="noopener" { "Open the file" } }
            }
        }
    }
}

fn facts(call: &Json) -> String {
    let mut facts = Vec::new();
    let usage = |name: &str| call.at(&["response", "usage", name]).and_then(Json::whole);
    if let Some(tokens) = usage("prompt_tokens") {
        facts.push(format!("{} tokens in", words::number(tokens)));
    }
    if let Some(tokens) = usage("completion_tokens") {
        facts.push(format!("{} out", words::number(tokens)));
    }
    if let Some(tokens) = usage("cache_hit_tokens") {
        facts.push(format!("{} from cache", words::number(tokens)));
    }
    if let Some(millis) = call.get("duration_ms").and_then(Json::whole) {
        facts.push(words::duration(std::time::Duration::from_millis(millis)));
    }
    if let Some(reason) = call.at(&["response", "stop_reason"]).and_then(Json::text) {
        facts.push(format!("stopped: {reason}"));
    }
    let tools = call
        .at(&["request", "tools"])
        .and_then(Json::elements)
        .map_or(0, <[Json]>::len);
    if tools > 0 {
        facts.push(words::count(tools as u64, "tool", "tools"));
    }
    facts.join(" · ")
}

fn message(role: &str, content: &Markup) -> Markup {
    let side = match role {
        "assistant" => "assistant",
        "system" | "developer" => "system",
        _ => "user",
    };
    html! { div class={ "message-bubble " (side) } { p.role { (role) } (content) } }
}

fn text(text: &str) -> Markup {
    let shown = words::beginning(text, SHOWN);
    html! {
        div.text { (shown) }
        @if shown.len() < text.len() { p.muted { "… " (words::number((text.len() - shown.len()) as u64)) " more bytes in the file." } }
    }
}

/// A message's content: a text, or blocks as the providers shape them.
fn content(value: &Json) -> Markup {
    match value {
        Json::Text(plain) => text(plain),
        Json::Array(blocks) => html! { @for block in blocks { (self::block(block)) } },
        Json::Null => html! {},
        other => json::document(other, None),
    }
}

fn block(block: &Json) -> Markup {
    if let Some(plain) = block.text_at("text") {
        return text(plain);
    }
    match block.text_at("type") {
        // The bytes of an image in a message are never shown: nobody has checked them.
        Some(kind) if kind.contains("image") => {
            html! { p.muted { "[" (kind) ", " (words::number(block.to_line().len() as u64)) " bytes]" } }
        }
        Some("tool_use") => tool_call(block.text_at("name").unwrap_or("tool"), block.get("input")),
        Some("tool_result") => content(block.get("content").unwrap_or(&Json::Null)),
        _ => json::document(block, None),
    }
}

fn tool_call(name: &str, arguments: Option<&Json>) -> Markup {
    html! {
        div.tool-call {
            p { strong { (name) } }
            @match arguments {
                Some(Json::Text(arguments)) => { (text(arguments)) }
                Some(arguments) => { (json::document(arguments, None)) }
                None => {}
            }
        }
    }
}

fn answer(call: &Json) -> Markup {
    let response = call.get("response");
    let part = |name: &str| response.and_then(|response| response.get(name));
    let logprobs = part("logprobs").and_then(Json::elements).unwrap_or_default();
    let tools = part("tool_calls").and_then(Json::elements).unwrap_or_default();
    let said = part("text").and_then(Json::text).unwrap_or_default();
    let body = html! {
        @if logprobs.is_empty() { (text(said)) } @else { (likely(logprobs)) }
        @for tool in tools {
            @let name = tool.at(&["function", "name"]).or_else(|| tool.get("name")).and_then(Json::text);
            @let arguments = tool.at(&["function", "arguments"]).or_else(|| tool.get("input")).or_else(|| tool.get("arguments"));
            (tool_call(name.unwrap_or("tool"), arguments))
        }
    };
    message("assistant", &body)
}

/// The answer token by token, the unlikely ones marked.
fn likely(logprobs: &[Json]) -> Markup {
    html! {
        div.text.tokens {
            @for token in logprobs.iter().take(TOKENS) {
                @let probability = token.get("logprob").and_then(Json::number).unwrap_or(0.0).exp();
                span class={ "p" (bucket(probability)) } title={ (format!("{:.1} %", probability * 100.0)) } {
                    (token.text_at("token").unwrap_or("�"))
                }
            }
        }
    }
}

const fn bucket(probability: f64) -> u8 {
    match probability {
        _ if probability >= 0.9 => 4,
        _ if probability >= 0.6 => 3,
        _ if probability >= 0.3 => 2,
        _ if probability >= 0.1 => 1,
        _ => 0,
    }
}
