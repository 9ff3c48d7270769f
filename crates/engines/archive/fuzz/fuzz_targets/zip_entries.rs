//! No zip archive makes the reader panic, hang or hand out more than the caps allow.
#![no_main]

use std::io::{Cursor, copy, sink};

use libfuzzer_sys::fuzz_target;
use pentad_archive::{Caps, Error, ZipReader};

const CAPS: Caps = Caps {
    max_members: 1000,
    max_member_bytes: 64 << 10,
    max_unpacked_bytes: 256 << 10,
    max_name_bytes: 64 << 10,
    max_ratio: None,
    ratio_free_bytes: 0,
    max_header_bytes: 8 << 10,
};

fuzz_target!(|bytes: &[u8]| {
    let Ok(mut archive) = ZipReader::open(Cursor::new(bytes), CAPS) else { return };
    assert!(archive.paths().len() as u64 <= CAPS.max_members);
    let mut total = 0;
    let _ = archive.for_each(|_, content| {
        total += copy(content, &mut sink())?;
        Ok::<_, Error>(())
    });
    assert!(total <= CAPS.max_unpacked_bytes);
});
