//! The rules of the SDK's `cua` pack (augur-sdk 0.6.1): the same steps, severities and evidence.

use super::{Evidence, Finding, Severity, Subject, events_file, step_file};
use crate::json::Json;

pub(super) fn evaluate(subject: &Subject) -> Vec<Finding> {
    RULES.iter().flat_map(|rule| rule(subject)).collect()
}

type Rule = fn(&Subject) -> Vec<Finding>;

const RULES: [Rule; 12] = [
    repeated_action_stable_frame,
    click_outside_viewport,
    coordinate_space_mismatch,
    dom_used_as_runtime_target,
    no_state_change,
    verifier_disagrees,
    dispatch_ok_state_fail,
    invalid_action_schema,
    missing_observation,
    replay_diff,
    high_cost_infra_failure,
    uncategorized_failure,
];

fn text<'a>(step: &'a Json, path: &[&str]) -> Option<&'a str> {
    step.at(path).and_then(Json::text)
}

/// The failure class; an empty one is none.
fn failure_class(step: &Json) -> Option<&str> {
    text(step, &["failure_class"]).filter(|class| !class.is_empty())
}

/// A number, or a text that reads as one, as the SDK's `float()` takes both.
fn lenient_number(value: &Json) -> Option<f64> {
    value.number().or_else(|| value.text()?.trim().parse().ok())
}

fn coordinates(step: &Json) -> Option<(f64, f64)> {
    let axis = |name: &str| step.at(&["action", "params", name]).and_then(lenient_number);
    Some((axis("x")?, axis("y")?))
}

/// A finding for each step that a test describes.
fn each(subject: &Subject, test: impl Fn(u64, &Json) -> Option<Finding>) -> Vec<Finding> {
    subject
        .steps
        .iter()
        .filter_map(|(index, step)| test(*index, step))
        .collect()
}

fn finding(
    rule: &'static str,
    severity: Severity,
    index: u64,
    evidence: Vec<Evidence>,
    summary: String,
    recommendation: &'static str,
) -> Finding {
    Finding {
        rule,
        severity,
        summary,
        recommendation,
        step_index: Some(index),
        evidence,
    }
}

fn repeated_action_stable_frame(subject: &Subject) -> Vec<Finding> {
    // Only an absent class, a null one and `no_state_change` say that nothing else went wrong.
    let stable = |step: &Json| match step.get("failure_class") {
        None | Some(Json::Null) => true,
        Some(class) => class.text() == Some("no_state_change"),
    };
    subject
        .steps
        .windows(2)
        .filter_map(|pair| {
            let [(before, earlier), (index, step)] = pair else {
                return None;
            };
            let here = coordinates(step)?;
            (coordinates(earlier)? == here && stable(step) && stable(earlier)).then(|| {
                finding(
                    "cua.repeated_action_stable_frame",
                    Severity::Medium,
                    *index,
                    vec![step_file(*before), step_file(*index)],
                    format!(
                        "Step {index} acted at ({}, {}) again, where step {before} had acted without effect.",
                        here.0, here.1
                    ),
                    "Look at how the target was found before the same place is tried again.",
                )
            })
        })
        .collect()
}

fn click_outside_viewport(subject: &Subject) -> Vec<Finding> {
    each(subject, |index, step| {
        if text(step, &["action", "coordinate_space"]) != Some("viewport_css_px") {
            return None;
        }
        let (x, y) = coordinates(step)?;
        let side = |name: &str| {
            let value = step.at(&["observation_pre_meta", "viewport", name]);
            value.and_then(lenient_number).map(f64::trunc)
        };
        let (width, height) = (side("width")?, side("height")?);
        (x < 0.0 || y < 0.0 || x > width || y > height).then(|| {
            finding(
                "cua.click_outside_viewport",
                Severity::High,
                index,
                vec![step_file(index)],
                format!("Step {index} acted at ({x}, {y}), outside the viewport of {width}x{height}."),
                "Check which coordinate space the target is in; device pixels need scaling.",
            )
        })
    })
}

fn coordinate_space_mismatch(subject: &Subject) -> Vec<Finding> {
    each(subject, |index, step| {
        let mismatch = text(step, &["grounding", "provenance"]) == Some("dom")
            && text(step, &["action", "coordinate_space"]) == Some("viewport_css_px");
        mismatch.then(|| {
            finding(
                "cua.coordinate_space_mismatch",
                Severity::High,
                index,
                vec![step_file(index)],
                format!("Step {index} found its target in the DOM but acted in viewport pixels."),
                "Use DOM positions for diagnosis only, or correct the provenance.",
            )
        })
    })
}

fn dom_used_as_runtime_target(subject: &Subject) -> Vec<Finding> {
    each(subject, |index, step| {
        if text(step, &["grounding", "provenance"]) != Some("dom") {
            return None;
        }
        let axis = |name: &str| {
            step.at(&["action", "params", name])
                .filter(|value| is_python_number(value))
        };
        let (x, y) = (axis("x")?, axis("y")?);
        Some(finding(
            "cua.dom_used_as_runtime_target",
            Severity::High,
            index,
            vec![step_file(index)],
            format!(
                "Step {index} acted at ({x}, {y}), a position taken from the DOM and not from the screenshot."
            ),
            "Let the pixel grounder find the target, and act on what it finds.",
        ))
    })
}

/// Python counts booleans as numbers.
const fn is_python_number(value: &Json) -> bool {
    matches!(value, Json::Number(_) | Json::Bool(_))
}

fn no_state_change(subject: &Subject) -> Vec<Finding> {
    each(subject, |index, step| {
        let recoverable = text(step, &["verdict", "status"]) == Some("recoverable")
            && text(step, &["verdict", "reason"])
                .is_some_and(|reason| reason.to_lowercase().contains("no visible state change"));
        (failure_class(step) == Some("no_state_change") || recoverable).then(|| {
            finding(
                "cua.no_state_change",
                Severity::Medium,
                index,
                vec![step_file(index), events_file(index)],
                format!("Nothing visible changed after the action of step {index}."),
                "Compare the screenshots before and after: equal ones mean that the action missed its target.",
            )
        })
    })
}

fn verifier_disagrees(subject: &Subject) -> Vec<Finding> {
    each(subject, |index, step| {
        let disagrees = failure_class(step) == Some("verifier_disagrees")
            || text(step, &["verdict", "status"]) == Some("failed");
        (disagrees && subject.verified.contains(&index)).then(|| {
            finding(
                "cua.verifier_disagrees",
                Severity::High,
                index,
                vec![step_file(index), events_file(index)],
                format!("The verifier does not confirm what step {index} reports."),
                "Read the verifier's event; if it is right, the reported success is the fault.",
            )
        })
    })
}

fn dispatch_ok_state_fail(subject: &Subject) -> Vec<Finding> {
    each(subject, |index, step| {
        (failure_class(step) == Some("dispatch_ok_state_fail")).then(|| {
            finding(
                "cua.dispatch_ok_state_fail",
                Severity::High,
                index,
                vec![step_file(index), events_file(index)],
                format!("The action of step {index} was dispatched, but the state did not change."),
                "Compare the size of the screen in device pixels with the coordinate space of the action.",
            )
        })
    })
}

fn invalid_action_schema(subject: &Subject) -> Vec<Finding> {
    each(subject, |index, step| {
        text(step, &["action", "type"])
            .is_none_or(str::is_empty)
            .then(|| {
                finding(
                    "cua.invalid_action_schema",
                    Severity::Critical,
                    index,
                    vec![step_file(index)],
                    format!("The action of step {index} has no type."),
                    "Check what the model answers against the form of an action before it is dispatched.",
                )
            })
    })
}

fn missing_observation(subject: &Subject) -> Vec<Finding> {
    if !subject.quiet {
        // Its screenshot may still be on its way.
        return Vec::new();
    }
    let mut findings = Vec::new();
    for (index, step) in &subject.steps {
        for name in ["observation_pre", "observation_post"] {
            let Some(path) = text(step, &[name]).filter(|path| path.starts_with("screenshots/")) else {
                continue;
            };
            if subject.screenshots.contains_key(path) || subject.missing.contains(path) {
                continue;
            }
            findings.push(finding(
                "cua.missing_observation",
                Severity::Low,
                *index,
                vec![step_file(*index)],
                format!("Step {index} names {path} as its {name}, but the file is not there."),
                "Record the screenshot, or list its path in the manifest's `missing`.",
            ));
        }
    }
    findings
}

fn replay_diff(subject: &Subject) -> Vec<Finding> {
    subject
        .replays
        .iter()
        .filter(|name| name.ends_with("_fixture.json"))
        .filter_map(|name| {
            let index: u64 = name.split('_').next()?.parse().ok()?;
            let (_, step) = subject.steps.iter().find(|(known, _)| *known == index)?;
            let failed = matches!(text(step, &["verdict", "status"]), Some("failed" | "recoverable"));
            failed.then(|| {
                let fixture = Evidence {
                    kind: "step",
                    path: format!("replay/{name}"),
                };
                finding(
                    "cua.replay_diff",
                    Severity::Medium,
                    index,
                    vec![step_file(index), fixture],
                    format!("Step {index} went wrong and was kept for a replay."),
                    "Replay the step to see whether today's code still fails in the same way.",
                )
            })
        })
        .collect()
}

fn high_cost_infra_failure(subject: &Subject) -> Vec<Finding> {
    let first = &subject.steps[..subject.steps.len().min(3)];
    first
        .iter()
        .filter_map(|(index, step)| {
            let class = failure_class(step)
                .filter(|class| matches!(*class, "infra_failure" | "mantis.modal_signature_missing"))?;
            let mut evidence = vec![step_file(*index)];
            evidence.extend(subject.logs.keys().map(|path| super::file(path)));
            Some(finding(
                "cua.high_cost_infra_failure",
                Severity::High,
                *index,
                evidence,
                format!("The run met a failure of its surroundings ({class}) as early as step {index}."),
                "Check the deployment and the network before the agent is run again.",
            ))
        })
        .collect()
}

fn uncategorized_failure(subject: &Subject) -> Vec<Finding> {
    each(subject, |index, step| {
        let failed = text(step, &["status"]) == Some("failed");
        let unnamed = failure_class(step).is_none_or(|class| class == "unknown");
        (failed && unnamed).then(|| {
            finding(
                "cua.uncategorized_failure",
                Severity::Low,
                index,
                vec![step_file(index)],
                format!("Step {index} failed, and nothing says as what."),
                "Read the verdict's reason and teach the client's classifier this kind of failure.",
            )
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostics::subject_of;

    fn fired(subject: &Subject) -> Vec<(&'static str, u64)> {
        evaluate(subject)
            .into_iter()
            .map(|finding| (finding.rule, finding.step_index.unwrap()))
            .collect()
    }

    #[test]
    fn the_same_place_twice_without_effect_is_a_repetition() {
        let click = r#"{"action":{"type":"click","params":{"x":10,"y":10.0}}}"#;
        let same =
            r#"{"action":{"type":"click","params":{"x":10.0,"y":10}},"failure_class":"no_state_change"}"#;
        let other = r#"{"action":{"type":"click","params":{"x":10,"y":10}},"failure_class":"infra"}"#;
        assert_eq!(
            fired(&subject_of(&[click, same, other])),
            [
                ("cua.repeated_action_stable_frame", 1),
                ("cua.no_state_change", 1)
            ]
        );
    }

    #[test]
    fn a_viewport_includes_its_edges() {
        let at = |x: i32| {
            format!(
                r#"{{"action":{{"type":"click","params":{{"x":{x},"y":0}},"coordinate_space":"viewport_css_px"}},
                    "observation_pre_meta":{{"viewport":{{"width":100,"height":50}}}}}}"#
            )
        };
        assert_eq!(
            fired(&subject_of(&[&at(100), &at(101), &at(-1)])),
            [
                ("cua.click_outside_viewport", 1),
                ("cua.click_outside_viewport", 2)
            ]
        );
    }

    #[test]
    fn a_missing_screenshot_is_reported_once_nothing_is_on_its_way() {
        let step = r#"{"action":{"type":"click"},"observation_pre":"screenshots/0000_pre.png"}"#;
        let mut subject = subject_of(&[step]);
        assert_eq!(fired(&subject), [("cua.missing_observation", 0)]);
        subject.quiet = false;
        assert!(fired(&subject).is_empty());
        subject.quiet = true;
        subject.missing.insert("screenshots/0000_pre.png".to_owned());
        assert!(fired(&subject).is_empty());
    }

    #[test]
    fn every_other_rule_fires_on_what_it_is_named_for() {
        for (step, rules) in [
            (
                r#"{"action":{"type":"click","params":{"x":3,"y":4},"coordinate_space":"viewport_css_px"},"grounding":{"provenance":"dom"}}"#,
                &["cua.coordinate_space_mismatch", "cua.dom_used_as_runtime_target"][..],
            ),
            (
                r#"{"action":{"type":"click"},"verdict":{"status":"recoverable","reason":"There was No Visible State Change at all"}}"#,
                &["cua.no_state_change"],
            ),
            (
                r#"{"action":{"type":"click"},"verdict":{"status":"recoverable"}}"#,
                &[],
            ),
            (
                r#"{"action":{"type":"click"},"failure_class":"dispatch_ok_state_fail"}"#,
                &["cua.dispatch_ok_state_fail"],
            ),
            (r#"{"action":{}}"#, &["cua.invalid_action_schema"]),
            (
                r#"{"action":{"type":"click"},"failure_class":"infra_failure"}"#,
                &["cua.high_cost_infra_failure"],
            ),
            (
                r#"{"action":{"type":"click"},"status":"failed","failure_class":"unknown"}"#,
                &["cua.uncategorized_failure"],
            ),
        ] {
            let found: Vec<_> = fired(&subject_of(&[step]))
                .into_iter()
                .map(|(rule, _)| rule)
                .collect();
            assert_eq!(found, rules, "{step}");
        }
    }

    #[test]
    fn a_failed_step_that_was_kept_for_a_replay_is_pointed_at() {
        let step =
            |status: &str| format!(r#"{{"action":{{"type":"click"}},"verdict":{{"status":"{status}"}}}}"#);
        let mut subject = subject_of(&[&step("recoverable"), &step("passed")]);
        for name in [
            "0000_fixture.json",
            "0001_fixture.json",
            "0007_fixture.json",
            "0000_prior.json",
        ] {
            subject.replays.insert(name.to_owned());
        }
        assert_eq!(fired(&subject), [("cua.replay_diff", 0)]);
    }

    #[test]
    fn a_failed_verdict_counts_where_the_verifier_spoke() {
        let step = r#"{"action":{"type":"click"},"verdict":{"status":"failed"}}"#;
        let mut subject = subject_of(&[step]);
        assert!(fired(&subject).is_empty());
        subject.verified.insert(0);
        assert_eq!(fired(&subject), [("cua.verifier_disagrees", 0)]);
    }
}
