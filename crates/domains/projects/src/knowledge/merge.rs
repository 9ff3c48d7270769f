//! From a document and claims to the next document: a pure function.
//!
//! What people wrote stays. Each claim becomes a bullet at the end of its type's section, unless the
//! document says it already; claims of little confidence go to `Unverified`; `Recent Changes` is written
//! anew. A document over its limit loses bullets from the end of its longest section, never the first
//! three of one, and every bullet it loses is listed: nothing goes silently.

use std::collections::HashSet;

use pentad_kernel::Timestamp;

use super::classify::{SECTIONS, section_of};

const RECENT: &str = "Recent Changes";
const UNVERIFIED: &str = "Unverified";
/// Below this confidence a claim is said to be unverified.
const VERIFIED_FROM: f64 = 0.5;
/// Bullets that trimming leaves in every section.
const LEAST_BULLETS: usize = 3;

/// A claim that is to be in the document.
#[derive(Clone, Debug, PartialEq)]
pub struct Claim {
    /// The entry.
    pub id: i64,
    /// Its type, which decides the section.
    pub entry_type: String,
    /// What it says.
    pub content: String,
    /// How sure it is.
    pub confidence: f64,
    /// When it was written.
    pub created_at: Timestamp,
}

/// A bullet that is not in the document for want of room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dropped {
    /// The claim, if the bullet was one of those given.
    pub entry: Option<i64>,
    /// Its text.
    pub text: String,
}

/// The next document.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Merged {
    /// The document.
    pub document: String,
    /// Claims that got a bullet.
    pub added: Vec<i64>,
    /// Claims that the document said already.
    pub present: Vec<i64>,
    /// Bullets that there was no room for.
    pub dropped: Vec<Dropped>,
}

#[derive(Clone, Debug)]
struct Part {
    /// The heading without its marks; empty for what stands before the first one.
    heading: String,
    lines: Vec<Line>,
}

#[derive(Clone, Debug)]
struct Line {
    text: String,
    /// The claim that the line was made for.
    claim: Option<i64>,
}

impl Line {
    fn old(text: &str) -> Self {
        Self {
            text: text.to_owned(),
            claim: None,
        }
    }

    fn is_bullet(&self) -> bool {
        self.text.starts_with("- ") || self.text.starts_with("* ")
    }

    fn continues_bullet(&self) -> bool {
        self.text.starts_with(' ') && !self.text.trim().is_empty()
    }
}

/// Merges claims into a document of at most `max_words` words.
pub fn merge(document: &str, claims: &[Claim], max_words: i64) -> Merged {
    let mut parts = split(document);
    parts.retain(|part| part.heading != RECENT);
    let mut merged = Merged::default();
    let mut ordered: Vec<&Claim> = claims.iter().collect();
    ordered.sort_by_key(|claim| (claim.created_at, claim.id));
    let mut said: Vec<String> = parts
        .iter()
        .flat_map(|part| &part.lines)
        .map(|line| folded(&line.text))
        .collect();
    for claim in &ordered {
        let text = one_line(&claim.content);
        let key = folded(&text);
        if said.iter().any(|line| line.contains(&key)) {
            merged.present.push(claim.id);
            continue;
        }
        said.push(key);
        merged.added.push(claim.id);
        append(&mut parts, heading_for(claim), claim.id, &text);
    }
    trim(&mut parts, max_words, &mut merged);
    let still_there: HashSet<i64> = merged.added.iter().copied().collect();
    let added: Vec<&Claim> = ordered
        .into_iter()
        .filter(|claim| still_there.contains(&claim.id))
        .collect();
    add_recent(&mut parts, &added, max_words);
    merged.document = join(&parts);
    merged
}

/// The document without the bullets that entries with these contents made: what rebuilding starts from.
pub(crate) fn without_claims(document: &str, contents: &[String]) -> String {
    let keys: HashSet<String> = contents
        .iter()
        .map(|content| folded(&one_line(content)))
        .collect();
    let mut parts = split(document);
    parts.retain(|part| part.heading != RECENT);
    for part in parts.iter_mut().filter(|part| is_managed(&part.heading)) {
        part.lines.retain(|line| {
            let bullet = line.text.trim_start_matches(['-', '*', ' ']);
            !(line.is_bullet() && keys.contains(&folded(bullet)))
        });
    }
    join(&parts)
}

fn heading_for(claim: &Claim) -> &'static str {
    if claim.confidence < VERIFIED_FROM {
        UNVERIFIED
    } else {
        section_of(&claim.entry_type).map_or("Discoveries", |section| section.heading)
    }
}

fn is_managed(heading: &str) -> bool {
    heading == UNVERIFIED || SECTIONS.iter().any(|section| section.heading == heading)
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn folded(text: &str) -> String {
    one_line(text).to_lowercase()
}

fn split(document: &str) -> Vec<Part> {
    let mut parts = vec![Part {
        heading: String::new(),
        lines: Vec::new(),
    }];
    let mut in_fence = false;
    for line in document.lines() {
        if line.trim_start().starts_with("```") {
            in_fence = !in_fence;
        }
        match line.strip_prefix("## ").filter(|_| !in_fence) {
            Some(heading) => parts.push(Part {
                heading: heading.trim().to_owned(),
                lines: Vec::new(),
            }),
            None => {
                if let Some(part) = parts.last_mut() {
                    part.lines.push(Line::old(line));
                }
            }
        }
    }
    parts
}

fn join(parts: &[Part]) -> String {
    let mut document = String::new();
    for part in parts {
        if !part.heading.is_empty() {
            if !document.is_empty() && !document.ends_with("\n\n") {
                document.push('\n');
            }
            document.push_str("## ");
            document.push_str(&part.heading);
            document.push('\n');
        }
        for line in &part.lines {
            document.push_str(&line.text);
            document.push('\n');
        }
    }
    let end = document.trim_end().len();
    document.truncate(end);
    document.push('\n');
    document
}

fn append(parts: &mut Vec<Part>, heading: &str, claim: i64, text: &str) {
    let index = match parts.iter().position(|part| part.heading == heading) {
        Some(index) => index,
        None => {
            parts.push(Part {
                heading: heading.to_owned(),
                lines: Vec::new(),
            });
            parts.len() - 1
        }
    };
    let lines = &mut parts[index].lines;
    let end = lines
        .iter()
        .rposition(|line| !line.text.trim().is_empty())
        .map_or(0, |last| last + 1);
    if end == 0 {
        lines.clear();
    }
    let line = Line {
        text: format!("- {text}"),
        claim: Some(claim),
    };
    // A paragraph and the bullets after it are kept apart.
    let after_prose = end > 0 && !lines[end - 1].is_bullet() && !lines[end - 1].continues_bullet();
    if after_prose {
        lines.insert(end, Line::old(""));
        lines.insert(end + 1, line);
    } else {
        lines.insert(end, line);
    }
}

fn words(parts: &[Part]) -> i64 {
    // The marks of a heading count as a word, as they do in the finished text.
    parts
        .iter()
        .map(|part| {
            let heading = if part.heading.is_empty() {
                0
            } else {
                1 + crate::word_count(&part.heading)
            };
            heading + part_words(part)
        })
        .sum()
}

fn part_words(part: &Part) -> i64 {
    part.lines.iter().map(|line| crate::word_count(&line.text)).sum()
}

fn trim(parts: &mut [Part], max_words: i64, merged: &mut Merged) {
    let mut total = words(parts);
    let mut dropped = HashSet::new();
    // Words and bullets of each part that may lose some.
    let mut sizes: Vec<(i64, usize)> = parts
        .iter()
        .map(|part| {
            let bullets = part.lines.iter().filter(|line| line.is_bullet()).count();
            (
                part_words(part),
                if is_managed(&part.heading) { bullets } else { 0 },
            )
        })
        .collect();
    while total > max_words {
        let longest = (0..parts.len())
            .filter(|&index| sizes[index].1 > LEAST_BULLETS)
            .max_by_key(|&index| sizes[index].0);
        let Some(index) = longest else { break };
        let part = &mut parts[index];
        let Some(last) = part.lines.iter().rposition(Line::is_bullet) else {
            break;
        };
        let mut end = last + 1;
        while part.lines.get(end).is_some_and(Line::continues_bullet) {
            end += 1;
        }
        let removed: Vec<Line> = part.lines.drain(last..end).collect();
        let lost: i64 = removed.iter().map(|line| crate::word_count(&line.text)).sum();
        total -= lost;
        sizes[index] = (sizes[index].0 - lost, sizes[index].1 - 1);
        let claim = removed.first().and_then(|line| line.claim);
        dropped.extend(claim);
        let text: Vec<&str> = removed.iter().map(|line| line.text.trim()).collect();
        merged.dropped.push(Dropped {
            entry: claim,
            text: text.join(" ").trim_start_matches(['-', '*', ' ']).to_owned(),
        });
    }
    merged.added.retain(|id| !dropped.contains(id));
}

/// Adds the section that says what came last, newest day first, as far as there is room.
fn add_recent(parts: &mut Vec<Part>, added: &[&Claim], max_words: i64) {
    if added.is_empty() {
        return;
    }
    let mut lines = Vec::new();
    let mut day = String::new();
    let mut room = max_words - words(parts) - 3;
    for (shown, claim) in added.iter().rev().enumerate() {
        let text = format!("- [{}] {}", claim.entry_type, one_line(&claim.content));
        room -= crate::word_count(&text);
        if room < 0 && shown >= LEAST_BULLETS {
            break;
        }
        let date = claim.created_at.to_string()[..10].to_owned();
        if date != day {
            lines.push(Line::old(&format!("### {date}")));
            room -= 2;
            day = date;
        }
        lines.push(Line::old(&text));
    }
    parts.push(Part {
        heading: RECENT.to_owned(),
        lines,
    });
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn claim(id: i64, entry_type: &str, content: &str, confidence: f64) -> Claim {
        Claim {
            id,
            entry_type: entry_type.to_owned(),
            content: content.to_owned(),
            confidence,
            created_at: Timestamp::parse("2026-05-07T12:00:00Z").unwrap().plus(
                std::time::Duration::from_secs(u64::try_from(id).unwrap() * 40_000),
            ),
        }
    }

    const DOCUMENT: &str = "# Widgets\n\n## Overview\nA widget factory.\n\n## Key Decisions\n\n- Plain SQL, no ORM\n\n## Team\nAda and Grace\n";

    #[test]
    fn claims_join_their_sections_and_what_people_wrote_stays() {
        let merged = merge(
            DOCUMENT,
            &[
                claim(1, "decision", "Use rusqlite_pool v3 for storage", 0.95),
                claim(2, "bug", "The retry loop in src/retry.rs spins\non 500", 0.9),
                claim(3, "discovery", "Perhaps the cache is 64 MiB", 0.4),
                claim(4, "decision", "plain sql,  no ORM", 0.9),
            ],
            2000,
        );
        insta::assert_snapshot!(merged.document, @r"
        # Widgets

        ## Overview
        A widget factory.

        ## Key Decisions

        - Plain SQL, no ORM
        - Use rusqlite_pool v3 for storage

        ## Team
        Ada and Grace

        ## Known Issues & Workarounds
        - The retry loop in src/retry.rs spins on 500

        ## Unverified
        - Perhaps the cache is 64 MiB

        ## Recent Changes
        ### 2026-05-08
        - [discovery] Perhaps the cache is 64 MiB
        - [bug] The retry loop in src/retry.rs spins on 500
        ### 2026-05-07
        - [decision] Use rusqlite_pool v3 for storage
        ");
        assert_eq!((merged.added, merged.present), (vec![1, 2, 3], vec![4]));
        assert!(merged.dropped.is_empty());
    }

    #[test]
    fn a_heading_inside_a_code_fence_is_none() {
        let document = "# D\n\n```\n## Recent Changes\n```\n";
        let merged = merge(document, &[], 100);
        assert_eq!(merged.document, document);
    }

    #[test]
    fn bullets_beyond_the_limit_are_listed() {
        let claims: Vec<Claim> = (1..=10)
            .map(|id| {
                claim(
                    id,
                    "pattern",
                    &format!("rule{id} says that five words matter"),
                    0.9,
                )
            })
            .collect();
        let merged = merge("# D\n", &claims, 45);
        assert_eq!(merged.dropped.len() + merged.added.len(), 10);
        assert!(merged.dropped.iter().all(|dropped| dropped.entry.is_some()));
        assert!(merged.added.len() >= LEAST_BULLETS);
    }

    #[test]
    fn rebuilding_starts_without_the_bullets_of_claims() {
        let claims = [claim(1, "decision", "Use rusqlite_pool v3 for storage", 0.95)];
        let merged = merge(DOCUMENT, &claims, 2000);
        let contents = vec![claims[0].content.clone()];
        assert_eq!(without_claims(&merged.document, &contents), DOCUMENT);
    }

    fn documents() -> impl Strategy<Value = String> {
        let line = prop_oneof![
            Just("## Key Decisions".to_owned()),
            Just("## Team".to_owned()),
            Just("## Recent Changes".to_owned()),
            Just("```".to_owned()),
            Just(String::new()),
            "- [a-f]{1,6}( [a-f]{1,6}){0,6}",
            "[a-f]{1,6}( [a-f]{1,6}){0,6}",
        ];
        prop::collection::vec(line, 0..30).prop_map(|lines| lines.join("\n"))
    }

    fn claim_lists() -> impl Strategy<Value = Vec<Claim>> {
        let one = (0..6_usize, "[a-f]{1,6}( [a-f]{1,6}){0,8}", 0.0..1.0_f64);
        prop::collection::vec(one, 0..25).prop_map(|list| {
            list.into_iter()
                .zip(1..)
                .map(|((kind, content, confidence), id)| {
                    claim(id, SECTIONS[kind].entry_type, &content, confidence)
                })
                .collect()
        })
    }

    proptest! {
        #[test]
        fn every_claim_is_in_the_document_or_listed_as_dropped(
            document in documents(), claims in claim_lists(), max_words in 5..200_i64
        ) {
            let merged = merge(&document, &claims, max_words);
            let text = folded(&merged.document);
            for claim in &claims {
                let dropped = merged.dropped.iter().any(|dropped| folded(&dropped.text).contains(&folded(&claim.content)));
                prop_assert!(dropped || text.contains(&folded(&claim.content)), "{claim:?} is lost");
            }
        }

        #[test]
        fn every_line_that_people_wrote_stays_or_is_listed(
            document in documents(), claims in claim_lists(), max_words in 5..200_i64
        ) {
            let merged = merge(&document, &claims, max_words);
            let recent = split(&document).into_iter().filter(|part| part.heading == RECENT);
            let recent: Vec<String> = recent.flat_map(|part| part.lines).map(|line| line.text).collect();
            for line in document.lines().filter(|line| !recent.iter().any(|gone| gone == line)) {
                let line = line.strip_prefix("## ").unwrap_or(line).trim();
                if line == RECENT { continue; }
                let bullet = line.trim_start_matches("- ");
                let listed = merged.dropped.iter().any(|dropped| dropped.text.contains(bullet));
                prop_assert!(listed || merged.document.contains(line), "{line:?} is lost");
            }
        }

        #[test]
        fn the_same_input_gives_the_same_document_and_merging_again_adds_nothing(
            document in documents(), claims in claim_lists()
        ) {
            let once = merge(&document, &claims, 1_000_000);
            prop_assert_eq!(&once, &merge(&document, &claims, 1_000_000));
            let again = merge(&once.document, &claims, 1_000_000);
            prop_assert!(again.added.is_empty());
        }
    }
}
