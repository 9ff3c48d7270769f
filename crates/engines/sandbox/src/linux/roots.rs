//! The root file system of one sandbox, made by its first process.

use std::fs;
use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{CWD, Mode, OFlags};
use rustix::mount::{MountFlags, OpenTreeFlags, UnmountFlags, mount, mount_bind, open_tree, unmount};
use rustix::process::{chdir, pivot_root};

use super::sys::{MountAttributes, set_mount_attributes};
use super::template::{SEALED, Template, attach, step};
use super::wire::{Failure, Spawn};

/// Parts of `/proc` that speak of the host rather than of the sandbox, shown empty.
const PROC_EMPTY: &[&str] = &[
    "cmdline",
    "config.gz",
    "kallsyms",
    "kcore",
    "keys",
    "key-users",
    "kmsg",
    "latency_stats",
    "modules",
    "sched_debug",
    "slabinfo",
    "sysrq-trigger",
    "timer_list",
    "timer_stats",
    "vmallocinfo",
];
/// Parts of `/proc` that could be written by a more privileged user, shown read-only.
const PROC_SEALED: &[&str] = &["bus", "fs", "irq", "sys"];

/// Private writable file systems: no set-user-id programs, no devices.
const WRITABLE: MountFlags = MountFlags::NOSUID.union(MountFlags::NODEV);

/// Builds the root and moves into it. Returns the directory that collects the changed files of the
/// workspace.
pub(crate) fn enter(
    template: Template,
    spec: &Spawn,
    trees: Vec<(OwnedFd, String)>,
) -> Result<OwnedFd, Failure> {
    let clone =
        OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC | OpenTreeFlags::AT_RECURSIVE;
    let root = step("copy the root", open_tree(CWD, template.point, clone))?;
    let seal = MountAttributes {
        set: SEALED,
        id_map: None,
        recursive: false,
    };
    step("seal the root", set_mount_attributes(root.as_fd(), &seal))?;
    step("mount the root", attach(&root, template.point))?;
    step("enter the root", chdir(template.point))?;

    let tmpfs = |target: &str, bytes: u64, files: u32, mode: &str| {
        let data = format!("size={bytes},nr_inodes={},mode={mode}\0", u64::from(files) + 8);
        let data = std::ffi::CStr::from_bytes_with_nul(data.as_bytes()).ok();
        step(
            format!("mount a tmpfs on /{target}"),
            mount("tmpfs", target, "tmpfs", WRITABLE, data),
        )
    };
    tmpfs("tmp", spec.tmp_bytes, spec.workspace_files, "1777")?;
    tmpfs(".w", spec.workspace_bytes, spec.workspace_files, "755")?;
    for directory in [".w/u", ".w/w"] {
        step("make the workspace", fs::create_dir(directory))?;
    }
    step("mount the workspace", mount_bind(".w/u", "workspace"))?;
    for (tree, target) in trees {
        step(format!("mount {target}"), attach(&tree, &format!(".{target}")))?;
    }
    mount_proc()?;

    let upper = step(
        "open the workspace",
        rustix::fs::open(
            ".w/u",
            OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::RDONLY,
            Mode::empty(),
        ),
    )?;
    step("change the root", pivot_root(".", "."))?;
    step("leave the old root", unmount(".", UnmountFlags::DETACH))?;
    step("enter the new root", chdir("/"))?;
    Ok(upper)
}

fn mount_proc() -> Result<(), Failure> {
    let flags = WRITABLE | MountFlags::NOEXEC;
    step("mount /proc", mount("proc", "proc", "proc", flags, None))?;
    for name in PROC_SEALED {
        let path = format!("proc/{name}");
        let Ok(tree) = open_tree(
            CWD,
            &path,
            OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC,
        ) else {
            continue;
        };
        let seal = MountAttributes {
            set: SEALED | libc::MOUNT_ATTR_NOEXEC,
            id_map: None,
            recursive: false,
        };
        step(
            path.clone(),
            set_mount_attributes(tree.as_fd(), &seal).and_then(|()| attach(&tree, &path)),
        )?;
    }
    for name in PROC_EMPTY {
        match mount_bind("dev/null", format!("proc/{name}")) {
            Err(rustix::io::Errno::NOENT) => {}
            other => step(format!("hide /proc/{name}"), other)?,
        }
    }
    Ok(())
}

/// Overlays the workspace on a base directory.
pub(crate) fn overlay_workspace(base: &OwnedFd) -> Result<(), Failure> {
    step("attach the base of the workspace", attach(base, "/.b"))?;
    let data = c"lowerdir=/.b,upperdir=/.w/u,workdir=/.w/w,userxattr";
    step(
        "overlay the workspace",
        mount("overlay", "/workspace", "overlay", WRITABLE, data),
    )?;
    step(
        "hide the base of the workspace",
        unmount("/.b", UnmountFlags::DETACH),
    )
}

/// Takes the second way to the workspace's files away.
pub(crate) fn hide_workings() -> Result<(), Failure> {
    step("hide the workings", unmount("/.w", UnmountFlags::DETACH))
}
