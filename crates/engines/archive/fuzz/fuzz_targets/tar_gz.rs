//! No tar archive makes the reader panic, hang or hand out more than the caps allow. The input
//! is packed here: a fuzzer that has to guess checksums of gzip finds nothing.
#![no_main]

use std::io::{Write, copy, sink};

use libfuzzer_sys::fuzz_target;
use pentad_archive::{Caps, Error, read_tar_gz};

const CAPS: Caps = Caps {
    max_members: 1000,
    max_member_bytes: 64 << 10,
    max_unpacked_bytes: 256 << 10,
    max_name_bytes: 64 << 10,
    max_ratio: Some(100),
    ratio_free_bytes: 64 << 10,
    max_header_bytes: 8 << 10,
};

/// A gzip member of stored blocks.
fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut crc = u32::MAX;
    for &byte in bytes {
        crc ^= u32::from(byte);
        for _ in 0..8 {
            crc = (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg());
        }
    }
    let mut out = b"\x1f\x8b\x08\0\0\0\0\0\0\xff".to_vec();
    for block in bytes.chunks(0xffff) {
        let length = block.len() as u16;
        out.push(0);
        out.extend(length.to_le_bytes());
        out.extend((!length).to_le_bytes());
        out.write_all(block).expect("a Vec takes everything");
    }
    out.extend(b"\x01\0\0\xff\xff");
    out.extend((!crc).to_le_bytes());
    out.extend((bytes.len() as u32).to_le_bytes());
    out
}

fuzz_target!(|bytes: &[u8]| {
    for archive in [bytes, &gzip(bytes)] {
        let mut total = 0;
        let result = read_tar_gz(archive, &CAPS, |member, content| {
            let count = copy(content, &mut sink())?;
            assert_eq!(count, member.size);
            total += count;
            Ok::<_, Error>(())
        });
        assert!(total <= CAPS.max_unpacked_bytes);
        if let Ok(summary) = result {
            assert_eq!((summary.file_bytes, summary.packed_bytes), (total, archive.len() as u64));
        }
    }
});
