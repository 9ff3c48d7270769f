//! What a judge found in a session, and what its owner dismisses of it.

use pentad_identity::Caller;
use pentad_store::{affected, with_reader, with_writer};
use serde_json::{Value, json};

use crate::audit::Report;
use crate::summary::head;
use crate::{Error, Result, SessionSync};

const MAX_REASON_CHARS: usize = 2_000;
/// How often a dismissal looks again when another one was faster.
const ATTEMPTS: usize = 5;

const LATEST: &str = "
    SELECT id, report FROM sync_audit_reports WHERE session_id = $1 ORDER BY created_at DESC, id DESC LIMIT 1";
/// Written only over the report that was read.
const REPLACE: &str = "UPDATE sync_audit_reports SET report = $2 WHERE id = $1 AND report = $3";

/// Whether a finding counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dismissal {
    /// Which finding of the latest report, from 0.
    pub finding_index: i64,
    /// Whether it is dismissed, or counts again.
    pub dismissed: bool,
    /// Why.
    pub reason: String,
}

impl SessionSync {
    /// Dismisses a finding of the latest report, or has it count again.
    ///
    /// # Errors
    /// [`Error::SessionNotFound`], [`Error::NoReport`]; [`Error::Invalid`] when there is no such finding,
    /// [`Error::Field`] for a reason that is too long, [`Error::ConcurrentUpdate`].
    pub async fn dismiss_finding(&self, caller: &Caller, id: &str, dismissal: &Dismissal) -> Result<()> {
        if dismissal.reason.chars().count() > MAX_REASON_CHARS {
            return Err(Error::Field {
                field: "reason",
                message: format!("reason must have at most {MAX_REASON_CHARS} characters"),
            });
        }
        let session = self.session_by_id(caller, id).await?;
        for _ in 0..ATTEMPTS {
            let latest: Option<(String, String)> = with_reader!(self.db, |conn| sqlx::query_as(LATEST)
                .bind(&session.id)
                .fetch_optional(conn)
                .await)?;
            let (report, before) = latest.ok_or(Error::NoReport)?;
            let mut changed: Report = serde_json::from_str(&before).map_err(|_| Error::NoReport)?;
            let index = dismissal.finding_index;
            let finding = usize::try_from(index)
                .ok()
                .and_then(|index| changed.findings.get_mut(index));
            let finding = finding.ok_or_else(|| Error::Invalid(format!("Invalid finding index: {index}")))?;
            finding["dismissed"] = json!(dismissal.dismissed);
            let said = |text: &str| json!(if dismissal.dismissed { text } else { "" });
            finding["dismissed_by"] = said(&caller.actor.email);
            finding["dismissed_reason"] = said(&dismissal.reason);
            let after = serde_json::to_string(&changed).expect("plain data has a JSON form");
            let replaced = with_writer!(self.db, |conn| sqlx::query(REPLACE)
                .bind(&report)
                .bind(&after)
                .bind(&before)
                .execute(conn)
                .await
                .map(affected))?;
            if replaced == 1 {
                return Ok(());
            }
        }
        Err(Error::ConcurrentUpdate)
    }
}

const VERDICTS: &[&str] = &["verified", "unverified", "hallucination"];
const SEVERITIES: &[&str] = &["critical", "high", "low"];

/// The findings in a judge's answer, each with every field in its type.
pub(crate) fn findings(answer: &str) -> Result<Vec<Value>> {
    let unusable = || Error::Judge("the answer is not a list of findings".to_owned());
    let start = answer.find('[').ok_or_else(unusable)?;
    let end = answer
        .rfind(']')
        .filter(|&end| end > start)
        .ok_or_else(unusable)?;
    let list: Vec<Value> = serde_json::from_str(&answer[start..=end]).map_err(|_| unusable())?;
    let text = |item: &Value, name: &str, chars| {
        let text = item.get(name).and_then(Value::as_str).unwrap_or_default();
        head(text, chars)
    };
    let one_of = |item: &Value, name: &str, words: &[&str], otherwise: &str| {
        let word = text(item, name, 20).to_ascii_lowercase();
        if words.contains(&word.as_str()) {
            word
        } else {
            otherwise.to_owned()
        }
    };
    let whole = |item: &Value, name: &str| item.get(name).and_then(Value::as_i64);
    Ok(list
        .iter()
        .filter(|item| item.is_object())
        .take(500)
        .map(|item| {
            json!({
                "message_index": whole(item, "message_index").unwrap_or(0).max(0),
                "claim": text(item, "claim", 2_000),
                "verdict": one_of(item, "verdict", VERDICTS, "unverified"),
                "severity": one_of(item, "severity", SEVERITIES, "low"),
                "evidence": text(item, "evidence", 4_000),
                "explanation": text(item, "explanation", 4_000),
                "category": text(item, "category", 100),
                "confidence": whole(item, "confidence").unwrap_or(50).clamp(0, 100),
                "cwe_id": text(item, "cwe_id", 20),
                "evidence_snippets": [],
                "dismissed": false, "dismissed_by": "", "dismissed_reason": "",
            })
        })
        .collect())
}

/// How many findings there are of each kind.
pub(crate) fn summary(findings: &[Value]) -> Value {
    let count = |name: &str, word: &str| findings.iter().filter(|finding| finding[name] == word).count();
    let wrong = |word: &str| {
        let wrong = findings.iter().filter(|finding| finding["verdict"] != "verified");
        wrong.filter(|finding| finding["severity"] == word).count()
    };
    let verified = count("verdict", "verified");
    #[expect(clippy::cast_precision_loss, reason = "a few hundred at most")]
    let trust = if findings.is_empty() {
        1.0
    } else {
        verified as f64 / findings.len() as f64
    };
    json!({
        "total_claims": findings.len(), "verified": verified, "unverified": count("verdict", "unverified"),
        "hallucinations": count("verdict", "hallucination"), "trust_score": trust,
        "major_findings": wrong("critical") + wrong("high"), "moderate_findings": 0,
        "minor_findings": wrong("low"), "critical_count": wrong("critical"), "high_count": wrong("high"),
        "low_count": wrong("low"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn findings_are_read_whatever_the_judge_wraps_them_in() {
        let answer = "Here you are:\n```json\n[{\"claim\":\"tests pass\",\"verdict\":\"HALLUCINATION\",\"severity\":\"critical\"},
            {\"claim\":3,\"verdict\":\"maybe\",\"confidence\":1000}, 7]\n```";
        let found = findings(answer).unwrap();
        assert_eq!(found.len(), 2);
        let summary = summary(&found);
        assert_eq!(
            (&summary["total_claims"], &summary["hallucinations"]),
            (&json!(2), &json!(1))
        );
        assert_eq!(summary["trust_score"], json!(0.0));
        assert_eq!(found[1]["confidence"], json!(100));
        assert!(findings("I cannot do that").is_err());
        assert_eq!(findings("[]").unwrap(), Vec::<Value>::new());
    }
}
