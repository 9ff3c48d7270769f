//! One pass over a pushed archive: hash, inflate under caps, validate, extract.
//!
//! The archive arrives as a stream and is read by a thread of its own through a short queue. What goes by
//! is written to a spool beside the hash; of the content only what a session is known by is kept. Memory
//! does not grow with the archive.

use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};

use bytes::Bytes;
use futures_util::{Stream, StreamExt as _};
use pentad_archive::{Caps, read_tar_gz};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use tempfile::SpooledTempFile;
use tokio::sync::mpsc;

use crate::frames::{Frame, FrameWriter};
use crate::manifest::{Git, Metadata};
use crate::message::Message;
use crate::redact::{Kinds, Watched, redacted_archive};
use crate::secrets::kinds_of_secrets;
use crate::summary::{Facts, Gatherer};
use crate::surrogates::without_lone_surrogates;
use crate::{Error, Result};

/// What bounds the reading of an archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ArchiveLimits {
    /// Bytes of the archive as it is sent; the plan may say less. Default 300 MiB.
    pub archive_bytes: u64,
    /// Bytes of one file in it; the plan may say less. Default 100 MiB.
    pub member_bytes: u64,
    /// Bytes of everything in it, unpacked. Default 1 GiB.
    pub unpacked_bytes: u64,
    /// Files, directories and other records in it. Default 20,000.
    pub members: u64,
    /// Bytes unpacked for each byte packed, looked at once a few megabytes are unpacked. Default 200.
    pub ratio: u64,
    /// Bytes of one message: longer ones stay in the archive and are not shown one by one. Default 8 MiB.
    pub message_bytes: usize,
    /// Bytes of `manifest.json`, `workspace.json` and `tools.json` each. Default 4 MiB.
    pub document_bytes: u64,
    /// Bytes of text searched for secrets while the client waits. Default 32 MiB.
    pub scanned_bytes: u64,
}

impl Default for ArchiveLimits {
    fn default() -> Self {
        Self {
            archive_bytes: 300 << 20,
            member_bytes: 100 << 20,
            unpacked_bytes: 1 << 30,
            members: 20_000,
            ratio: 200,
            message_bytes: 8 << 20,
            document_bytes: 4 << 20,
            scanned_bytes: 32 << 20,
        }
    }
}

/// What is done about secrets in pushed sessions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SecretScan {
    /// Nothing is looked for.
    #[default]
    Off,
    /// What is found in messages is noted on the session.
    Warn,
    /// What is found in any file is noted, and blotted out before anything is stored: the session's etag is then
    /// that of the archive without it. Everything is looked at before the answer, whatever
    /// [`ArchiveLimits::scanned_bytes`] says.
    Redact,
}

/// Bytes of an archive kept in memory before they go to a file.
pub(crate) const SPOOL_BYTES: usize = 2 << 20;
/// Chunks that wait for the reading thread.
const QUEUE: usize = 8;

/// What one pass over an archive gave.
pub(crate) struct Ingested {
    /// The archive that is to be stored.
    pub(crate) archive: SpooledTempFile,
    pub(crate) sha256: [u8; 32],
    pub(crate) size: u64,
    /// The hash of the archive that was sent.
    pub(crate) sent_sha256: [u8; 32],
    pub(crate) extracted: Extracted,
}

/// What is kept of an archive's content.
pub(crate) struct Extracted {
    pub(crate) metadata: Metadata,
    pub(crate) git: Git,
    pub(crate) workspace: Option<Value>,
    pub(crate) tools: Option<Value>,
    pub(crate) messages: Option<SpooledTempFile>,
    pub(crate) frames: Vec<Frame>,
    pub(crate) facts: Facts,
    pub(crate) first_user_text: Option<String>,
    /// What a scan for secrets found; `None` without a scan.
    pub(crate) secrets: Option<SecretsFound>,
}

/// What a scan for secrets found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct SecretsFound {
    /// Whether they were blotted out.
    pub(crate) redacted: bool,
    /// Messages with a secret of each kind.
    pub(crate) messages: Kinds,
    /// Lines of other files with one.
    pub(crate) elsewhere: Kinds,
    /// Whether all the text was looked at.
    pub(crate) complete: bool,
}

impl SecretsFound {
    fn is_empty(&self) -> bool {
        self.messages.is_empty() && self.elsewhere.is_empty()
    }
}

/// Reads the archive that `body` streams.
pub(crate) async fn ingest<S>(
    body: S,
    limits: ArchiveLimits,
    member_limit: u64,
    scan: SecretScan,
) -> Result<Ingested>
where
    S: Stream<Item = io::Result<Bytes>>,
{
    let (send, receive) = mpsc::channel::<io::Result<Bytes>>(QUEUE);
    let reading = tokio::task::spawn_blocking(move || read(receive, &limits, member_limit, scan));
    let mut body = std::pin::pin!(body);
    while let Some(chunk) = body.next().await {
        let failed = chunk.is_err();
        // The reader hangs up when it has seen enough to refuse the archive.
        if send.send(chunk).await.is_err() || failed {
            break;
        }
    }
    drop(send);
    reading.await.map_err(|panic| Error::Internal(panic.into()))?
}

fn read(
    receive: mpsc::Receiver<io::Result<Bytes>>,
    limits: &ArchiveLimits,
    member_limit: u64,
    scan: SecretScan,
) -> Result<Ingested> {
    let mut tap = Tap {
        receive,
        chunk: Bytes::new(),
        hash: Sha256::new(),
        spool: SpooledTempFile::new(SPOOL_BYTES),
        size: 0,
        limit: limits.archive_bytes,
        too_large: false,
        interrupted: false,
        spool_failed: None,
    };
    let extracted = extract(&mut tap, limits, member_limit, scan);
    if tap.too_large {
        return Err(Error::ArchiveTooLarge {
            limit: limits.archive_bytes,
        });
    }
    if let Some(error) = tap.spool_failed {
        return Err(Error::Spool(error));
    }
    if tap.interrupted {
        return Err(Error::Interrupted);
    }
    let mut extracted = extracted?;
    let sent_sha256 = tap.hash.finalize().into();
    let found = extracted.secrets.take();
    if scan == SecretScan::Redact
        && let Some(found) = found.as_ref().filter(|found| !found.is_empty())
    {
        let clean = redacted_archive(tap.spool, &caps(limits, member_limit.min(limits.member_bytes)))?;
        let mut archive = clean.archive;
        let mut extracted = extract(&mut archive, limits, u64::MAX, SecretScan::Off)?;
        extracted.secrets = Some(found.clone());
        archive.seek(SeekFrom::Start(0)).map_err(Error::Spool)?;
        return Ok(Ingested {
            archive,
            sha256: clean.sha256,
            size: clean.size,
            sent_sha256,
            extracted,
        });
    }
    extracted.secrets = found;
    tap.spool.seek(SeekFrom::Start(0)).map_err(Error::Spool)?;
    Ok(Ingested {
        archive: tap.spool,
        sha256: sent_sha256,
        size: tap.size,
        sent_sha256,
        extracted,
    })
}

/// Hands on the bytes of the stream, hashing and spooling them.
struct Tap {
    receive: mpsc::Receiver<io::Result<Bytes>>,
    chunk: Bytes,
    hash: Sha256,
    spool: SpooledTempFile,
    size: u64,
    limit: u64,
    too_large: bool,
    interrupted: bool,
    spool_failed: Option<io::Error>,
}

impl Read for Tap {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.chunk.is_empty() {
            match self.receive.blocking_recv() {
                None => return Ok(0),
                Some(Err(error)) => {
                    self.interrupted = true;
                    return Err(error);
                }
                Some(Ok(chunk)) => {
                    self.size += chunk.len() as u64;
                    if self.size > self.limit {
                        self.too_large = true;
                        return Err(io::ErrorKind::FileTooLarge.into());
                    }
                    self.hash.update(&chunk);
                    if let Err(error) = self.spool.write_all(&chunk) {
                        self.spool_failed = Some(error);
                        return Err(io::ErrorKind::Other.into());
                    }
                    self.chunk = chunk;
                }
            }
        }
        let count = buffer.len().min(self.chunk.len());
        buffer[..count].copy_from_slice(&self.chunk.split_to(count));
        Ok(count)
    }
}

/// Reads archive and content; also used where an archive is at hand already.
pub(crate) fn extract(
    reader: impl Read,
    limits: &ArchiveLimits,
    member_limit: u64,
    scan: SecretScan,
) -> Result<Extracted> {
    let member_limit = member_limit.min(limits.member_bytes);
    let mut content = Content::new(limits, scan);
    read_tar_gz(reader, &caps(limits, member_limit), |member, bytes| {
        if member.size > member_limit {
            return Err(Error::MemberTooLarge {
                file: member.path.as_str().to_owned(),
                size: member.size,
                limit: member_limit,
            });
        }
        content.member(member.path.as_str(), bytes)
    })?;
    content.finish()
}

fn caps(limits: &ArchiveLimits, member_limit: u64) -> Caps {
    Caps {
        max_members: limits.members,
        max_member_bytes: limits.unpacked_bytes,
        max_unpacked_bytes: limits.unpacked_bytes,
        max_name_bytes: 8 << 20,
        max_ratio: Some(limits.ratio),
        // One file that the plan allows is allowed however well it packs.
        ratio_free_bytes: member_limit.saturating_add(16 << 20),
        ..Caps::default()
    }
}

/// What is gathered from the members of an archive.
struct Content<'a> {
    limits: &'a ArchiveLimits,
    manifest: Option<Value>,
    workspace: Option<Value>,
    tools: Option<Value>,
    messages: Option<(SpooledTempFile, Vec<Frame>)>,
    gatherer: Gatherer,
    scan: SecretScan,
    found: SecretsFound,
    /// Bytes that may still be looked at while the client waits.
    scannable: u64,
}

impl<'a> Content<'a> {
    fn new(limits: &'a ArchiveLimits, scan: SecretScan) -> Self {
        Self {
            limits,
            manifest: None,
            workspace: None,
            tools: None,
            messages: None,
            gatherer: Gatherer::default(),
            scan,
            found: SecretsFound {
                redacted: scan == SecretScan::Redact,
                complete: true,
                ..SecretsFound::default()
            },
            scannable: limits.scanned_bytes,
        }
    }

    /// The files of a session lie at the top or in one directory.
    fn member(&mut self, path: &str, bytes: &mut dyn Read) -> Result<()> {
        let name = match path.split_once('/') {
            None => path,
            Some((_, name)) => name,
        };
        if self.scan != SecretScan::Redact {
            return self.keep(name, bytes);
        }
        let mut watched = Watched::new(bytes);
        self.keep(name, &mut watched)?;
        let kinds = watched.finish().map_err(pentad_archive::Error::from)?;
        let found = match name {
            "messages.jsonl" => &mut self.found.messages,
            _ => &mut self.found.elsewhere,
        };
        for (kind, lines) in kinds {
            *found.entry(kind).or_default() += lines;
        }
        Ok(())
    }

    fn keep(&mut self, name: &str, bytes: &mut dyn Read) -> Result<()> {
        match name {
            "manifest.json" if self.manifest.is_none() => self.manifest = self.document(bytes)?,
            "workspace.json" if self.workspace.is_none() => self.workspace = self.document(bytes)?,
            "tools.json" if self.tools.is_none() => self.tools = self.document(bytes)?,
            "messages.jsonl" if self.messages.is_none() => self.read_messages(bytes)?,
            _ => {}
        }
        Ok(())
    }

    /// A JSON document; one that is too long or no JSON is as if it were not there.
    fn document(&self, bytes: &mut dyn Read) -> Result<Option<Value>> {
        let mut text = Vec::new();
        bytes
            .take(self.limits.document_bytes + 1)
            .read_to_end(&mut text)
            .map_err(pentad_archive::Error::from)?;
        if text.len() as u64 > self.limits.document_bytes {
            return Ok(None);
        }
        let text = String::from_utf8_lossy(&text);
        Ok(serde_json::from_str(&without_lone_surrogates(&text)).ok())
    }

    fn read_messages(&mut self, bytes: &mut dyn Read) -> Result<()> {
        let spool = SpooledTempFile::new(SPOOL_BYTES);
        let mut writer = FrameWriter::new(spool).map_err(Error::Spool)?;
        let mut bytes = BufReader::with_capacity(64 << 10, bytes);
        let mut line = Vec::new();
        while read_line(&mut bytes, &mut line, self.limits.message_bytes)
            .map_err(pentad_archive::Error::from)?
        {
            // What is no Unicode is replaced in what is shown; the archive keeps it as it is.
            let text = String::from_utf8_lossy(&line);
            let text = &*without_lone_surrogates(text.trim());
            let message = Message::parse(text);
            let visible = message.as_ref().is_some_and(Message::is_visible);
            if let Some(message) = &message {
                self.gatherer.message(message);
                self.scan_line(text);
            }
            let shown = if message.is_some() { text } else { "" };
            writer.line(shown.as_bytes(), visible).map_err(Error::Spool)?;
        }
        let (mut spool, frames) = writer.finish().map_err(Error::Spool)?;
        spool.seek(SeekFrom::Start(0)).map_err(Error::Spool)?;
        self.messages = Some((spool, frames));
        Ok(())
    }

    fn scan_line(&mut self, text: &str) {
        if self.scan != SecretScan::Warn {
            return;
        }
        if text.len() as u64 > self.scannable {
            self.found.complete = false;
            return;
        }
        self.scannable -= text.len() as u64;
        for kind in kinds_of_secrets(text) {
            *self.found.messages.entry(kind).or_default() += 1;
        }
    }

    fn finish(self) -> Result<Extracted> {
        let (facts, first_user_text) = self.gatherer.finish();
        let (messages, frames) = self
            .messages
            .map_or((None, Vec::new()), |(spool, frames)| (Some(spool), frames));
        Ok(Extracted {
            metadata: Metadata::read(self.manifest.as_ref().unwrap_or(&Value::Null)),
            git: Git::read(self.workspace.as_ref().unwrap_or(&Value::Null)),
            workspace: self.workspace,
            tools: self.tools,
            messages: messages.filter(|_| !frames.is_empty()),
            frames,
            facts,
            first_user_text,
            secrets: (self.scan != SecretScan::Off).then_some(self.found),
        })
    }
}

/// The next line without its break; false at the end. A line longer than `max` is given as empty.
fn read_line(reader: &mut impl BufRead, line: &mut Vec<u8>, max: usize) -> io::Result<bool> {
    line.clear();
    if line.capacity() > 1 << 20 {
        line.shrink_to(1 << 16);
    }
    let mut any = false;
    let mut too_long = false;
    loop {
        let bytes = reader.fill_buf()?;
        if bytes.is_empty() {
            break;
        }
        any = true;
        let end = bytes.iter().position(|&byte| byte == b'\n');
        let part = &bytes[..end.unwrap_or(bytes.len())];
        if line.len() + part.len() > max {
            too_long = true;
            line.clear();
        } else if !too_long {
            line.extend_from_slice(part);
        }
        let used = end.map_or(bytes.len(), |end| end + 1);
        reader.consume(used);
        if end.is_some() {
            break;
        }
    }
    Ok(any)
}
