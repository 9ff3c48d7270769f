//! Laws that hold for every input.

use std::collections::BTreeMap;
use std::io::{Cursor, Write};

use pentad_archive::{Caps, Error, MAX_PATH_BYTES, SafePath, ZipReader, read_tar_gz};
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use proptest::sample::Index;

use crate::forge::{Tar, ZipEntry, gzip, zip};

/// Small caps, so that whatever is made up costs little.
const CAPS: Caps = Caps {
    max_members: 1000,
    max_member_bytes: 1 << 20,
    max_unpacked_bytes: 4 << 20,
    max_name_bytes: 1 << 20,
    max_ratio: Some(1000),
    ratio_free_bytes: 1 << 20,
    max_header_bytes: 64 << 10,
};

fn read_zip(bytes: &[u8]) -> Result<BTreeMap<String, Vec<u8>>, Error> {
    let mut files = BTreeMap::new();
    ZipReader::open(Cursor::new(bytes), CAPS)?.for_each(|path, content| {
        let mut bytes = Vec::new();
        content.read_to_end(&mut bytes)?;
        files.insert(path.to_string(), bytes);
        Ok::<_, Error>(())
    })?;
    Ok(files)
}

fn read_tar(bytes: &[u8]) -> Result<BTreeMap<String, Vec<u8>>, Error> {
    let mut files = BTreeMap::new();
    read_tar_gz(bytes, &CAPS, |member, content| {
        let mut bytes = Vec::new();
        content.read_to_end(&mut bytes)?;
        files.insert(member.path.to_string(), bytes);
        Ok::<_, Error>(())
    })?;
    Ok(files)
}

fn assert_safe(path: &str) {
    assert!(!path.is_empty() && path.len() <= MAX_PATH_BYTES);
    assert!(
        path.split('/').all(|part| !matches!(part, "" | "." | "..")),
        "{path:?}"
    );
    assert!(
        !path.contains(|character: char| character.is_control() || character == '\\'),
        "{path:?}"
    );
}

fn tree() -> impl Strategy<Value = BTreeMap<String, Vec<u8>>> {
    let name = "[a-zé日][a-z0-9 .é-]{0,11}(/[a-z][a-z0-9]{0,5}){0,3}";
    btree_map(name, vec(any::<u8>(), 0..3000), 0..12)
}

proptest! {
    #[test]
    fn a_path_is_safe_and_normalising_again_changes_nothing(name in "[a-c./\\\\:é\u{0}\n ]{0,24}") {
        for path in [SafePath::from_upload(&name), SafePath::from_entry(&name)].into_iter().flatten() {
            assert_safe(path.as_str());
            prop_assert_eq!(SafePath::from_upload(path.as_str()), Ok(path.clone()));
        }
        // The policy for entries refuses more and never says something else.
        if let Ok(path) = SafePath::from_entry(&name) {
            prop_assert_eq!(SafePath::from_upload(&name), Ok(path));
        }
    }

    #[test]
    fn a_tree_comes_back_from_a_zip(tree in tree(), deflate in any::<bool>()) {
        let mut writer = ::zip::ZipWriter::new(Cursor::new(Vec::new()));
        let method = if deflate { ::zip::CompressionMethod::Deflated } else { ::zip::CompressionMethod::Stored };
        let options = ::zip::write::SimpleFileOptions::default().compression_method(method);
        for (name, content) in &tree {
            writer.start_file(name.as_str(), options).unwrap();
            writer.write_all(content).unwrap();
        }
        prop_assert_eq!(read_zip(&writer.finish().unwrap().into_inner()).unwrap(), tree);
    }

    #[test]
    fn a_tree_comes_back_from_a_tar(tree in tree()) {
        let mut builder = tar::Builder::new(Vec::new());
        for (name, content) in &tree {
            let mut header = tar::Header::new_gnu();
            header.set_size(content.len() as u64);
            builder.append_data(&mut header, name, &content[..]).unwrap();
        }
        prop_assert_eq!(read_tar(&gzip(&builder.into_inner().unwrap())).unwrap(), tree);
    }

    #[test]
    fn a_damaged_zip_is_refused_or_harmless(
        tree in tree(),
        damage in vec((any::<Index>(), any::<u8>()), 1..8),
        cut in any::<Index>(),
    ) {
        let entries: Vec<_> = tree.iter().map(|(name, content)| ZipEntry::deflated(name, content)).collect();
        let mut bytes = zip(&entries);
        for (place, value) in damage {
            let place = place.index(bytes.len());
            bytes[place] = value;
        }
        for bytes in [&bytes[..], &bytes[..cut.index(bytes.len())]] {
            for path in read_zip(bytes).unwrap_or_default().keys() {
                assert_safe(path);
            }
        }
    }

    #[test]
    fn a_damaged_tar_is_refused_or_harmless(
        tree in tree(),
        damage in vec((any::<Index>(), any::<u8>()), 1..8),
        cut in any::<Index>(),
    ) {
        let mut tar = Tar::default();
        for (name, content) in &tree {
            tar = tar.pax(&[("path", name)]).file("x", content);
        }
        let mut bytes = tar.end();
        for (place, value) in damage {
            let place = place.index(bytes.len());
            bytes[place] = value;
        }
        for bytes in [&bytes[..], &bytes[..cut.index(bytes.len())]] {
            for path in read_tar(&gzip(bytes)).unwrap_or_default().keys() {
                assert_safe(path);
            }
        }
    }

    #[test]
    fn noise_is_refused(bytes in vec(any::<u8>(), 0..2000)) {
        prop_assert!(read_zip(&bytes).is_err());
        prop_assert!(read_tar(&bytes).is_err());
    }
}
