//! Archives written byte by byte, because no writer makes the hostile ones.

use std::io::Write;

use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder};

/// One zip entry; the fields are what the central directory says, whatever the data is.
#[derive(Clone)]
pub(crate) struct ZipEntry {
    pub(crate) name: Vec<u8>,
    pub(crate) local_name: Option<Vec<u8>>,
    pub(crate) flags: u16,
    pub(crate) method: u16,
    pub(crate) packed: Vec<u8>,
    pub(crate) crc: u32,
    pub(crate) stated_size: u32,
    pub(crate) made_by: u16,
    pub(crate) attributes: u32,
    /// Points at the local header of an earlier entry instead of one of its own.
    pub(crate) shares: Option<usize>,
    /// States this packed size instead of the true one.
    pub(crate) stated_packed: Option<u32>,
}

pub(crate) const UTF8: u16 = 1 << 11;
pub(crate) const ENCRYPTED: u16 = 1;

impl ZipEntry {
    pub(crate) fn stored(name: &str, content: &[u8]) -> Self {
        let mut crc = flate2::Crc::new();
        crc.update(content);
        Self {
            name: name.as_bytes().to_vec(),
            local_name: None,
            flags: if name.is_ascii() { 0 } else { UTF8 },
            method: 0,
            packed: content.to_vec(),
            crc: crc.sum(),
            stated_size: u32::try_from(content.len()).unwrap(),
            made_by: 3 << 8,
            attributes: 0o100_644 << 16,
            shares: None,
            stated_packed: None,
        }
    }

    pub(crate) fn deflated(name: &str, content: &[u8]) -> Self {
        let mut encoder = DeflateEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(content).unwrap();
        Self {
            method: 8,
            packed: encoder.finish().unwrap(),
            ..Self::stored(name, content)
        }
    }

    pub(crate) fn with_mode(self, mode: u32) -> Self {
        Self {
            attributes: mode << 16,
            ..self
        }
    }
}

pub(crate) fn zip(entries: &[ZipEntry]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut offsets: Vec<u32> = Vec::new();
    for entry in entries {
        if let Some(earlier) = entry.shares {
            offsets.push(offsets[earlier]);
            continue;
        }
        offsets.push(u32::try_from(out.len()).unwrap());
        let name = entry.local_name.as_ref().unwrap_or(&entry.name);
        out.extend(b"PK\x03\x04");
        out.extend(20_u16.to_le_bytes());
        out.extend(entry.flags.to_le_bytes());
        out.extend(entry.method.to_le_bytes());
        out.extend([0; 4]);
        out.extend(entry.crc.to_le_bytes());
        out.extend(packed_size(entry).to_le_bytes());
        out.extend(entry.stated_size.to_le_bytes());
        out.extend(u16::try_from(name.len()).unwrap().to_le_bytes());
        out.extend([0; 2]);
        out.extend(name);
        out.extend(&entry.packed);
    }
    let directory = out.len();
    for (entry, offset) in entries.iter().zip(offsets) {
        out.extend(b"PK\x01\x02");
        out.extend(entry.made_by.to_le_bytes());
        out.extend(20_u16.to_le_bytes());
        out.extend(entry.flags.to_le_bytes());
        out.extend(entry.method.to_le_bytes());
        out.extend([0; 4]);
        out.extend(entry.crc.to_le_bytes());
        out.extend(packed_size(entry).to_le_bytes());
        out.extend(entry.stated_size.to_le_bytes());
        out.extend(u16::try_from(entry.name.len()).unwrap().to_le_bytes());
        out.extend([0; 8]);
        out.extend(entry.attributes.to_le_bytes());
        out.extend(offset.to_le_bytes());
        out.extend(&entry.name);
    }
    let size = out.len() - directory;
    let count = u16::try_from(entries.len() & 0xffff).unwrap();
    out.extend(b"PK\x05\x06\0\0\0\0");
    out.extend(count.to_le_bytes());
    out.extend(count.to_le_bytes());
    out.extend(u32::try_from(size).unwrap().to_le_bytes());
    out.extend(u32::try_from(directory).unwrap().to_le_bytes());
    out.extend([0; 2]);
    out
}

fn packed_size(entry: &ZipEntry) -> u32 {
    entry
        .stated_packed
        .unwrap_or_else(|| u32::try_from(entry.packed.len()).unwrap())
}

/// A tar stream under construction.
#[derive(Default)]
pub(crate) struct Tar(Vec<u8>);

impl Tar {
    pub(crate) fn file(self, name: &str, content: &[u8]) -> Self {
        self.member(b'0', name.as_bytes(), content)
    }

    /// A member of any kind with any name of up to 100 bytes.
    pub(crate) fn member(self, kind: u8, name: &[u8], content: &[u8]) -> Self {
        self.header(kind, name, content.len() as u64).raw(content).pad()
    }

    /// A header alone, whatever follows.
    pub(crate) fn header(mut self, kind: u8, name: &[u8], size: u64) -> Self {
        let mut header = [0_u8; 512];
        header[..name.len()].copy_from_slice(name);
        header[100..108].copy_from_slice(b"0000644\0");
        header[108..116].copy_from_slice(b"0000000\0");
        header[116..124].copy_from_slice(b"0000000\0");
        if size < 1 << 33 {
            header[124..136].copy_from_slice(format!("{size:011o}\0").as_bytes());
        } else {
            header[124] = 0x80;
            header[128..136].copy_from_slice(&size.to_be_bytes());
        }
        header[136..148].copy_from_slice(b"00000000000\0");
        header[148..156].fill(b' ');
        header[156] = kind;
        header[257..265].copy_from_slice(b"ustar\x0000");
        let sum: u32 = header.iter().copied().map(u32::from).sum();
        header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        self.0.extend(header);
        self
    }

    pub(crate) fn pax(self, records: &[(&str, &str)]) -> Self {
        self.member(b'x', b"PaxHeaders/0", &pax_records(records))
    }

    pub(crate) fn raw(mut self, bytes: &[u8]) -> Self {
        self.0.extend(bytes);
        self
    }

    pub(crate) fn pad(mut self) -> Self {
        self.0.resize(self.0.len().next_multiple_of(512), 0);
        self
    }

    /// Without the two zero blocks at the end.
    pub(crate) fn bare(self) -> Vec<u8> {
        self.0
    }

    pub(crate) fn end(mut self) -> Vec<u8> {
        self.0.extend([0; 1024]);
        self.0
    }

    pub(crate) fn gz(self) -> Vec<u8> {
        gzip(&self.end())
    }
}

pub(crate) fn pax_records(records: &[(&str, &str)]) -> Vec<u8> {
    let mut out = Vec::new();
    for (key, value) in records {
        let rest = key.len() + value.len() + 3;
        let digits = (1..5)
            .find(|digits| (rest + digits).to_string().len() == *digits)
            .unwrap();
        out.extend(format!("{} {key}={value}\n", rest + digits).as_bytes());
    }
    out
}

pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// A reader that ends in an error of its own instead of an end.
pub(crate) struct Broken<'a>(pub(crate) &'a [u8]);

impl std::io::Read for Broken<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        match std::io::Read::read(&mut self.0, buffer)? {
            0 => Err(std::io::ErrorKind::ConnectionReset.into()),
            count => Ok(count),
        }
    }
}
