//! Archives without the secrets that are in them: every file is read line by line, and what has the form of a
//! secret is blotted out before anything is stored.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::{self, Read, Seek, SeekFrom, Write};

use flate2::Compression;
use flate2::write::GzEncoder;
use pentad_archive::{Caps, read_tar_gz};
use sha2::{Digest as _, Sha256};
use tempfile::SpooledTempFile;

use crate::ingest::SPOOL_BYTES;
use crate::secrets::{KEY_BEGINS, KEY_ENDS, REDACTED, kinds_of_secrets_in, redacted_bytes};
use crate::{Error, Result};

/// The longest line that is looked at as one: a secret across this boundary of a longer one is not seen.
const LINE_BYTES: usize = 8 << 20;

/// How many lines have a secret of each kind.
pub(crate) type Kinds = BTreeMap<&'static str, u64>;

/// Hands on what is written to it, line by line, without secrets.
pub(crate) struct Redactor<W> {
    out: W,
    line: Vec<u8>,
    /// Inside a private key that began on a line before.
    in_key: bool,
    found: Kinds,
}

impl<W: Write> Redactor<W> {
    pub(crate) fn new(out: W) -> Self {
        Self {
            out,
            line: Vec::new(),
            in_key: false,
            found: Kinds::new(),
        }
    }

    /// Writes the last line; what came out, and what was found.
    pub(crate) fn finish(mut self) -> io::Result<(W, Kinds)> {
        self.write_line()?;
        Ok((self.out, self.found))
    }

    fn write_line(&mut self) -> io::Result<()> {
        let line = std::mem::take(&mut self.line);
        let clean = self.clean(&line);
        self.out.write_all(&clean)?;
        drop(clean);
        self.line = line;
        self.line.clear();
        self.line.shrink_to(1 << 16);
        Ok(())
    }

    fn clean<'a>(&mut self, line: &'a [u8]) -> Cow<'a, [u8]> {
        if self.in_key {
            let Some(end) = KEY_ENDS.find(line) else {
                return Cow::Borrowed(b"");
            };
            self.in_key = false;
            return Cow::Owned(redacted_bytes(&line[end.end()..]).into_owned());
        }
        for kind in kinds_of_secrets_in(line) {
            *self.found.entry(kind).or_default() += 1;
        }
        if let Some(begin) = KEY_BEGINS.find_iter(line).last()
            && !KEY_ENDS.is_match(&line[begin.end()..])
            && line.ends_with(b"\n")
        {
            self.in_key = true;
            let mut clean = redacted_bytes(&line[..begin.start()]).into_owned();
            clean.extend_from_slice(REDACTED.as_bytes());
            clean.push(b'\n');
            return Cow::Owned(clean);
        }
        redacted_bytes(line)
    }
}

impl<W: Write> Write for Redactor<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut rest = bytes;
        while !rest.is_empty() {
            let room = LINE_BYTES - self.line.len();
            let end = rest.iter().position(|&byte| byte == b'\n').map(|end| end + 1);
            let taken = end.unwrap_or(rest.len()).min(room);
            self.line.extend_from_slice(&rest[..taken]);
            rest = &rest[taken..];
            if self.line.ends_with(b"\n") || self.line.len() == LINE_BYTES {
                self.write_line()?;
            }
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// Shows what is read of a file to a redactor, to count what it finds.
pub(crate) struct Watched<'a> {
    inner: &'a mut dyn Read,
    redactor: Redactor<io::Sink>,
}

impl<'a> Watched<'a> {
    pub(crate) fn new(inner: &'a mut dyn Read) -> Self {
        Self {
            inner,
            redactor: Redactor::new(io::sink()),
        }
    }

    /// Reads what nobody has read of the file; what was found in all of it.
    pub(crate) fn finish(mut self) -> io::Result<Kinds> {
        io::copy(&mut self, &mut io::sink())?;
        Ok(self.redactor.finish()?.1)
    }
}

impl Read for Watched<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.redactor.write_all(&buffer[..count])?;
        Ok(count)
    }
}

/// An archive without secrets.
pub(crate) struct Redacted {
    pub(crate) archive: SpooledTempFile,
    pub(crate) sha256: [u8; 32],
    pub(crate) size: u64,
}

/// Writes an archive anew, without secrets. It was read before, so that it keeps to its caps.
pub(crate) fn redacted_archive(mut archive: SpooledTempFile, caps: &Caps) -> Result<Redacted> {
    archive.seek(SeekFrom::Start(0)).map_err(Error::Spool)?;
    let hashing = Hashing {
        spool: SpooledTempFile::new(SPOOL_BYTES),
        hash: Sha256::new(),
        size: 0,
    };
    let mut builder = tar::Builder::new(GzEncoder::new(hashing, Compression::default()));
    read_tar_gz(archive, caps, |member, bytes| {
        let mut redactor = Redactor::new(SpooledTempFile::new(SPOOL_BYTES));
        io::copy(bytes, &mut redactor).map_err(pentad_archive::Error::from)?;
        let (mut clean, _) = redactor.finish().map_err(Error::Spool)?;
        let size = clean.stream_position().map_err(Error::Spool)?;
        clean.seek(SeekFrom::Start(0)).map_err(Error::Spool)?;
        let mut header = tar::Header::new_gnu();
        header.set_size(size);
        header.set_mode(0o644);
        builder
            .append_data(&mut header, member.path.as_str(), clean)
            .map_err(Error::Spool)
    })?;
    let written = builder.into_inner().and_then(GzEncoder::finish);
    let Hashing {
        mut spool,
        hash,
        size,
    } = written.map_err(Error::Spool)?;
    spool.seek(SeekFrom::Start(0)).map_err(Error::Spool)?;
    Ok(Redacted {
        archive: spool,
        sha256: hash.finalize().into(),
        size,
    })
}

struct Hashing {
    spool: SpooledTempFile,
    hash: Sha256,
    size: u64,
}

impl Write for Hashing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.spool.write_all(bytes)?;
        self.hash.update(bytes);
        self.size += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.spool.flush()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn clean(text: &[u8], step: usize) -> (Vec<u8>, Kinds) {
        let mut redactor = Redactor::new(Vec::new());
        for part in text.chunks(step) {
            redactor.write_all(part).unwrap();
        }
        redactor.finish().unwrap()
    }

    #[test]
    fn a_key_over_several_lines_goes_as_a_whole() {
        let text = b"before\n-----BEGIN RSA PRIVATE KEY-----\nMIIEpAIBAAK\nabc==\n-----END RSA PRIVATE KEY-----\nafter\n";
        let (clean, found) = clean(text, 7);
        assert_eq!(clean, b"before\n[redacted]\n\nafter\n");
        assert_eq!(found, Kinds::from([("private_key", 1)]));
    }

    #[test]
    fn json_stays_json() {
        let line = r#"{"role":"user","content":"password: \"hunter2hunter2\" at postgres://a:s3cr3t@db, -----BEGIN PRIVATE KEY-----\nMIIE\n-----END PRIVATE KEY-----\nend","api_key": "0123456789abcdef"}"#;
        let (clean, _) = clean(line.as_bytes(), 1000);
        let value: serde_json::Value = serde_json::from_slice(&clean).unwrap();
        assert_eq!(value["api_key"], "[redacted]");
        let content = value["content"].as_str().unwrap();
        for secret in ["s3cr3t", "MIIE"] {
            assert!(!content.contains(secret), "{content}");
        }
        assert!(content.ends_with("end"));
    }

    proptest! {
        #[test]
        fn what_has_no_secret_comes_out_as_it_went_in_however_it_is_cut(
            text in prop::collection::vec(any::<u8>(), 0..2_000), step in 1..300_usize
        ) {
            let (clean, found) = clean(&text, step);
            prop_assume!(found.is_empty());
            prop_assert_eq!(clean, text);
        }
    }
}
