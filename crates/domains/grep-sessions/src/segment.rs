//! The stored form of changes to a session.
//!
//! A segment is a zstd stream of records: for a file `1`, the length of its path (u32, little endian),
//! the path, the length of its text (u64), the text; for a removal `2` and the path alone. Segments of a
//! session are replayed in their order. The index is not stored: it is built again faster than it
//! would be fetched.

use std::io::{Read as _, Write as _};

use bytes::Bytes;
use pentad_grep_engine::Batch;

use crate::Error;

const FILE: u8 = 1;
const REMOVAL: u8 = 2;

/// Levels above the first buy a few percent of size for a multiple of the time.
const LEVEL: i32 = 1;

/// A segment to be stored.
#[derive(Debug)]
pub(crate) struct Segment {
    pub(crate) bytes: Bytes,
    pub(crate) text_bytes: u64,
}

/// One change.
pub(crate) enum Change<'a> {
    Insert(&'a str, &'a [u8]),
    Remove(&'a str),
}

/// Writes changes as segments of about `segment_bytes` of text each.
pub(crate) struct Writer {
    segment_bytes: usize,
    current: Option<zstd::stream::write::Encoder<'static, Vec<u8>>>,
    text_bytes: u64,
    finished: Vec<Segment>,
}

impl Writer {
    pub(crate) const fn new(segment_bytes: usize) -> Self {
        Self {
            segment_bytes,
            current: None,
            text_bytes: 0,
            finished: Vec::new(),
        }
    }

    pub(crate) fn write(&mut self, change: &Change<'_>) -> std::io::Result<()> {
        let encoder = match &mut self.current {
            Some(encoder) => encoder,
            None => self
                .current
                .insert(zstd::stream::write::Encoder::new(Vec::new(), LEVEL)?),
        };
        let (kind, path) = match change {
            Change::Insert(path, _) => (FILE, path),
            Change::Remove(path) => (REMOVAL, path),
        };
        let path_length = u32::try_from(path.len()).map_err(std::io::Error::other)?;
        encoder.write_all(&[kind])?;
        encoder.write_all(&path_length.to_le_bytes())?;
        encoder.write_all(path.as_bytes())?;
        if let Change::Insert(_, text) = change {
            encoder.write_all(&(text.len() as u64).to_le_bytes())?;
            encoder.write_all(text)?;
            self.text_bytes += text.len() as u64;
        }
        if self.text_bytes >= self.segment_bytes as u64 {
            self.end_segment()?;
        }
        Ok(())
    }

    fn end_segment(&mut self) -> std::io::Result<()> {
        if let Some(encoder) = self.current.take() {
            let bytes = Bytes::from(encoder.finish()?);
            self.finished.push(Segment {
                bytes,
                text_bytes: std::mem::take(&mut self.text_bytes),
            });
        }
        Ok(())
    }

    pub(crate) fn finish(mut self) -> std::io::Result<Vec<Segment>> {
        self.end_segment()?;
        Ok(self.finished)
    }
}

/// Replays a segment whose row says that it holds `text_bytes` of text.
pub(crate) fn replay(bytes: &[u8], text_bytes: u64, batch: &mut Batch) -> Result<(), Error> {
    let damaged = |reason: &str| Error::Damaged(reason.to_owned());
    let mut reader = zstd::stream::read::Decoder::new(bytes).map_err(|error| damaged(&error.to_string()))?;
    let mut left = text_bytes;
    loop {
        let mut kind = [0];
        match reader.read(&mut kind) {
            Ok(0) => break,
            Ok(_) => {}
            Err(error) => return Err(damaged(&error.to_string())),
        }
        let mut length = [0; 4];
        reader
            .read_exact(&mut length)
            .map_err(|_| damaged("a record is cut short"))?;
        let mut path = vec![0; u32::from_le_bytes(length) as usize & 0xFFFF];
        reader
            .read_exact(&mut path)
            .map_err(|_| damaged("a path is cut short"))?;
        let path = String::from_utf8(path).map_err(|_| damaged("a path is not UTF-8"))?;
        match kind[0] {
            FILE => {
                let mut length = [0; 8];
                reader
                    .read_exact(&mut length)
                    .map_err(|_| damaged("a record is cut short"))?;
                let length = u64::from_le_bytes(length);
                left = left
                    .checked_sub(length)
                    .ok_or_else(|| damaged("it holds more text than its row says"))?;
                let mut text = vec![0; usize::try_from(length).map_err(|_| damaged("a text is too large"))?];
                reader
                    .read_exact(&mut text)
                    .map_err(|_| damaged("a text is cut short"))?;
                batch.insert(path, text);
            }
            REMOVAL => batch.remove(path),
            _ => return Err(damaged("a record is of no known kind")),
        }
    }
    if left == 0 {
        Ok(())
    } else {
        Err(damaged("it holds less text than its row says"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_was_written_is_replayed(
            files in proptest::collection::vec(("[a-z]{1,12}", proptest::collection::vec(any::<u8>(), 0..200)), 1..20),
            segment_bytes in 1_usize..500,
        ) {
            let mut writer = Writer::new(segment_bytes);
            let mut expected = Batch::new();
            for (path, text) in &files {
                writer.write(&Change::Insert(path, text)).unwrap();
                expected.insert(path.clone(), text.clone());
            }
            writer.write(&Change::Remove("a")).unwrap();
            expected.remove("a");
            let mut replayed = Batch::new();
            for segment in writer.finish().unwrap() {
                replay(&segment.bytes, segment.text_bytes, &mut replayed).unwrap();
            }
            prop_assert_eq!(replayed.inserts().collect::<Vec<_>>(), expected.inserts().collect::<Vec<_>>());
            prop_assert_eq!(replayed.len(), expected.len());
        }
    }

    #[test]
    fn a_damaged_segment_is_refused() {
        let mut writer = Writer::new(1 << 20);
        writer
            .write(&Change::Insert("a.txt", b"text of the file"))
            .unwrap();
        let segment = writer.finish().unwrap().remove(0);
        let replayed = |bytes: &[u8], text_bytes| replay(bytes, text_bytes, &mut Batch::new());
        assert!(replayed(&segment.bytes, segment.text_bytes).is_ok());
        assert!(replayed(&segment.bytes, segment.text_bytes - 1).is_err());
        assert!(replayed(&segment.bytes, segment.text_bytes + 1).is_err());
        assert!(replayed(&segment.bytes[..segment.bytes.len() - 5], segment.text_bytes).is_err());
        assert!(replayed(b"nonsense", 0).is_err());
    }
}
