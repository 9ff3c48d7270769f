use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, Stat, fgetxattr, openat, readlinkat, statat};

use super::{Baseline, Change, ChangeKind, Content, SkipReason, Skipped};
use crate::WorkspacePath;
use crate::spec::{InputContent, InputFile};

/// Most entries reported as skipped.
const SKIPS: usize = 100;

/// Compares the directory of changed files with what was there before.
///
/// Every process that could write there is gone, so nothing moves underneath; still nothing is opened
/// through a link.
pub(super) fn compare(root: &OwnedFd, before: Baseline) -> io::Result<(Vec<Change>, Vec<Skipped>)> {
    let injected = before.files.iter().filter(|file| file.injected);
    let mut walk = Walk {
        injected: injected.map(|file| file.path.as_str().to_owned()).collect(),
        files: before
            .files
            .into_iter()
            .map(|file| (file.path.as_str().to_owned(), file.content))
            .collect(),
        base: before.base,
        met: BTreeSet::new(),
        changes: BTreeMap::new(),
        skipped: Vec::new(),
    };
    // Its owner may have locked the workspace itself.
    let _ = rustix::fs::fchmod(root, Mode::from_raw_mode(0o755));
    walk.directory(root, "", 0)?;
    walk.missing_files();
    // Nor is what a program put below such a path after making a directory of it.
    walk.changes.retain(|path, _| {
        let above = path.match_indices('/').map(|(end, _)| &path[..end]);
        !above.chain([&path[..]]).any(|path| walk.injected.contains(path))
    });
    let list = walk
        .changes
        .into_iter()
        .map(|(path, kind)| Change { path, kind })
        .collect();
    Ok((list, walk.skipped))
}

struct Walk {
    /// Paths that are none of the user's.
    injected: BTreeSet<String>,
    /// The files handed in.
    files: BTreeMap<String, InputContent>,
    /// The directory that shows through.
    base: Option<PathBuf>,
    /// Files handed in that are still there.
    met: BTreeSet<String>,
    changes: BTreeMap<String, ChangeKind>,
    skipped: Vec<Skipped>,
}

impl Walk {
    fn directory(&mut self, directory: &OwnedFd, prefix: &str, depth: usize) -> io::Result<()> {
        if depth > 0 && is_opaque(directory) {
            self.base_gone(prefix);
        }
        for entry in Dir::read_from(directory)? {
            let entry = entry?;
            let name = entry.file_name();
            if matches!(name.to_bytes(), b"." | b"..") {
                continue;
            }
            let Ok(name) = name.to_str() else {
                let shown = name.to_string_lossy();
                self.skip(format!("{prefix}{shown}"), SkipReason::NotUtf8);
                continue;
            };
            let path = format!("{prefix}{name}");
            let stat = statat(directory, name, AtFlags::SYMLINK_NOFOLLOW)?;
            match FileType::from_raw_mode(stat.st_mode) {
                _ if WorkspacePath::parse(&path).is_err() => self.skip(path, SkipReason::TooDeep),
                FileType::Directory => {
                    self.base_file_gone(&path);
                    let below = open_readable(directory, name, &stat, OFlags::DIRECTORY)?;
                    self.directory(&below, &format!("{path}/"), depth + 1)?;
                }
                FileType::RegularFile => self.regular(directory, name, path, &stat)?,
                FileType::Symlink => self.symlink(directory, name, path)?,
                // How an overlay marks what was deleted from its base.
                FileType::CharacterDevice if stat.st_rdev == 0 => self.base_gone_at(&path),
                _ => self.skip(path, SkipReason::NotAFile),
            }
        }
        Ok(())
    }

    fn regular(&mut self, directory: &OwnedFd, name: &str, path: String, stat: &Stat) -> io::Result<()> {
        let content = Content::File {
            size: stat.st_size as u64,
            executable: stat.st_mode & 0o100 != 0,
            modified: time(stat.st_mtime, stat.st_mtime_nsec),
        };
        let executable = stat.st_mode & 0o100 != 0;
        let file = File::from(open_readable(directory, name, stat, OFlags::NONBLOCK)?);
        let kind = match self.files.get(&path) {
            Some(InputContent::File {
                bytes,
                executable: was,
            }) => {
                let same = *was == executable
                    && bytes.len() as u64 == stat.st_size as u64
                    && same_bytes(&file, &bytes[..])?;
                (!same).then_some(ChangeKind::Changed(content))
            }
            Some(InputContent::Symlink { .. }) => Some(ChangeKind::Changed(content)),
            None => match self.in_base(&path) {
                Some((at, found)) if found.is_file() => {
                    let same = (found.permissions().mode() & 0o100 != 0) == executable
                        && found.len() == stat.st_size as u64
                        && same_bytes(&file, File::open(at)?)?;
                    (!same).then_some(ChangeKind::Changed(content))
                }
                Some((_, found)) if found.is_symlink() => Some(ChangeKind::Changed(content)),
                Some(_) => {
                    self.base_gone(&format!("{path}/"));
                    Some(ChangeKind::Created(content))
                }
                None => Some(ChangeKind::Created(content)),
            },
        };
        self.note(path, kind);
        Ok(())
    }

    fn symlink(&mut self, directory: &OwnedFd, name: &str, path: String) -> io::Result<()> {
        let target = readlinkat(directory, name, Vec::new())?;
        let Ok(target) = target.into_string() else {
            self.skip(path, SkipReason::NotUtf8);
            return Ok(());
        };
        if !stays_inside(&path, &target) {
            self.skip(path, SkipReason::LeadsOutside);
            return Ok(());
        }
        let content = Content::Symlink {
            target: target.clone(),
        };
        let kind = match self.files.get(&path) {
            Some(InputContent::Symlink { target: was }) if *was == target => None,
            Some(_) => Some(ChangeKind::Changed(content)),
            None => match self.in_base(&path) {
                Some((at, found)) if found.is_symlink() => {
                    let same = fs::read_link(at)? == Path::new(&target);
                    (!same).then_some(ChangeKind::Changed(content))
                }
                Some((_, found)) if found.is_dir() => {
                    self.base_gone(&format!("{path}/"));
                    Some(ChangeKind::Created(content))
                }
                Some(_) => Some(ChangeKind::Changed(content)),
                None => Some(ChangeKind::Created(content)),
            },
        };
        self.note(path, kind);
        Ok(())
    }

    fn note(&mut self, path: String, kind: Option<ChangeKind>) {
        self.met.insert(path.clone());
        match kind {
            Some(kind) => {
                self.changes.insert(path, kind);
            }
            // An opaque directory has reported it as deleted; here it is again, the same.
            None => {
                self.changes.remove(&path);
            }
        }
    }

    fn skip(&mut self, path: String, reason: SkipReason) {
        if self.skipped.len() < SKIPS {
            self.skipped.push(Skipped { path, reason });
        }
    }

    fn in_base(&self, path: &str) -> Option<(PathBuf, fs::Metadata)> {
        let at = self.base.as_ref()?.join(path);
        let found = fs::symlink_metadata(&at).ok()?;
        Some((at, found))
    }

    /// A file of the base that a directory has replaced.
    fn base_file_gone(&mut self, path: &str) {
        if self.in_base(path).is_some_and(|(_, found)| !found.is_dir()) && !self.files.contains_key(path) {
            self.changes.insert(path.to_owned(), ChangeKind::Deleted);
        }
    }

    /// What was deleted at `path`: a file, or a whole directory of the base.
    fn base_gone_at(&mut self, path: &str) {
        match self.in_base(path) {
            Some((_, found)) if found.is_dir() => self.base_gone(&format!("{path}/")),
            Some(_) => {
                self.changes.insert(path.to_owned(), ChangeKind::Deleted);
            }
            // A file handed in is noticed as missing.
            None => {}
        }
    }

    /// Everything below `prefix` in the base is no longer seen.
    fn base_gone(&mut self, prefix: &str) {
        let Some(base) = &self.base else { return };
        let mut pending = vec![prefix.to_owned()];
        while let Some(prefix) = pending.pop() {
            let Ok(entries) = fs::read_dir(base.join(&prefix)) else {
                continue;
            };
            for entry in entries.flatten() {
                let (Ok(kind), Ok(name)) = (entry.file_type(), entry.file_name().into_string()) else {
                    continue;
                };
                let path = format!("{prefix}{name}");
                if kind.is_dir() {
                    pending.push(path + "/");
                } else if !self.files.contains_key(&path) {
                    self.changes.insert(path, ChangeKind::Deleted);
                }
            }
        }
    }

    fn missing_files(&mut self) {
        for path in self.files.keys().filter(|path| !self.met.contains(*path)) {
            self.changes.insert(path.clone(), ChangeKind::Deleted);
        }
    }
}

/// Opens something whose owner may have taken all permissions away.
fn open_readable(directory: &OwnedFd, name: &str, stat: &Stat, flags: OFlags) -> io::Result<OwnedFd> {
    let flags = flags | OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    match openat(directory, name, flags, Mode::empty()) {
        Err(rustix::io::Errno::ACCESS) => {
            let mode = Mode::from_raw_mode(stat.st_mode) | Mode::RUSR | Mode::XUSR;
            rustix::fs::chmodat(directory, name, mode, AtFlags::empty())?;
            Ok(openat(directory, name, flags, Mode::empty())?)
        }
        other => Ok(other?),
    }
}

fn is_opaque(directory: &OwnedFd) -> bool {
    let mut value = [0; 1];
    fgetxattr(directory, "user.overlay.opaque", &mut value[..])
        .is_ok_and(|length| length == 1 && value == *b"y")
}

fn same_bytes(one: impl Read, other: impl Read) -> io::Result<bool> {
    let (mut one, mut other) = (
        io::BufReader::with_capacity(64 << 10, one),
        io::BufReader::new(other),
    );
    loop {
        let (left, right) = (
            io::BufRead::fill_buf(&mut one)?,
            io::BufRead::fill_buf(&mut other)?,
        );
        let length = left.len().min(right.len());
        if length == 0 {
            return Ok(left.is_empty() && right.is_empty());
        }
        if left[..length] != right[..length] {
            return Ok(false);
        }
        io::BufRead::consume(&mut one, length);
        io::BufRead::consume(&mut other, length);
    }
}

fn time(seconds: i64, nanos: u64) -> SystemTime {
    // The sandbox's programs may set any time; one before 1970 or beyond the clock is shown as 1970.
    let seconds = u64::try_from(seconds).unwrap_or(0);
    UNIX_EPOCH
        .checked_add(Duration::new(seconds, nanos as u32 % 1_000_000_000))
        .unwrap_or(UNIX_EPOCH)
}

/// Whether a link at `path` (inside the workspace) with `target` never leaves it.
///
/// Upwards only at the beginning, where the directories are those of `path`: behind a name, which may be a link
/// to somewhere higher, `..` leads anywhere.
fn stays_inside(path: &str, target: &str) -> bool {
    if target.is_empty() || target.starts_with('/') || target.len() > WorkspacePath::MAX_BYTES {
        return false;
    }
    let depth = path.matches('/').count();
    let parts = target.split('/').filter(|part| !matches!(*part, "" | "."));
    let up = parts.clone().take_while(|part| *part == "..").count();
    up <= depth && !parts.skip(up).any(|part| part == "..")
}

/// Reads a directory as files to hand in, for systems without overlay mounts.
pub(crate) fn read_directory(base: &Path) -> io::Result<Vec<InputFile>> {
    let mut files = Vec::new();
    let mut pending = vec![String::new()];
    while let Some(prefix) = pending.pop() {
        for entry in fs::read_dir(base.join(&prefix))? {
            let entry = entry?;
            let Ok(name) = entry.file_name().into_string() else {
                continue;
            };
            let path = format!("{prefix}{name}");
            let kind = entry.file_type()?;
            if kind.is_dir() {
                pending.push(path + "/");
                continue;
            }
            let Ok(path) = WorkspacePath::parse(&path) else {
                continue;
            };
            let content = if kind.is_symlink() {
                let Ok(target) = fs::read_link(entry.path())?.into_os_string().into_string() else {
                    continue;
                };
                InputContent::Symlink { target }
            } else if kind.is_file() {
                let executable = entry.metadata()?.permissions().mode() & 0o100 != 0;
                InputContent::File {
                    bytes: fs::read(entry.path())?.into(),
                    executable,
                }
            } else {
                continue;
            };
            files.push(InputFile {
                path,
                content,
                injected: false,
            });
        }
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_that_stay_and_links_that_leave() {
        for (path, target) in [
            ("a", "b"),
            ("d/a", "../b"),
            ("node_modules/.bin/x", "../x/cli.js"),
            ("a", "./b"),
        ] {
            assert!(stays_inside(path, target), "{path} -> {target}");
        }
        for (path, target) in [
            ("a", "../b"),
            ("a", "/etc/passwd"),
            ("d/a", "../../b"),
            ("a", ""),
            ("a", "b/../../c"),
            // Where `d/up` is a link to the top of the workspace, this is beside it.
            ("a", "d/up/../secret"),
        ] {
            assert!(!stays_inside(path, target), "{path} -> {target}");
        }
    }

    fn content(bytes: &[u8]) -> InputContent {
        InputContent::File {
            bytes: bytes.into(),
            executable: false,
        }
    }

    fn compared(base: Option<PathBuf>, files: &[(&str, &str)], now: &Path) -> Vec<(String, &'static str)> {
        let files = files
            .iter()
            .map(|(path, bytes)| InputFile {
                path: WorkspacePath::parse(path).expect("path"),
                content: content(bytes.as_bytes()),
                injected: false,
            })
            .collect();
        let root = File::open(now).expect("directory").into();
        let (changes, _) = compare(&root, Baseline { base, files }).expect("compare");
        changes
            .into_iter()
            .map(|change| {
                let kind = match change.kind {
                    ChangeKind::Created(_) => "created",
                    ChangeKind::Changed(_) => "changed",
                    ChangeKind::Deleted => "deleted",
                };
                (change.path, kind)
            })
            .collect()
    }

    #[test]
    fn files_handed_in_are_compared_by_content() {
        let now = tempfile::tempdir().expect("tempdir");
        fs::write(now.path().join("same"), "1").expect("write");
        fs::write(now.path().join("other"), "2").expect("write");
        fs::create_dir(now.path().join("d")).expect("mkdir");
        fs::write(now.path().join("d/new"), "3").expect("write");
        let seen = compared(None, &[("same", "1"), ("other", "1"), ("gone", "1")], now.path());
        assert_eq!(
            seen,
            [
                ("d/new".to_owned(), "created"),
                ("gone".to_owned(), "deleted"),
                ("other".to_owned(), "changed")
            ]
        );
    }

    #[test]
    fn a_base_shows_through() {
        let (base, now) = (
            tempfile::tempdir().expect("tempdir"),
            tempfile::tempdir().expect("tempdir"),
        );
        for name in ["untouched", "rewritten", "copied-up"] {
            fs::write(base.path().join(name), "old").expect("write");
        }
        fs::write(now.path().join("rewritten"), "new").expect("write");
        fs::write(now.path().join("copied-up"), "old").expect("write");
        let seen = compared(Some(base.path().to_owned()), &[], now.path());
        assert_eq!(seen, [("rewritten".to_owned(), "changed")]);
    }
}
