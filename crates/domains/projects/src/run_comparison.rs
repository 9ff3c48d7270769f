//! What two agent runs found, side by side.

use std::collections::BTreeMap;

use pentad_kernel::Actor;
use serde_json::Value;

use crate::{AgentRun, Projects, Result};

/// Findings that a list of a comparison has at most.
const LISTED: usize = 200;

/// The findings of two runs, matched by rule or title, file and line.
#[derive(Clone, Debug, PartialEq)]
pub struct RunComparison {
    /// The run that is compared.
    pub run: AgentRun,
    /// The run it is compared with.
    pub other: AgentRun,
    /// Findings of the other run alone.
    pub added: Vec<Value>,
    /// Findings of the run alone.
    pub removed: Vec<Value>,
    /// Findings of both.
    pub unchanged: Vec<Value>,
    /// Whether a list was cut.
    pub truncated: bool,
}

impl Projects {
    /// Compares what two runs of a project found.
    ///
    /// # Errors
    /// As [`Projects::run`].
    pub async fn compare_runs(
        &self,
        actor: &Actor,
        project: &str,
        run: &str,
        other: &str,
    ) -> Result<RunComparison> {
        let run = self.run(actor, project, run).await?;
        let other = self.run(actor, project, other).await?;
        let (added, removed, unchanged) = compare(&run.findings.0, &other.findings.0);
        let truncated = [&added, &removed, &unchanged]
            .iter()
            .any(|list| list.len() > LISTED);
        let cut = |mut list: Vec<Value>| {
            list.truncate(LISTED);
            list
        };
        Ok(RunComparison {
            run,
            other,
            added: cut(added),
            removed: cut(removed),
            unchanged: cut(unchanged),
            truncated,
        })
    }
}

/// How many findings there are of each severity; one without is `unknown`.
pub fn severity_counts(findings: &[Value]) -> BTreeMap<String, u64> {
    let mut counts = BTreeMap::new();
    for finding in findings {
        let severity = finding["severity"].as_str().unwrap_or("unknown");
        *counts.entry(severity.to_lowercase()).or_default() += 1;
    }
    counts
}

/// What makes two findings the same: which rule, or else title, in which file on which line.
fn key(finding: &Value) -> String {
    let rule = ["rule", "rule_id", "title", "message"]
        .iter()
        .find_map(|&name| finding[name].as_str());
    let rule = rule.map_or_else(|| finding.to_string(), str::to_lowercase);
    let place = |names: &[&str]| {
        let value = names.iter().map(|&name| &finding[name]);
        value.into_iter().find(|value| !value.is_null()).cloned()
    };
    let (file, line) = (place(&["file", "path"]), place(&["line", "start_line"]));
    format!("{rule}\0{file:?}\0{line:?}")
}

/// Added, removed, unchanged. A finding that is there twice needs two to match it.
fn compare(one: &[Value], other: &[Value]) -> (Vec<Value>, Vec<Value>, Vec<Value>) {
    let mut unmatched: BTreeMap<String, usize> = BTreeMap::new();
    for finding in other {
        *unmatched.entry(key(finding)).or_default() += 1;
    }
    let mut take = |finding: &Value| match unmatched.get_mut(&key(finding)) {
        Some(left) if *left > 0 => {
            *left -= 1;
            true
        }
        _ => false,
    };
    let (unchanged, removed) = one.iter().cloned().partition(|finding| take(finding));
    let added = other.iter().filter(|finding| take(finding)).cloned().collect();
    (added, removed, unchanged)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn findings_are_matched_one_to_one_by_rule_file_and_line() {
        let a = [
            json!({"rule": "R1", "file": "a.rs", "line": 1, "severity": "high"}),
            json!({"rule": "R1", "file": "a.rs", "line": 1}),
            json!({"title": "Slow loop", "file": "b.rs"}),
        ];
        let b = [
            json!({"rule": "r1", "file": "a.rs", "line": 1, "severity": "low"}),
            json!({"title": "Slow loop", "file": "c.rs"}),
        ];
        let (added, removed, unchanged) = compare(&a, &b);
        assert_eq!(added, [b[1].clone()]);
        assert_eq!(removed, [a[1].clone(), a[2].clone()]);
        assert_eq!(unchanged, [a[0].clone()]);
        assert_eq!(
            severity_counts(&a),
            BTreeMap::from([("high".to_owned(), 1), ("unknown".to_owned(), 2)])
        );
    }

    #[test]
    fn findings_of_any_type_are_compared_as_they_are() {
        let odd = [json!(7), json!(null), json!({"severity": 3}), json!([])];
        let (added, removed, unchanged) = compare(&odd, &odd);
        assert_eq!((added.len(), removed.len(), unchanged.len()), (0, 0, 4));
    }
}
