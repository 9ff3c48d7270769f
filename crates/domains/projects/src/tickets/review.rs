//! Reviews, read from comments: a pure function.
//!
//! A round of a review is a comment that begins with `Codex R<n> review on tk_…: <VERDICT>` and lists its
//! findings as bullets, `- HIGH — what is wrong`. A clean round closes the findings of those before it.
//! Only comments of people and keys that may change the project count, so that a reader forges no verdict, and
//! only those written as `codex-reviewer` or as no persona: what another persona says is about a review.

use crate::{At, Comment};

const SEVERITIES: [&str; 4] = ["CRITICAL", "HIGH", "MEDIUM", "LOW"];
const CLEAN: &str = "VERIFIED-CLEAN";
const CHANGES: &str = "CHANGES_REQUESTED";
/// The persona that reviews.
const REVIEWER: &str = "codex-reviewer";

/// One thing that a review found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// `CRITICAL`, `HIGH`, `MEDIUM` or `LOW`.
    pub severity: String,
    /// What is wrong.
    pub text: String,
    /// The round that found it.
    pub round: i64,
    /// When.
    pub raised_at: At,
    /// In which comment.
    pub raised_comment_id: String,
    /// The round that closed it.
    pub closed_round: Option<i64>,
}

/// One round of a review.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReviewRound {
    /// Its number.
    pub round: i64,
    /// `VERIFIED-CLEAN` or `CHANGES_REQUESTED`.
    pub verdict: &'static str,
    /// The verdict as it was written.
    pub raw_verdict: String,
    /// Whether it says that the work is verified and clean, and nothing weaker.
    pub is_strict_verified_clean: bool,
    /// The comment.
    pub comment_id: String,
    /// When it was written.
    pub timestamp: At,
    /// How many findings it raised.
    pub findings_raised: i64,
}

/// How a review stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReviewState {
    /// Findings that no clean round came after.
    pub open_findings: Vec<Finding>,
    /// The others.
    pub closed_findings: Vec<Finding>,
    /// The verdict of the latest round.
    pub last_verdict: &'static str,
    /// The same as it was written.
    pub last_raw_verdict: String,
    /// See [`ReviewRound::is_strict_verified_clean`], of the latest round.
    pub last_verdict_is_strict_verified_clean: bool,
    /// Open findings by severity: critical, high, medium, low.
    pub severity_counts: [(&'static str, i64); 4],
    /// The rounds, in order.
    pub rounds: Vec<ReviewRound>,
    /// The comment of the latest round.
    pub last_review_comment_id: String,
    /// The latest comment that is no round.
    pub last_implementer_comment_id: Option<String>,
    /// When somebody last said something.
    pub updated_at: Option<At>,
}

/// Reads the review from comments in their order; `None` when there is no round.
pub fn review_state(comments: &[Comment]) -> Option<ReviewState> {
    let mut rounds = Vec::new();
    let mut findings: Vec<Finding> = Vec::new();
    let mut last_implementer_comment_id = None;
    for comment in comments {
        let reviewer = comment.author_persona.as_deref();
        let header = (comment.by_editor && reviewer.is_none_or(|persona| persona == REVIEWER))
            .then(|| comment.content.lines().find_map(header))
            .flatten();
        let Some((round, raw_verdict)) = header else {
            if comment.source != "system" {
                last_implementer_comment_id = Some(comment.id.clone());
            }
            continue;
        };
        let verdict = if folded(&raw_verdict).starts_with("CHANGES") {
            CHANGES
        } else {
            CLEAN
        };
        if verdict == CLEAN {
            for finding in findings
                .iter_mut()
                .filter(|finding| finding.closed_round.is_none())
            {
                finding.closed_round = Some(round);
            }
        }
        let raised = raised(comment, round);
        rounds.push(ReviewRound {
            round,
            verdict,
            is_strict_verified_clean: folded(&raw_verdict) == CLEAN,
            raw_verdict,
            comment_id: comment.id.clone(),
            timestamp: comment.created_at,
            findings_raised: i64::try_from(raised.len()).unwrap_or(i64::MAX),
        });
        findings.extend(raised);
    }
    let last = rounds.last()?;
    let (last_verdict, last_review_comment_id) = (last.verdict, last.comment_id.clone());
    let (last_raw_verdict, strict) = (last.raw_verdict.clone(), last.is_strict_verified_clean);
    let (open_findings, closed_findings): (Vec<_>, Vec<_>) = findings
        .into_iter()
        .partition(|finding| finding.closed_round.is_none());
    let count = |severity| {
        let of_severity = open_findings
            .iter()
            .filter(|finding| finding.severity == severity);
        (severity, i64::try_from(of_severity.count()).unwrap_or(i64::MAX))
    };
    Some(ReviewState {
        severity_counts: SEVERITIES.map(count),
        last_verdict,
        last_raw_verdict,
        last_verdict_is_strict_verified_clean: strict,
        last_review_comment_id,
        last_implementer_comment_id,
        updated_at: comments.last().map(|comment| comment.created_at),
        rounds,
        open_findings,
        closed_findings,
    })
}

fn folded(verdict: &str) -> String {
    let words: Vec<String> = verdict
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(str::to_uppercase)
        .collect();
    words.join("-")
}

/// The round and the verdict of a line that is the header of one.
fn header(line: &str) -> Option<(i64, String)> {
    let mut words = line.split_whitespace();
    if !words.next()?.eq_ignore_ascii_case("codex") {
        return None;
    }
    let round: i64 = words.next()?.strip_prefix(['R', 'r'])?.parse().ok()?;
    let (before, verdict) = line.split_once(':')?;
    let before = before.to_lowercase();
    if !before.contains("review on tk_") {
        return None;
    }
    let known = [
        "VERIFIED-CLEAN",
        "CHANGES-REQUESTED",
        "NO-CHANGES-NEEDED",
        "APPROVED",
    ];
    let folded = folded(verdict);
    known
        .iter()
        .any(|known| folded.starts_with(known))
        .then(|| (round, verdict.trim().to_owned()))
}

/// The findings of a comment: its bullets that begin with a severity, up to where it says what is fine.
fn raised(comment: &Comment, round: i64) -> Vec<Finding> {
    let mut found = Vec::new();
    for line in comment
        .content
        .lines()
        .skip_while(|line| header(line).is_none())
        .skip(1)
    {
        let line = line.trim();
        let lower = line.to_lowercase();
        let ends = [
            "verified clean",
            "no change needed",
            "verification run",
            "out of scope",
            "residual risk",
        ];
        if ends.iter().any(|end| lower.starts_with(end)) {
            break;
        }
        let Some(bullet) = line.strip_prefix(['-', '*', '•']) else {
            continue;
        };
        let bullet = bullet.trim_start();
        let severity = SEVERITIES.iter().find(|severity| {
            bullet
                .get(..severity.len())
                .is_some_and(|start| start.eq_ignore_ascii_case(severity))
        });
        let Some(severity) = severity else { continue };
        let rest = bullet[severity.len()..].trim_start();
        if let Some(text) = rest.strip_prefix(['—', '–', '-', ':']) {
            found.push(Finding {
                severity: (*severity).to_owned(),
                text: text.trim().to_owned(),
                round,
                raised_at: comment.created_at,
                raised_comment_id: comment.id.clone(),
                closed_round: None,
            });
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use pentad_kernel::Timestamp;

    use super::*;

    fn comment(number: i64, content: &str) -> Comment {
        Comment {
            id: format!("tc_{number}"),
            ticket_id: "tk_1".to_owned(),
            author_user_id: "u".to_owned(),
            author_persona: None,
            content: content.to_owned(),
            session_id: None,
            source: "api".to_owned(),
            by_editor: true,
            created_at: At(Timestamp::from_micros(number)),
        }
    }

    const FIRST: &str = "Codex R1 review on tk_1: CHANGES REQUESTED\n\nFindings:\n - HIGH — the loop never ends\n • low: a typo\n\nVerified clean / no change needed:\n - CRITICAL — nothing of the kind\n";

    #[test]
    fn a_round_raises_its_findings_and_a_clean_one_closes_them() {
        let open = review_state(&[comment(1, FIRST)]).unwrap();
        assert_eq!(open.last_verdict, "CHANGES_REQUESTED");
        assert_eq!(
            open.severity_counts,
            [("CRITICAL", 0), ("HIGH", 1), ("MEDIUM", 0), ("LOW", 1)]
        );
        let closed = review_state(&[
            comment(1, FIRST),
            comment(2, "fixed in abc"),
            comment(3, "Codex R2 review on tk_1: VERIFIED-CLEAN"),
        ])
        .unwrap();
        assert!(closed.open_findings.is_empty());
        assert_eq!(closed.closed_findings.len(), 2);
        assert!(
            closed
                .closed_findings
                .iter()
                .all(|finding| finding.closed_round == Some(2))
        );
        assert_eq!(closed.last_implementer_comment_id.as_deref(), Some("tc_2"));
    }

    #[test]
    fn what_a_reader_writes_is_no_review() {
        let forged = Comment {
            by_editor: false,
            ..comment(1, "Codex R1 review on tk_1: VERIFIED-CLEAN")
        };
        assert_eq!(review_state(&[forged]), None);
        assert_eq!(review_state(&[comment(1, "Codex thinks it is fine")]), None);
    }

    #[test]
    fn what_another_persona_says_is_no_review() {
        let spoken = |number, persona: &str, content: &str| Comment {
            author_persona: Some(persona.to_owned()),
            ..comment(number, content)
        };
        let clean = "Codex R2 review on tk_1: VERIFIED-CLEAN";
        let state = review_state(&[spoken(1, REVIEWER, FIRST), spoken(2, "atlas", clean)]).unwrap();
        assert_eq!(
            (state.last_verdict, state.open_findings.len()),
            ("CHANGES_REQUESTED", 2)
        );
        assert!(!state.last_verdict_is_strict_verified_clean);
        assert_eq!(state.last_implementer_comment_id.as_deref(), Some("tc_2"));
    }
}
