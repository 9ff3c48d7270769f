//! What looks wrong, with the files that show it.

use std::collections::BTreeMap;

use maud::{Markup, html};
use pentad_runs::{Evidence, Finding, RunSummary};

use crate::words;

/// How many findings are listed before the rest is only counted.
const LISTED: usize = 200;
/// The most bytes of a failure class in a sentence.
const CLASS: usize = 200;

/// The place in the viewer that shows a file: a tab of a step, or the file itself.
fn place(run: &str, evidence: &Evidence) -> String {
    let mut parts = evidence.path.split('/');
    let folder = parts.next().unwrap_or_default();
    let name = parts.next().unwrap_or_default();
    let digits: String = name.chars().take_while(char::is_ascii_digit).collect();
    let tab = match folder {
        "steps" => "overview",
        "events" => "events",
        "screenshots" => "overview",
        "side_effects" => "effects",
        _ => "",
    };
    match digits.parse::<u64>() {
        Ok(index) if !tab.is_empty() => format!("#step={index}&tab={tab}"),
        _ => words::file_url(run, &evidence.path),
    }
}

/// One finding.
pub(crate) fn finding(run: &str, finding: &Finding) -> Markup {
    let first = finding.evidence.first();
    html! {
        li.finding data-severity=(finding.severity.name()) data-step=[finding.step_index] {
            span class={ "severity " (finding.severity.name()) } { (finding.severity.name()) }
            div.finding-text {
                p {
                    @if let Some(index) = finding.step_index {
                        a href={ "#step=" (index) } { "Step " (index) } " "
                    }
                    (finding.summary)
                }
                p.muted { (finding.recommendation) }
                p.evidence {
                    code { (finding.rule) }
                    @for evidence in &finding.evidence {
                        @let target = place(run, evidence);
                        @if target.starts_with('#') {
                            a href=(target) { (evidence.path) }
                        } @else {
                            a href=(target) target="_blank" rel="noopener" { (evidence.path) }
                        }
                    }
                    @if let Some(first) = first {
                        button.quiet.small type="button" data-copy={ (finding.rule) " @ " (first.path) } { "Copy citation" }
                    }
                }
            }
        }
    }
}

/// All findings of a run, the worst first.
pub(crate) fn panel(run: &str, findings: &[Finding]) -> Markup {
    html! {
        @if !findings.is_empty() {
            details.findings open {
                summary {
                    h2 { "Findings" }
                    (counts(&tally(findings)))
                }
                ul role="list" {
                    @for each in findings.iter().take(LISTED) { (finding(run, each)) }
                }
                @if findings.len() > LISTED {
                    p.muted {
                        "And " (findings.len() - LISTED) " more in "
                        a href=(words::file_url(run, "diagnostics/findings.json")) { "diagnostics/findings.json" } "."
                    }
                }
            }
        }
    }
}

fn tally(findings: &[Finding]) -> BTreeMap<&'static str, u64> {
    let mut counts = BTreeMap::new();
    for finding in findings {
        *counts.entry(finding.severity.name()).or_default() += 1;
    }
    counts
}

/// How many findings of which severity, the worst first.
pub(crate) fn counts(counts: &BTreeMap<&'static str, u64>) -> Markup {
    html! {
        span.counts {
            @for name in ["critical", "high", "medium", "low", "info"] {
                @if let Some(count) = counts.get(name) {
                    span class={ "severity " (name) } title={ (count) " " (name) } {
                        (count) span.severity-name { " " (name) }
                    }
                }
            }
        }
    }
}

/// What happened, in a sentence or two.
pub(crate) fn story(run: &RunSummary) -> Markup {
    let steps = words::count(run.digest.step_count, "step", "steps");
    let took = words::length_of_run(run).map(words::duration);
    let failed = run.digest.first_failed_step;
    let class = run
        .digest
        .failure_classes
        .iter()
        .max_by_key(|(_, count)| **count)
        .map(|(class, _)| class);
    html! {
        p.story {
            @match (run.liveness, run.status.as_str()) {
                (pentad_runs::Liveness::Live, "running") => { "At work: " (steps) " so far." }
                (pentad_runs::Liveness::Idle, "running") => { "Waiting or stuck: nothing was heard lately, after " (steps) "." }
                (pentad_runs::Liveness::Lost, "running") => { "The agent fell silent after " (steps) " without ending the run." }
                (_, "succeeded") => { "The agent says that it succeeded, after " (steps) @if let Some(took) = &took { " in " (took) } "." }
                (_, status) => { "The run ended as " strong { (status) } ", after " (steps) @if let Some(took) = &took { " in " (took) } "." }
            }
            @if let Some(step) = failed {
                " It first failed at " a href={ "#step=" (step) } { "step " (step) }
                @if let Some(class) = class { "; most often as " code { (words::beginning(class, CLASS)) } }
                "."
            } @else if let Some(class) = class {
                " Most frequent trouble: " code { (words::beginning(class, CLASS)) } "."
            }
        }
    }
}
