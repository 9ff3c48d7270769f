//! The messages of a session in compressed frames, so that a page is read without reading the rest.
//!
//! A frame holds whole lines and can be unpacked alone. The index, kept in the database, says for each
//! frame where it lies in the object, which line it begins with and how many visible messages it has.

use std::io::{self, Write};

/// A frame is closed when it holds this many bytes of lines.
const FRAME_BYTES: usize = 192 << 10;
/// Or this many lines.
const FRAME_LINES: u32 = 512;
/// Fast rather than small: the archive, which is what counts against a quota, is kept as it came.
const LEVEL: i32 = 1;

/// Where a frame is and what it holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    /// Its first byte in the object.
    pub(crate) offset: u64,
    /// Its packed bytes.
    pub(crate) bytes: u32,
    /// Its unpacked bytes.
    pub(crate) unpacked: u32,
    /// The number of its first line.
    pub(crate) first_line: u32,
    /// How many lines it has.
    pub(crate) lines: u32,
    /// How many visible messages it has.
    pub(crate) visible: u32,
}

/// Bytes of one frame in the stored index.
const ENCODED: usize = 28;

/// The index as it is stored.
pub(crate) fn encode(frames: &[Frame]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(frames.len() * ENCODED);
    for frame in frames {
        bytes.extend(frame.offset.to_le_bytes());
        for number in [
            frame.bytes,
            frame.unpacked,
            frame.first_line,
            frame.lines,
            frame.visible,
        ] {
            bytes.extend(number.to_le_bytes());
        }
    }
    bytes
}

/// The index from its stored form.
pub(crate) fn decode(bytes: &[u8]) -> Vec<Frame> {
    let decode_one = |bytes: &[u8]| {
        let (offset, numbers) = bytes.split_at(8);
        let number = |at: usize| {
            let mut four = [0; 4];
            four.copy_from_slice(&numbers[at * 4..at * 4 + 4]);
            u32::from_le_bytes(four)
        };
        let mut eight = [0; 8];
        eight.copy_from_slice(offset);
        Frame {
            offset: u64::from_le_bytes(eight),
            bytes: number(0),
            unpacked: number(1),
            first_line: number(2),
            lines: number(3),
            visible: number(4),
        }
    };
    bytes.chunks_exact(ENCODED).map(decode_one).collect()
}

/// Writes lines into frames.
pub(crate) struct FrameWriter<W> {
    sink: W,
    frames: Vec<Frame>,
    lines: Vec<u8>,
    line_count: u32,
    visible: u32,
    first_line: u32,
    offset: u64,
    compressor: zstd::bulk::Compressor<'static>,
}

impl<W: Write> FrameWriter<W> {
    pub(crate) fn new(sink: W) -> io::Result<Self> {
        Ok(Self {
            sink,
            frames: Vec::new(),
            lines: Vec::new(),
            line_count: 0,
            visible: 0,
            first_line: 0,
            offset: 0,
            compressor: zstd::bulk::Compressor::new(LEVEL)?,
        })
    }

    /// Adds a line, given without its line break.
    pub(crate) fn line(&mut self, line: &[u8], visible: bool) -> io::Result<()> {
        self.lines.extend_from_slice(line);
        self.lines.push(b'\n');
        self.line_count += 1;
        self.visible += u32::from(visible);
        if self.lines.len() >= FRAME_BYTES || self.line_count >= FRAME_LINES {
            self.close()?;
        }
        Ok(())
    }

    fn close(&mut self) -> io::Result<()> {
        if self.line_count == 0 {
            return Ok(());
        }
        let packed = self.compressor.compress(&self.lines)?;
        self.sink.write_all(&packed)?;
        let size =
            |length: usize| u32::try_from(length).map_err(|_| io::Error::from(io::ErrorKind::FileTooLarge));
        self.frames.push(Frame {
            offset: self.offset,
            bytes: size(packed.len())?,
            unpacked: size(self.lines.len())?,
            first_line: self.first_line,
            lines: self.line_count,
            visible: self.visible,
        });
        self.offset += packed.len() as u64;
        self.first_line += self.line_count;
        (self.line_count, self.visible) = (0, 0);
        // A frame with one huge line must not keep its memory for the rest of the session.
        if self.lines.capacity() > FRAME_BYTES * 4 {
            self.lines = Vec::new();
        }
        self.lines.clear();
        Ok(())
    }

    /// Closes the last frame and gives back the sink and the index.
    pub(crate) fn finish(mut self) -> io::Result<(W, Vec<Frame>)> {
        self.close()?;
        Ok((self.sink, self.frames))
    }
}

impl Frame {
    /// The lines of the frame, without their breaks, from its packed bytes.
    pub(crate) fn unpack(&self, packed: &[u8]) -> io::Result<String> {
        let bytes = zstd::bulk::decompress(packed, self.unpacked as usize)?;
        String::from_utf8(bytes).map_err(|_| io::ErrorKind::InvalidData.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn every_line_comes_back_from_the_frame_that_the_index_names(
            lines in prop::collection::vec(("[a-z]{0,30}", 1_usize..60, any::<bool>()), 0..900)
        ) {
            let lines: Vec<(String, bool)> =
                lines.into_iter().map(|(text, times, visible)| (text.repeat(times), visible)).collect();
            let mut writer = FrameWriter::new(Vec::new()).unwrap();
            for (line, visible) in &lines {
                writer.line(line.as_bytes(), *visible).unwrap();
            }
            let (object, frames) = writer.finish().unwrap();
            prop_assert_eq!(&decode(&encode(&frames)), &frames);
            let mut back = Vec::new();
            for frame in &frames {
                prop_assert_eq!(frame.first_line as usize, back.len());
                let start = usize::try_from(frame.offset).unwrap();
                let text = frame.unpack(&object[start..start + frame.bytes as usize]).unwrap();
                prop_assert_eq!(text.lines().count(), frame.lines as usize);
                back.extend(text.lines().map(str::to_owned));
            }
            prop_assert!(back.iter().eq(lines.iter().map(|(line, _)| line)));
            let visible: u32 = frames.iter().map(|frame| frame.visible).sum();
            prop_assert_eq!(visible as usize, lines.iter().filter(|(_, visible)| *visible).count());
        }
    }
}
