//! From pattern text to the syntax tree that is searched for, by ripgrep's rules.

use regex_syntax::ast::{self, Ast};
use regex_syntax::hir::{self, Hir, HirKind, Look};

use super::{Case, Mode, QueryError};

/// Patterns nested deeper than this are refused, as ripgrep does.
const NEST_LIMIT: u32 = 250;

/// Parses plain or regex patterns to one tree each. No tree can match a line terminator.
pub(crate) fn parse(patterns: &[String], mode: Mode, case: Case, word: bool) -> Result<Vec<Hir>, QueryError> {
    let sources: Vec<String> = match mode {
        Mode::Regex => patterns.to_vec(),
        Mode::Plain | Mode::Fuzzy => patterns
            .iter()
            .map(|pattern| regex_syntax::escape(pattern))
            .collect(),
    };
    let trees = sources
        .iter()
        .map(|source| parse_syntax(source))
        .collect::<Result<Vec<_>, _>>()?;
    let case_sensitive = is_case_sensitive(&trees, case);
    let finish = |(source, tree): (&String, &Ast)| {
        let tree = translate(source, tree, case_sensitive)?;
        Ok(if word { as_word(tree) } else { tree })
    };
    sources.iter().zip(&trees).map(finish).collect()
}

/// Whether case counts in the end. Smart case is resolved over all patterns together.
fn is_case_sensitive(trees: &[Ast], case: Case) -> bool {
    match case {
        Case::Sensitive | Case::Default => true,
        Case::Insensitive => false,
        Case::Smart => {
            let mut letters = Letters::default();
            trees.iter().for_each(|tree| letters.visit(tree));
            letters.any_upper || !letters.any_literal
        }
    }
}

fn syntax_error(error: &dyn std::fmt::Display) -> QueryError {
    QueryError::Syntax {
        message: error.to_string(),
    }
}

fn parse_syntax(source: &str) -> Result<Ast, QueryError> {
    ast::parse::ParserBuilder::new()
        .nest_limit(NEST_LIMIT)
        .build()
        .parse(source)
        .map_err(|error| syntax_error(&error))
}

fn translate(source: &str, tree: &Ast, case_sensitive: bool) -> Result<Hir, QueryError> {
    let tree = hir::translate::TranslatorBuilder::new()
        .utf8(false)
        .case_insensitive(!case_sensitive)
        .multi_line(true)
        .crlf(true)
        .build()
        .translate(source, tree)
        .map_err(|error| syntax_error(&error))?;
    within_lines(tree)
}

/// Rewrites a tree so that it cannot match a line terminator: classes lose `\n` and `\r`,
/// a literal one is refused, and the anchors of the whole text become those of a line.
fn within_lines(tree: Hir) -> Result<Hir, QueryError> {
    let all = |trees: Vec<Hir>| trees.into_iter().map(within_lines).collect::<Result<Vec<_>, _>>();
    Ok(match tree.into_kind() {
        HirKind::Empty => Hir::empty(),
        HirKind::Literal(literal) => match literal.0.iter().find(|&&byte| byte == b'\n' || byte == b'\r') {
            Some(&byte) => return Err(line_terminator(byte)),
            None => Hir::literal(literal.0),
        },
        HirKind::Class(class) => Hir::class(without_terminators(class)?),
        HirKind::Look(Look::Start) => Hir::look(Look::StartCRLF),
        HirKind::Look(Look::End) => Hir::look(Look::EndCRLF),
        HirKind::Look(look) => Hir::look(look),
        HirKind::Repetition(mut repetition) => {
            repetition.sub = Box::new(within_lines(*repetition.sub)?);
            Hir::repetition(repetition)
        }
        HirKind::Capture(mut capture) => {
            capture.sub = Box::new(within_lines(*capture.sub)?);
            Hir::capture(capture)
        }
        HirKind::Concat(parts) => Hir::concat(all(parts)?),
        HirKind::Alternation(parts) => Hir::alternation(all(parts)?),
    })
}

fn line_terminator(byte: u8) -> QueryError {
    QueryError::LineTerminator {
        character: if byte == b'\n' { r"\n" } else { r"\r" },
    }
}

/// A class that is nothing but a terminator is refused; one that was empty before is not.
fn without_terminators(class: hir::Class) -> Result<hir::Class, QueryError> {
    let (class, emptied_by) = match class {
        hir::Class::Unicode(mut class) => {
            let last = class
                .ranges()
                .last()
                .map(regex_syntax::hir::ClassUnicodeRange::end);
            for terminator in ['\n', '\r'] {
                class.difference(&hir::ClassUnicode::new([hir::ClassUnicodeRange::new(
                    terminator, terminator,
                )]));
            }
            let emptied = last.filter(|_| class.ranges().is_empty()).map(|last| last as u8);
            (hir::Class::Unicode(class), emptied)
        }
        hir::Class::Bytes(mut class) => {
            let last = class.ranges().last().map(regex_syntax::hir::ClassBytesRange::end);
            for terminator in [b'\n', b'\r'] {
                class.difference(&hir::ClassBytes::new([hir::ClassBytesRange::new(
                    terminator, terminator,
                )]));
            }
            let emptied = last.filter(|_| class.ranges().is_empty());
            (hir::Class::Bytes(class), emptied)
        }
    };
    match emptied_by {
        Some(byte) => Err(line_terminator(byte)),
        None => Ok(class),
    }
}

/// The match must begin and end at word edges: no word character just outside it.
fn as_word(tree: Hir) -> Hir {
    Hir::concat(vec![
        Hir::look(Look::WordStartHalfUnicode),
        tree,
        Hir::look(Look::WordEndHalfUnicode),
    ])
}

/// What smart case needs to know: the literal letters, not those of `\S` or `\p{Lu}`.
#[derive(Default)]
struct Letters {
    any_literal: bool,
    any_upper: bool,
}

impl Letters {
    fn literal(&mut self, literal: &ast::Literal) {
        self.any_literal = true;
        self.any_upper |= literal.c.is_uppercase();
    }

    fn visit(&mut self, tree: &Ast) {
        match tree {
            Ast::Empty(_)
            | Ast::Flags(_)
            | Ast::Dot(_)
            | Ast::Assertion(_)
            | Ast::ClassUnicode(_)
            | Ast::ClassPerl(_) => {}
            Ast::Literal(literal) => self.literal(literal),
            Ast::ClassBracketed(class) => self.visit_class(&class.kind),
            Ast::Repetition(repetition) => self.visit(&repetition.ast),
            Ast::Group(group) => self.visit(&group.ast),
            Ast::Alternation(alternation) => alternation.asts.iter().for_each(|tree| self.visit(tree)),
            Ast::Concat(concat) => concat.asts.iter().for_each(|tree| self.visit(tree)),
        }
    }

    fn visit_class(&mut self, class: &ast::ClassSet) {
        match class {
            ast::ClassSet::Item(item) => self.visit_item(item),
            ast::ClassSet::BinaryOp(operation) => {
                self.visit_class(&operation.lhs);
                self.visit_class(&operation.rhs);
            }
        }
    }

    fn visit_item(&mut self, item: &ast::ClassSetItem) {
        match item {
            ast::ClassSetItem::Empty(_)
            | ast::ClassSetItem::Ascii(_)
            | ast::ClassSetItem::Unicode(_)
            | ast::ClassSetItem::Perl(_) => {}
            ast::ClassSetItem::Literal(literal) => self.literal(literal),
            ast::ClassSetItem::Range(range) => {
                self.literal(&range.start);
                self.literal(&range.end);
            }
            ast::ClassSetItem::Bracketed(class) => self.visit_class(&class.kind),
            ast::ClassSetItem::Union(union) => union.items.iter().for_each(|item| self.visit_item(item)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn regex(pattern: &str) -> Result<Vec<Hir>, QueryError> {
        parse(&[pattern.to_string()], Mode::Regex, Case::Sensitive, false)
    }

    #[test]
    fn smart_case_looks_at_literal_letters_only() {
        let sensitive = |pattern| is_case_sensitive(&[parse_syntax(pattern).unwrap()], Case::Smart);
        for pattern in [
            "foo",
            r"\Bfoo",
            r"foo\S+\W",
            r"\p{Lu}foo",
            "[[:upper:]]foo",
            "foo[0-9]",
            "straße",
        ] {
            assert!(!sensitive(pattern), "{pattern}");
        }
        for pattern in ["Foo", "[A-Z]foo", "foo(?:bar|B)", "É", "[a-z&&[^A]]"] {
            assert!(sensitive(pattern), "{pattern}");
        }
        assert!(sensitive(r"\w+"), "without any literal, case counts");
    }

    #[test]
    fn smart_case_is_decided_over_all_patterns() {
        let trees = ["foo", "Bar"].map(|pattern| parse_syntax(pattern).unwrap());
        assert!(is_case_sensitive(&trees, Case::Smart));
        assert!(!is_case_sensitive(&trees[..1], Case::Smart));
    }

    #[test]
    fn line_terminators_are_refused_where_they_are_asked_for() {
        for pattern in [r"foo\nbar", r"\x0a", r"[\n]", r"foo\r", r"[\r]", r"(?-u:\x0D)"] {
            let error = regex(pattern).err();
            assert!(
                matches!(error, Some(QueryError::LineTerminator { .. })),
                "{pattern}: {error:?}"
            );
        }
        for pattern in [r"[^x]", r"\s", r"[\n ]", "(?s).", r"[a&&b]"] {
            assert!(regex(pattern).is_ok(), "{pattern}");
        }
    }

    #[test]
    fn what_is_not_rust_regex_syntax_is_refused_with_the_reason() {
        for pattern in [
            "(",
            "[a",
            "a{2,1}",
            "*a",
            r"\p{Nope}",
            "(?=a)",
            "(?<!a)b",
            r"(a)\1",
            r"\xZZ",
            "a)|(b",
        ] {
            let Err(QueryError::Syntax { message }) = regex(pattern) else {
                panic!("{pattern}")
            };
            assert!(message.contains("error"), "{message}");
        }
        let deep = format!("{}a{}", "(".repeat(300), ")".repeat(300));
        assert!(regex(&deep).is_err());
    }
}
