//! Tar archives in gzip, in one pass over a stream.

use std::cell::{Cell, RefCell};
use std::collections::HashSet;
use std::io::{self, BufRead, BufReader, Read};

use flate2::Crc;
use flate2::bufread::GzDecoder;
use tar::EntryType;

use crate::caps::{Caps, Census, Exceeded, Limit};
use crate::content::{Metered, Source, Stated};
use crate::error::{Error, SpecialKind, from_decoder, printable};
use crate::path::{PathError, SafePath};

/// A file in a tar archive.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Member {
    /// Its path.
    pub path: SafePath,
    /// Its length in bytes, as its header states and the visit proves.
    pub size: u64,
}

/// What an archive held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Summary {
    /// Files shown to the visitor.
    pub files: u64,
    /// Bytes in those files.
    pub file_bytes: u64,
    /// Bytes of tar, headers and padding included.
    pub unpacked_bytes: u64,
    /// Bytes of gzip, the whole of what the reader held.
    pub packed_bytes: u64,
}

/// Reads a `.tar.gz` to its end, showing every file to `visit` in the order of the archive.
///
/// One pass, nothing kept but the names: memory does not grow with the size of the files. On
/// success `reader` has been read to its end, so a hash taken on the way is the hash of all of
/// it. What `visit` leaves unread is inflated and counted all the same. When both the archive
/// and the visitor fail, the error of the archive is returned.
///
/// Directories are checked and not shown. Links, devices, pipes, sparse files, unsafe names, two
/// members of the same path, and records that state a name or size twice are refused. A gzip
/// file may consist of several members (RFC 1952, 2.2). After the end of the tar archive only
/// zeros may follow, inside the gzip and behind it; a tar archive that simply stops between two
/// members is taken as whole, as other readers do.
///
/// ```
/// use pentad_archive::{Caps, Error, read_tar_gz};
///
/// # let mut builder = tar::Builder::new(flate2::write::GzEncoder::new(Vec::new(), Default::default()));
/// # let mut header = tar::Header::new_gnu();
/// # header.set_size(2);
/// # builder.append_data(&mut header, "manifest.json", &b"{}"[..]).unwrap();
/// # let push = builder.into_inner().unwrap().finish().unwrap();
/// let caps = Caps { max_ratio: Some(200), ..Caps::default() };
/// let mut manifest = String::new();
/// let summary = read_tar_gz(&push[..], &caps, |member, content| {
///     if member.path.file_name() == "manifest.json" {
///         content.read_to_string(&mut manifest)?;
///     }
///     Ok::<_, Error>(())
/// })?;
/// assert_eq!((summary.files, manifest.as_str()), (1, "{}"));
/// # Ok::<(), Error>(())
/// ```
///
/// # Errors
/// An [`Error`] as `E`, or what `visit` returned, which ends the visit.
pub fn read_tar_gz<R: Read, E: From<Error>>(
    reader: R,
    caps: &Caps,
    mut visit: impl FnMut(&Member, &mut dyn Read) -> Result<(), E>,
) -> Result<Summary, E> {
    let gauge = Gauge::default();
    let source = Source::new(reader, &gauge.source_failed, &gauge.packed);
    let source = BufReader::with_capacity(PACKED_BUFFER_BYTES, source);
    let inflate = Inflate {
        state: State::inflating(source),
        gauge: &gauge,
        caps,
    };
    let mut archive = tar::Archive::new(inflate);
    let mut walk = Walk {
        gauge: &gauge,
        caps,
        census: Census::default(),
        paths: HashSet::new(),
    };
    let mut summary = Summary::default();
    let mut file_bytes = 0;

    let mut entries = archive.entries().map_err(|error| walk.damage(None, error))?;
    while let Some(mut entry) = walk.next(&mut entries)? {
        let Some(member) = walk.admit(&mut entry)? else {
            // Directories and global headers have no content that anyone reads.
            io::copy(&mut entry, &mut io::sink()).map_err(|error| walk.damage(None, error))?;
            continue;
        };
        let mut content = Metered {
            inner: entry,
            name: member.path.as_str(),
            caps,
            total: &mut file_bytes,
            read: 0,
            crc: Crc::new(),
            stated: Stated {
                size: member.size,
                crc: None,
            },
            source_failed: &|| gauge.source_failed.get(),
            failure: None,
        };
        let visited = visit(&member, &mut content);
        if content.failure.is_none() {
            visited?;
        }
        content
            .finish()
            .map_err(|error| walk.explain(error, member.path.as_str()))?;
        summary.files += 1;
    }
    archive
        .into_inner()
        .finish()
        .map_err(|error| walk.trailing(error))?;
    summary.file_bytes = file_bytes;
    summary.unpacked_bytes = gauge.unpacked.get();
    summary.packed_bytes = gauge.packed.get();
    Ok(summary)
}

const PACKED_BUFFER_BYTES: usize = 64 << 10;

/// What the layers know of each other: the tar reader owns the layers below it and passes their
/// errors on as text.
#[derive(Default)]
struct Gauge {
    source_failed: Cell<bool>,
    packed: Cell<u64>,
    unpacked: Cell<u64>,
    /// What the headers of the next member may still take, while they are being read.
    header_budget: Cell<Option<u64>>,
    exceeded: RefCell<Option<Exceeded>>,
    trailing: Cell<bool>,
}

/// Inflates under the caps that concern the whole archive.
struct Inflate<'a, R> {
    state: State<R>,
    gauge: &'a Gauge,
    caps: &'a Caps,
}

enum State<R> {
    Inflating(Box<GzDecoder<R>>),
    /// Only zeros may follow.
    Padding(R),
    Moved,
}

impl<R: BufRead> State<R> {
    fn inflating(packed: R) -> Self {
        Self::Inflating(Box::new(GzDecoder::new(packed)))
    }
}

impl<R: BufRead> Inflate<'_, R> {
    /// Inflates into `buffer`; 0 at the end of the last member of the gzip file.
    fn inflate(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while let State::Inflating(decoder) = &mut self.state {
            let count = decoder.read(buffer)?;
            if count > 0 || buffer.is_empty() {
                return Ok(count);
            }
            let State::Inflating(decoder) = std::mem::replace(&mut self.state, State::Moved) else {
                unreachable!("matched just above");
            };
            let mut rest = decoder.into_inner();
            let follows = fill(&mut rest)?.first().copied();
            self.state = match follows {
                Some(GZIP_MAGIC) => State::inflating(rest),
                _ => State::Padding(rest),
            };
        }
        Ok(0)
    }

    fn charge(&self, count: u64) -> Option<Exceeded> {
        let (caps, gauge) = (self.caps, self.gauge);
        let unpacked = gauge.unpacked.get() + count;
        gauge.unpacked.set(unpacked);
        if unpacked > caps.max_unpacked_bytes {
            return Some(Exceeded {
                limit: Limit::UnpackedBytes,
                max: caps.max_unpacked_bytes,
            });
        }
        if let Some(max) = caps.max_ratio
            && unpacked > caps.ratio_free_bytes
            && unpacked > max.saturating_mul(gauge.packed.get())
        {
            return Some(Exceeded {
                limit: Limit::Ratio,
                max,
            });
        }
        if let Some(budget) = gauge.header_budget.get() {
            gauge.header_budget.set(Some(budget.saturating_sub(count)));
            if count > budget {
                return Some(Exceeded {
                    limit: Limit::HeaderBytes,
                    max: caps.max_header_bytes,
                });
            }
        }
        None
    }

    /// Reads on to the end of the stream, where only zeros may be.
    fn finish(mut self) -> io::Result<()> {
        let mut buffer = [0; 8 << 10];
        loop {
            let count = self.read(&mut buffer)?;
            if count == 0 {
                break;
            }
            self.only_zeros(&buffer[..count])?;
        }
        let State::Padding(mut rest) = std::mem::replace(&mut self.state, State::Moved) else {
            unreachable!("inflate() leaves that state when it returns 0");
        };
        loop {
            let bytes = fill(&mut rest)?;
            if bytes.is_empty() {
                return Ok(());
            }
            self.only_zeros(bytes)?;
            let count = bytes.len();
            rest.consume(count);
        }
    }

    fn only_zeros(&self, bytes: &[u8]) -> io::Result<()> {
        if bytes.iter().all(|&byte| byte == 0) {
            return Ok(());
        }
        self.gauge.trailing.set(true);
        Err(io::ErrorKind::InvalidData.into())
    }
}

impl<R: BufRead> Read for Inflate<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.gauge.exceeded.borrow().is_some() {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let count = self.inflate(buffer)?;
        if let Some(exceeded) = self.charge(count as u64) {
            *self.gauge.exceeded.borrow_mut() = Some(exceeded);
            return Err(io::ErrorKind::InvalidData.into());
        }
        Ok(count)
    }
}

const GZIP_MAGIC: u8 = 0x1f;

/// `fill_buf` that is not stopped by a signal.
fn fill<R: BufRead>(reader: &mut R) -> io::Result<&[u8]> {
    loop {
        match reader.fill_buf() {
            Ok(_) => break,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    reader.fill_buf()
}

/// Goes from member to member and decides what each one is.
struct Walk<'a> {
    gauge: &'a Gauge,
    caps: &'a Caps,
    census: Census,
    paths: HashSet<SafePath>,
}

impl Walk<'_> {
    /// The next member of any kind. The headers that describe it are held in memory by the tar
    /// reader, hence the budget.
    fn next<'e, R: Read>(
        &self,
        entries: &mut tar::Entries<'e, R>,
    ) -> Result<Option<tar::Entry<'e, R>>, Error> {
        self.gauge.header_budget.set(Some(self.caps.max_header_bytes));
        let next = entries.next().transpose();
        self.gauge.header_budget.set(None);
        next.map_err(|error| self.damage(None, error))
    }

    /// The member as the visitor shall see it; `None` if it is nothing to be seen.
    fn admit<R: Read>(&mut self, entry: &mut tar::Entry<'_, R>) -> Result<Option<Member>, Error> {
        let raw_name = entry.path_bytes().into_owned();
        self.census
            .count(raw_name.len(), self.caps)
            .map_err(|exceeded| Error::exceeded(exceeded, Some(&printable(&raw_name))))?;
        let kind = entry.header().entry_type();
        if kind == EntryType::XGlobalHeader {
            self.check_global_header(entry, &raw_name)?;
            return Ok(None);
        }
        self.check_extensions(entry, &raw_name)?;
        let is_directory = kind == EntryType::Directory || raw_name.ends_with(b"/");
        let path = match SafePath::from_entry_bytes(&raw_name) {
            Ok(path) => path,
            Err(PathError::Empty) if is_directory => return Ok(None),
            Err(source) => {
                return Err(Error::UnsafePath {
                    entry: printable(&raw_name),
                    source,
                });
            }
        };
        match kind {
            EntryType::Directory => return Ok(None),
            EntryType::Regular if is_directory => return Ok(None),
            EntryType::Regular | EntryType::Continuous => {}
            other => {
                return Err(Error::ForbiddenKind {
                    entry: printable(&raw_name),
                    kind: special(other),
                });
            }
        }
        if !self.paths.insert(path.clone()) {
            return Err(Error::Duplicate {
                entry: path.into_string(),
            });
        }
        let size = entry.size();
        if size > self.caps.max_member_bytes {
            let exceeded = Exceeded {
                limit: Limit::MemberBytes,
                max: self.caps.max_member_bytes,
            };
            return Err(Error::exceeded(exceeded, Some(path.as_str())));
        }
        Ok(Some(Member { path, size }))
    }

    /// Refuses records on which readers disagree: of two paths one reader takes the first and
    /// another the last, and where GNU and pax records both name the member, either.
    fn check_extensions<R: Read>(&self, entry: &mut tar::Entry<'_, R>, raw_name: &[u8]) -> Result<(), Error> {
        let size = entry.size();
        let Some(extensions) = entry.pax_extensions().map_err(|error| self.damage(None, error))? else {
            return Ok(());
        };
        let mut seen = HashSet::new();
        for extension in extensions {
            let extension = extension.map_err(|error| self.damage(Some(&printable(raw_name)), error))?;
            let key = extension.key_bytes();
            if key.starts_with(b"GNU.sparse.") {
                return Err(Error::ForbiddenKind {
                    entry: printable(raw_name),
                    kind: SpecialKind::SparseFile,
                });
            }
            let contradicts = match key {
                b"path" => extension.value_bytes() != raw_name,
                b"size" => {
                    std::str::from_utf8(extension.value_bytes()).ok() != Some(size.to_string().as_str())
                }
                _ => false,
            };
            if contradicts || (!seen.insert(key.to_vec()) && matches!(key, b"path" | b"size" | b"linkpath")) {
                return Err(Error::Ambiguous {
                    entry: printable(raw_name),
                    field: printable(key),
                });
            }
        }
        Ok(())
    }

    /// A global header applies to all that follows for some readers, and to nothing here; that is
    /// harmless for the comment that `git archive` writes, and nothing else is.
    fn check_global_header<R: Read>(
        &self,
        entry: &mut tar::Entry<'_, R>,
        raw_name: &[u8],
    ) -> Result<(), Error> {
        if entry.size() > self.caps.max_header_bytes {
            let exceeded = Exceeded {
                limit: Limit::HeaderBytes,
                max: self.caps.max_header_bytes,
            };
            return Err(Error::exceeded(exceeded, Some(&printable(raw_name))));
        }
        let extensions = entry.pax_extensions().map_err(|error| self.damage(None, error))?;
        for extension in extensions.into_iter().flatten() {
            let extension = extension.map_err(|error| self.damage(Some(&printable(raw_name)), error))?;
            let key = extension.key_bytes();
            if matches!(key, b"path" | b"size" | b"linkpath") || key.starts_with(b"GNU.sparse.") {
                return Err(Error::Ambiguous {
                    entry: printable(raw_name),
                    field: printable(key),
                });
            }
        }
        Ok(())
    }

    /// What an error of the tar reader means: a cap below it, the caller's reader, or damage.
    fn damage(&self, entry: Option<&str>, error: io::Error) -> Error {
        if let Some(exceeded) = *self.gauge.exceeded.borrow() {
            return Error::exceeded(exceeded, entry);
        }
        if self.gauge.source_failed.get() {
            return Error::Read { source: error };
        }
        match from_decoder(entry, error) {
            Error::Read { source } => Error::corrupt(entry, source.to_string()),
            other => other,
        }
    }

    /// The same for an error that a member's content has already classified.
    fn explain(&self, error: Error, entry: &str) -> Error {
        match (*self.gauge.exceeded.borrow(), error) {
            (Some(exceeded), Error::Corrupt { .. }) => Error::exceeded(exceeded, Some(entry)),
            (_, Error::Read { source }) if !self.gauge.source_failed.get() => {
                Error::corrupt(Some(entry), source.to_string())
            }
            (_, error) => error,
        }
    }

    fn trailing(&self, error: io::Error) -> Error {
        if self.gauge.trailing.get() {
            Error::TrailingData
        } else {
            self.damage(None, error)
        }
    }
}

fn special(kind: EntryType) -> SpecialKind {
    match kind {
        EntryType::Symlink => SpecialKind::Symlink,
        EntryType::Link => SpecialKind::HardLink,
        EntryType::Block | EntryType::Char => SpecialKind::Device,
        EntryType::Fifo => SpecialKind::Pipe,
        EntryType::GNUSparse => SpecialKind::SparseFile,
        _ => SpecialKind::Unknown,
    }
}
