//! The packages and commands of a new session.

use std::collections::BTreeMap;

use pentad_exec::Setup;
use pentad_http_kit::Fault;
use serde::Deserialize;
use utoipa::ToSchema;

use crate::wire::env;

/// Packages to install and commands to run, in this order.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[schema(as = exec::Setup)]
pub(crate) struct SetupBody {
    /// Packages of Python, or `{"requirements": "text of a requirements.txt"}`.
    pip: Option<Pip>,
    /// Packages of Node, or `{"packageJson": "text of a package.json"}`.
    npm: Option<Npm>,
    /// Modules of Go, or `{"goMod": "text of a go.mod"}`.
    go: Option<Go>,
    /// Commands for the shell.
    commands: Option<Vec<String>>,
    /// Environment of all of it; not stored.
    envs: Option<BTreeMap<String, String>>,
}

/// Packages of Python.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(untagged)]
#[schema(as = exec::Pip)]
enum Pip {
    /// By name.
    Packages(Vec<String>),
    /// By file.
    File {
        /// The text of a `requirements.txt`.
        requirements: String,
    },
}

/// Packages of Node.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(untagged)]
#[schema(as = exec::Npm)]
enum Npm {
    /// By name.
    Packages(Vec<String>),
    /// By file.
    File {
        /// The text of a `package.json`, or the object itself.
        #[serde(rename = "packageJson")]
        package_json: serde_json::Value,
    },
}

/// Modules of Go.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(untagged)]
#[schema(as = exec::Go)]
enum Go {
    /// By name.
    Packages(Vec<String>),
    /// By file.
    File {
        /// The text of a `go.mod`.
        #[serde(rename = "goMod")]
        go_mod: String,
    },
}

impl SetupBody {
    pub(crate) fn read(self) -> Result<Setup, Fault> {
        let mut setup = Setup {
            commands: self.commands.unwrap_or_default(),
            env: env(self.envs)?,
            ..Setup::default()
        };
        match self.pip {
            Some(Pip::Packages(names)) => setup.pip = names,
            Some(Pip::File { requirements }) => setup.requirements = Some(requirements),
            None => {}
        }
        match self.npm {
            Some(Npm::Packages(names)) => setup.npm = names,
            Some(Npm::File { package_json }) => {
                setup.package_json = Some(match package_json {
                    serde_json::Value::String(text) => text,
                    object => object.to_string(),
                });
            }
            None => {}
        }
        match self.go {
            Some(Go::Packages(names)) => setup.go = names,
            Some(Go::File { go_mod }) => setup.go_mod = Some(go_mod),
            None => {}
        }
        Ok(setup)
    }
}
