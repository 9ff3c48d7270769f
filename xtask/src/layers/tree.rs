//! The crates of the workspace, as `cargo metadata` tells.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde::Deserialize;

use crate::workspace::{Workspace, output};

/// The workspace, reduced to what the rules ask about.
#[derive(Debug, Default)]
pub(super) struct Tree {
    pub(super) crates: Vec<Crate>,
    /// The workspace's own manifest.
    pub(super) manifest: toml::Table,
    /// Every package, those from elsewhere too, with what it is compiled with (tests aside).
    pub(super) graph: BTreeMap<String, BTreeSet<String>>,
}

/// A crate of the workspace.
#[derive(Debug, Default)]
pub(super) struct Crate {
    pub(super) name: String,
    /// Where it lies, from the root: `crates/base/kernel`.
    pub(super) folder: String,
    /// What it is compiled with.
    pub(super) imports: BTreeSet<String>,
    /// What its tests are compiled with besides.
    pub(super) test_imports: BTreeSet<String>,
    pub(super) manifest: toml::Table,
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
    workspace_members: BTreeSet<String>,
    workspace_root: PathBuf,
    resolve: Resolve,
}

#[derive(Deserialize)]
struct Package {
    id: String,
    name: String,
    manifest_path: PathBuf,
    dependencies: Vec<Dependency>,
}

#[derive(Deserialize)]
struct Dependency {
    name: String,
    kind: Option<String>,
}

#[derive(Deserialize)]
struct Resolve {
    nodes: Vec<Node>,
}

#[derive(Deserialize)]
struct Node {
    id: String,
    deps: Vec<Edge>,
}

#[derive(Deserialize)]
struct Edge {
    pkg: String,
    dep_kinds: Vec<EdgeKind>,
}

#[derive(Deserialize)]
struct EdgeKind {
    kind: Option<String>,
}

impl Tree {
    pub(super) fn read(workspace: &Workspace) -> anyhow::Result<Self> {
        let json = output(&mut workspace.cargo(&["metadata", "--format-version", "1", "--locked"]))?;
        let metadata: Metadata = serde_json::from_slice(&json).context("`cargo metadata` prints metadata")?;
        let names: BTreeMap<&str, &str> = metadata
            .packages
            .iter()
            .map(|package| (package.id.as_str(), package.name.as_str()))
            .collect();
        let mut tree = Self {
            manifest: table(&metadata.workspace_root.join("Cargo.toml"))?,
            ..Self::default()
        };
        for node in &metadata.resolve.nodes {
            let imports = tree.graph.entry(names[node.id.as_str()].to_owned()).or_default();
            let compiled = |edge: &&Edge| edge.dep_kinds.iter().any(|edge| edge.kind.is_none());
            imports.extend(
                node.deps
                    .iter()
                    .filter(compiled)
                    .map(|edge| names[edge.pkg.as_str()].to_owned()),
            );
        }
        for package in &metadata.packages {
            if metadata.workspace_members.contains(&package.id) {
                tree.crates.push(package.read(&metadata.workspace_root)?);
            }
        }
        Ok(tree)
    }
}

impl Package {
    fn read(&self, root: &Path) -> anyhow::Result<Crate> {
        let folder = self
            .manifest_path
            .parent()
            .context("a manifest lies in a folder")?;
        let (tests, compiled): (Vec<_>, Vec<_>) = self
            .dependencies
            .iter()
            .partition(|dependency| dependency.kind.as_deref() == Some("dev"));
        let names = |dependencies: Vec<&Dependency>| {
            dependencies
                .into_iter()
                .map(|dependency| dependency.name.clone())
                .collect()
        };
        Ok(Crate {
            name: self.name.clone(),
            folder: folder.strip_prefix(root)?.display().to_string(),
            imports: names(compiled),
            test_imports: names(tests),
            manifest: table(&self.manifest_path)?,
        })
    }
}

fn table(path: &Path) -> anyhow::Result<toml::Table> {
    std::fs::read_to_string(path)?
        .parse()
        .with_context(|| format!("{} is TOML", path.display()))
}
