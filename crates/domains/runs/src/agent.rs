//! `AGENT.md`: where a coding agent begins to read.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::canonical::{self, StepRecords};
use crate::reading::RunInfo;

/// One line of text that came from a client, without what Markdown would make of it.
fn inline(text: &str) -> String {
    let line: String = text
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .filter(|&c| c != '`')
        .take(200)
        .collect();
    format!("`{line}`")
}

/// The page.
pub(crate) fn index(info: &RunInfo, steps: &[StepRecords]) -> String {
    let session = canonical::session(info, steps);
    let known = |name: &str| inline(session.text_at(name).unwrap_or("unknown"));
    let client = session
        .get("client")
        .and_then(|client| client.text_at("name"))
        .unwrap_or("unknown");
    let failed = |step: &&StepRecords| step.canonical().text_at("status") == Some("failed");
    let first_failed = steps.iter().find(failed);
    let mut classes = BTreeMap::<&str, usize>::new();
    for class in steps
        .iter()
        .filter_map(|step| step.canonical().text_at("failure_class"))
    {
        *classes.entry(class).or_default() += 1;
    }
    let mut page = format!(
        "# Run {}\n\n- Client: {}\n- Capture mode: {}\n- Status: {}\n- Steps: {}\n",
        inline(&info.run_id),
        inline(client),
        known("capture_mode"),
        known("status"),
        steps.len(),
    );
    if let Some(step) = first_failed {
        let intent = step.canonical().text_at("intent").unwrap_or_default();
        let _ = writeln!(
            page,
            "- First failed step: `{:04}` {}",
            step.index,
            inline(intent)
        );
    }
    for (class, count) in classes {
        let _ = writeln!(page, "- Failure class {}: {count}", inline(class));
    }
    page.push_str(
        "\n## Files\n\n\
         | Path | What it holds |\n|---|---|\n\
         | `manifest.json` | The envelope: paths, signatures, what is missing |\n\
         | `trace.json` | The session and all steps in order |\n\
         | `steps/NNNN.json` | One step; `steps/NNNN/*.json` when it was tried more than once |\n\
         | `events/NNNN.jsonl`, `events/run.jsonl` | Decisions of a step, of the run |\n\
         | `events/reasoning.jsonl` | What the models thought |\n\
         | `screenshots/NNNN_{pre,post,target,diff}.png` | What the agent saw |\n\
         | `modelio/*.json` | Calls of models |\n\
         | `side_effects/*.json` | What was done to the world outside |\n\
         | `logs/*.log` | Logs |\n\
         | `diagnostics/findings.json` | What looks wrong, with its evidence |\n\
         \n## Where to begin\n\n\
         1. `diagnostics/findings.json`: cite a finding as `rule_id @ path`.\n",
    );
    if let Some(step) = first_failed {
        let index = step.index;
        let _ = writeln!(
            page,
            "2. `steps/{index:04}.json`, then `events/{index:04}.jsonl`: the first failed step."
        );
    } else {
        page.push_str("2. `trace.json`: no step failed.\n");
    }
    page
}
