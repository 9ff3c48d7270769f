//! Zip archives.

use std::io::{Cursor, Read, Seek, SeekFrom, Write};

use ::zip::write::{SimpleFileOptions, ZipWriter};
use ::zip::{CompressionMethod, DateTime};
use pentad_archive::{Caps, Error, Limit, PathError, Skipped, ZipReader};

use crate::forge::{ENCRYPTED, ZipEntry, zip};

type Files = Vec<(String, Vec<u8>)>;

fn unpack(bytes: &[u8], caps: Caps) -> Result<Files, Error> {
    let mut archive = ZipReader::open(Cursor::new(bytes), caps)?;
    let mut files = Vec::new();
    archive.for_each(|path, content| {
        let mut bytes = Vec::new();
        content.read_to_end(&mut bytes)?;
        files.push((path.to_string(), bytes));
        Ok::<_, Error>(())
    })?;
    Ok(files)
}

fn read(bytes: &[u8]) -> Result<Files, Error> {
    unpack(bytes, Caps::default())
}

fn names(files: &Files) -> Vec<&str> {
    files.iter().map(|(name, _)| name.as_str()).collect()
}

#[track_caller]
fn refused(bytes: &[u8]) -> Error {
    read(bytes).expect_err("the archive is refused")
}

#[test]
fn an_archive_by_another_writer_comes_back_whole() {
    let options = SimpleFileOptions::default().last_modified_time(DateTime::default());
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    let text = "line\n".repeat(10_000);
    writer.add_directory("src/", options).unwrap();
    writer
        .start_file(
            "src/deflated.txt",
            options.compression_method(CompressionMethod::Deflated),
        )
        .unwrap();
    writer.write_all(text.as_bytes()).unwrap();
    writer
        .start_file(
            "src/stored.txt",
            options.compression_method(CompressionMethod::Stored),
        )
        .unwrap();
    writer.write_all(b"as it is").unwrap();
    writer.start_file("ünï.txt", options).unwrap();
    writer.start_file("zip64.txt", options.large_file(true)).unwrap();
    writer.write_all(b"with wide sizes").unwrap();
    writer.add_symlink("link", "/etc/passwd", options).unwrap();
    writer.set_comment("a comment").unwrap();
    let bytes = writer.finish().unwrap().into_inner();

    let files = read(&bytes).unwrap();
    assert_eq!(
        names(&files),
        ["src/deflated.txt", "src/stored.txt", "ünï.txt", "zip64.txt"]
    );
    assert_eq!(files[0].1, text.as_bytes());
    assert_eq!(files[1].1, b"as it is");
    assert_eq!(files[2].1, b"");
    assert_eq!(files[3].1, b"with wide sizes");
}

#[test]
fn an_archive_behind_a_program_is_found() {
    let mut bytes = b"#!/bin/sh\nexit 0\n".repeat(50);
    bytes.extend(zip(&[ZipEntry::deflated("a", b"behind")]));
    assert_eq!(read(&bytes).unwrap(), [("a".to_owned(), b"behind".to_vec())]);
}

#[test]
fn names_that_would_escape_refuse_the_whole_archive() {
    for (name, why) in [
        ("../evil.txt", PathError::ParentComponent),
        ("a/../../evil.txt", PathError::ParentComponent),
        ("..\\evil.txt", PathError::ParentComponent),
        ("/etc/evil.txt", PathError::Absolute),
        ("\\evil.txt", PathError::Absolute),
        ("C:\\evil.txt", PathError::DriveLetter),
        ("c:evil.txt", PathError::DriveLetter),
        ("a\0.txt", PathError::ControlCharacter),
        ("a\u{1b}[2J", PathError::ControlCharacter),
        ("", PathError::Empty),
        ("../directory/", PathError::ParentComponent),
    ] {
        let bytes = zip(&[ZipEntry::stored("ok.txt", b"x"), ZipEntry::stored(name, b"x")]);
        match refused(&bytes) {
            Error::UnsafePath { entry, source } => assert_eq!((entry.as_str(), source), (name, why)),
            other => panic!("{name:?}: {other}"),
        }
    }
}

#[test]
fn names_are_utf8_by_flag_and_else_of_code_page_437() {
    let mut old = ZipEntry::stored("x", b"");
    old.name = b"M\x81ller.txt".to_vec();
    assert_eq!(names(&read(&zip(&[old.clone()])).unwrap()), ["Müller.txt"]);
    old.flags |= crate::forge::UTF8;
    assert!(matches!(
        refused(&zip(&[old])),
        Error::UnsafePath {
            source: PathError::NotUtf8,
            ..
        }
    ));
}

#[test]
fn the_central_directory_is_believed_and_nothing_else() {
    let mut entry = ZipEntry::stored("shown.txt", b"content");
    entry.local_name = Some(b"../hidden.txt".to_vec());
    assert_eq!(
        read(&zip(&[entry])).unwrap(),
        [("shown.txt".to_owned(), b"content".to_vec())]
    );
}

#[test]
fn links_devices_and_system_files_are_left_out_and_reported() {
    let bytes = zip(&[
        ZipEntry::stored("link", b"/etc/passwd").with_mode(0o120_777),
        ZipEntry::stored("device", b"").with_mode(0o020_644),
        ZipEntry::stored("pipe", b"").with_mode(0o010_644),
        ZipEntry::stored("__MACOSX/._a", b"x"),
        ZipEntry::stored("deep/.DS_Store", b"x"),
        ZipEntry::stored("deep/__MACOSX/kept", b"x"),
        ZipEntry::stored("dir", b"").with_mode(0o040_755),
        ZipEntry::stored("back\\slash\\", b""),
        ZipEntry::stored("./", b""),
        ZipEntry::stored("file", b"kept"),
    ]);
    let archive = ZipReader::open(Cursor::new(&bytes), Caps::default()).unwrap();
    let skipped: Vec<_> = archive
        .skipped()
        .iter()
        .map(|skipped| match skipped {
            Skipped::Symlink(path) => format!("symlink {path}"),
            Skipped::Special(path) => format!("special {path}"),
            Skipped::SystemFile(path) => format!("system {path}"),
            _ => unreachable!("no other kind"),
        })
        .collect();
    assert_eq!(
        skipped,
        [
            "symlink link",
            "special device",
            "special pipe",
            "system __MACOSX/._a",
            "system deep/.DS_Store"
        ]
    );
    let paths: Vec<_> = archive.paths().map(ToString::to_string).collect();
    assert_eq!(paths, ["deep/__MACOSX/kept", "file"]);
}

#[test]
fn of_two_entries_with_one_path_the_last_stands() {
    let bytes = zip(&[
        ZipEntry::deflated("d.txt", b"first"),
        ZipEntry::deflated("e.txt", b"other"),
        ZipEntry::deflated("./d.txt", b"second"),
    ]);
    let files = read(&bytes).unwrap();
    assert_eq!(
        files,
        [
            ("d.txt".to_owned(), b"second".to_vec()),
            ("e.txt".to_owned(), b"other".to_vec())
        ]
    );
}

#[test]
fn entries_that_share_bytes_are_refused() {
    let same = ZipEntry {
        shares: Some(0),
        ..ZipEntry::deflated("b", b"content")
    };
    let bytes = zip(&[ZipEntry::deflated("a", b"content"), same]);
    assert!(
        matches!(refused(&bytes), Error::Overlap { .. }),
        "two names for the same data"
    );

    let quoting = ZipEntry {
        stated_packed: Some(60),
        ..ZipEntry::stored("a", b"content")
    };
    let bytes = zip(&[quoting, ZipEntry::stored("b", b"content")]);
    assert_eq!(
        refused(&bytes).entry(),
        Some("a"),
        "data that runs over the next header"
    );

    let last = ZipEntry {
        stated_packed: Some(8),
        ..ZipEntry::stored("a", b"content")
    };
    assert!(
        matches!(refused(&zip(&[last])), Error::Overlap { .. }),
        "data that runs into the directory"
    );
}

#[test]
fn encrypted_and_unknown_methods_are_refused() {
    let mut entry = ZipEntry::stored("secret", b"x");
    entry.flags |= ENCRYPTED;
    assert!(matches!(refused(&zip(&[entry])), Error::Encrypted { entry } if entry == "secret"));
    let aes = ZipEntry {
        method: 99,
        ..ZipEntry::stored("secret", b"x")
    };
    assert!(matches!(refused(&zip(&[aes])), Error::Encrypted { .. }));
    for unknown in [1, 6, 12, 14, 93, 95, 98, 65_535] {
        let entry = ZipEntry {
            method: unknown,
            ..ZipEntry::stored("odd", b"x")
        };
        assert!(matches!(refused(&zip(&[entry])), Error::UnknownMethod { method, .. } if method == unknown));
    }
}

#[test]
fn deflate64_is_read() {
    // The two formats differ in matches of 258 bytes and in distances beyond 32 KiB; a text that
    // is too short for either is packed alike.
    let text = b"deflate64 ".repeat(10);
    let entry = ZipEntry {
        method: 9,
        ..ZipEntry::deflated("x", &text)
    };
    assert_eq!(read(&zip(&[entry])).unwrap()[0].1, text);
}

#[test]
fn what_is_no_zip_archive_is_damaged() {
    let whole = zip(&[ZipEntry::stored("a.txt", &[b'x'; 10])]);
    for (bytes, what) in [
        (&b""[..], "nothing"),
        (b"not a zip", "text"),
        (&whole[..whole.len() - 8], "a cut end"),
        (&whole[..whole.len() / 2], "half"),
        (&whole[10..], "a cut beginning"),
    ] {
        assert!(matches!(read(bytes), Err(Error::Corrupt { .. })), "{what}");
    }
    assert_eq!(
        read(&zip(&[])).unwrap(),
        [],
        "an archive of nothing is an archive"
    );
}

#[test]
fn a_record_missing_from_the_directory_is_noticed() {
    let mut bytes = zip(&[ZipEntry::stored("a", b"1"), ZipEntry::stored("b", b"2")]);
    let end = bytes.len() - 22;
    bytes[end + 8] = 3;
    bytes[end + 10] = 3;
    assert!(matches!(refused(&bytes), Error::Corrupt { .. }));
}

#[test]
fn damaged_content_is_noticed_even_if_nobody_reads_it() {
    let wrong_sum = ZipEntry {
        crc: 1,
        ..ZipEntry::deflated("sum", b"content")
    };
    let wrong_size = ZipEntry {
        stated_size: 3,
        ..ZipEntry::deflated("size", b"content")
    };
    let mut cut = ZipEntry::deflated("cut", &b"content ".repeat(100));
    cut.packed.pop();
    let garbage = ZipEntry {
        method: 8,
        ..ZipEntry::stored("garbage", &[0xff; 40])
    };
    for entry in [wrong_sum, wrong_size, cut, garbage] {
        let bytes = zip(&[entry]);
        let error = refused(&bytes);
        assert!(matches!(&error, Error::Corrupt { entry: Some(_), .. }), "{error}");
        let mut archive = ZipReader::open(Cursor::new(&bytes), Caps::default()).unwrap();
        let unread = archive.for_each(|_, _| Ok::<_, Error>(()));
        assert!(matches!(unread, Err(Error::Corrupt { .. })), "unread");
        let swallowed = archive.for_each(|_, content| {
            let _ = content.read_to_end(&mut Vec::new());
            Ok::<_, Error>(())
        });
        assert!(matches!(swallowed, Err(Error::Corrupt { .. })), "swallowed");
    }
}

#[test]
fn each_limit_is_named_with_the_entry_that_exceeds_it() {
    let zeros = vec![0; 100_000];
    let bytes = zip(&[
        ZipEntry::deflated("a", &zeros[..100]),
        ZipEntry::deflated("b", &zeros),
        ZipEntry::deflated("c", &zeros),
    ]);
    let default = Caps::default();
    #[track_caller]
    fn check(bytes: &[u8], caps: Caps, expected: (Limit, u64, &str)) {
        match unpack(bytes, caps) {
            Err(Error::LimitExceeded { limit, max, entry }) => {
                assert_eq!((limit, max, entry.as_deref().unwrap_or("")), expected);
            }
            other => panic!("{other:?}"),
        }
    }
    check(
        &bytes,
        Caps {
            max_members: 2,
            ..default
        },
        (Limit::Members, 2, "c"),
    );
    check(
        &bytes,
        Caps {
            max_name_bytes: 2,
            ..default
        },
        (Limit::NameBytes, 2, "c"),
    );
    check(
        &bytes,
        Caps {
            max_member_bytes: 99_999,
            ..default
        },
        (Limit::MemberBytes, 99_999, "b"),
    );
    check(
        &bytes,
        Caps {
            max_unpacked_bytes: 200_099,
            ..default
        },
        (Limit::UnpackedBytes, 200_099, "c"),
    );
    let exact = Caps {
        max_members: 3,
        max_name_bytes: 3,
        max_member_bytes: 100_000,
        max_unpacked_bytes: 200_100,
        max_ratio: Some(1),
        ..default
    };
    assert_eq!(
        unpack(&bytes, exact).unwrap().len(),
        3,
        "a limit may be met, and text is not held to a ratio"
    );
}

#[test]
fn a_bomb_that_lies_about_its_size_is_a_limit_exceeded() {
    let liar = ZipEntry {
        stated_size: 10,
        ..ZipEntry::deflated("bomb", &vec![b'A'; 1 << 20])
    };
    let mut seen = 0;
    let mut archive = ZipReader::open(
        Cursor::new(zip(&[liar])),
        Caps {
            max_unpacked_bytes: 4096,
            ..Caps::default()
        },
    )
    .unwrap();
    let result = archive.for_each(|_, content| {
        let mut buffer = [0; 1000];
        while let Ok(count @ 1..) = content.read(&mut buffer) {
            seen += count;
        }
        Ok::<_, Error>(())
    });
    assert!(matches!(
        result,
        Err(Error::LimitExceeded {
            limit: Limit::UnpackedBytes,
            ..
        })
    ));
    assert!(seen <= 4096, "{seen} bytes came out");
}

#[test]
fn the_visitors_error_ends_the_visit() {
    let bytes = zip(&[ZipEntry::stored("a", b"1"), ZipEntry::stored("b", b"2")]);
    let mut archive = ZipReader::open(Cursor::new(&bytes), Caps::default()).unwrap();
    #[derive(Debug)]
    enum Mine {
        Stop,
        Archive(#[expect(dead_code, reason = "shown when the test fails")] Error),
    }
    impl From<Error> for Mine {
        fn from(error: Error) -> Self {
            Self::Archive(error)
        }
    }
    let mut visited = 0;
    let result = archive.for_each(|_, _| {
        visited += 1;
        Err(Mine::Stop)
    });
    assert!(matches!(result, Err(Mine::Stop)));
    assert_eq!(visited, 1);
}

#[test]
fn a_failing_disk_is_not_a_damaged_archive() {
    struct Failing(Cursor<Vec<u8>>, usize);
    impl Read for Failing {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            self.1 = self
                .1
                .checked_sub(1)
                .ok_or(std::io::ErrorKind::PermissionDenied)?;
            self.0.read(buffer)
        }
    }
    impl Seek for Failing {
        fn seek(&mut self, position: SeekFrom) -> std::io::Result<u64> {
            self.0.seek(position)
        }
    }
    let bytes = zip(&[ZipEntry::deflated("a", b"content")]);
    let mut reads = 0;
    loop {
        let attempt = ZipReader::open(Failing(Cursor::new(bytes.clone()), reads), Caps::default())
            .and_then(|mut archive| archive.for_each(|_, _| Ok::<_, Error>(())));
        match attempt {
            Ok(()) => break,
            Err(error) => assert!(
                matches!(error, Error::Read { .. }),
                "after {reads} reads: {error}"
            ),
        }
        reads += 1;
    }
    assert!(reads > 3, "{reads} reads");
}

#[test]
fn more_entries_than_sixteen_bits_count() {
    let entries: Vec<_> = (0..70_000)
        .map(|number| ZipEntry::stored(&format!("f{number}"), b""))
        .collect();
    let bytes = zip(&entries);
    let archive = ZipReader::open(Cursor::new(&bytes), Caps::default()).unwrap();
    assert_eq!(archive.paths().len(), 70_000);
}
