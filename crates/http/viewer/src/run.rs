//! The page of a run.

use actix_web::http::StatusCode;
use actix_web::web::{Data, Path};
use actix_web::{HttpRequest, HttpResponse};
use maud::{Markup, html};
use pentad_http_kit::{Fault, Principal};
use pentad_kernel::Actor;
use pentad_runs::{Error, Finding, Liveness, Report, RunId, RunSummary, State};

use crate::page::{Visitor, answer, missing, page, to_sign_in};
use crate::{Viewer, assets, findings, runs, words};

/// A run
#[utoipa::path(get, path = "/viewer/runs/{run_id}", params(("run_id" = String, Path)),
    responses((status = 200, description = "The page.")))]
pub(crate) async fn run_page(
    viewer: Data<Viewer>,
    principal: Option<Principal>,
    path: Path<String>,
    request: HttpRequest,
) -> Result<HttpResponse, Fault> {
    let Some(principal) = principal else {
        return Ok(to_sign_in(&request.uri().to_string()));
    };
    let visitor = Visitor::of(&viewer, &principal).await?;
    let overview = match Overview::of(&viewer, &principal.actor, &path).await {
        Ok(overview) => overview,
        Err(error) => return missing(&visitor, error),
    };
    let run = &overview.run;
    let main = html! {
        main.run id="main" tabindex="-1" data-run=(run.run_id) data-sealed=(run.sealed) data-at-work=(run.liveness == Liveness::Live) data-steps=(run.digest.step_count) {
            nav.crumbs aria-label="Breadcrumb" { a href="/viewer/" { "Runs" } span aria-hidden="true" { "/" } code { (run.run_id) } }
            div id="head" { (overview.render()) }
            @if !run.sealed { (commands()) }
            (strip())
            div.work {
                (stage())
                section.detail id="detail" aria-label="Step" tabindex="-1" {
                    @if run.digest.step_count == 0 {
                        p.muted.message { "No step was recorded yet." }
                    } @else {
                        p.muted.message { "Loading…" }
                    }
                }
            }
            details.about id="about" data-about {
                summary { h2 { "About the run" } span.muted { "task, outcome, events, model calls, logs, files" } }
                div id="about-body" { p.muted { "Loading…" } }
            }
            (help())
        }
    };
    Ok(page(&visitor, &overview.name(), Some(&assets::RUN), &main))
}

/// The head of a run's page
#[utoipa::path(get, path = "/viewer/runs/{run_id}/head", params(("run_id" = String, Path)),
    responses((status = 200, description = "A piece of the page.")))]
pub(crate) async fn run_head(
    viewer: Data<Viewer>,
    principal: Principal,
    path: Path<String>,
) -> Result<HttpResponse, Fault> {
    let overview = Overview::of(&viewer, &principal.actor, &path).await?;
    Ok(answer(StatusCode::OK, &overview.render()))
}

/// What stands at the top of a run's page.
struct Overview {
    run: RunSummary,
    findings: Vec<Finding>,
    report: Report,
}

impl Overview {
    async fn of(viewer: &Viewer, actor: &Actor, run: &str) -> pentad_runs::Result<Self> {
        let id = RunId::parse(run).ok_or(Error::RunNotFound)?;
        Ok(Self {
            run: viewer.runs.summary(actor, &id).await?,
            findings: viewer.runs.findings(actor, &id).await?,
            report: viewer.runs.integrity(actor, &id).await?,
        })
    }

    fn name(&self) -> String {
        runs::name_of(&self.run, self.run.instruction.as_deref())
    }

    fn render(&self) -> Markup {
        let run = &self.run;
        let digest = &run.digest;
        let client = run.client.text_at("name").unwrap_or("unknown");
        let version = run.client.text_at("version");
        html! {
            div.title {
                @let name = self.name();
                h1.clipped title=(name) { (name) }
                (runs::status(run))
                (integrity(&run.run_id, &self.report))
            }
            (findings::story(run))
            dl.facts.row {
                div { dt { "Client" } dd { span.clipped { (client) @if let Some(version) = version { " " (version) } } } }
                div {
                    dt { "Steps" }
                    dd {
                        (words::number(digest.step_count))
                        @if digest.iteration_count > digest.step_count { " (" (words::number(digest.iteration_count)) " attempts)" }
                    }
                }
                @if let Some(length) = words::length_of_run(run) { div { dt { "Time" } dd { (words::duration(length)) } } }
                @if let Some(costs) = &run.costs {
                    @if let Some(cost) = words::dollars(costs) { div { dt { "Cost" } dd { (cost) } } }
                    @if let Some(tokens) = costs.get("tokens_in").and_then(pentad_runs::Json::whole) {
                        div {
                            dt { "Tokens" }
                            dd {
                                (words::number(tokens)) " in"
                                @if let Some(out) = costs.get("tokens_out").and_then(pentad_runs::Json::whole) { ", " (words::number(out)) " out" }
                            }
                        }
                    }
                }
                div { dt { "Events" } dd { (words::number(digest.event_count)) } }
                div { dt { "Screenshots" } dd { (words::number(digest.screenshot_count)) } }
                @if let Some(mode) = &run.capture_mode { div { dt { "Capture" } dd { (mode) } } }
                div { dt { "Started" } dd { time datetime=(run.started_at) { (words::instant(&run.started_at)) } } }
                @if let Some(parent) = &run.parent_run_id {
                    div { dt { "Branch of" } dd { a href=(words::run_url(parent)) { (parent) } " " a href={ "/viewer/compare?run=" (words::encoded(parent)) "&run=" (words::encoded(&run.run_id)) } { "compare" } } }
                }
            }
            (findings::panel(&run.run_id, &self.findings))
        }
    }
}

/// Whether what is shown is what was signed.
fn integrity(run: &str, report: &Report) -> Markup {
    let verified = report.count(State::Verified);
    let sent = report.files.len() - report.count(State::NotStreamed);
    let verdict = report.verdict();
    let words = match verdict {
        "unsigned" => "not signed".to_owned(),
        _ => format!("{verified}/{sent} files verified"),
    };
    html! {
        details.integrity {
            summary class={ "badge " (verdict) } { span.dot aria-hidden="true" {} (words) }
            div.popover {
                p {
                    @match verdict {
                        "unsigned" => "The client has not sent a manifest with signatures, so nothing can be compared yet.",
                        "verified" => "Every file that the client sends is byte for byte what it wrote to its own disk and signed.",
                        _ => "These files are not what the client signed. Import the client's own bundle to heal the run.",
                    }
                }
                ul role="list" {
                    @for (path, state) in report.files.iter().filter(|(_, state)| matches!(state, State::Mismatched | State::Missing)) {
                        li { code { (path) } " " strong { (state.name()) } }
                    }
                }
                p { a href=(words::file_url(run, "integrity")) target="_blank" rel="noopener" { "All files" } }
            }
        }
    }
}

/// What a person can tell the agent.
fn commands() -> Markup {
    html! {
        section.commands aria-label="Commands to the agent" data-commands {
            button type="button" data-command="pause" { "Pause" }
            button type="button" data-command="resume" { "Resume" }
            button.danger type="button" data-command="kill" { "Kill" }
            form data-hint {
                label.hidden for="hint" { "Hint for the agent" }
                input id="hint" name="text" placeholder="Hint for the agent" autocomplete="off" maxlength="4000";
                button type="submit" { "Send" }
            }
            label.check { input type="checkbox" data-follow checked; " Follow" }
            p.muted role="status" data-command-status {}
            dialog data-confirm-kill aria-labelledby="kill-title" {
                h2 id="kill-title" { "Kill this run?" }
                p { "The agent stops for good at its next look for commands. What it did stays done." }
                form method="dialog" {
                    button value="cancel" autofocus { "Cancel" }
                    button.danger value="kill" { "Kill" }
                }
            }
        }
    }
}

fn strip() -> Markup {
    html! {
        nav.film aria-label="Steps" {
            div.film-bar {
                button type="button" data-go="-1" aria-label="Step before" { "‹" }
                p.position role="status" data-position {}
                button type="button" data-go="1" aria-label="Next step" { "›" }
                button type="button" data-next-failure { "Next failure" kbd { "f" } }
                form.jump data-jump {
                    label for="jump" { "Step" }
                    input id="jump" name="step" inputmode="numeric" pattern="[0-9]*" size="5" autocomplete="off";
                }
                button.quiet type="button" data-help { "Keys" kbd { "?" } }
            }
            canvas.timeline data-timeline aria-hidden="true" height="28" {}
            div.strip data-strip tabindex="-1" { ol role="list" data-frames {} }
        }
    }
}

fn stage() -> Markup {
    html! {
        section.stage aria-label="Screenshots" {
            div.stage-bar {
                div.segments role="radiogroup" aria-label="View" {
                    @for (name, words) in [("pre", "Before"), ("post", "After"), ("both", "Both"), ("slide", "Slide"), ("diff", "Difference"), ("target", "Target")] {
                        button type="button" role="radio" aria-checked="false" data-view=(name) disabled { (words) }
                    }
                }
                label.check { input type="checkbox" data-overlay checked; " Marks" kbd { "o" } }
                label.check { input type="checkbox" data-zoom; " Full size" kbd { "z" } }
            }
            div.screens data-screens {}
            input.slider type="range" min="0" max="100" value="50" data-slider aria-label="How much of the screenshot after the step is shown" hidden;
            p.muted.stage-note data-stage-note {}
        }
    }
}

fn help() -> Markup {
    let keys = [
        ("← → or j k", "step before, next step"),
        ("Home End", "first, last step"),
        ("f F", "next, previous failure or finding"),
        ("1 … 8", "tabs of the step"),
        ("b d s", "both screenshots, their difference, slide"),
        ("o", "marks on and off"),
        ("z", "fit, full size"),
        ("g", "go to a step"),
        ("?", "these keys"),
    ];
    html! {
        dialog.help data-help-dialog aria-labelledby="help-title" {
            h2 id="help-title" { "Keys" }
            dl { @for (key, what) in keys { div { dt { kbd { (key) } } dd { (what) } } } }
            form method="dialog" { button autofocus { "Close" } }
        }
    }
}
