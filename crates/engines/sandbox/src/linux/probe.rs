//! Finding out at the start what guards there are, by using them.

use std::fs;
use std::sync::Arc;

use super::LinuxBackend;
use super::LinuxOptions;
use super::cgroup::Cgroups;
use super::launcher::{LaunchError, Launcher};
use super::uids::Uids;
use super::undertaker::Undertaker;
use crate::backend::Discard;
use crate::error::{Error, Result};
use crate::guards::{Guard, GuardReport};
use crate::spec::{Program, Run, Shape, Workspace};

/// Starts the backend and runs one sandbox to see what works.
pub(super) fn start(options: &LinuxOptions) -> Result<LinuxBackend> {
    let root = rustix::process::geteuid().is_root();
    let launcher = match Launcher::start() {
        Ok(launcher) => Arc::new(launcher),
        Err(LaunchError::Step(failure)) => {
            return Err(Error::Unguarded(format!(
                "{}: {}. {}",
                failure.step,
                failure.source(),
                remedy_for_namespaces()
            )));
        }
        Err(LaunchError::Helper(source)) => {
            return Err(Error::Helper {
                doing: "start",
                source,
            });
        }
    };
    let cgroups = (!options.without_cgroups).then(Cgroups::find);
    let mut backend = LinuxBackend {
        undertaker: Undertaker::start().map_err(Error::io("starting a thread"))?,
        launcher,
        cgroups: None,
        uids: if root { Uids::choose() } else { None },
        guards: GuardReport::default(),
    };
    let mut guards = GuardReport::default();
    report_uids(&mut guards, root, backend.uids.is_some());
    report_cgroups(&mut guards, cgroups.as_ref(), root);
    backend.cgroups = cgroups
        .filter(|found| found.memory() || found.processes() || found.cpu())
        .map(Arc::new);
    try_sandbox(&backend, &mut guards)?;
    try_overlay(&mut backend, &mut guards);
    let missing: Vec<String> = guards
        .missing()
        .map(|state| {
            format!(
                "{:?} ({}); {}",
                state.guard,
                state.detail,
                state.remedy.as_deref().unwrap_or("")
            )
        })
        .collect();
    backend.guards = guards;
    if !missing.is_empty() && !options.allow_missing_guards {
        return Err(Error::Unguarded(missing.join(". ")));
    }
    Ok(backend)
}

/// The report where not even the helper could build a sandbox.
pub(super) fn report_of_failure() -> GuardReport {
    let mut guards = GuardReport::default();
    let detail = match start(&LinuxOptions {
        allow_missing_guards: true,
        ..LinuxOptions::default()
    }) {
        Ok(backend) => return backend.guards,
        Err(error) => error.to_string(),
    };
    for guard in [
        Guard::Namespaces,
        Guard::PrivateRoot,
        Guard::PrivateProc,
        Guard::Seccomp,
    ] {
        guards.lacks(guard, detail.clone(), remedy_for_namespaces());
    }
    guards
}

/// Runs a program that reports on itself from inside.
fn try_sandbox(backend: &LinuxBackend, guards: &mut GuardReport) -> Result<()> {
    let refused = |error: &Error| {
        let step = error.to_string();
        let remedy = if step.contains("/proc") {
            remedy_for_proc()
        } else {
            remedy_for_namespaces()
        };
        let source = std::error::Error::source(error)
            .map(ToString::to_string)
            .unwrap_or_default();
        Error::Unguarded(format!("{step}: {source}. {remedy}"))
    };
    let slot = backend
        .prepare_slot(&Shape::default())
        .map_err(|error| refused(&error))?;
    let run = Run {
        program: Some(Program {
            argv: vec![
                "/bin/cat".into(),
                "/proc/self/status".into(),
                "/proc/1/comm".into(),
            ],
            env: vec![("PATH".into(), "/usr/bin:/bin".into())],
        }),
        ..Run::default()
    };
    let outcome = Box::new(slot) as Box<dyn crate::Slot>;
    let outcome = outcome.run(run, &mut Discard)?;
    let said = outcome.stdout.text;
    let line = |name: &str| {
        said.lines()
            .find_map(|line| line.strip_prefix(name))
            .map_or("", str::trim)
    };
    let inside = line("NSpid:")
        .split_whitespace()
        .last()
        .unwrap_or_default()
        .to_owned();
    if outcome.exit_code != 0 {
        let detail = format!(
            "a trial program ended with {}: {}",
            outcome.exit_code,
            outcome.stderr.text.trim()
        );
        guards.lacks(Guard::Namespaces, detail, remedy_for_namespaces());
        return Ok(());
    }
    guards.works(Guard::Namespaces, "user, mount, pid, net, ipc, uts");
    guards.works(Guard::PrivateRoot, "pivot_root into a read-only tmpfs");
    if line("Pid:") == inside && said.contains("sandbox-init") {
        guards.works(
            Guard::PrivateProc,
            format!("the trial program was process {inside}"),
        );
    } else {
        guards.lacks(
            Guard::PrivateProc,
            "the trial program saw other processes",
            remedy_for_proc(),
        );
    }
    if line("Seccomp:") == "2" && line("NoNewPrivs:") == "1" && line("CapEff:") == "0000000000000000" {
        guards.works(
            Guard::Seccomp,
            format!("{} filters, no new privileges", line("Seccomp_filters:")),
        );
    } else {
        guards.lacks(
            Guard::Seccomp,
            "the filter did not take effect",
            "use a kernel with CONFIG_SECCOMP_FILTER=y",
        );
    }
    Ok(())
}

/// Overlays a scratch directory and sees whether a file can be deleted and a directory replaced.
fn try_overlay(backend: &mut LinuxBackend, guards: &mut GuardReport) {
    guards.works(Guard::Overlay, "on trial");
    std::mem::swap(&mut backend.guards, guards);
    let tried = overlay_once(backend);
    std::mem::swap(&mut backend.guards, guards);
    guards.guards.retain(|state| state.guard != Guard::Overlay);
    match tried {
        Ok(()) => guards.works(Guard::Overlay, "overlayfs in a user namespace"),
        Err(detail) => guards.lacks(
            Guard::Overlay,
            detail,
            "use Linux 6.6 or newer with overlayfs; as root the file system must support id-mapped mounts",
        ),
    }
}

fn overlay_once(backend: &LinuxBackend) -> Result<(), String> {
    let base = tempfile::tempdir().map_err(|error| error.to_string())?;
    fs::create_dir(base.path().join("d")).map_err(|error| error.to_string())?;
    fs::write(base.path().join("d/f"), "old").map_err(|error| error.to_string())?;
    let script = "echo new >> d/f && rm -r d && mkdir d && echo x > d/g";
    let run = Run {
        program: Some(Program {
            argv: vec!["/bin/sh".into(), "-c".into(), script.into()],
            env: vec![],
        }),
        workspace: Workspace {
            base: Some(base.path().to_owned()),
            files: vec![],
        },
        ..Run::default()
    };
    let slot: Box<dyn crate::Slot> = Box::new(
        backend
            .prepare_slot(&Shape::default())
            .map_err(|error| error.to_string())?,
    );
    let outcome = slot.run(run, &mut Discard).map_err(|error| {
        let source = std::error::Error::source(&error)
            .map(ToString::to_string)
            .unwrap_or_default();
        format!("{error}: {source}")
    })?;
    let seen: Vec<_> = outcome
        .changes
        .iter()
        .map(|change| change.path.as_str())
        .collect();
    if outcome.exit_code == 0 && seen == ["d/f", "d/g"] {
        return Ok(());
    }
    Err(format!(
        "a trial ended with {} and {seen:?}: {}",
        outcome.exit_code,
        outcome.stderr.text.trim()
    ))
}

fn report_uids(guards: &mut GuardReport, root: bool, chosen: bool) {
    match (root, chosen) {
        (true, true) => guards.works(Guard::PrivateUids, "one for every sandbox"),
        (false, _) => {
            guards.works(
                Guard::PrivateUids,
                "not needed: runs as an ordinary user, in a user namespace",
            );
        }
        (true, false) => guards.lacks(
            Guard::PrivateUids,
            "running as root in a user namespace with a single user",
            "run as an ordinary user, or map at least 2000 user ids into this user namespace",
        ),
    }
}

fn report_cgroups(guards: &mut GuardReport, cgroups: Option<&Cgroups>, root: bool) {
    let remedy = if root {
        "mount a cgroup v2 hierarchy with the memory, pids and cpu controllers, writable"
    } else {
        "run under systemd with Delegate=yes (systemd-run --user --scope -p Delegate=yes PROGRAM)"
    };
    let (detail, mechanism) = match cgroups {
        Some(found) => (found.refusal.clone(), found.describe()),
        None => ("switched off".to_owned(), ""),
    };
    let entries = [
        (Guard::MemoryCgroup, cgroups.is_some_and(Cgroups::memory)),
        (Guard::ProcessesCgroup, cgroups.is_some_and(Cgroups::processes)),
        (Guard::CpuCgroup, cgroups.is_some_and(Cgroups::cpu)),
    ];
    for (guard, works) in entries {
        if works {
            guards.works(guard, mechanism);
        } else {
            guards.lacks(guard, detail.clone(), remedy);
        }
    }
}

/// Why namespaces may be refused, and what to do: the first cause that shows.
fn remedy_for_namespaces() -> String {
    let setting = |path: &str| {
        fs::read_to_string(path)
            .map(|text| text.trim().to_owned())
            .unwrap_or_default()
    };
    if setting("/proc/sys/kernel/apparmor_restrict_unprivileged_userns") == "1" {
        return "AppArmor restricts user namespaces: \
                sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0, \
                or add an AppArmor profile for this program with `userns,`"
            .into();
    }
    if setting("/proc/sys/kernel/unprivileged_userns_clone") == "0" {
        return "sudo sysctl -w kernel.unprivileged_userns_clone=1".into();
    }
    if setting("/proc/sys/user/max_user_namespaces") == "0" {
        return "sudo sysctl -w user.max_user_namespaces=10000".into();
    }
    if in_container() {
        return "this is a container that forbids namespaces: start it with \
                --security-opt seccomp=unconfined --security-opt apparmor=unconfined \
                --security-opt systempaths=unconfined (and --cap-add SYS_ADMIN when running as root in it)"
            .into();
    }
    "Linux 5.12 or newer with CONFIG_USER_NS=y is needed".into()
}

fn remedy_for_proc() -> String {
    "parts of /proc are masked, as containers do: start it with --security-opt systempaths=unconfined \
     (Kubernetes: procMount: Unmasked)"
        .into()
}

fn in_container() -> bool {
    let marks = ["/.dockerenv", "/run/.containerenv"];
    marks.iter().any(|mark| std::path::Path::new(mark).exists())
        || std::env::var_os("KUBERNETES_SERVICE_HOST").is_some()
}
