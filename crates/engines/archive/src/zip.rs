//! Zip archives, from anything that can be read and sought.

use std::collections::HashMap;
use std::io::{Read, Seek};

use flate2::Crc;
use rawzip::{CompressionMethod, ZipArchiveEntryWayfinder, ZipFileHeaderRecord, ZipLocator};

use crate::caps::{Caps, Census};
use crate::content::{Metered, Positioned, Stated};
use crate::error::{Error, printable};
use crate::path::{PathError, SafePath};
use crate::{Skipped, cp437};

/// A zip archive whose whole table of contents has been checked.
///
/// Only the central directory is believed; local headers say where data begins and nothing more.
/// Opening refuses unsafe names, encrypted entries, unknown methods and entries that share bytes,
/// so that a refused archive has cost no decompression. [`for_each`](Self::for_each) then unpacks
/// under the [`Caps`].
///
/// ```
/// use std::io::Cursor;
/// use pentad_archive::{Caps, Error, ZipReader};
///
/// # use std::io::Write;
/// # let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
/// # writer.start_file("src/main.rs", zip::write::SimpleFileOptions::default()).unwrap();
/// # writer.write_all(b"fn main() {}").unwrap();
/// # let upload = writer.finish().unwrap().into_inner();
/// let mut archive = ZipReader::open(Cursor::new(upload), Caps::default())?;
/// archive.for_each(|path, content| {
///     let mut text = String::new();
///     content.read_to_string(&mut text)?;
///     assert_eq!((path.as_str(), text.as_str()), ("src/main.rs", "fn main() {}"));
///     Ok::<_, Error>(())
/// })?;
/// # Ok::<(), Error>(())
/// ```
pub struct ZipReader<R> {
    archive: rawzip::ZipArchive<Positioned<R>>,
    caps: Caps,
    files: Vec<File>,
    skipped: Vec<Skipped>,
    unpacked: u64,
}

struct File {
    path: SafePath,
    method: CompressionMethod,
    crc: u32,
    size: u64,
    place: ZipArchiveEntryWayfinder,
}

/// What an entry is, by the upper half of its external attributes (Unix), its DOS attributes, or
/// the slash at the end of its name.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    File,
    Directory,
    Symlink,
    Special,
}

impl<R: Read + Seek> ZipReader<R> {
    /// Reads and checks the central directory.
    ///
    /// # Errors
    /// Everything [`Error`] says of zip archives except damage inside the packed data and
    /// [`Limit::MemberBytes`](crate::Limit::MemberBytes) and
    /// [`UnpackedBytes`](crate::Limit::UnpackedBytes), which show when unpacking.
    pub fn open(reader: R, caps: Caps) -> Result<Self, Error> {
        let reader = Positioned::new(reader);
        let length = reader.length().map_err(|source| Error::Read { source })?;
        let mut buffer = vec![0; rawzip::MAX_CENTRAL_DIRECTORY_RECORD_SIZE];
        let archive = ZipLocator::new()
            .locate_in_reader(reader, &mut buffer, length)
            .map_err(|(reader, error)| damage(&reader, None, error))?;
        let mut this = Self {
            archive,
            caps,
            files: Vec::new(),
            skipped: Vec::new(),
            unpacked: 0,
        };
        this.read_directory(&mut buffer)?;
        Ok(this)
    }

    /// The paths of the files, in the order of the central directory. Of entries with the same
    /// path the last one stands.
    pub fn paths(&self) -> impl ExactSizeIterator<Item = &SafePath> {
        self.files.iter().map(|file| &file.path)
    }

    /// What was left out: symbolic links, devices, and what macOS adds.
    #[must_use]
    pub fn skipped(&self) -> &[Skipped] {
        &self.skipped
    }

    /// Bytes unpacked so far.
    #[must_use]
    pub fn unpacked_bytes(&self) -> u64 {
        self.unpacked
    }

    /// Unpacks every file and shows it to `visit`, in the order of [`paths`](Self::paths).
    ///
    /// What `visit` leaves unread is unpacked and checked all the same, so an archive is sound or
    /// not whatever the visitor does. When both the entry and the visitor fail, the error of the
    /// entry is returned.
    ///
    /// # Errors
    /// [`Error::LimitExceeded`], [`Error::Corrupt`] or [`Error::Read`] as `E`, or what `visit`
    /// returned, which ends the visit.
    pub fn for_each<E: From<Error>>(
        &mut self,
        mut visit: impl FnMut(&SafePath, &mut dyn Read) -> Result<(), E>,
    ) -> Result<(), E> {
        for file in &self.files {
            let name = file.path.as_str();
            let source = self.archive.get_ref();
            let entry = self
                .archive
                .get_entry(file.place)
                .map_err(|error| damage(source, Some(name), error))?;
            let packed = std::io::BufReader::with_capacity(PACKED_BUFFER_BYTES, entry.reader());
            let inner: Box<dyn Read> = match file.method {
                CompressionMethod::STORE => Box::new(packed),
                CompressionMethod::DEFLATE => Box::new(flate2::bufread::DeflateDecoder::new(packed)),
                _ => Box::new(deflate64::Deflate64Decoder::with_buffer(packed)),
            };
            let mut content = Metered {
                inner,
                name,
                caps: &self.caps,
                total: &mut self.unpacked,
                read: 0,
                crc: Crc::new(),
                stated: Stated {
                    size: file.size,
                    crc: Some(file.crc),
                },
                source_failed: &|| source.failed(),
                failure: None,
            };
            let visited = visit(&file.path, &mut content);
            if content.failure.is_none() {
                visited?;
            }
            content.finish()?;
        }
        Ok(())
    }

    fn read_directory(&mut self, buffer: &mut [u8]) -> Result<(), Error> {
        let source = self.archive.get_ref();
        let mut census = Census::default();
        let mut extents = Vec::new();
        let mut by_path: HashMap<SafePath, usize> = HashMap::new();
        let mut records = self.archive.entries(buffer);
        loop {
            let record = match records.next_entry() {
                Ok(Some(record)) => record,
                Ok(None) => break,
                Err(error) => return Err(damage(source, None, error)),
            };
            let raw_name = record.file_path();
            let raw_name = raw_name.as_bytes();
            census
                .count(raw_name.len(), &self.caps)
                .map_err(|exceeded| Error::exceeded(exceeded, Some(&printable(raw_name))))?;
            let path = entry_path(&record, raw_name)?;
            let entry = self
                .archive
                .get_entry(record.wayfinder())
                .map_err(|error| damage(source, Some(&printable(raw_name)), error))?;
            extents.push(Extent {
                start: record.local_header_offset(),
                end: entry.compressed_data_range().1,
                record: census.members,
            });
            let Some(path) = path else { continue };
            if let Some(skipped) = skipped(&record, &path) {
                self.skipped.push(skipped);
                continue;
            }
            if kind(&record, raw_name) == Kind::Directory {
                continue;
            }
            let file = File {
                method: method(&record, raw_name)?,
                crc: record.crc32(),
                size: record.uncompressed_size_hint(),
                place: record.wayfinder(),
                path,
            };
            match by_path.get(&file.path) {
                Some(&earlier) => self.files[earlier] = file,
                None => {
                    by_path.insert(file.path.clone(), self.files.len());
                    self.files.push(file);
                }
            }
        }
        // Writers without zip64 state the number of entries modulo 65 536.
        if census.members & 0xffff != self.archive.entries_hint() & 0xffff {
            return Err(Error::corrupt(
                None,
                "the number of entries is not the one stated",
            ));
        }
        match find_overlap(&mut extents, self.archive.directory_offset()) {
            Some(record) => Err(Error::Overlap {
                entry: self.name_of(record, buffer),
            }),
            None => Ok(()),
        }
    }

    /// The name of the `number`th record of the central directory, counted from 1.
    fn name_of(&self, number: u64, buffer: &mut [u8]) -> String {
        let mut records = self.archive.entries(buffer);
        let mut left = number;
        while let Ok(Some(record)) = records.next_entry() {
            left -= 1;
            if left == 0 {
                return printable(record.file_path().as_bytes());
            }
        }
        format!("#{number}")
    }
}

/// Enough to keep a file on disk streaming, little enough to have one per open entry.
const PACKED_BUFFER_BYTES: usize = 64 << 10;

/// Where an entry lies in the archive: local header and packed data.
struct Extent {
    start: u64,
    end: u64,
    record: u64,
}

/// The record of an entry that reaches into the next one or into the central directory.
fn find_overlap(extents: &mut [Extent], directory: u64) -> Option<u64> {
    extents.sort_unstable_by_key(|extent| (extent.start, extent.end));
    let next_starts = extents.iter().skip(1).map(|next| next.start).chain([directory]);
    let mut pairs = extents.iter().zip(next_starts);
    pairs
        .find(|(extent, next_start)| extent.end > *next_start)
        .map(|(extent, _)| extent.record)
}

/// The path of an entry, `None` for a directory that is the root itself.
fn entry_path(record: &ZipFileHeaderRecord<'_>, raw_name: &[u8]) -> Result<Option<SafePath>, Error> {
    let path = if record.flags().is_utf8() {
        SafePath::from_entry_bytes(raw_name)
    } else {
        SafePath::from_entry(&cp437::decode(raw_name))
    };
    match path {
        Ok(path) => Ok(Some(path)),
        Err(PathError::Empty) if kind(record, raw_name) == Kind::Directory => Ok(None),
        Err(source) => Err(Error::UnsafePath {
            entry: printable(raw_name),
            source,
        }),
    }
}

fn kind(record: &ZipFileHeaderRecord<'_>, raw_name: &[u8]) -> Kind {
    const DOS_DIRECTORY: u32 = 0x10;
    let attributes = record.external_attributes();
    match (attributes >> 16) & 0o170_000 {
        0o120_000 => Kind::Symlink,
        0o020_000 | 0o060_000 | 0o010_000 | 0o140_000 => Kind::Special,
        _ if raw_name.ends_with(b"/") || raw_name.ends_with(b"\\") => Kind::Directory,
        0o040_000 => Kind::Directory,
        0 if attributes & DOS_DIRECTORY != 0 => Kind::Directory,
        _ => Kind::File,
    }
}

fn skipped(record: &ZipFileHeaderRecord<'_>, path: &SafePath) -> Option<Skipped> {
    let path = path.clone();
    match kind(record, record.file_path().as_bytes()) {
        Kind::Symlink => Some(Skipped::Symlink(path)),
        Kind::Special => Some(Skipped::Special(path)),
        Kind::Directory => None,
        Kind::File => {
            let by_system = path.components().next() == Some("__MACOSX") || path.file_name() == ".DS_Store";
            by_system.then_some(Skipped::SystemFile(path))
        }
    }
}

fn method(record: &ZipFileHeaderRecord<'_>, raw_name: &[u8]) -> Result<CompressionMethod, Error> {
    let flags = record.flags();
    let method = record.compression_method();
    if flags.is_encrypted()
        || flags.has_strong_encryption()
        || flags.is_masked()
        || method == CompressionMethod::AES
    {
        return Err(Error::Encrypted {
            entry: printable(raw_name),
        });
    }
    match method {
        CompressionMethod::STORE | CompressionMethod::DEFLATE | CompressionMethod::DEFLATE64 => Ok(method),
        other => Err(Error::UnknownMethod {
            entry: printable(raw_name),
            method: other.as_u16(),
        }),
    }
}

/// What the zip library says of an archive, unless it was the reader that failed.
fn damage<R: Read + Seek>(source: &Positioned<R>, entry: Option<&str>, error: rawzip::Error) -> Error {
    match error.into_kind() {
        rawzip::ErrorKind::IO(error) if source.failed() => Error::Read { source: error },
        rawzip::ErrorKind::IO(error) => Error::corrupt(entry, error.to_string()),
        kind => Error::corrupt(entry, kind.to_string()),
    }
}
