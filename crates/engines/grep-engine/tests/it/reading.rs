//! Listing and reading files.

use pentad_grep_engine::{FileInfo, PathFilter};

use super::{corpus, insert};

#[test]
fn files_are_listed_by_path_across_segments() {
    let corpus = corpus(&[("b.rs", "1\n2"), ("d.md", ""), ("src/x.rs", "1\n")]);
    insert(
        &corpus,
        &[("a.rs", "x\n"), ("c", "y\n"), ("d.md", "now there is text\n")],
    );
    let snapshot = corpus.snapshot();
    let all = PathFilter::default();
    let listed: Vec<_> = snapshot
        .files(&all)
        .map(|file| (file.path, file.bytes, file.lines))
        .collect();
    assert_eq!(
        listed,
        [
            ("a.rs", 2, 1),
            ("b.rs", 3, 2),
            ("c", 2, 1),
            ("d.md", 18, 1),
            ("src/x.rs", 2, 1)
        ]
    );
    let rust = PathFilter::new("", &["*.rs".into()], &[]).unwrap();
    assert_eq!(
        snapshot.files(&rust).map(|file| file.path).collect::<Vec<_>>(),
        ["a.rs", "b.rs", "src/x.rs"]
    );
    let below = PathFilter::new("src/", &[], &[]).unwrap();
    assert_eq!(snapshot.files(&below).count(), 1);
    assert_eq!(
        snapshot.file("b.rs"),
        Some(FileInfo {
            path: "b.rs",
            bytes: 3,
            lines: 2
        })
    );
    assert_eq!(snapshot.file("b"), None);
}

#[test]
fn ranges_beyond_the_file_are_cut() {
    let corpus = corpus(&[("a", "1\n2\r\n3")]);
    let snapshot = corpus.snapshot();
    let read = |lines| {
        let read = snapshot.read("a", lines).unwrap();
        (String::from_utf8(read.text).unwrap(), read.lines)
    };
    assert_eq!(read(1..4), ("1\n2\r\n3".into(), 1..4));
    assert_eq!(read(0..2), ("1\n".into(), 1..2));
    assert_eq!(read(2..usize::MAX), ("2\r\n3".into(), 2..4));
    assert_eq!(read(9..12), (String::new(), 4..4));
    let backwards = std::ops::Range { start: 3, end: 1 };
    assert_eq!(read(backwards), (String::new(), 3..3));
    assert!(snapshot.read("b", 1..2).is_none());
}
