//! Every crate takes lints, package fields and dependencies from the workspace.

use super::arrows::Violation;
use super::tree::{Crate, Tree};

/// The package fields that are the same for all crates.
const INHERITED: &[&str] = &["version", "edition", "rust-version", "license", "publish"];

/// The crates that may hold `unsafe` blocks, each with a reason beside it.
const WITH_UNSAFE: &[&str] = &["crates/engines/sandbox", "crates/domains/storage"];

pub(super) fn violations(tree: &Tree) -> Vec<Violation> {
    let mut violations = Vec::new();
    for member in &tree.crates {
        let mut report = |problem: String| {
            violations.push(Violation {
                folder: member.folder.clone(),
                problem,
            });
        };
        package(member, &mut report);
        lints(member, tree, &mut report);
        dependencies(member, &mut report);
    }
    violations
}

/// Whether a value says `workspace = true`.
fn inherits(value: Option<&toml::Value>) -> bool {
    value
        .and_then(|value| value.get("workspace"))
        .and_then(toml::Value::as_bool)
        == Some(true)
}

fn package(member: &Crate, report: &mut impl FnMut(String)) {
    let fields = member.manifest.get("package");
    for field in INHERITED {
        if !inherits(fields.and_then(|fields| fields.get(field))) {
            report(format!("package.{field} is not the workspace's"));
        }
    }
    if fields.and_then(|fields| fields.get("description")).is_none() {
        report("has no description".to_owned());
    }
}

/// A crate has the workspace's lints, or, where it needs `unsafe`, a table of its own that is no weaker
/// in anything else: cargo knows no inheriting with exceptions.
fn lints(member: &Crate, tree: &Tree, report: &mut impl FnMut(String)) {
    let own = member.manifest.get("lints");
    if inherits(own) {
        return;
    }
    if !WITH_UNSAFE.contains(&member.folder.as_str()) {
        report("lints are not the workspace's".to_owned());
        return;
    }
    let workspace = tree
        .manifest
        .get("workspace")
        .and_then(|workspace| workspace.get("lints"));
    let tools = workspace.and_then(toml::Value::as_table).into_iter().flatten();
    for (tool, rules) in tools {
        for (rule, level) in rules.as_table().into_iter().flatten() {
            let found = own
                .and_then(|own| own.get(tool))
                .and_then(|rules| rules.get(rule));
            let unsafe_denied = rule == "unsafe_code" && found.and_then(toml::Value::as_str) == Some("deny");
            if found != Some(level) && !unsafe_denied {
                report(format!("lints.{tool}.{rule} is not the workspace's"));
            }
        }
    }
}

fn dependencies(member: &Crate, report: &mut impl FnMut(String)) {
    let targets = member.manifest.get("target").and_then(toml::Value::as_table);
    let tables = targets
        .into_iter()
        .flatten()
        .filter_map(|(_, target)| target.as_table());
    for table in std::iter::once(&member.manifest).chain(tables) {
        for kind in ["dependencies", "dev-dependencies", "build-dependencies"] {
            for (name, dependency) in table
                .get(kind)
                .and_then(toml::Value::as_table)
                .into_iter()
                .flatten()
            {
                // A crate's own tests turn its features on by depending on itself.
                let itself = *name == member.name && dependency.get("path").is_some();
                if !inherits(Some(dependency)) && !itself {
                    report(format!("{kind}.{name} is not the workspace's"));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WORKSPACE: &str = r#"
        [workspace.lints.rust]
        unsafe_code = "forbid"
        missing_docs = "deny"
    "#;

    const PACKAGE: &str = r#"
        [package]
        name = "pentad-example"
        description = "An example."
        version.workspace = true
        edition.workspace = true
        rust-version.workspace = true
        license.workspace = true
        publish.workspace = true
    "#;

    fn check(folder: &str, manifest: &str, expected: &[&str]) {
        let tree = Tree {
            crates: vec![Crate {
                name: "pentad-example".to_owned(),
                folder: folder.to_owned(),
                manifest: manifest.parse().unwrap(),
                ..Crate::default()
            }],
            manifest: WORKSPACE.parse().unwrap(),
            ..Tree::default()
        };
        let found: Vec<String> = violations(&tree)
            .into_iter()
            .map(|violation| violation.problem)
            .collect();
        assert_eq!(found, expected, "{manifest}");
    }

    #[test]
    fn what_comes_from_the_workspace_is_fine() {
        check(
            "crates/base/example",
            &format!(
                "{PACKAGE}
                 [dependencies]
                 serde.workspace = true
                 tokio = {{ workspace = true, optional = true }}
                 [dev-dependencies]
                 pentad-example = {{ path = \".\", features = [\"testing\"] }}
                 [target.'cfg(unix)'.dependencies]
                 rustix.workspace = true
                 [lints]
                 workspace = true"
            ),
            &[],
        );
    }

    #[test]
    fn what_does_not_is_named() {
        check(
            "crates/base/example",
            r#"[package]
               name = "pentad-example"
               version = "0.2.0"
               edition.workspace = true
               rust-version.workspace = true
               license.workspace = true
               [dependencies]
               serde = "1"
               [target.'cfg(unix)'.dev-dependencies]
               rustix = { version = "1" }"#,
            &[
                "package.version is not the workspace's",
                "package.publish is not the workspace's",
                "has no description",
                "lints are not the workspace's",
                "dependencies.serde is not the workspace's",
                "dev-dependencies.rustix is not the workspace's",
            ],
        );
    }

    #[test]
    fn lints_of_ones_own_are_for_unsafe_alone() {
        let own = |rules: &str| format!("{PACKAGE}\n[lints.rust]\n{rules}");
        let right = own("unsafe_code = \"deny\"\nmissing_docs = \"deny\"");
        check("crates/engines/sandbox", &right, &[]);
        check(
            "crates/engines/archive",
            &right,
            &["lints are not the workspace's"],
        );
        check(
            "crates/engines/sandbox",
            &own("unsafe_code = \"allow\""),
            &[
                "lints.rust.missing_docs is not the workspace's",
                "lints.rust.unsafe_code is not the workspace's",
            ],
        );
    }
}
