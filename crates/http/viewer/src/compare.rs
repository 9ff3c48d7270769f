//! Two runs side by side.

use std::time::{Duration, Instant};

use actix_web::web::Data;
use actix_web::{HttpRequest, HttpResponse};
use maud::{Markup, html};
use pentad_http_kit::{Fault, Principal, Query};
use pentad_kernel::Actor;
use pentad_runs::{Error, MAX_STEPS, RunId, RunSummary, ShotKind, StepSummary};
use similar::{Algorithm, DiffOp};

use crate::page::{Visitor, missing, page, to_sign_in};
use crate::{Viewer, findings, runs, words};

/// The most steps of a run that are compared.
const COMPARED: usize = 20_000;
/// The most rows of a page.
const ROWS: usize = 400;
/// The most bytes of what one step says.
const WORDS: usize = 1_000;
/// How many equal steps are shown before and after a difference.
const CONTEXT: usize = 2;
/// How long looking for the best alignment may take; then the best so far is taken.
const PATIENCE: Duration = Duration::from_millis(500);

/// Two runs side by side
#[utoipa::path(get, path = "/viewer/compare", responses((status = 200, description = "The page.")))]
pub(crate) async fn compare_page(
    viewer: Data<Viewer>,
    principal: Option<Principal>,
    query: Query,
    request: HttpRequest,
) -> Result<HttpResponse, Fault> {
    let Some(principal) = principal else {
        return Ok(to_sign_in(&request.uri().to_string()));
    };
    let visitor = Visitor::of(&viewer, &principal).await?;
    let chosen: Vec<&str> = query.texts("run").collect();
    let [left, right] = chosen[..] else {
        return Ok(page(&visitor, "Compare", None, &choose()));
    };
    let sides = async {
        Ok((
            Side::of(&viewer, &principal.actor, left).await?,
            Side::of(&viewer, &principal.actor, right).await?,
        ))
    };
    let (left, right) = match sides.await {
        Ok(sides) => sides,
        Err(error) => return missing(&visitor, error),
    };
    Ok(page(&visitor, "Compare", None, &render(&left, &right)))
}

fn choose() -> Markup {
    html! {
        main.message id="main" tabindex="-1" {
            h1 { "Compare" }
            p { "Choose exactly two runs in the list, then press Compare." }
            p { a.button href="/viewer/" { "All runs" } }
        }
    }
}

struct Side {
    run: RunSummary,
    steps: Vec<StepSummary>,
}

impl Side {
    async fn of(viewer: &Viewer, actor: &Actor, run: &str) -> pentad_runs::Result<Self> {
        let id = RunId::parse(run).ok_or(Error::RunNotFound)?;
        let run = viewer.runs.summary(actor, &id).await?;
        let mut steps = Vec::new();
        let mut from = Some(0);
        while let Some(index) = from
            && steps.len() < COMPARED
        {
            let page = viewer.runs.list_steps(actor, &id, index, MAX_STEPS).await?;
            steps.extend(page.steps);
            from = page.next_from;
        }
        Ok(Self { run, steps })
    }
}

/// One line of the comparison: a step of the one, of the other, or of both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Row {
    left: Option<usize>,
    right: Option<usize>,
    /// Whether both did the same.
    same: bool,
}

/// What a step did, as far as two runs can be expected to agree.
fn token(step: &StepSummary) -> (&str, &str) {
    let aim = step.target.as_deref().or(step.intent.as_deref());
    (&step.step_type, aim.unwrap_or_default())
}

fn align(left: &[StepSummary], right: &[StepSummary]) -> Vec<Row> {
    let (one, other): (Vec<_>, Vec<_>) = (
        left.iter().map(token).collect(),
        right.iter().map(token).collect(),
    );
    let deadline = Some(Instant::now() + PATIENCE);
    let mut rows = Vec::new();
    for op in similar::capture_diff_slices_deadline(Algorithm::Myers, &one, &other, deadline) {
        let (_, old, new) = op.as_tag_tuple();
        let same = matches!(op, DiffOp::Equal { .. });
        for at in 0..old.len().max(new.len()) {
            rows.push(Row {
                left: (at < old.len()).then_some(old.start + at),
                right: (at < new.len()).then_some(new.start + at),
                same,
            });
        }
    }
    rows
}

/// How a row differs, if it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Difference {
    Outcome,
    Action,
    Missing,
}

fn difference(row: Row, left: &[StepSummary], right: &[StepSummary]) -> Option<Difference> {
    match (row.left, row.right) {
        (Some(one), Some(other)) => {
            let (one, other) = (&left[one], &right[other]);
            if !row.same {
                Some(Difference::Action)
            } else if (&one.status, &one.verdict, &one.failure_class)
                != (&other.status, &other.verdict, &other.failure_class)
            {
                Some(Difference::Outcome)
            } else {
                None
            }
        }
        _ => Some(Difference::Missing),
    }
}

/// What is shown: rows near a difference, and between them how many are left out.
enum Line {
    Row(Row, Option<Difference>),
    Gap(usize),
}

fn lines(rows: &[Row], left: &[StepSummary], right: &[StepSummary]) -> Vec<Line> {
    let differences: Vec<_> = rows.iter().map(|row| difference(*row, left, right)).collect();
    let mut near = vec![false; rows.len()];
    for (at, difference) in differences.iter().enumerate() {
        if difference.is_some() {
            let end = (at + CONTEXT + 1).min(rows.len());
            near[at.saturating_sub(CONTEXT)..end].fill(true);
        }
    }
    let mut lines = Vec::new();
    let mut at = 0;
    while at < rows.len() && lines.len() < ROWS {
        let gap = near[at..].iter().take_while(|near| !**near).count();
        // A gap of a few rows is shorter shown than told.
        if gap > 3 {
            lines.push(Line::Gap(gap));
            at += gap;
        } else {
            lines.push(Line::Row(rows[at], differences[at]));
            at += 1;
        }
    }
    lines
}

fn render(left: &Side, right: &Side) -> Markup {
    let rows = align(&left.steps, &right.steps);
    let first = rows
        .iter()
        .position(|row| difference(*row, &left.steps, &right.steps).is_some());
    let lines = lines(&rows, &left.steps, &right.steps);
    let parting = lines
        .iter()
        .position(|line| matches!(line, Line::Row(_, Some(_))));
    html! {
        main.compare id="main" tabindex="-1" {
            nav.crumbs aria-label="Breadcrumb" { a href="/viewer/" { "Runs" } span aria-hidden="true" { "/" } span { "Compare" } }
            h1 { "Where they part" }
            p.story {
                @match first {
                    None => { "Both runs did the same, step by step, with the same outcomes." }
                    Some(at) => {
                        "They agree for " (words::count(at as u64, "step", "steps")) ", then part at "
                        a href="#divergence" { "row " (at + 1) } "."
                    }
                }
            }
            table.compare-table {
                thead {
                    tr {
                        th scope="col" { (head(&left.run)) }
                        th scope="col" { (head(&right.run)) }
                    }
                }
                tbody {
                    @for (at, line) in lines.iter().enumerate() {
                        @match line {
                            Line::Gap(count) => {
                                tr.gap { td colspan="2" { (words::count(*count as u64, "equal step", "equal steps")) } }
                            }
                            Line::Row(row, difference) => {
                                tr class=(class(*difference)) id=[(parting == Some(at)).then_some("divergence")] {
                                    td { (cell(&left.run, row.left.map(|at| &left.steps[at]), *difference)) }
                                    td { (cell(&right.run, row.right.map(|at| &right.steps[at]), *difference)) }
                                }
                            }
                        }
                    }
                }
            }
            @if lines.len() >= ROWS { p.muted { "Only the first " (ROWS) " rows are shown." } }
        }
    }
}

const fn class(difference: Option<Difference>) -> &'static str {
    match difference {
        None => "",
        Some(Difference::Outcome) => "differs outcome",
        Some(Difference::Action) => "differs action",
        Some(Difference::Missing) => "differs only",
    }
}

fn head(run: &RunSummary) -> Markup {
    html! {
        a.clipped href=(words::run_url(&run.run_id)) { (runs::name_of(run, run.instruction.as_deref())) }
        p.muted { code.clipped { (run.run_id) } }
        p.badges {
            (runs::status(run))
            span { (words::count(run.digest.step_count, "step", "steps")) }
            @if let Some(length) = words::length_of_run(run) { span { (words::duration(length)) } }
            @if let Some(cost) = run.costs.as_ref().and_then(words::dollars) { span { (cost) } }
            (findings::counts(&run.finding_counts))
        }
    }
}

fn cell(run: &RunSummary, step: Option<&StepSummary>, difference: Option<Difference>) -> Markup {
    let Some(step) = step else {
        return html! { p.muted { "No such step" } };
    };
    let shot = [ShotKind::Post, ShotKind::Pre]
        .into_iter()
        .find_map(|kind| Some((kind, step.screenshots.get(&kind)?)));
    let brief = |text| words::beginning(text, WORDS);
    let intent = brief(step.intent.as_deref().unwrap_or(&step.step_type));
    html! {
        a.compare-step href={ (words::run_url(&run.run_id)) "#step=" (step.index) } {
            @if let Some((kind, shot)) = shot {
                img src=(words::thumbnail_url(&run.run_id, step.index, kind.name(), &shot.sha256)) alt="" width="96" height="60" loading="lazy";
            }
            div {
                p.clipped { strong { (step.index) } " " (intent) }
                p.muted.clipped {
                    (brief(&step.step_type))
                    @if let Some(target) = &step.target { " · " (brief(target)) }
                }
                p {
                    span class={ "status " (step.status) } { span.dot aria-hidden="true" {} (step.status) }
                    @if let Some(verdict) = &step.verdict { " verdict " (verdict) }
                    @if let Some(class) = &step.failure_class { " " code.failure { (brief(class)) } }
                    @match difference {
                        Some(Difference::Action) => { " " span.tag { "other action" } }
                        Some(Difference::Outcome) => { " " span.tag { "other outcome" } }
                        Some(Difference::Missing) => { " " span.tag { "only here" } }
                        None => {}
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn steps(words: &str) -> Vec<StepSummary> {
        words
            .split_whitespace()
            .enumerate()
            .map(|(index, word)| {
                let (target, status) = word
                    .split_once('!')
                    .map_or((word, "succeeded"), |(target, _)| (target, "failed"));
                StepSummary {
                    index: index as u64,
                    step_id: word.to_owned(),
                    step_type: "click".to_owned(),
                    status: status.to_owned(),
                    intent: None,
                    target: Some(target.to_owned()),
                    failure_class: None,
                    verdict: None,
                    started_at: None,
                    duration_ms: None,
                    attempts: 1,
                    screenshots: std::collections::BTreeMap::new(),
                }
            })
            .collect()
    }

    fn compared(left: &str, right: &str) -> String {
        let (left, right) = (steps(left), steps(right));
        let name = |steps: &[StepSummary], at: Option<usize>| {
            at.map_or("-".to_owned(), |at| steps[at].step_id.clone())
        };
        lines(&align(&left, &right), &left, &right)
            .iter()
            .map(|line| match line {
                Line::Gap(count) => format!("({count})"),
                Line::Row(row, difference) => {
                    let mark = if difference.is_some() { "*" } else { "" };
                    format!("{}/{}{mark}", name(&left, row.left), name(&right, row.right))
                }
            })
            .collect::<Vec<_>>()
            .join(" ")
    }

    #[test]
    fn steps_are_aligned_by_what_they_do() {
        assert_eq!(compared("a b c", "a b c"), "a/a b/b c/c");
        assert_eq!(compared("a b c", "a x b c"), "a/a -/x* b/b c/c");
        assert_eq!(compared("a b c", "a x c"), "a/a b/x* c/c");
        assert_eq!(compared("a b", "a b!"), "a/a b/b!*");
    }

    #[test]
    fn long_agreement_is_told_in_a_word() {
        assert_eq!(compared("1 2 3 4 5 6 7 8", "1 2 3 4 5 6 7 x"), "(5) 6/6 7/7 8/x*");
        assert_eq!(compared("1 2 3 4 5 6", "1 2 3 4 5 6"), "(6)");
        assert_eq!(compared("", ""), "");
    }
}
