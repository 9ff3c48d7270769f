//! Who may import whom.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;

use super::tree::{Crate, Tree};

/// The layers, from the ground up. A crate imports from lower ones; engines and the kernel stand on
/// nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Layer {
    Engines,
    Kernel,
    Base,
    Domains,
    Http,
    Gateway,
    Testkit,
    Program,
    Tool,
}

/// The arrows inside a layer.
const BESIDE: &[(&str, &str)] = &[
    ("crates/base/identity", "crates/base/store"),
    ("crates/engines/sandbox", "crates/engines/transpile"),
];

/// The crate of the HTTP layer that every other one there stands on.
const HTTP_KIT: &str = "crates/http/kit";

/// The crates that speak SQL, besides the domains.
const WITH_SQL: &[&str] = &["crates/base/store", "crates/base/identity"];

impl Layer {
    fn of(folder: &str) -> Option<Self> {
        let mut parts = folder.split('/');
        match (parts.next()?, parts.next(), parts.next(), parts.next()) {
            ("crates", Some("engines"), Some(_), None) => Some(Self::Engines),
            ("crates", Some("base"), Some("kernel"), None) => Some(Self::Kernel),
            ("crates", Some("base"), Some(_), None) => Some(Self::Base),
            ("crates", Some("domains"), Some(_), None) => Some(Self::Domains),
            ("crates", Some("http"), Some(_), None) => Some(Self::Http),
            ("crates", Some("gateway"), None, None) => Some(Self::Gateway),
            ("crates", Some("testkit"), None, None) => Some(Self::Testkit),
            ("bin", Some(_), None, None) => Some(Self::Program),
            ("xtask", None, None, None) => Some(Self::Tool),
            _ => None,
        }
    }

    fn may_import(self, other: Self) -> bool {
        match self {
            Self::Engines | Self::Kernel | Self::Tool => false,
            Self::Program => other <= Self::Gateway,
            _ => other < self,
        }
    }
}

/// What is wrong, and why it is wrong.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Violation {
    pub(super) folder: String,
    pub(super) problem: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.folder, self.problem)
    }
}

pub(super) fn violations(tree: &Tree) -> Vec<Violation> {
    let folders: BTreeMap<&str, &str> = tree
        .crates
        .iter()
        .map(|member| (member.name.as_str(), member.folder.as_str()))
        .collect();
    let mut violations = Vec::new();
    for member in &tree.crates {
        let mut report = |problem: String| {
            violations.push(Violation {
                folder: member.folder.clone(),
                problem,
            });
        };
        let Some(layer) = Layer::of(&member.folder) else {
            report("lies in no layer".to_owned());
            continue;
        };
        inside(member, layer, &folders, &mut report);
        outside(member, layer, tree, &mut report);
    }
    violations
}

/// Arrows to other crates of the workspace.
fn inside(member: &Crate, layer: Layer, folders: &BTreeMap<&str, &str>, report: &mut impl FnMut(String)) {
    let known = |names: &BTreeSet<String>| -> Vec<String> {
        names
            .iter()
            .filter_map(|name| folders.get(name.as_str()))
            .map(|folder| (*folder).to_owned())
            .collect()
    };
    let mut domains = BTreeSet::new();
    for (target, in_tests) in known(&member.imports)
        .into_iter()
        .map(|target| (target, false))
        .chain(
            known(&member.test_imports)
                .into_iter()
                .map(|target| (target, true)),
        )
    {
        let Some(other) = Layer::of(&target) else { continue };
        let beside = BESIDE.contains(&(member.folder.as_str(), target.as_str()))
            || (layer == Layer::Http && target == HTTP_KIT && member.folder != HTTP_KIT);
        // A crate's own tests may turn its features on, and those above the domains boot the gateway.
        let for_tests =
            in_tests && (target == member.folder || (other == Layer::Testkit && layer >= Layer::Http));
        if !(layer.may_import(other) || beside || for_tests) {
            report(format!("must not import {target}"));
        }
        if other == Layer::Domains {
            domains.insert(target);
        }
    }
    let may_know = match layer {
        Layer::Http if member.folder == HTTP_KIT => 0,
        Layer::Http => 1,
        _ => usize::MAX,
    };
    if domains.len() > may_know {
        let domains: Vec<String> = domains.into_iter().collect();
        report(format!(
            "knows more than {may_know} of the domains: {}",
            domains.join(", ")
        ));
    }
}

/// Arrows to crates from elsewhere.
fn outside(member: &Crate, layer: Layer, tree: &Tree, report: &mut impl FnMut(String)) {
    let framework = |name: &str| {
        name == "actix" || name.starts_with("actix-") || name == "utoipa" || name.starts_with("utoipa-")
    };
    if layer < Layer::Http
        && let Some(path) = path_to(&member.name, &tree.graph, framework)
    {
        report(format!("HTTP belongs above: {path}"));
    }
    if layer == Layer::Engines
        && let Some(path) = path_to(&member.name, &tree.graph, |name| name == "tokio")
    {
        report(format!("engines have no runtime: {path}"));
    }
    let speaks_sql = layer == Layer::Domains || WITH_SQL.contains(&member.folder.as_str());
    let imports_sql = member
        .imports
        .union(&member.test_imports)
        .any(|name| name == "sqlx" || name.starts_with("sqlx-"));
    if imports_sql && !speaks_sql {
        report("SQL belongs in the store, the identity and the domains: it imports sqlx".to_owned());
    }
}

/// The shortest way from a package to one that is asked for, as `a → b → c`.
fn path_to(
    from: &str,
    graph: &BTreeMap<String, BTreeSet<String>>,
    wanted: impl Fn(&str) -> bool,
) -> Option<String> {
    let mut came_from: BTreeMap<&str, &str> = BTreeMap::new();
    let mut queue = VecDeque::from([from]);
    while let Some(name) = queue.pop_front() {
        if wanted(name) {
            let mut path = vec![name];
            while let Some(previous) = came_from.get(path[path.len() - 1]) {
                path.push(previous);
            }
            path.reverse();
            return Some(path.join(" → "));
        }
        for next in graph.get(name).into_iter().flatten() {
            if next != from && !came_from.contains_key(next.as_str()) {
                came_from.insert(next, name);
                queue.push_back(next);
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A tree written as lines of `FOLDER: NAME NAME | NAMES FOR TESTS`. A crate is called like its
    /// folder; a line without a slash is a package from elsewhere.
    fn tree(lines: &str) -> Tree {
        let mut tree = Tree::default();
        for line in lines.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let (folder, imports) = line.split_once(':').unwrap();
            let (imports, test_imports) = imports.split_once('|').unwrap_or((imports, ""));
            let names = |text: &str| {
                text.split_whitespace()
                    .map(str::to_owned)
                    .collect::<BTreeSet<_>>()
            };
            tree.graph.insert(folder.to_owned(), names(imports));
            if folder.contains('/') || folder == "xtask" {
                tree.crates.push(Crate {
                    name: folder.to_owned(),
                    folder: folder.to_owned(),
                    imports: names(imports),
                    test_imports: names(test_imports),
                    ..Crate::default()
                });
            }
        }
        tree
    }

    fn check(lines: &str, expected: &[&str]) {
        let found: Vec<String> = violations(&tree(lines)).iter().map(ToString::to_string).collect();
        assert_eq!(found, expected, "{lines}");
    }

    #[test]
    fn the_house_as_it_is_meant() {
        check(
            "crates/engines/grep-engine: memchr
             crates/engines/sandbox: crates/engines/transpile
             crates/engines/transpile:
             crates/base/kernel: serde
             crates/base/store: crates/base/kernel sqlx tokio | crates/base/store
             crates/base/identity: crates/base/kernel crates/base/store sqlx
             crates/domains/grep-sessions: crates/engines/grep-engine crates/base/kernel sqlx tokio
             crates/domains/memories: crates/base/identity
             crates/http/kit: crates/base/identity actix-web utoipa
             crates/http/grep: crates/domains/grep-sessions crates/http/kit | crates/testkit
             crates/gateway: crates/http/grep crates/domains/memories | crates/testkit
             crates/testkit: crates/gateway
             bin/pentad: crates/gateway | crates/testkit
             xtask: serde
             actix-web: tokio",
            &[],
        );
    }

    #[test]
    fn no_arrow_goes_up_or_sideways() {
        let house = "crates/base/blob:
                     crates/base/identity:
                     crates/domains/exec:
                     crates/http/kit:
                     crates/http/exec:
                     crates/gateway:
                     crates/testkit:
                     bin/pentad:
                     xtask:\n";
        for (arrow, expected) in [
            (
                "crates/engines/archive: crates/base/kernel\ncrates/base/kernel:",
                "crates/base/kernel",
            ),
            (
                "crates/engines/retrieval: crates/engines/archive\ncrates/engines/archive:",
                "crates/engines/archive",
            ),
            ("crates/base/store: crates/base/blob", "crates/base/blob"),
            ("crates/base/store: crates/domains/exec", "crates/domains/exec"),
            ("crates/domains/runs: crates/domains/exec", "crates/domains/exec"),
            ("crates/domains/runs: crates/http/kit", "crates/http/kit"),
            ("crates/http/runs: crates/http/exec", "crates/http/exec"),
            ("crates/http/runs: crates/gateway", "crates/gateway"),
            ("crates/http/runs: crates/testkit", "crates/testkit"),
            ("crates/domains/runs: | crates/testkit", "crates/testkit"),
            ("bin/other: crates/testkit", "crates/testkit"),
            ("bin/other: bin/pentad", "bin/pentad"),
            ("bin/other: xtask", "xtask"),
        ] {
            let from = arrow.split(':').next().unwrap();
            check(
                &format!("{house}{arrow}"),
                &[&format!("{from}: must not import {expected}")],
            );
        }
    }

    #[test]
    fn the_tool_builds_without_the_product() {
        check(
            "crates/base/kernel:\nxtask: crates/base/kernel",
            &["xtask: must not import crates/base/kernel"],
        );
    }

    #[test]
    fn a_wire_format_knows_one_domain_and_the_kit_none() {
        let domains = "crates/domains/runs:\ncrates/domains/exec:\n";
        check(
            &format!("{domains}crates/http/runs: crates/domains/runs crates/domains/exec"),
            &["crates/http/runs: knows more than 1 of the domains: crates/domains/exec, crates/domains/runs"],
        );
        check(
            &format!("{domains}crates/http/kit: crates/domains/runs"),
            &["crates/http/kit: knows more than 0 of the domains: crates/domains/runs"],
        );
    }

    #[test]
    fn frameworks_and_runtimes_are_found_however_deep() {
        check(
            "crates/domains/exec: client
             crates/engines/retrieval: fast
             client: actix-http
             actix-http:
             fast: middle
             middle: tokio
             tokio:",
            &[
                "crates/domains/exec: HTTP belongs above: crates/domains/exec → client → actix-http",
                "crates/engines/retrieval: engines have no runtime: \
                 crates/engines/retrieval → fast → middle → tokio",
            ],
        );
    }

    #[test]
    fn sql_stays_in_its_three_places() {
        let sentence = "SQL belongs in the store, the identity and the domains: it imports sqlx";
        check(
            "crates/base/blob: sqlx",
            &[&format!("crates/base/blob: {sentence}")],
        );
        check(
            "crates/http/runs: | sqlx",
            &[&format!("crates/http/runs: {sentence}")],
        );
    }

    #[test]
    fn every_crate_has_a_layer() {
        check(
            "crates/helpers/strings:",
            &["crates/helpers/strings: lies in no layer"],
        );
        check(
            "crates/base/store/testing:",
            &["crates/base/store/testing: lies in no layer"],
        );
    }
}
