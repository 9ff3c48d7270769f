//! The orders for a run: files, program, payload, handed to process 1 of a sandbox.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::Ordering;
use std::time::Instant;

use super::slot::LinuxSlot;
use super::wire::{self, Began, OrderedFile, Orders};
use crate::changes::Baseline;
use crate::error::{Error, Result};
use crate::spec::{InputContent, InputFile, Run};

/// What is left to do and to remember once the orders are given.
pub(crate) struct Handed {
    /// When the orders were given.
    pub(crate) started: Instant,
    /// Where the program's input goes, if it has any.
    pub(crate) stdin: Option<OwnedFd>,
    pub(crate) input: Vec<u8>,
    /// What the workspace was before the run.
    pub(crate) baseline: Baseline,
}

/// Gives process 1 its orders.
pub(crate) fn hand_over(slot: &mut LinuxSlot, run: Run) -> Result<Handed> {
    let mut baseline = Baseline {
        base: run.workspace.base,
        files: run.workspace.files,
    };
    let mount = match &baseline.base {
        Some(directory) if slot.overlay => Some(slot.base_mount(directory)?),
        Some(_) => {
            copy_base(&mut baseline)?;
            None
        }
        None => None,
    };
    let executable = run
        .executable
        .as_deref()
        .map(|path| slot.tree(path, None))
        .transpose()?;
    let orders = Orders {
        program: run.program,
        payload_bytes: run.payload.len(),
        overlay: mount.is_some(),
        executable: executable.is_some(),
        files: baseline.files.iter().map(ordered).collect(),
    };
    slot.awaits_ready |= orders.program.is_some() && run.announces;

    let started = Instant::now();
    let mut stdin = slot.stdin.take();
    let mounts = [mount.as_ref(), executable.as_ref()];
    give(
        slot,
        &orders,
        &baseline.files,
        &run.payload,
        mounts,
        stdin.as_ref(),
    )?;
    if run.stdin.is_empty() {
        stdin = None;
    } else if !run.payload.is_empty() {
        // The program's input comes after the payload, which process 1 writes.
        began(slot)?;
    }
    Ok(Handed {
        started,
        stdin,
        input: run.stdin,
        baseline,
    })
}

/// Without overlay mounts the base is copied in, under the files that go over it.
fn copy_base(baseline: &mut Baseline) -> Result<()> {
    let Some(base) = baseline.base.take() else {
        return Ok(());
    };
    let mut copied =
        crate::changes::read_directory(&base).map_err(|source| Error::Source { path: base, source })?;
    copied.retain(|copy| !baseline.files.iter().any(|file| file.path == copy.path));
    copied.append(&mut baseline.files);
    baseline.files = copied;
    Ok(())
}

fn ordered(file: &InputFile) -> OrderedFile {
    let path = file.path.as_str().to_owned();
    match &file.content {
        InputContent::File { bytes, executable } => OrderedFile::Regular {
            path,
            bytes: bytes.len(),
            executable: *executable,
        },
        InputContent::Symlink { target } => OrderedFile::Symlink {
            path,
            target: target.clone(),
        },
    }
}

fn give(
    slot: &LinuxSlot,
    orders: &Orders,
    files: &[InputFile],
    payload: &[u8],
    mounts: [Option<&OwnedFd>; 2],
    stdin: Option<&OwnedFd>,
) -> Result<()> {
    let mut descriptors = Vec::new();
    descriptors.extend(mounts.into_iter().flatten().map(AsFd::as_fd));
    if !payload.is_empty() {
        descriptors.extend(stdin.map(AsFd::as_fd));
    }
    let send = || -> io::Result<()> {
        wire::send_frame(&slot.control, orders, &descriptors)?;
        for file in files {
            if let InputContent::File { bytes, .. } = &file.content {
                wire::send_bytes(&slot.control, bytes)?;
            }
        }
        wire::send_bytes(&slot.control, payload)
    };
    match send() {
        Ok(()) => Ok(()),
        // Process 1 has stopped listening, and says why.
        Err(source) => {
            began(slot)?;
            // Cancelled before it began: the outcome says so.
            if slot.reach.cancelled.load(Ordering::Relaxed) {
                return Ok(());
            }
            Err(Error::Workspace {
                step: "hand the files over".into(),
                source,
            })
        }
    }
}

/// Waits for the word that the program runs.
pub(crate) fn began(slot: &LinuxSlot) -> Result<()> {
    match wire::receive_frame::<Began>(&slot.control) {
        Ok(Some((Began::Failed(failure), _))) => Err(Error::Workspace {
            source: failure.source(),
            step: failure.step,
        }),
        // Killed from outside before it could say anything: the report tells.
        Ok(Some((Began::Started, _)) | None) | Err(_) => Ok(()),
    }
}
