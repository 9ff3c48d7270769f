//! The minimal root every sandbox starts from, built once by the helper in its own mount namespace and
//! copied by every sandbox in one system call.

use std::fs;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::symlink;
use std::path::Path;

use rustix::fs::CWD;
use rustix::mount::{MountFlags, MoveMountFlags, OpenTreeFlags, move_mount, open_tree};

use super::sys::{MountAttributes, set_mount_attributes};
use super::wire::Failure;
use crate::spec::EXECUTABLE;

/// Read-only, no set-user-id programs, no devices.
pub(crate) const SEALED: u64 = libc::MOUNT_ATTR_RDONLY | libc::MOUNT_ATTR_NOSUID | libc::MOUNT_ATTR_NODEV;

/// Directories that exist everywhere and that a sandbox never shows: one of them is covered by the template
/// in the helper's own mount namespace, so no directory has to be made and left behind.
const POINTS: &[&str] = &["/sys", "/boot", "/mnt", "/media", "/srv"];

/// Files of `/etc` that are public and that the C library and TLS clients need.
const ETC: &[&str] = &[
    "/etc/ld.so.cache",
    "/etc/localtime",
    "/etc/alternatives",
    "/etc/ssl/certs",
    "/etc/ssl/openssl.cnf",
    "/etc/pki/tls/certs",
    "/etc/pki/ca-trust/extracted",
];

const DEVICES: &[&str] = &["null", "zero", "full", "random", "urandom"];

const WRITTEN: &[(&str, &str)] = &[
    ("etc/passwd", "sandbox:x:1000:1000::/tmp:/bin/sh\n"),
    ("etc/group", "sandbox:x:1000:\n"),
    ("etc/hosts", "127.0.0.1 localhost sandbox\n"),
    ("etc/hostname", "sandbox\n"),
    (
        "etc/nsswitch.conf",
        "passwd: files\ngroup: files\nhosts: files dns\n",
    ),
    ("etc/resolv.conf", ""),
];

/// Where the template is mounted in the helper's mount namespace.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Template {
    pub(crate) point: &'static str,
}

/// Names a step for the report of its failure.
pub(crate) fn step<T, E: Into<io::Error>>(
    name: impl Into<String>,
    result: Result<T, E>,
) -> Result<T, Failure> {
    result.map_err(|error| Failure::new(name, &error.into()))
}

/// A detached copy of the mount tree at `path`, sealed.
pub(crate) fn sealed_tree(path: &Path) -> io::Result<OwnedFd> {
    let tree = open_tree(
        CWD,
        path,
        OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC | OpenTreeFlags::AT_RECURSIVE,
    )?;
    set_mount_attributes(
        tree.as_fd(),
        &MountAttributes {
            set: SEALED,
            id_map: None,
            recursive: true,
        },
    )?;
    Ok(tree)
}

/// Puts a detached tree at a path.
pub(crate) fn attach(tree: &OwnedFd, path: &str) -> io::Result<()> {
    Ok(move_mount(
        tree,
        "",
        CWD,
        path,
        MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH,
    )?)
}

impl Template {
    /// Builds the template. The caller is alone in its mount namespace.
    pub(crate) fn build() -> Result<Self, Failure> {
        let point = step(
            "find a directory to cover",
            POINTS
                .iter()
                .find(|point| Path::new(point).is_dir())
                .ok_or(io::Error::from(io::ErrorKind::NotFound)),
        )?;
        let template = Self { point };
        let data = c"size=1m,nr_inodes=1024,mode=755";
        let flags = MountFlags::NOSUID | MountFlags::NODEV;
        step(
            "mount a tmpfs",
            rustix::mount::mount("tmpfs", *point, "tmpfs", flags, data),
        )?;
        for directory in ["etc", "dev", "tmp", "proc", "workspace", "opt", ".w", ".b"] {
            step(
                "make the directories of the root",
                fs::create_dir(template.inside(directory)),
            )?;
        }
        step(
            "make a place for executables",
            template.make_target(EXECUTABLE, false),
        )?;
        template.add_system()?;
        for (path, content) in WRITTEN {
            step(
                "write the files of /etc",
                fs::write(template.inside(path), content),
            )?;
        }
        template.add_devices()?;
        Ok(template)
    }

    /// Makes sure that something can be mounted at `target`.
    pub(crate) fn make_target(&self, target: &str, directory: bool) -> io::Result<()> {
        let relative = target.strip_prefix('/').unwrap_or(target);
        if relative.split('/').any(|part| matches!(part, "" | "." | "..")) {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let path = self.inside(relative);
        if Path::new(&path).exists() {
            return Ok(());
        }
        if directory {
            return fs::create_dir_all(path);
        }
        if let Some(parent) = Path::new(&path).parent() {
            fs::create_dir_all(parent)?;
        }
        fs::write(path, "")
    }

    fn inside(&self, relative: &str) -> String {
        format!("{}/{relative}", self.point)
    }

    /// `/usr` and its satellites, as the host has them: links on a merged system, directories elsewhere.
    fn add_system(&self) -> Result<(), Failure> {
        for name in ["usr", "bin", "sbin", "lib", "lib32", "lib64"] {
            let host = format!("/{name}");
            let inside = self.inside(name);
            match fs::symlink_metadata(&host) {
                Ok(found) if found.is_symlink() => {
                    let target = step(host.clone(), fs::read_link(&host))?;
                    step(host, symlink(target, inside))?;
                }
                Ok(found) if found.is_dir() => {
                    step(host.clone(), fs::create_dir(&inside))?;
                    step(
                        host.clone(),
                        sealed_tree(Path::new(&host)).and_then(|tree| attach(&tree, &inside)),
                    )?;
                }
                _ => {}
            }
        }
        for path in ETC.iter().filter(|path| Path::new(path).exists()) {
            step(*path, self.make_target(path, Path::new(path).is_dir()))?;
            let inside = format!("{}{path}", self.point);
            step(
                *path,
                sealed_tree(Path::new(path)).and_then(|tree| attach(&tree, &inside)),
            )?;
        }
        Ok(())
    }

    fn add_devices(&self) -> Result<(), Failure> {
        for device in DEVICES {
            let (host, inside) = (format!("/dev/{device}"), self.inside(&format!("dev/{device}")));
            step(host.clone(), fs::write(&inside, ""))?;
            let tree = open_tree(
                CWD,
                &host,
                OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC,
            );
            step(
                host,
                tree.map_err(io::Error::from)
                    .and_then(|tree| attach(&tree, &inside)),
            )?;
        }
        let links = [
            ("fd", "/proc/self/fd"),
            ("stdin", "/proc/self/fd/0"),
            ("stdout", "/proc/self/fd/1"),
            ("stderr", "/proc/self/fd/2"),
            ("shm", "/tmp"),
        ];
        for (name, target) in links {
            step(
                "link the devices",
                symlink(target, self.inside(&format!("dev/{name}"))),
            )?;
        }
        Ok(())
    }
}
