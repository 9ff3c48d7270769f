//! A run's bundle as a zip archive, written while it is read.

use std::collections::VecDeque;
use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use flate2::Compression;
use flate2::write::DeflateEncoder;
use pentad_kernel::Actor;
use rawzip::{CompressionMethod, ZipArchiveWriter};

use crate::bundle::{File, Media, Path};
use crate::json::Members;
use crate::names::RunId;
use crate::reading::{self, RunInfo};
use crate::signed_order::Effort;
use crate::{Error, Result, Runs};

/// A zip archive, piece by piece: one file of the run after the other, so that memory holds one file.
/// The same run gives the same bytes.
pub struct BundleZip {
    runs: Runs,
    actor: Actor,
    info: RunInfo,
    signatures: Members,
    effort: Effort,
    paths: VecDeque<String>,
    archive: Option<Archive>,
    written: Sink,
}

impl std::fmt::Debug for BundleZip {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BundleZip")
            .field("run", &self.info.run_id)
            .field("left", &self.paths.len())
            .finish_non_exhaustive()
    }
}

type Archive = ZipArchiveWriter<Sink>;

/// Where the archive is written, and taken from.
#[derive(Clone, Debug, Default)]
struct Sink(Arc<Mutex<Vec<u8>>>);

impl Sink {
    fn take(&self) -> Bytes {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner)).into()
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Runs {
    /// The bundle of a run as a zip archive.
    ///
    /// # Errors
    /// [`Error::RunNotFound`].
    pub async fn bundle_zip(&self, actor: &Actor, run_id: &RunId) -> Result<BundleZip> {
        let info = reading::run(&self.db, &actor.organisation, run_id).await?;
        let written = Sink::default();
        Ok(BundleZip {
            archive: Some(ZipArchiveWriter::new(written.clone())),
            written,
            paths: self.paths(&info).await?.into(),
            signatures: self.signatures(&info).await?,
            effort: Effort::of_run(),
            runs: self.clone(),
            actor: actor.clone(),
            info,
        })
    }
}

impl BundleZip {
    /// The next piece; `None` after the last.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub async fn next(&mut self) -> Result<Option<Bytes>> {
        let Some(mut archive) = self.archive.take() else {
            return Ok(None);
        };
        let damaged = |_| Error::Damaged("an archive that is being written");
        while let Some(path) = self.paths.pop_front() {
            let Some(parsed) = Path::parse(&path) else {
                continue;
            };
            let (runs, actor, info) = (&self.runs, &self.actor, &self.info);
            let file = match runs
                .file_of(actor, info, &parsed, &self.signatures, &mut self.effort)
                .await
            {
                Ok(file) => file,
                // The run may change while it is read.
                Err(Error::FileNotFound) => continue,
                Err(other) => return Err(other),
            };
            let written =
                tokio::task::spawn_blocking(move || add(&mut archive, &path, &file).map(|()| archive));
            archive = written.await.map_err(|_| Error::ShuttingDown)?.map_err(damaged)?;
            self.archive = Some(archive);
            return Ok(Some(self.written.take()));
        }
        archive
            .finish()
            .map_err(|_| Error::Damaged("an archive that is being written"))?;
        Ok(Some(self.written.take()))
    }
}

fn add(archive: &mut Archive, path: &str, file: &File) -> std::io::Result<()> {
    let packed = file.media != Media::Png;
    let method = if packed {
        CompressionMethod::DEFLATE
    } else {
        CompressionMethod::STORE
    };
    let (mut entry, config) = archive
        .new_file(path)
        .compression_method(method)
        .start()
        .map_err(std::io::Error::other)?;
    let finished = if packed {
        let encoder = DeflateEncoder::new(&mut entry, Compression::default());
        let mut writer = config.wrap(encoder);
        writer.write_all(&file.content)?;
        let (encoder, descriptor) = writer.finish().map_err(std::io::Error::other)?;
        encoder.finish()?;
        descriptor
    } else {
        let mut writer = config.wrap(&mut entry);
        writer.write_all(&file.content)?;
        writer.finish().map_err(std::io::Error::other)?.1
    };
    entry.finish(finished).map_err(std::io::Error::other)?;
    Ok(())
}
