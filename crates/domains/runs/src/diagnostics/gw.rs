//! What only a server can see: pixels, hashes, silence.

use super::{Evidence, Finding, Severity, Subject, file, step_file};
use crate::integrity::State;
use crate::json::Json;

pub(super) fn evaluate(subject: &Subject) -> Vec<Finding> {
    let mut findings = identical_frames(subject);
    findings.extend(click_outside_screenshot(subject));
    findings.extend(signatures(subject));
    findings.extend(pending_side_effects(subject));
    findings.extend(truncated_logs(subject));
    findings.extend(whole_run(subject));
    findings
}

fn finding(
    rule: &'static str,
    severity: Severity,
    step_index: Option<u64>,
    evidence: Vec<Evidence>,
    summary: String,
    recommendation: &'static str,
) -> Finding {
    Finding {
        rule,
        severity,
        summary,
        recommendation,
        step_index,
        evidence,
    }
}

/// The same pixels before and after an action are the very definition of no change.
fn identical_frames(subject: &Subject) -> Vec<Finding> {
    subject
        .steps
        .iter()
        .filter(|(_, step)| {
            step.at(&["action", "type"])
                .and_then(Json::text)
                .is_some_and(|kind| !kind.is_empty())
        })
        .filter_map(|(index, _)| {
            let path = |kind: &str| format!("screenshots/{index:04}_{kind}.png");
            let (pre, post) = (path("pre"), path("post"));
            let same = subject.screenshots.get(&pre)?.sha256 == subject.screenshots.get(&post)?.sha256;
            same.then(|| {
                finding(
                    "gw.identical_frames",
                    Severity::Medium,
                    Some(*index),
                    vec![step_file(*index), file(&pre), file(&post)],
                    format!("The screenshots before and after step {index} are the same, pixel for pixel."),
                    "The action had no visible effect; look at what was under the pointer.",
                )
            })
        })
        .collect()
}

fn click_outside_screenshot(subject: &Subject) -> Vec<Finding> {
    subject
        .steps
        .iter()
        .filter_map(|(index, step)| {
            let space = step.at(&["action", "coordinate_space"])?.text()?;
            if !matches!(space, "screenshot_px" | "device_px") {
                return None;
            }
            let axis = |name: &str| step.at(&["action", "params", name]).and_then(Json::number);
            let (x, y) = (axis("x")?, axis("y")?);
            let sent = |name: &str| {
                step.at(&["action", "params", name])
                    .map(Json::to_line)
                    .unwrap_or_default()
            };
            let path = format!("screenshots/{index:04}_pre.png");
            let shot = subject.screenshots.get(&path)?;
            let outside = x < 0.0 || y < 0.0 || x > shot.width as f64 || y > shot.height as f64;
            outside.then(|| {
                finding(
                    "gw.click_outside_screenshot",
                    Severity::High,
                    Some(*index),
                    vec![step_file(*index), file(&path)],
                    format!(
                        "Step {index} acted at ({}, {}), outside its screenshot of {}x{}.",
                        sent("x"),
                        sent("y"),
                        shot.width,
                        shot.height
                    ),
                    "Check the coordinate space and the scale of the screenshot.",
                )
            })
        })
        .collect()
}

fn signatures(subject: &Subject) -> Vec<Finding> {
    let Some(report) = &subject.integrity else {
        return Vec::new();
    };
    report
        .files
        .iter()
        .filter_map(|(path, state)| match state {
            State::Mismatched => Some(finding(
                "gw.signature_mismatch",
                Severity::Low,
                None,
                vec![file(path)],
                format!("{path} is not what the manifest signs."),
                "The client wrote something else to its own disk than it sent; import its bundle to heal the run.",
            )),
            State::Missing => Some(finding(
                "gw.lost_post",
                Severity::Medium,
                None,
                vec![file(path)],
                format!("{path} is signed by the manifest but never arrived."),
                "A post was lost on its way; import the client's bundle to heal the run.",
            )),
            State::Verified | State::NotStreamed => None,
        })
        .collect()
}

fn pending_side_effects(subject: &Subject) -> Vec<Finding> {
    if !subject.sealed {
        return Vec::new();
    }
    subject
        .side_effects
        .iter()
        .filter(|effect| effect.text_at("status") == Some("intent_only"))
        .map(|effect| {
            let index = effect.get("step_index").and_then(Json::whole).unwrap_or_default();
            let id = effect.text_at("side_effect_id").unwrap_or_default();
            let action = effect.text_at("action").unwrap_or_default();
            let resource = effect.text_at("resource").unwrap_or_default();
            finding(
                "gw.pending_side_effect",
                Severity::High,
                Some(index),
                vec![
                    step_file(index),
                    file(&format!("side_effects/{index:04}-{id}.json")),
                ],
                format!("The run ended without saying whether {action} on {resource} happened."),
                "Check the resource itself before the run is repeated.",
            )
        })
        .collect()
}

fn truncated_logs(subject: &Subject) -> Vec<Finding> {
    subject
        .logs
        .iter()
        .filter(|(_, dropped)| **dropped > 0)
        .map(|(path, dropped)| {
            finding(
                "gw.log_truncated",
                Severity::Info,
                None,
                vec![file(path)],
                format!("{dropped} bytes of {path} had no room."),
                "Log less, or raise the limit log_file_bytes.",
            )
        })
        .collect()
}

fn whole_run(subject: &Subject) -> Vec<Finding> {
    let mut findings = Vec::new();
    if subject.lost {
        findings.push(finding(
            "gw.run_abandoned",
            Severity::Medium,
            None,
            vec![file("trace.json")],
            "The agent fell silent without ending the run.".to_owned(),
            "Look at the last step and at the agent's own logs; it was probably killed.",
        ));
    }
    if let (Some(reported), Some(session)) = (subject.reported_usd, subject.session_usd)
        && subject.sealed
        && session < reported
    {
        findings.push(finding(
            "gw.cost_regression",
            Severity::Low,
            None,
            vec![file("trace.json")],
            format!("The run ended at {session} USD, less than the {reported} USD it had reported."),
            "Costs are cumulative; check how the client adds them up.",
        ));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostics::{Screenshot, subject_of};

    fn fired(subject: &Subject) -> Vec<&'static str> {
        evaluate(subject)
            .into_iter()
            .map(|finding| finding.rule)
            .collect()
    }

    fn shot(content: &str) -> Screenshot {
        Screenshot {
            sha256: content.to_owned(),
            width: 100,
            height: 50,
        }
    }

    #[test]
    fn equal_pixels_and_clicks_beside_them_are_found() {
        let mut subject = subject_of(&[
            r#"{"action":{"type":"click","params":{"x":101,"y":1},"coordinate_space":"screenshot_px"}}"#,
        ]);
        subject
            .screenshots
            .insert("screenshots/0000_pre.png".to_owned(), shot("a"));
        subject
            .screenshots
            .insert("screenshots/0000_post.png".to_owned(), shot("b"));
        assert_eq!(fired(&subject), ["gw.click_outside_screenshot"]);
        subject
            .screenshots
            .insert("screenshots/0000_post.png".to_owned(), shot("a"));
        assert_eq!(
            fired(&subject),
            ["gw.identical_frames", "gw.click_outside_screenshot"]
        );
    }

    #[test]
    fn what_a_run_leaves_open_is_found_when_it_ends() {
        let mut subject = subject_of(&[]);
        subject
            .side_effects
            .push(Json::parse(br#"{"side_effect_id":"s","step_index":0,"status":"intent_only"}"#).unwrap());
        subject.logs.insert("logs/run.log".to_owned(), 7);
        subject.reported_usd = Some(2.0);
        subject.session_usd = Some(1.0);
        assert_eq!(
            fired(&subject),
            ["gw.pending_side_effect", "gw.log_truncated", "gw.cost_regression"]
        );
        subject.sealed = false;
        subject.lost = true;
        assert_eq!(fired(&subject), ["gw.log_truncated", "gw.run_abandoned"]);
    }
}
