//! The files in `deploy/` say what the program understands.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use regex::Regex;
use serde::Deserialize as _;
use serde_json::{Value, json};

use crate::program::Server;
use crate::surfaces::{Asker, Keys};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn text(name: &str) -> String {
    std::fs::read_to_string(root().join("deploy").join(name)).unwrap()
}

fn yaml(name: &str) -> Vec<Value> {
    let text = text(name);
    let documents = serde_yaml_ng::Deserializer::from_str(&text);
    documents
        .map(|document| Value::deserialize(document).unwrap())
        .collect()
}

/// What `pentad serve` explains about itself.
static HELP: LazyLock<String> = LazyLock::new(|| {
    let help = Command::new(env!("CARGO_BIN_EXE_pentad"))
        .args(["serve", "--help"])
        .output()
        .unwrap();
    String::from_utf8(help.stdout).unwrap()
});

/// Variables that are no option: what must not be seen on a command line or in a list of processes.
const NO_OPTION: &[&str] = &["PENTAD_ADMIN_PASSWORD", "PENTAD_SEALING_SECRET"];

#[test]
fn options_and_variables_are_the_programs_own() {
    let variable = Regex::new(r"\bPENTAD_[A-Z_]+\b").unwrap();
    let mut seen = BTreeSet::new();
    for name in ["pentad.service", "Containerfile", "kubernetes.yaml"] {
        for found in variable.find_iter(&text(name)) {
            let known = NO_OPTION.contains(&found.as_str()) || HELP.contains(found.as_str());
            assert!(known, "{name}: {} is no variable of pentad serve", found.as_str());
            seen.insert(found.as_str().to_owned());
        }
    }
    assert!(seen.len() > 8, "{seen:?}");
    let unit = text("pentad.service");
    let command = unit.lines().find(|line| line.starts_with("ExecStart=")).unwrap();
    let options: Vec<&str> = command
        .split_whitespace()
        .filter(|word| word.starts_with("--"))
        .collect();
    assert!(options.len() >= 3, "{command}");
    for option in options {
        assert!(
            HELP.contains(&format!("{option} <")),
            "pentad serve has no {option}"
        );
    }
}

#[test]
fn systemd_accepts_the_unit_and_finds_it_hardened() {
    let directory = tempfile::tempdir().unwrap();
    let unit = directory.path().join("pentad.service");
    // The program has to be there for systemd to accept the unit.
    let here = text("pentad.service").replace("/usr/local/bin/pentad", env!("CARGO_BIN_EXE_pentad"));
    std::fs::write(&unit, here).unwrap();
    let analyze = |arguments: &[&str]| {
        let output = Command::new("systemd-analyze")
            .args(arguments)
            .arg(&unit)
            .output();
        let Ok(output) = output else {
            eprintln!("SKIPPED: systemd-analyze is not installed");
            return;
        };
        let complaints = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.success() && !complaints.contains("pentad.service:"),
            "{complaints}\n{}",
            String::from_utf8_lossy(&output.stdout)
        );
    };
    analyze(&["verify", "--man=no"]);
    // Of 100: 96 is a unit without any of it, 40 the best of what systemd calls OK.
    analyze(&["security", "--offline=true", "--threshold=40", "--no-pager"]);
}

#[test]
fn the_unit_gives_the_gateway_the_time_that_it_asks_for() {
    let unit = text("pentad.service");
    let number = |before: &str| -> u64 {
        let at = unit.find(before).unwrap() + before.len();
        let digits = unit[at..].chars().take_while(char::is_ascii_digit);
        digits.collect::<String>().parse().unwrap()
    };
    assert!(number("TimeoutStopSec=") >= number("--shutdown-seconds ") + 15);
    let pod = &deployment()["spec"]["template"]["spec"];
    let settings = yaml("kubernetes.yaml")
        .into_iter()
        .find(|one| one["kind"] == "ConfigMap")
        .unwrap();
    let asked: u64 = settings["data"]["PENTAD_SHUTDOWN_SECONDS"]
        .as_str()
        .unwrap()
        .parse()
        .unwrap();
    let pause = pod["containers"][0]["lifecycle"]["preStop"]["sleep"]["seconds"]
        .as_u64()
        .unwrap();
    assert!(pod["terminationGracePeriodSeconds"].as_u64().unwrap() >= asked + pause + 15);
}

fn deployment() -> Value {
    yaml("kubernetes.yaml")
        .into_iter()
        .find(|one| one["kind"] == "Deployment")
        .unwrap()
}

#[test]
fn the_pod_has_no_privilege_beyond_what_sandboxes_need() {
    let pod = &deployment()["spec"]["template"]["spec"];
    assert_eq!(pod["securityContext"]["runAsNonRoot"], true);
    assert_eq!(pod["hostUsers"], false);
    assert_eq!(pod["automountServiceAccountToken"], false);
    let container = &pod["containers"][0];
    let context = &container["securityContext"];
    assert_eq!(context["allowPrivilegeEscalation"], false);
    assert_eq!(context["readOnlyRootFilesystem"], true);
    assert_eq!(context["capabilities"], json!({"drop": ["ALL"]}));
    assert_eq!(context["privileged"], Value::Null);
    for of_the_node in ["hostNetwork", "hostPID", "hostIPC"] {
        assert_eq!(pod[of_the_node], Value::Null);
    }
    let volumes = pod["volumes"].as_array().unwrap();
    assert!(volumes.iter().all(|volume| volume["hostPath"].is_null()));
    let kinds: Vec<Value> = yaml("kubernetes.yaml")
        .into_iter()
        .map(|one| one["kind"].clone())
        .collect();
    assert!(
        kinds.contains(&json!("NetworkPolicy")) && kinds.contains(&json!("PodDisruptionBudget")),
        "{kinds:?}"
    );
    assert!(
        !kinds.iter().any(|kind| kind.as_str().unwrap().contains("Role")),
        "it asks the cluster for nothing"
    );
}

#[test]
fn what_the_image_copies_is_in_the_repository() {
    let file = text("Containerfile");
    let user = file.lines().find(|line| line.starts_with("USER ")).unwrap();
    assert!(
        user[5..]
            .split(':')
            .all(|id| id.parse::<u32>().is_ok_and(|id| id > 0)),
        "{user}"
    );
    let toolchain = std::fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let version = Regex::new("rust-version = \"([0-9.]+)\"").unwrap();
    let version = &version.captures(&toolchain).unwrap()[1];
    assert!(
        file.contains(&format!("FROM rust:{version}-")),
        "the image is built with rust {version}"
    );
    let pod = deployment();
    let run_as = pod["spec"]["template"]["spec"]["securityContext"]["runAsUser"].to_string();
    assert!(file.contains(&format!("--uid {run_as} ")) && user.contains(&run_as));
    assert!(text("pentad.service").contains("pentad serve"));
}

/// The operations that files and pages ask for, as they are documented.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dashboards_and_alerts_name_what_is_measured() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path()).await;
    let asker = Asker::new(&server.address, &Keys::of(directory.path(), &[]).await);
    let hello = json!({"language": "python", "code": "print(1)"});
    let ran = asker.write("POST", "/api/execute", hello).await;
    assert_eq!(ran["exit_code"], 0, "{ran}");
    let measured = reqwest::get(format!("{}/metrics", server.address))
        .await
        .unwrap()
        .text()
        .await
        .unwrap();
    let has = |metric: &str, labels: &BTreeSet<String>| {
        measured.lines().any(|line| {
            let rest = line.strip_prefix(metric);
            rest.is_some_and(|rest| {
                rest.starts_with(['{', ' '])
                    && labels.iter().all(|label| rest.contains(&format!("{label}=\"")))
            })
        })
    };
    // `name{label="…", label=~"…"}`; the label `instance` is Prometheus' own.
    let selector = Regex::new(r"\b((?:pentad|process)_[a-z_]+)(?:\{([^}]*)\})?").unwrap();
    let label = Regex::new(r"([a-z_]+)=").unwrap();
    let dashboard: Value = serde_json::from_str(&text("grafana.json")).unwrap();
    let mut expressions: Vec<String> = Vec::new();
    for panel in dashboard["panels"].as_array().unwrap() {
        let targets = panel["targets"].as_array().into_iter().flatten();
        expressions.extend(targets.map(|target| target["expr"].as_str().unwrap().to_owned()));
    }
    let variables = dashboard["templating"]["list"].as_array().unwrap().iter();
    expressions
        .extend(variables.filter_map(|variable| Some(variable["query"]["query"].as_str()?.to_owned())));
    let rules = &yaml("alerts.yml")[0]["groups"][0]["rules"];
    expressions.extend(
        rules
            .as_array()
            .unwrap()
            .iter()
            .map(|rule| rule["expr"].as_str().unwrap().to_owned()),
    );
    let mut named = BTreeSet::new();
    for expression in &expressions {
        for found in selector.captures_iter(expression) {
            let labels = found.get(2).map_or("", |labels| labels.as_str());
            let labels: BTreeSet<String> = label
                .captures_iter(labels)
                .map(|label| label[1].to_owned())
                .filter(|label| label != "instance")
                .collect();
            assert!(
                has(&found[1], &labels),
                "nothing measures {} {labels:?} of {expression}",
                &found[1]
            );
            named.insert(found[1].to_owned());
        }
    }
    assert!(named.len() > 20, "{named:?}");
    // And the other way round: what is measured is shown.
    for line in measured
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE pentad_"))
    {
        let metric = format!("pentad_{}", line.split(' ').next().unwrap());
        assert!(
            named.iter().any(|name| name.starts_with(&metric)),
            "the dashboard does not show {metric}"
        );
        assert!(
            measured.contains(&format!("# HELP {metric} ")),
            "{metric} is not explained"
        );
    }
    assert_eq!(yaml("prometheus.yml")[0]["rule_files"], json!(["alerts.yml"]));
}
