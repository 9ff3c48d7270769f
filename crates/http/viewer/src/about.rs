//! What was recorded about a run as a whole.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::web::{Data, Path};
use maud::{Markup, html};
use pentad_http_kit::{Fault, Principal};
use pentad_runs::{Command, Error, Json, RunDetail, RunId};

use crate::page::answer;
use crate::{Viewer, json, model_call, runs, step, words};

/// How many files are listed before the rest is only counted.
const LISTED: usize = 500;

/// What was recorded about a run as a whole
#[utoipa::path(get, path = "/viewer/runs/{run_id}/about", params(("run_id" = String, Path)),
    responses((status = 200, description = "A piece of the page.")))]
pub(crate) async fn run_about(
    viewer: Data<Viewer>,
    principal: Principal,
    path: Path<String>,
) -> Result<HttpResponse, Fault> {
    let run = RunId::parse(&path).ok_or(Error::RunNotFound)?;
    let actor = &principal.actor;
    let detail = viewer.runs.run_detail(actor, &run).await?;
    let commands = viewer.runs.commands(actor, &run).await?;
    let files = viewer.runs.files(actor, &run).await?;
    Ok(answer(
        StatusCode::OK,
        &render(run.as_str(), &detail, &commands, &files),
    ))
}

fn render(run: &str, detail: &RunDetail, commands: &[Command], files: &[String]) -> Markup {
    let session = &detail.session;
    let tags = session.get("tags").and_then(Json::members);
    html! {
        div.columns {
            section {
                h3 { "Task" }
                p { (runs::instruction(session).unwrap_or("The session names none.")) }
                (json::facts(&[
                    ("Class", session.at(&["task_spec", "task_class"]).map(json::line)),
                    ("Debug session", session.get("debug_session_id").map(json::line)),
                    ("Started", session.text_at("started_at").map(words::instant)),
                    ("Ended", session.text_at("ended_at").map(words::instant)),
                ]))
                @if let Some(subgoals) = session.at(&["task_spec", "subgoals"]).and_then(Json::elements) {
                    ol { @for goal in subgoals { li { (goal.text_at("description").unwrap_or_default()) } } }
                }
                @if let Some(tags) = tags.filter(|tags| !tags.is_empty()) {
                    h3 { "Tags" }
                    p { @for (name, value) in tags { span.tag { (name) "=" (json::line(value)) } " " } }
                }
            }
            (step::outcomes(&detail.outcomes))
            @if !detail.side_effects.is_empty() {
                section { h3 { "Side effects" } (step::side_effects(&detail.side_effects)) }
            }
            @if !commands.is_empty() { (given(commands)) }
            @if !detail.events.is_empty() { section { h3 { "Events of the run" } (step::events(&detail.events, &words::file_url(run, "events/run.jsonl"))) } }
            @if !detail.reasoning.is_empty() { section { h3 { "Reasoning" } (step::reasoning(&detail.reasoning, &words::file_url(run, "events/reasoning.jsonl"))) } }
            @if !detail.model_calls.is_empty() { section { h3 { "Model calls of the run" } (model_call::calls(run, &detail.model_calls)) } }
            @if !detail.logs.is_empty() {
                section {
                    h3 { "Logs" }
                    ul.files role="list" {
                        @for name in &detail.logs { (file(run, &format!("logs/{name}.log"))) }
                    }
                }
            }
            section {
                h3 { "Files" }
                details {
                    summary { (words::count(files.len() as u64, "file", "files")) }
                    ul.files role="list" { @for path in files.iter().take(LISTED) { (file(run, path)) } }
                    @if files.len() > LISTED { p.muted { "And " (files.len() - LISTED) " more." } }
                }
            }
        }
    }
}

fn file(run: &str, path: &str) -> Markup {
    html! { li { a href=(words::file_url(run, path)) target="_blank" rel="noopener" { (path) } } }
}

fn given(commands: &[Command]) -> Markup {
    html! {
        section {
            h3 { "Commands" }
            ul.commands-given role="list" {
                @for command in commands {
                    li {
                        strong { (command.kind) }
                        @if let Some(payload) = &command.payload { " " code { (json::line(payload)) } }
                        p.muted {
                            (words::instant(&command.issued_at.to_string()))
                            @match command.delivered_at {
                                Some(at) => { ", the agent got it at " (words::instant(&at.to_string())) }
                                None => { ", not fetched yet" }
                            }
                        }
                    }
                }
            }
        }
    }
}
