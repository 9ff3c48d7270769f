//! The list of runs.

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use maud::{Markup, html};
use pentad_http_kit::{Fault, Principal, Query};
use pentad_runs::{Connection, Error, Filter, Json, RunSummary};

use crate::page::{Visitor, page, to_sign_in};
use crate::{Viewer, findings, words};

/// Runs on a page.
const PAGE: u32 = 50;
const STATUSES: [&str; 5] = ["running", "succeeded", "failed", "cancelled", "halted"];

/// The list of runs
#[utoipa::path(get, path = "/viewer", responses((status = 200, description = "The page.")))]
pub(crate) async fn runs_page(
    viewer: Data<Viewer>,
    principal: Option<Principal>,
    query: Query,
    request: HttpRequest,
) -> Result<HttpResponse, Fault> {
    let Some(principal) = principal else {
        return Ok(to_sign_in(&request.uri().to_string()));
    };
    let actor = &principal.actor;
    let filter = filter(&query);
    let found = match viewer.runs.list(actor, &filter, PAGE, query.text("cursor")).await {
        // A person with a broken link is better served by the newest runs than by an error.
        Err(Error::Cursor) => viewer.runs.list(actor, &filter, PAGE, None).await?,
        found => found?,
    };
    let connections = viewer.runs.connections(actor).await?;
    let now = viewer.runs.now();
    let narrowed = filter != Filter::default();
    let main = html! {
        main.runs id="main" tabindex="-1" {
            div.title {
                h1 { "Runs" }
                div id="connections" data-live { (badge(&connections)) }
            }
            (filters(&query))
            form.list action="/viewer/compare" method="get" {
                div.toolbar {
                    p.muted { "Choose two runs to see where they part." }
                    button type="submit" data-compare disabled { "Compare" }
                }
                div id="runs" data-live {
                    @if found.runs.is_empty() {
                        (empty(narrowed))
                    } @else {
                        ol.run-list role="list" {
                            @for run in &found.runs { (row(run, now)) }
                        }
                    }
                }
            }
            @if let Some(next) = &found.next_cursor {
                nav.pager aria-label="Pages" {
                    a.button rel="next" href=(with_cursor(&query, next)) { "Older runs" }
                }
            }
        }
    };
    let visitor = Visitor::of(&viewer, &principal).await?;
    Ok(page(&visitor, "Runs", None, &main))
}

fn given<'a>(query: &'a Query, name: &str) -> Option<&'a str> {
    query.text(name).map(str::trim).filter(|text| !text.is_empty())
}

fn filter(query: &Query) -> Filter {
    let text = |name: &str| given(query, name).map(str::to_owned);
    let tags = given(query, "tag").and_then(|tag| {
        let (name, value) = tag.split_once('=')?;
        Some((name.trim().to_owned(), value.trim().to_owned()))
    });
    Filter {
        status: text("status"),
        client: text("client"),
        tags: tags.into_iter().collect(),
        failure_class: text("failure_class"),
        search: text("q"),
        parent: text("parent"),
        include_branches: query.text("include_branches").is_some(),
        ..Filter::default()
    }
}

const PARAMETERS: [&str; 7] = [
    "q",
    "status",
    "client",
    "failure_class",
    "tag",
    "parent",
    "include_branches",
];

fn with_cursor(query: &Query, cursor: &str) -> String {
    let mut address = form_urlencoded::Serializer::new(String::new());
    for name in PARAMETERS {
        if let Some(value) = given(query, name) {
            address.append_pair(name, value);
        }
    }
    address.append_pair("cursor", cursor);
    format!("/viewer/?{}", address.finish())
}

fn filters(query: &Query) -> Markup {
    let value = |name: &str| given(query, name);
    let narrowed = PARAMETERS.iter().any(|name| given(query, name).is_some());
    html! {
        form.filters role="search" action="/viewer/" method="get" {
            div.field.wide {
                label for="q" { "Search" }
                input id="q" name="q" type="search" value=[value("q")] placeholder="Task, run, client or tag" data-search;
            }
            div.field {
                label for="status" { "Status" }
                select id="status" name="status" {
                    option value="" { "Any" }
                    @for status in STATUSES {
                        option value=(status) selected[value("status") == Some(status)] { (status) }
                    }
                }
            }
            div.field {
                label for="client" { "Client" }
                input id="client" name="client" value=[value("client")];
            }
            div.field {
                label for="failure_class" { "Failure" }
                input id="failure_class" name="failure_class" value=[value("failure_class")] placeholder="no_state_change";
            }
            div.field {
                label for="tag" { "Tag" }
                input id="tag" name="tag" value=[value("tag")] placeholder="env=prod" pattern="[^=]+=.*" title="name=value";
            }
            @if let Some(parent) = value("parent") { input type="hidden" name="parent" value=(parent); }
            label.check {
                input type="checkbox" name="include_branches" value="1" checked[value("include_branches").is_some()];
                " Branches"
            }
            button.primary type="submit" { "Filter" }
            @if narrowed { a.button href="/viewer/" { "Clear" } }
        }
    }
}

fn badge(connections: &[Connection]) -> Markup {
    // A client that never said what it is called is counted, not named.
    let mut names: Vec<&str> = connections
        .iter()
        .filter_map(|client| client.client_name.as_deref())
        .collect();
    names.sort_unstable();
    names.dedup();
    html! {
        p.badge.live[!connections.is_empty()] role="status" {
            span.dot aria-hidden="true" {}
            @if connections.is_empty() {
                "No agent connected"
            } @else {
                (words::count(connections.len() as u64, "agent", "agents")) " connected"
                @if !names.is_empty() { span.names { (names.iter().take(5).copied().collect::<Vec<_>>().join(", ")) } }
            }
        }
    }
}

fn empty(narrowed: bool) -> Markup {
    html! {
        div.message {
            @if narrowed {
                h2 { "No run fits" }
                p { "Nothing recorded in this workspace fits these filters." }
            } @else {
                h2 { "Nothing recorded yet" }
                p { "Point an agent here: mint a DSN and put it into its environment." }
                pre { "pentad admin dsn-issue --tenant default --label my-agent\nexport AUGUR_DSN=…" }
            }
        }
    }
}

/// The most bytes of a name.
const NAME: usize = 1_000;

/// What a run is called: its task, or its identifier.
pub(crate) fn name_of(run: &RunSummary, instruction: Option<&str>) -> String {
    let name = instruction.or(run.task_class.as_deref()).unwrap_or(&run.run_id);
    words::beginning(name, NAME).to_owned()
}

/// How a run stands, as a coloured word.
pub(crate) fn status(run: &RunSummary) -> Markup {
    let silent = run.status == "running";
    let word = if silent {
        run.liveness.name()
    } else {
        run.status.as_str()
    };
    html! { span class={ "status " (word) } { span.dot aria-hidden="true" {} (word) } }
}

fn row(run: &RunSummary, now: pentad_kernel::Timestamp) -> Markup {
    let digest = &run.digest;
    let client = run.client.text_at("name").unwrap_or("unknown");
    let tags = run.tags.members().into_iter().flatten();
    html! {
        li.run-row {
            label.choose { input type="checkbox" name="run" value=(run.run_id) aria-label={ "Compare " (run.run_id) }; }
            div.run-status { (status(run)) }
            div.run-name {
                @let name = name_of(run, run.instruction.as_deref());
                a.clipped href=(words::run_url(&run.run_id)) title=(name) { (name) }
                p.muted {
                    code.clipped { (run.run_id) }
                    @for (name, value) in tags.take(6) {
                        span.tag { (name) "=" (value.text().unwrap_or_default()) }
                    }
                    @if run.child_count > 0 {
                        a href={ "/viewer/?parent=" (words::encoded(&run.run_id)) } {
                            (words::count(run.child_count, "branch", "branches"))
                        }
                    }
                }
            }
            div.run-trouble {
                @if let Some((class, count)) = digest.failure_classes.iter().max_by_key(|(_, count)| **count) {
                    code.failure { (class) @if *count > 1 { " ×" (count) } }
                }
                (findings::counts(&run.finding_counts))
            }
            div.run-client { (client) }
            div.run-steps {
                (words::count(digest.step_count, "step", "steps"))
                @if digest.iteration_count > digest.step_count { " (" (words::number(digest.iteration_count)) ")" }
            }
            div.run-cost { @if let Some(cost) = run.costs.as_ref().and_then(words::dollars) { (cost) } }
            div.run-time {
                @if let Some(length) = words::length_of_run(run) { span { (words::duration(length)) } }
                time.muted datetime=(run.last_activity_at.to_string()) title=(words::instant(&run.last_activity_at.to_string())) {
                    (words::ago(now, run.last_activity_at))
                }
            }
        }
    }
}

/// What the session says the task is.
pub(crate) fn instruction(session: &Json) -> Option<&str> {
    session.at(&["task_spec", "instruction"]).and_then(Json::text)
}
