//! Tar archives in gzip.

use std::io::Read;

use pentad_archive::{Caps, Error, Limit, PathError, SpecialKind, Summary, read_tar_gz};

use crate::forge::{Broken, Tar, gzip, pax_records};

type Files = Vec<(String, Vec<u8>)>;

fn unpack(reader: impl Read, caps: &Caps) -> Result<(Files, Summary), Error> {
    let mut files = Vec::new();
    let summary = read_tar_gz(reader, caps, |member, content| {
        let mut bytes = Vec::new();
        content.read_to_end(&mut bytes)?;
        assert_eq!(bytes.len() as u64, member.size);
        files.push((member.path.to_string(), bytes));
        Ok::<_, Error>(())
    })?;
    Ok((files, summary))
}

fn read(bytes: &[u8]) -> Result<Files, Error> {
    unpack(bytes, &Caps::default()).map(|(files, _)| files)
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
    let long = format!("{}/file", "directory/".repeat(30));
    let mut builder = tar::Builder::new(Vec::new());
    let mut append = |name: &str, content: &[u8]| {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        builder.append_data(&mut header, name, content).unwrap();
    };
    append("manifest.json", b"{}");
    append("messages.jsonl", &b"{\"role\":\"user\"}\n".repeat(1000));
    append(&long, b"long name");
    append("a..b", b"two dots are a name");
    append("empty", b"");
    let tar = builder.into_inner().unwrap();
    let bytes = gzip(&tar);

    let (files, summary) = unpack(&bytes[..], &Caps::default()).unwrap();
    assert_eq!(
        names(&files),
        [
            "manifest.json",
            "messages.jsonl",
            &long.replace("//", "/"),
            "a..b",
            "empty"
        ]
    );
    assert_eq!(files[1].1, b"{\"role\":\"user\"}\n".repeat(1000));
    assert_eq!(summary.files, 5);
    assert_eq!(summary.unpacked_bytes, tar.len() as u64);
    assert_eq!(summary.packed_bytes, bytes.len() as u64);
    assert_eq!(
        summary.file_bytes,
        files.iter().map(|(_, content)| content.len() as u64).sum::<u64>()
    );
}

#[test]
fn directories_are_not_shown_and_names_are_normalised() {
    let bytes = Tar::default()
        .member(b'5', b"./", b"")
        .member(b'5', b"session/", b"")
        .member(b'0', b"old-style-directory/", b"")
        .file("./session//a.txt", b"a")
        .gz();
    assert_eq!(
        read(&bytes).unwrap(),
        [("session/a.txt".to_owned(), b"a".to_vec())]
    );
}

#[test]
fn pax_names_and_comments_are_understood() {
    let comment = pax_records(&[("comment", "0123456789abcdef")]);
    let bytes = Tar::default()
        .member(b'g', b"pax_global_header", &comment)
        .pax(&[("path", "ünï/日本.txt"), ("mtime", "1.5")])
        .file("short", b"x")
        .gz();
    assert_eq!(names(&read(&bytes).unwrap()), ["ünï/日本.txt"]);
}

#[test]
fn unsafe_names_refuse_the_archive() {
    for (name, why) in [
        ("../evil", PathError::ParentComponent),
        ("a/../../evil", PathError::ParentComponent),
        ("a\\..\\evil", PathError::ParentComponent),
        ("/etc/evil", PathError::Absolute),
        ("C:/evil", PathError::DriveLetter),
        ("../evil/", PathError::ParentComponent),
    ] {
        for bytes in [
            Tar::default().file("ok", b"x").file(name, b"x").gz(),
            Tar::default().pax(&[("path", name)]).file("ok", b"x").gz(),
            Tar::default().member(b'5', name.as_bytes(), b"").gz(),
        ] {
            match refused(&bytes) {
                Error::UnsafePath { entry, source } => assert_eq!((entry.as_str(), source), (name, why)),
                other => panic!("{name:?}: {other}"),
            }
        }
    }
    let nul = Tar::default().pax(&[("path", "a\0b")]).file("ok", b"x").gz();
    assert!(matches!(
        refused(&nul),
        Error::UnsafePath {
            source: PathError::ControlCharacter,
            ..
        }
    ));
    let latin = Tar::default().member(b'0', b"caf\xe9", b"x").gz();
    assert!(matches!(
        refused(&latin),
        Error::UnsafePath {
            source: PathError::NotUtf8,
            ..
        }
    ));
}

#[test]
fn links_devices_and_holes_are_refused() {
    for (kind, expected) in [
        (b'1', SpecialKind::HardLink),
        (b'2', SpecialKind::Symlink),
        (b'3', SpecialKind::Device),
        (b'4', SpecialKind::Device),
        (b'6', SpecialKind::Pipe),
        (b'V', SpecialKind::Unknown),
    ] {
        let bytes = Tar::default().member(kind, b"odd", b"").gz();
        match refused(&bytes) {
            Error::ForbiddenKind { entry, kind } => assert_eq!((entry.as_str(), kind), ("odd", expected)),
            other => panic!("{}: {other}", char::from(kind)),
        }
    }
    let sparse = Tar::default()
        .pax(&[("GNU.sparse.major", "1"), ("GNU.sparse.name", "x")])
        .file("odd", b"x");
    assert!(matches!(
        refused(&sparse.gz()),
        Error::ForbiddenKind {
            kind: SpecialKind::SparseFile,
            ..
        }
    ));
    let old_sparse = Tar::default().member(b'S', b"odd", b"").gz();
    assert!(read(&old_sparse).is_err());
}

#[test]
fn a_path_occurs_once() {
    let bytes = Tar::default()
        .file("a", b"1")
        .file("b", b"2")
        .file("./a", b"3")
        .gz();
    assert!(matches!(refused(&bytes), Error::Duplicate { entry } if entry == "a"));
}

#[test]
fn records_that_contradict_each_other_are_refused() {
    let twice = Tar::default()
        .pax(&[("path", "a"), ("path", "../b")])
        .file("c", b"x")
        .gz();
    assert!(matches!(refused(&twice), Error::Ambiguous { field, .. } if field == "path"));
    let gnu_and_pax = Tar::default()
        .member(b'L', b"././@LongLink", b"a\0")
        .pax(&[("path", "b")])
        .file("a", b"x")
        .gz();
    assert!(read(&gnu_and_pax).is_err());
    let global = pax_records(&[("path", "everything")]);
    let global = Tar::default()
        .member(b'g', b"pax_global_header", &global)
        .file("a", b"x")
        .gz();
    assert!(matches!(refused(&global), Error::Ambiguous { .. }));
    let sizes = Tar::default()
        .pax(&[("size", "1"), ("size", "600")])
        .file("a", b"x")
        .gz();
    assert!(matches!(refused(&sizes), Error::Ambiguous { .. }));
}

#[test]
fn a_cut_archive_is_damaged_wherever_it_is_cut() {
    let noise: Vec<u8> = (0..5000_u32)
        .map(|number| (number.wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect();
    let tar = Tar::default().file("a", &noise).file("b", b"x").end();
    let whole = gzip(&tar);
    for length in 0..whole.len() {
        assert!(
            matches!(read(&whole[..length]), Err(Error::Corrupt { .. })),
            "{length} bytes"
        );
    }
    // Cut in tar, whole in gzip.
    for length in [
        1,
        511,
        513,
        512 + 4999,
        512 + 5000,
        512 + 5119,
        512 + 5120 + 100,
        512 + 5120 + 512,
    ] {
        assert!(
            matches!(read(&gzip(&tar[..length])), Err(Error::Corrupt { .. })),
            "{length} bytes of tar"
        );
    }
    // Between two members there is nothing to tell a cut from a writer without an end marker.
    assert_eq!(names(&read(&gzip(&tar[..512 + 5120])).unwrap()), ["a"]);
}

#[test]
fn what_is_no_archive_is_damaged() {
    for (bytes, what) in [
        (b"".to_vec(), "nothing"),
        (b"not a gzip".to_vec(), "text"),
        (gzip(b"not a tar"), "text in gzip"),
        (gzip(&[b'x'; 1024]), "blocks of text in gzip"),
        (Tar::default().file("a", b"x").end(), "a tar without gzip"),
    ] {
        assert!(matches!(read(&bytes), Err(Error::Corrupt { .. })), "{what}");
    }
    let mut bytes = Tar::default().file("a", b"x").gz();
    let sum = bytes.len() - 8;
    bytes[sum] ^= 1;
    assert!(
        matches!(refused(&bytes), Error::Corrupt { .. }),
        "the sum of the gzip is wrong"
    );
    assert_eq!(
        read(&gzip(b"")).unwrap(),
        [],
        "an empty tar is an archive of nothing"
    );
    assert_eq!(read(&Tar::default().gz()).unwrap(), []);
}

#[test]
fn only_zeros_may_follow_the_end() {
    let tar = Tar::default().file("a", b"x").end();
    let padded = [&tar[..], &[0; 9000]].concat();
    assert_eq!(read(&gzip(&padded)).unwrap().len(), 1, "zeros inside");
    assert_eq!(
        read(&[gzip(&tar), vec![0; 100]].concat()).unwrap().len(),
        1,
        "zeros behind"
    );
    let second = Tar::default().file("../b", b"x").end();
    for (bytes, what) in [
        ([gzip(&tar), b"garbage".to_vec()].concat(), "behind the gzip"),
        (gzip(&[&tar[..], b"garbage"].concat()), "inside the gzip"),
        (gzip(&[&tar[..], &second].concat()), "a second tar inside"),
        ([gzip(&tar), gzip(&second)].concat(), "a second tar behind"),
    ] {
        assert!(matches!(refused(&bytes), Error::TrailingData), "{what}");
    }
}

#[test]
fn a_gzip_of_several_members_is_one_stream() {
    let tar = Tar::default().file("a", &[7; 3000]).file("b", b"x").end();
    let (front, back) = tar.split_at(1234);
    assert_eq!(
        names(&read(&[gzip(front), gzip(b""), gzip(back)].concat()).unwrap()),
        ["a", "b"]
    );
}

#[track_caller]
fn exceeds(bytes: &[u8], caps: Caps) -> (Limit, u64, Option<String>) {
    match unpack(bytes, &caps) {
        Err(Error::LimitExceeded { limit, max, entry }) => (limit, max, entry),
        other => panic!("{other:?}"),
    }
}

#[test]
fn each_limit_is_named() {
    let default = Caps::default();
    let bytes = Tar::default().file("a", &[0; 600]).file("bb", &[1; 10]).gz();
    let some = |name: &str| Some(name.to_owned());
    assert_eq!(
        exceeds(
            &bytes,
            Caps {
                max_members: 1,
                ..default
            }
        ),
        (Limit::Members, 1, some("bb"))
    );
    assert_eq!(
        exceeds(
            &bytes,
            Caps {
                max_name_bytes: 2,
                ..default
            }
        ),
        (Limit::NameBytes, 2, some("bb"))
    );
    let tight = Caps {
        max_member_bytes: 599,
        ..default
    };
    assert_eq!(exceeds(&bytes, tight), (Limit::MemberBytes, 599, some("a")));
    let tight = Caps {
        max_unpacked_bytes: 1000,
        ..default
    };
    assert_eq!(exceeds(&bytes, tight), (Limit::UnpackedBytes, 1000, some("a")));
    let exact = Caps {
        max_members: 2,
        max_name_bytes: 3,
        max_member_bytes: 600,
        max_unpacked_bytes: 512 + 1024 + 512 + 512 + 1024,
        ..default
    };
    assert_eq!(
        unpack(&bytes[..], &exact).unwrap().0.len(),
        2,
        "a limit may be met"
    );
}

#[test]
fn the_ratio_is_looked_at_after_the_free_bytes() {
    let bomb = Tar::default().file("zeros", &vec![0; 4 << 20]).gz();
    let caps = Caps {
        max_ratio: Some(100),
        ..Caps::default()
    };
    assert_eq!(exceeds(&bomb, caps).0, Limit::Ratio);
    assert!(
        unpack(
            &bomb[..],
            &Caps {
                ratio_free_bytes: 8 << 20,
                ..caps
            }
        )
        .is_ok()
    );
    assert!(
        unpack(
            &bomb[..],
            &Caps {
                max_ratio: Some(1032),
                ..caps
            }
        )
        .is_ok()
    );
}

#[test]
fn headers_that_are_kept_in_memory_are_bounded() {
    let caps = Caps {
        max_header_bytes: 8 << 10,
        ..Caps::default()
    };
    let long_name = Tar::default()
        .member(b'L', b"././@LongLink", &[b'a'; 100_000])
        .file("a", b"")
        .gz();
    assert_eq!(exceeds(&long_name, caps).0, Limit::HeaderBytes);
    let value = "v".repeat(9000);
    let pax = Tar::default().pax(&[("comment", &value)]).file("a", b"").gz();
    assert_eq!(exceeds(&pax, caps).0, Limit::HeaderBytes);
    let global = Tar::default()
        .member(b'g', b"g", &pax_records(&[("comment", &value)]))
        .file("a", b"")
        .gz();
    assert_eq!(exceeds(&global, caps).0, Limit::HeaderBytes);
}

#[test]
fn stated_sizes_beyond_reason_do_no_harm() {
    for size in [1 << 33, u64::MAX / 2, u64::MAX] {
        for kind in [b'0', b'5', b'L', b'x', b'g'] {
            let bytes = gzip(
                &Tar::default()
                    .header(kind, b"huge", size)
                    .raw(b"little")
                    .pad()
                    .bare(),
            );
            assert!(read(&bytes).is_err(), "{size} {}", char::from(kind));
        }
    }
}

#[test]
fn what_a_visitor_leaves_unread_is_checked_all_the_same() {
    let bytes = Tar::default().file("a", &vec![0; 100_000]).file("b", b"x").gz();
    let mut visited = Vec::new();
    let summary = read_tar_gz(&bytes[..], &Caps::default(), |member, _| {
        visited.push(member.path.to_string());
        Ok::<_, Error>(())
    })
    .unwrap();
    assert_eq!(
        (visited, summary.file_bytes),
        (vec!["a".to_owned(), "b".to_owned()], 100_001)
    );
    let caps = Caps {
        max_unpacked_bytes: 50_000,
        ..Caps::default()
    };
    let refused = read_tar_gz(&bytes[..], &caps, |_, _| Ok::<_, Error>(()));
    assert!(matches!(
        refused,
        Err(Error::LimitExceeded {
            limit: Limit::UnpackedBytes,
            ..
        })
    ));
}

#[test]
fn a_failing_reader_is_not_a_damaged_archive() {
    let whole = Tar::default().file("a", &[7; 3000]).file("b", b"x").gz();
    for length in 0..whole.len() {
        let error = unpack(Broken(&whole[..length]), &Caps::default()).unwrap_err();
        assert!(
            matches!(error, Error::Read { .. }),
            "after {length} bytes: {error}"
        );
    }
}
