//! Whatever the name, the path that comes of it stays where it belongs.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pentad_archive::{MAX_PATH_BYTES, SafePath};

fuzz_target!(|name: &[u8]| {
    let upload = SafePath::from_upload_bytes(name);
    let entry = SafePath::from_entry_bytes(name);
    if let Ok(path) = &entry {
        assert_eq!(upload.as_ref(), Ok(path));
    }
    if let Ok(path) = upload {
        assert!(path.as_str().len() <= MAX_PATH_BYTES);
        assert!(path.components().all(|part| !matches!(part, "" | "." | "..")));
        assert!(!path.as_str().contains(|letter: char| letter.is_control() || letter == '\\'));
        assert_eq!(SafePath::from_upload(path.as_str()), Ok(path));
    }
});
