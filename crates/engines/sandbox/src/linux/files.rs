//! Writing the files handed in, inside the sandbox, as the sandbox's user.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::OwnedFd;

use rustix::fs::{Mode, OFlags};

use super::template::step;
use super::wire::{self, Failure, OrderedFile};

/// Reads the content of every file from `control` and writes it below `/.w/u`.
///
/// Files of an earlier run may include symbolic links, so no step follows one.
pub(crate) fn write_all(files: &[OrderedFile], control: &OwnedFd) -> Result<(), Failure> {
    let root = step(
        "open the workspace",
        rustix::fs::open("/.w/u", OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()),
    )?;
    let mut buffer = vec![0; 64 << 10];
    for file in files {
        match file {
            OrderedFile::Symlink { path, target } => {
                let (directory, name) = step(path.as_str(), parent_of(&root, path))?;
                step(path.as_str(), rustix::fs::symlinkat(target, &directory, name))?;
            }
            OrderedFile::Regular {
                path,
                bytes,
                executable,
            } => {
                let mode = Mode::from_raw_mode(if *executable { 0o755 } else { 0o644 });
                let flags =
                    OFlags::CREATE | OFlags::TRUNC | OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                let (directory, name) = step(path.as_str(), parent_of(&root, path))?;
                let opened = rustix::fs::openat(&directory, name, flags, mode);
                let mut opened = File::from(step(path.as_str(), opened)?);
                let mut left = *bytes;
                while left > 0 {
                    let part = left.min(buffer.len());
                    step("read a file", wire::receive_bytes(control, &mut buffer[..part]))?;
                    step(path.as_str(), opened.write_all(&buffer[..part]))?;
                    left -= part;
                }
            }
        }
    }
    Ok(())
}

/// The directory of `path`, made where it does not exist, and the last component.
fn parent_of<'a>(root: &OwnedFd, path: &'a str) -> io::Result<(OwnedFd, &'a str)> {
    let mut directory = root.try_clone()?;
    let (parents, name) = path.rsplit_once('/').unwrap_or(("", path));
    for part in parents.split('/').filter(|part| !part.is_empty()) {
        match rustix::fs::mkdirat(&directory, part, Mode::from_raw_mode(0o755)) {
            Ok(()) | Err(rustix::io::Errno::EXIST) => {}
            Err(error) => return Err(error.into()),
        }
        let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        directory = rustix::fs::openat(&directory, part, flags, Mode::empty())?;
    }
    Ok((directory, name))
}
