//! Everything about one step.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::web::{Data, Path};
use maud::{Markup, html};
use pentad_http_kit::{Fault, Principal};
use pentad_runs::{Error, Json, RunId, ShotKind, StepDetail};

use crate::page::answer;
use crate::{Viewer, findings, json, model_call, overlay, words};

/// A step of a run
#[utoipa::path(get, path = "/viewer/runs/{run_id}/steps/{index}",
    params(("run_id" = String, Path), ("index" = u64, Path)),
    responses((status = 200, description = "A piece of the page.")))]
pub(crate) async fn step_piece(
    viewer: Data<Viewer>,
    principal: Principal,
    path: Path<(String, String)>,
) -> Result<HttpResponse, Fault> {
    let run = RunId::parse(&path.0).ok_or(Error::RunNotFound)?;
    let index = path.1.parse().map_err(|_| Error::FileNotFound)?;
    let detail = viewer.runs.step_detail(&principal.actor, &run, index).await?;
    Ok(answer(StatusCode::OK, &render(run.as_str(), &detail)))
}

struct Tab {
    name: &'static str,
    words: &'static str,
    count: usize,
    body: Markup,
}

fn render(run: &str, detail: &StepDetail) -> Markup {
    let summary = &detail.summary;
    let index = summary.index;
    let shot = summary
        .screenshots
        .get(&ShotKind::Pre)
        .or_else(|| summary.screenshots.get(&ShotKind::Post));
    let marks = overlay::attribute(&overlay::marks(&detail.step, shot));
    let tabs = tabs(run, detail);
    html! {
        article data-index=(index) data-marks=(marks) {
            header.step-head {
                h2 { "Step " (index) }
                span class={ "status " (summary.status) } { span.dot aria-hidden="true" {} (summary.status) }
                @if let Some(class) = &summary.failure_class { code.failure.clipped title=(words::beginning(class, NAME)) { (words::beginning(class, NAME)) } }
                @let intent = words::beginning(summary.intent.as_deref().unwrap_or(&summary.step_type), NAME);
                p.intent.clipped title=(intent) { (intent) }
            }
            div.tabs role="tablist" aria-label="About the step" {
                @for (at, tab) in tabs.iter().enumerate() {
                    button type="button" role="tab" id={ "tab-" (tab.name) } aria-controls={ "panel-" (tab.name) }
                        aria-selected="false" tabindex="-1" data-tab=(tab.name) data-empty[tab.count == 0] title={ "Key " (at + 1) } {
                        (tab.words) @if tab.count > 1 { span.count { (tab.count) } }
                    }
                }
            }
            @for tab in &tabs {
                div.panel role="tabpanel" id={ "panel-" (tab.name) } aria-labelledby={ "tab-" (tab.name) } hidden tabindex="0" {
                    @if tab.count == 0 { p.muted { "Nothing recorded." } } @else { (tab.body) }
                }
            }
        }
    }
}

fn tabs(run: &str, detail: &StepDetail) -> Vec<Tab> {
    let tab = |name, words, count, body| Tab {
        name,
        words,
        count,
        body,
    };
    let index = detail.summary.index;
    let step_url = words::file_url(run, &format!("steps/{index:04}.json"));
    let events_url = words::file_url(run, &format!("events/{index:04}.jsonl"));
    let verdict = detail.step.get("verdict").filter(|verdict| !verdict.is_null());
    let judges = detail
        .step
        .get("judge_decisions")
        .and_then(Json::elements)
        .unwrap_or_default();
    vec![
        tab("overview", "Overview", 1, overview(run, detail)),
        tab(
            "events",
            "Events",
            detail.events.len(),
            events(&detail.events, &events_url),
        ),
        tab(
            "reasoning",
            "Reasoning",
            detail.reasoning.len(),
            reasoning(&detail.reasoning, &words::file_url(run, "events/reasoning.jsonl")),
        ),
        tab(
            "model",
            "Model calls",
            detail.model_calls.len(),
            model_call::calls(run, &detail.model_calls),
        ),
        tab(
            "verdict",
            "Verdict",
            usize::from(verdict.is_some()) + judges.len() + detail.outcomes.len(),
            verdicts(verdict, judges, &detail.outcomes, detail.eval_candidate.as_ref()),
        ),
        tab(
            "effects",
            "Side effects",
            detail.side_effects.len(),
            side_effects(&detail.side_effects),
        ),
        tab(
            "log",
            "Log",
            usize::from(detail.log.is_some()),
            log(run, index, detail.log.as_deref()),
        ),
        tab("raw", "Raw", 1, json::document(&detail.step, Some(&step_url))),
    ]
}

fn overview(run: &str, detail: &StepDetail) -> Markup {
    let step = &detail.step;
    let text = |path: &[&str]| step.at(path).filter(|value| !value.is_null()).map(json::line);
    let params = step.at(&["action", "params"]).and_then(Json::members);
    let duration = detail
        .summary
        .duration_ms
        .map(|millis| words::duration(std::time::Duration::from_millis(millis)));
    let confidence = step
        .at(&["grounding", "confidence"])
        .and_then(Json::number)
        .map(|share| format!("{:.0} %", share * 100.0));
    html! {
        @if !detail.findings.is_empty() {
            ul.step-findings role="list" { @for finding in &detail.findings { (findings::finding(run, finding)) } }
        }
        section {
            h3 { "Action" }
            (json::facts(&[
                ("Type", text(&["action", "type"])),
                ("Coordinates in", text(&["action", "coordinate_space"])),
                ("Dispatched by", text(&["action", "dispatch_backend"])),
            ]))
            @if let Some(params) = params {
                dl.facts { @for (name, value) in params { div { dt { (name) } dd { (json::line(value)) } } } }
            }
        }
        @if step.get("grounding").is_some_and(|grounding| !grounding.is_null()) {
            section {
                h3 { "How the target was found" }
                (json::facts(&[
                    ("Target", text(&["grounding", "target_label"])),
                    ("By", text(&["grounding", "provider"])),
                    ("From", text(&["grounding", "provenance"])),
                    ("Confidence", confidence),
                    ("Evidence", text(&["grounding", "evidence"])),
                ]))
            }
        }
        section {
            h3 { "Circumstances" }
            (json::facts(&[
                ("Started", detail.summary.started_at.as_deref().map(words::instant)),
                ("Took", duration),
                ("Cost", step.get("costs").and_then(words::dollars)),
                ("Tokens in", text(&["costs", "tokens_in"])),
                ("Tokens out", text(&["costs", "tokens_out"])),
                ("Model", text(&["captured_versions", "model"])),
                ("Prompt", text(&["captured_versions", "prompt_hash"]).map(|hash| words::beginning(&hash, 12).to_owned())),
                ("Page", text(&["observation_pre_meta", "url"])),
                ("Group", text(&["group_id"])),
                ("Iterations", text(&["step_iterations"])),
                ("Loop detected", text(&["loop_detected"])),
            ]))
        }
        @if !detail.attempts.is_empty() {
            section {
                h3 { (detail.attempts.len()) " attempts" }
                @for (name, attempt) in &detail.attempts {
                    details.attempt {
                        summary { code { (attempt.text_at("step_id").unwrap_or(name)) } " " (attempt.text_at("status").unwrap_or_default()) }
                        (json::document(attempt, Some(&words::file_url(run, &format!("steps/{:04}/{name}.json", detail.summary.index)))))
                    }
                }
            }
        }
    }
}

/// How many records of one kind a page shows; the file has the rest.
const SHOWN: usize = 500;
/// The most bytes of one text among many.
const TEXT: usize = 10_000;
/// The most bytes of what stands in the head of a step; its file has all of it.
const NAME: usize = 1_000;

/// The text of a member, its beginning when it is long.
fn brief<'r>(record: &'r Json, name: &str) -> &'r str {
    words::beginning(record.text_at(name).unwrap_or_default(), TEXT)
}

fn rest(all: usize, url: &str) -> Markup {
    html! {
        @if all > SHOWN {
            p.muted {
                "The first " (words::number(SHOWN as u64)) " of " (words::number(all as u64)) ". "
                a href=(url) target="_blank" rel="noopener" { "Open the file" }
            }
        }
    }
}

/// Decision events, in the order in which they happened, and the file that has them.
pub(crate) fn events(events: &[Json], url: &str) -> Markup {
    html! {
        ol.events role="list" {
            @for event in events.iter().take(SHOWN) {
                @let kind = event.text_at("kind").unwrap_or_default();
                li class={ "event " (kind_class(kind)) } {
                    div.event-head {
                        span.layer { (event.text_at("layer").unwrap_or_default()) }
                        span.kind { (kind) }
                        time.muted { (words::time_of_day(event.text_at("ts").unwrap_or_default())) }
                    }
                    p { (brief(event, "summary")) }
                    @if let Some(detail) = event.get("detail").filter(|detail| detail.members().is_some_and(|members| !members.is_empty())) {
                        details { summary { "Detail" } (json::one_of_many(detail)) }
                    }
                }
            }
        }
        (rest(events.len(), url))
    }
}

/// A kind as a class name: only those that are known have a look of their own.
fn kind_class(kind: &str) -> &'static str {
    match kind {
        "error" => "error",
        "decision" => "decision",
        _ => "",
    }
}

/// What models thought.
pub(crate) fn reasoning(records: &[Json], url: &str) -> Markup {
    html! {
        @for record in records.iter().take(SHOWN) {
            section.thought {
                p.muted {
                    span { (record.text_at("model").unwrap_or("model")) } " · " (record.text_at("format").unwrap_or_default())
                    @if let Some(tokens) = record.get("tokens").and_then(Json::whole) { " · " (words::number(tokens)) " tokens" }
                }
                blockquote {
                    @if record.get("text").is_some() { (brief(record, "text")) } @else { "Only tokens were counted." }
                }
            }
        }
        (rest(records.len(), url))
    }
}

fn verdicts(verdict: Option<&Json>, judges: &[Json], outcomes: &[Json], candidate: Option<&Json>) -> Markup {
    let statuses: std::collections::BTreeSet<&str> = judges
        .iter()
        .filter_map(|judge| judge.at(&["verdict", "status"]).and_then(Json::text))
        .collect();
    html! {
        @if let Some(verdict) = verdict {
            section { h3 { "The verdict that counts" } (one_verdict(verdict)) }
        }
        @if !judges.is_empty() {
            section {
                h3 { "Judges" }
                @if statuses.len() > 1 { p.notice { "The judges disagree." } }
                @for judge in judges {
                    div.judge {
                        p { strong { (judge.text_at("judge_id").unwrap_or_default()) } " " span.muted { (judge.text_at("judge_type").unwrap_or_default()) } }
                        @if let Some(verdict) = judge.get("verdict") { (one_verdict(verdict)) }
                    }
                }
            }
        }
        (self::outcomes(outcomes))
        @if let Some(candidate) = candidate {
            section { h3 { "Worth keeping as a test" } p { (candidate.text_at("reason").unwrap_or_default()) } }
        }
    }
}

fn one_verdict(verdict: &Json) -> Markup {
    let status = verdict.text_at("status").unwrap_or("unknown");
    let text = |name: &str| verdict.get(name).filter(|value| !value.is_null()).map(json::line);
    html! {
        p { span class={ "status " (verdict_class(status)) } { span.dot aria-hidden="true" {} (status) } }
        @if verdict.text_at("reason").is_some() { p { (brief(verdict, "reason")) } }
        (json::facts(&[
            ("Score", text("score")),
            ("Parts", text("score_components")),
            ("Uncertainty", text("uncertainty")),
            ("Compared by", text("comparator")),
            ("Should stop", text("should_stop")),
        ]))
    }
}

fn verdict_class(status: &str) -> &'static str {
    match status {
        "passed" => "succeeded",
        "failed" => "failed",
        "recoverable" => "recovered",
        _ => "skipped",
    }
}

/// How steps and the session ended.
pub(crate) fn outcomes(outcomes: &[Json]) -> Markup {
    html! {
        @if !outcomes.is_empty() {
            section {
                h3 { "Outcomes" }
                @for outcome in outcomes {
                    div.judge {
                        p {
                            strong {
                                @match outcome.get("step_index").and_then(Json::whole) {
                                    Some(index) => { "Step " (index) }
                                    None => { "Session" }
                                }
                            }
                            " " span.muted { (words::instant(outcome.text_at("finalized_at").unwrap_or_default())) }
                        }
                        @if let Some(verdict) = outcome.get("verdict") { (one_verdict(verdict)) }
                    }
                }
            }
        }
    }
}

/// What was done to the world outside.
pub(crate) fn side_effects(effects: &[Json]) -> Markup {
    html! {
        ul.effects role="list" {
            @for effect in effects {
                @let status = effect.text_at("status").unwrap_or_default();
                @let text = |name: &str| effect.get(name).filter(|value| !value.is_null()).map(json::line);
                li {
                    p {
                        span class={ "status " (effect_class(status)) } { span.dot aria-hidden="true" {} (status) }
                        " " strong { (effect.text_at("action").unwrap_or_default()) } " on "
                        code { (effect.text_at("resource").unwrap_or_default()) }
                    }
                    (json::facts(&[
                        ("Step", text("step_index")),
                        ("Reversible", text("reversibility")),
                        ("Declared", text("declared_at")),
                        ("Committed", text("committed_at")),
                        ("Aborted", text("aborted_at")),
                        ("Why aborted", text("abort_reason")),
                        ("Result", text("observed_result")),
                        ("Idempotency key", text("idempotency_key")),
                    ]))
                }
            }
        }
    }
}

fn effect_class(status: &str) -> &'static str {
    match status {
        "committed" => "succeeded",
        "aborted" => "skipped",
        _ => "recovered",
    }
}

fn log(run: &str, index: u64, text: Option<&str>) -> Markup {
    let text = text.unwrap_or_default();
    html! {
        (lines(text))
        p { a href=(words::file_url(run, &format!("logs/step-{index}.log"))) target="_blank" rel="noopener" { "Open the file" } }
    }
}

/// The most lines of a log that a page shows.
const LINES: usize = 2_000;

/// A log, its lines numbered.
fn lines(text: &str) -> Markup {
    let count = text.lines().count();
    html! {
        ol.log {
            @for line in text.lines().take(LINES) { li { (line) } }
        }
        @if count > LINES { p.muted { "The first " (words::number(LINES as u64)) " of " (words::number(count as u64)) " lines." } }
    }
}
