//! From a syntax tree to what the text of a match must contain, for the index.

use regex_syntax::hir::{Class, Hir, HirKind, Repetition};

use crate::signature::{Byte, Grams, Literal};

/// More alternative literals than this are not multiplied out.
const MAX_LITERALS: usize = 32;
/// Classes with more members are taken as "any character".
const MAX_CLASS: usize = 16;
/// Longer literals gain nothing: the index looks at the rarest grams only.
const MAX_LITERAL_BYTES: usize = 128;

/// What every match of `tree` must contain.
///
/// With `ascii_folds_alone`, the text is known to hold neither `ſ` nor `K`, the
/// non-ASCII characters that a case-insensitive `s` or `k` also stands for.
pub(crate) fn required(tree: &Hir, ascii_folds_alone: bool) -> Grams {
    match (Analysis { ascii_folds_alone }).visit(tree) {
        Found::Exactly(literals) => any_of(literals),
        Found::Contains(grams) => grams,
    }
}

/// What is known of the text that a part of the tree matches.
enum Found {
    /// It is one of these literals.
    Exactly(Vec<Literal>),
    /// It meets this condition.
    Contains(Grams),
}

struct Analysis {
    ascii_folds_alone: bool,
}

impl Analysis {
    fn visit(&self, tree: &Hir) -> Found {
        match tree.kind() {
            HirKind::Empty | HirKind::Look(_) => Found::Exactly(vec![Literal::default()]),
            HirKind::Literal(literal) => Found::Exactly(vec![Literal(
                literal.0.iter().map(|&byte| Byte::Exact(byte)).collect(),
            )]),
            HirKind::Class(class) => match self.members(class) {
                Some(members) => Found::Exactly(members),
                None => Found::Contains(Grams::Any),
            },
            HirKind::Repetition(repetition) => self.repetition(repetition),
            HirKind::Capture(capture) => self.visit(&capture.sub),
            HirKind::Concat(parts) => self.concat(parts),
            HirKind::Alternation(parts) => self.alternation(parts),
        }
    }

    fn repetition(&self, repetition: &Repetition) -> Found {
        match (repetition.min, repetition.max, self.visit(&repetition.sub)) {
            (0, Some(1), Found::Exactly(mut literals)) if literals.len() < MAX_LITERALS => {
                literals.push(Literal::default());
                Found::Exactly(literals)
            }
            (0, ..) => Found::Contains(Grams::Any),
            (min, max, Found::Exactly(literals)) => {
                let (power, whole) = repeated(&literals, min);
                if whole && max == Some(min) {
                    Found::Exactly(power)
                } else {
                    Found::Contains(any_of(power))
                }
            }
            (_, _, found) => found,
        }
    }

    fn concat(&self, parts: &[Hir]) -> Found {
        let mut conditions = Vec::new();
        // The literals the text read so far may end with, unbroken.
        let mut tail = vec![Literal::default()];
        let mut whole = true;
        for part in parts {
            let open_ended = match part.kind() {
                HirKind::Repetition(repetition)
                    if repetition.min > 0 && repetition.max != Some(repetition.min) =>
                {
                    match self.visit(&repetition.sub) {
                        Found::Exactly(literals) => Some((repeated(&literals, repetition.min).0, literals)),
                        Found::Contains(_) => None,
                    }
                }
                _ => None,
            };
            if let Some((first, last)) = open_ended {
                // `ab+c` holds "ab" and "bc": the first repetitions join what stands
                // before, the last one joins what follows.
                whole = false;
                match product(&tail, &first) {
                    Some(joined) => conditions.push(any_of(joined)),
                    None => conditions.extend([any_of(tail), any_of(first)]),
                }
                tail = last;
                continue;
            }
            match self.visit(part) {
                Found::Exactly(literals) => match product(&tail, &literals) {
                    Some(joined) => tail = joined,
                    None => {
                        whole = false;
                        conditions.push(any_of(std::mem::replace(&mut tail, literals)));
                    }
                },
                Found::Contains(grams) => {
                    whole = false;
                    conditions.push(any_of(std::mem::replace(&mut tail, vec![Literal::default()])));
                    conditions.push(grams);
                }
            }
        }
        if whole {
            return Found::Exactly(tail);
        }
        conditions.push(any_of(tail));
        Found::Contains(all_of(conditions))
    }

    fn alternation(&self, parts: &[Hir]) -> Found {
        let mut literals = Vec::new();
        let mut conditions = Vec::new();
        let mut exact = true;
        for part in parts {
            match self.visit(part) {
                Found::Exactly(more) => {
                    if exact {
                        literals.extend(more.iter().cloned());
                    }
                    conditions.push(any_of(more));
                }
                Found::Contains(grams) => {
                    exact = false;
                    conditions.push(grams);
                }
            }
        }
        if exact && literals.len() <= MAX_LITERALS {
            return Found::Exactly(distinct(literals));
        }
        if conditions.contains(&Grams::Any) {
            return Found::Contains(Grams::Any);
        }
        Found::Contains(Grams::Or(conditions))
    }

    /// The members of a small class; a letter in both cases is one member.
    fn members(&self, class: &Class) -> Option<Vec<Literal>> {
        let characters: Vec<Vec<u8>> = match class {
            Class::Unicode(class) => {
                let count: usize = class
                    .ranges()
                    .iter()
                    .map(regex_syntax::hir::ClassUnicodeRange::len)
                    .sum();
                if count > MAX_CLASS {
                    return None;
                }
                let members = || {
                    class
                        .ranges()
                        .iter()
                        .flat_map(|range| range.start()..=range.end())
                };
                let superfluous = |c: char| {
                    self.ascii_folds_alone
                        && match c {
                            '\u{17F}' => members().any(|c| c == 's'),
                            '\u{212A}' => members().any(|c| c == 'k'),
                            _ => false,
                        }
                };
                members()
                    .filter(|&c| !superfluous(c))
                    .map(|c| c.to_string().into_bytes())
                    .collect()
            }
            Class::Bytes(class) => {
                let count: usize = class
                    .ranges()
                    .iter()
                    .map(regex_syntax::hir::ClassBytesRange::len)
                    .sum();
                if count > MAX_CLASS {
                    return None;
                }
                class
                    .ranges()
                    .iter()
                    .flat_map(|range| range.start()..=range.end())
                    .map(|byte| vec![byte])
                    .collect()
            }
        };
        let both_cases = |byte: u8| {
            byte.is_ascii_alphabetic()
                && [byte.to_ascii_lowercase(), byte.to_ascii_uppercase()]
                    .iter()
                    .all(|&case| characters.contains(&vec![case]))
        };
        let literal = |bytes: &Vec<u8>| match bytes.as_slice() {
            &[byte] if both_cases(byte) => Literal(vec![Byte::EitherCase(byte.to_ascii_lowercase())]),
            bytes => Literal(bytes.iter().map(|&byte| Byte::Exact(byte)).collect()),
        };
        Some(distinct(characters.iter().map(literal).collect()))
    }
}

fn distinct(mut literals: Vec<Literal>) -> Vec<Literal> {
    literals.sort_unstable();
    literals.dedup();
    literals
}

/// Every literal of `left` followed by every one of `right`, unless that is too many.
fn product(left: &[Literal], right: &[Literal]) -> Option<Vec<Literal>> {
    let longest = |literals: &[Literal]| literals.iter().map(|literal| literal.0.len()).max().unwrap_or(0);
    if left.len() * right.len() > MAX_LITERALS || longest(left) + longest(right) > MAX_LITERAL_BYTES {
        return None;
    }
    let joined = left.iter().flat_map(|head| {
        right
            .iter()
            .map(|tail| Literal(head.0.iter().chain(&tail.0).copied().collect()))
    });
    Some(distinct(joined.collect()))
}

/// `literals` repeated `times`, or less often if that gets too big; and whether it is the whole.
fn repeated(literals: &[Literal], times: u32) -> (Vec<Literal>, bool) {
    let mut power = literals.to_vec();
    for _ in 1..times {
        match product(&power, literals) {
            Some(more) if more.iter().any(|literal| !literal.0.is_empty()) => power = more,
            _ => return (power, false),
        }
    }
    (power, true)
}

fn any_of(mut literals: Vec<Literal>) -> Grams {
    // Text that holds "xab" holds "ab": the longer one adds nothing.
    literals.sort_unstable_by_key(|literal| literal.0.len());
    let mut at = 0;
    while at < literals.len() {
        let known = literals[..at].iter().any(|short| holds(&literals[at], short));
        if known {
            literals.remove(at);
        } else {
            at += 1;
        }
    }
    // The index knows nothing of grams shorter than three bytes.
    if literals.iter().any(|literal| literal.0.len() < 3) {
        return Grams::Any;
    }
    let mut conditions: Vec<_> = literals.into_iter().map(Grams::Literal).collect();
    if conditions.len() == 1 {
        conditions.remove(0)
    } else {
        Grams::Or(conditions)
    }
}

fn holds(literal: &Literal, piece: &Literal) -> bool {
    literal
        .0
        .windows(piece.0.len().max(1))
        .any(|window| window == piece.0)
}

fn all_of(mut conditions: Vec<Grams>) -> Grams {
    conditions.retain(|condition| *condition != Grams::Any);
    match conditions.len() {
        0 => Grams::Any,
        1 => conditions.remove(0),
        _ => Grams::And(conditions),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::query::{Case, Mode, pattern};

    /// The condition in short: `ab&(cd|ef)`; a letter in either case is followed by `~`.
    fn shown(grams: &Grams) -> String {
        let join = |parts: &[Grams], by: &str| parts.iter().map(shown).collect::<Vec<_>>().join(by);
        match grams {
            Grams::Any => "*".into(),
            Grams::And(parts) => join(parts, "&"),
            Grams::Or(parts) => format!("({})", join(parts, "|")),
            Grams::Literal(literal) => {
                let bytes: Vec<u8> = literal
                    .0
                    .iter()
                    .flat_map(|byte| match *byte {
                        Byte::Exact(byte) => vec![byte],
                        Byte::EitherCase(byte) => vec![byte, b'~'],
                    })
                    .collect();
                String::from_utf8_lossy(&bytes).into_owned()
            }
        }
    }

    fn check(regex: &str, expected: &str) {
        let parsed = pattern::parse(&[regex.to_string()], Mode::Regex, Case::Sensitive, false).unwrap();
        assert_eq!(shown(&required(&parsed[0], true)), expected, "{regex}");
    }

    #[test]
    fn literals_are_found_wherever_every_match_has_them() {
        check("abcd", "abcd");
        check("abc.def", "abc&def");
        check("abc|defg", "(abc|defg)");
        check(r"\w+_nohit_(alpha|beta)_\d+", "(_nohit_beta_|_nohit_alpha_)");
        check("foo(bar)?", "foo");
        check(r"struct\s+\*?alloc_", "struct&alloc_");
        check("foo[12]x", "(foo1x|foo2x)");
        check("fooo+bar", "fooo&obar");
        check("(abc)+d", "abc&abcd");
        check("(ab){2}", "abab");
        check("^abc$", "abc");
        check(r"\babc\b", "abc");
    }

    #[test]
    fn what_need_not_be_there_is_not_asked_for() {
        for regex in [
            "a|bcd",
            "(abc)?",
            "(abc)*",
            "ab",
            r"\w+",
            "[a-z]{3}_",
            "",
            "(abc|.)",
        ] {
            check(regex, "*");
        }
        check("(abc)*def", "def");
    }

    #[test]
    fn case_folds_stay_one_literal() {
        check("(?i)ab1", "a~b~1");
        check("(?i)task", "t~a~s~k~");
        check("[aA]bc", "a~bc");
        let parsed = pattern::parse(&["(?i)ask".to_string()], Mode::Regex, Case::Sensitive, false).unwrap();
        let strict = shown(&required(&parsed[0], false));
        assert_eq!(
            strict.matches('|').count(),
            3,
            "ſ and K are spelled out: {strict}"
        );
    }
}
