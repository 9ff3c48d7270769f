//! The reader that a visitor gets: counted, checked, and unable to hide a failure.

use std::cell::Cell;
use std::io::{self, Read, Seek, SeekFrom};

use flate2::Crc;

use crate::caps::{Caps, Exceeded, Limit};
use crate::error::{Error, from_decoder};

/// The caller's reader, which remembers whether a failure was its own. Decoders report damage
/// and pass on failures by the same `io::Error`; only this tells them apart.
pub(crate) struct Source<'a, R> {
    inner: R,
    failed: &'a Cell<bool>,
    consumed: &'a Cell<u64>,
}

impl<'a, R> Source<'a, R> {
    pub(crate) fn new(inner: R, failed: &'a Cell<bool>, consumed: &'a Cell<u64>) -> Self {
        Self {
            inner,
            failed,
            consumed,
        }
    }
}

impl<R: Read> Read for Source<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.inner.read(buffer) {
            Ok(count) => {
                self.consumed.set(self.consumed.get() + count as u64);
                Ok(count)
            }
            Err(error) => {
                self.failed.set(error.kind() != io::ErrorKind::Interrupted);
                Err(error)
            }
        }
    }
}

/// A seekable reader read by position.
pub(crate) struct Positioned<R> {
    inner: std::cell::RefCell<R>,
    failed: Cell<bool>,
}

impl<R: Read + Seek> Positioned<R> {
    pub(crate) fn new(inner: R) -> Self {
        Self {
            inner: inner.into(),
            failed: Cell::new(false),
        }
    }

    pub(crate) fn length(&self) -> io::Result<u64> {
        self.inner.borrow_mut().seek(SeekFrom::End(0))
    }

    pub(crate) fn failed(&self) -> bool {
        self.failed.get()
    }
}

impl<R: Read + Seek> rawzip::ReaderAt for Positioned<R> {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut inner = self.inner.borrow_mut();
        let result = inner
            .seek(SeekFrom::Start(offset))
            .and_then(|_| inner.read(buffer));
        if let Err(error) = &result {
            self.failed.set(error.kind() != io::ErrorKind::Interrupted);
        }
        result
    }
}

/// What the archive says of the content of an entry: not believed, but held against it.
pub(crate) struct Stated {
    pub(crate) size: u64,
    pub(crate) crc: Option<u32>,
}

/// The unpacked bytes of one entry, held to the caps.
///
/// INVARIANT: never hands out a byte past a cap, and keeps the first failure, so that the verdict
/// on the archive does not depend on what the visitor made of the error. The end of the content
/// is reported only when the content is what the archive stated; a cut entry never looks whole.
pub(crate) struct Metered<'a, R> {
    pub(crate) inner: R,
    pub(crate) name: &'a str,
    pub(crate) caps: &'a Caps,
    pub(crate) total: &'a mut u64,
    pub(crate) read: u64,
    pub(crate) crc: Crc,
    pub(crate) stated: Stated,
    pub(crate) source_failed: &'a dyn Fn() -> bool,
    pub(crate) failure: Option<Error>,
}

impl<R: Read> Metered<'_, R> {
    fn over(&self) -> Option<Exceeded> {
        if self.read > self.caps.max_member_bytes {
            Some(Exceeded {
                limit: Limit::MemberBytes,
                max: self.caps.max_member_bytes,
            })
        } else if *self.total > self.caps.max_unpacked_bytes {
            Some(Exceeded {
                limit: Limit::UnpackedBytes,
                max: self.caps.max_unpacked_bytes,
            })
        } else {
            None
        }
    }

    fn fail(&mut self, failure: Error) -> io::Error {
        let copy = io::Error::new(io::ErrorKind::InvalidData, failure.to_string());
        self.failure = Some(failure);
        copy
    }

    fn check_end(&self) -> Option<Error> {
        let damage = if self.read < self.stated.size {
            "it ends early"
        } else if self.read > self.stated.size {
            "it is longer than stated"
        } else if self.stated.crc.is_some_and(|crc| crc != self.crc.sum()) {
            "its checksum is wrong"
        } else {
            return None;
        };
        Some(Error::corrupt(Some(self.name), damage))
    }

    /// Reads what the visitor left, then says whether the entry was sound.
    pub(crate) fn finish(mut self) -> Result<(), Error> {
        if self.failure.is_none() {
            // A failure is kept in `failure`; the copy of it returned here says less.
            let _ = io::copy(&mut self, &mut io::sink());
        }
        self.failure.map_or(Ok(()), Err)
    }
}

impl<R: Read> Read for Metered<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.failure.is_some() {
            return Err(io::Error::other("this entry was refused"));
        }
        let member_left = self.caps.max_member_bytes.saturating_sub(self.read);
        let total_left = self.caps.max_unpacked_bytes.saturating_sub(*self.total);
        // One byte more than allowed, so that going over is seen.
        let allowed = usize::try_from(member_left.min(total_left))
            .unwrap_or(usize::MAX)
            .saturating_add(1);
        let wanted = buffer.len().min(allowed);
        let count = match self.inner.read(&mut buffer[..wanted]) {
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Err(error),
            Err(error) => {
                let failure = if (self.source_failed)() {
                    Error::Read { source: error }
                } else {
                    from_decoder(Some(self.name), error)
                };
                return Err(self.fail(failure));
            }
        };
        self.read += count as u64;
        *self.total += count as u64;
        if let Some(exceeded) = self.over() {
            return Err(self.fail(Error::exceeded(exceeded, Some(self.name))));
        }
        if count == 0
            && !buffer.is_empty()
            && let Some(damage) = self.check_end()
        {
            return Err(self.fail(damage));
        }
        self.crc.update(&buffer[..count]);
        Ok(count)
    }
}
