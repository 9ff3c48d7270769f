//! Durability, seen from outside: a program that stores files and says so is killed, and watched by
//! strace. The program is this test binary itself, told by a variable to run one of its tests.

use std::io::{BufRead, BufReader, Cursor, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use pentad_blob::{BlobId, Blobs, Key};

use crate::{noise, prefix};

/// The variable that makes a process the program, by the URL of its store.
const PROGRAM: &str = "PENTAD_BLOB_TEST_STORE";

/// Stores the files whose names it reads, and writes the id of each when it is durable.
async fn store_files(url: &str, names: impl BufRead, mut answers: impl Write) {
    let blobs = Blobs::open(url).unwrap();
    for name in names.lines() {
        let content = std::fs::read(name.unwrap()).unwrap();
        let id = blobs
            .put_addressed(&prefix("files"), content.into())
            .await
            .unwrap();
        writeln!(answers, "{id}").unwrap();
    }
}

#[tokio::test]
async fn the_program_stores_the_files_it_is_told() {
    if let Some(url) = std::env::var_os(PROGRAM) {
        let url = url.into_string().unwrap();
        return store_files(&url, std::io::stdin().lock(), std::io::stdout().lock()).await;
    }
    let directory = tempfile::tempdir().unwrap();
    let names: Vec<_> = files(directory.path(), 2);
    let input = names
        .iter()
        .map(|name| format!("{}\n", name.display()))
        .collect::<String>();
    let mut answers = Vec::new();
    store_files("memory:", Cursor::new(input), &mut answers).await;
    let expected: String = names
        .iter()
        .map(|name| format!("{}\n", BlobId::of(&std::fs::read(name).unwrap())))
        .collect();
    assert_eq!(String::from_utf8(answers).unwrap(), expected);
}

/// Starts the program, below what `command` already is, and tells it the files.
fn start(mut command: Command, root: &Path, files: &[PathBuf]) -> Child {
    command.args([
        "--exact",
        "killed::the_program_stores_the_files_it_is_told",
        "--nocapture",
        "--quiet",
    ]);
    command.env(PROGRAM, format!("file:{}", root.display()));
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    for file in files {
        writeln!(input, "{}", file.display()).unwrap();
    }
    child
}

fn program() -> PathBuf {
    std::env::current_exe().unwrap()
}

/// Files of a size that takes one request, and of a size that takes parts.
fn files(directory: &Path, count: u32) -> Vec<PathBuf> {
    let write = |number: u32| {
        let path = directory.join(number.to_string());
        let length = if number % 4 == 3 { 9 << 20 } else { 300_000 };
        std::fs::write(&path, noise(length, number)).unwrap();
        path
    };
    (0..count).map(write).collect()
}

#[tokio::test]
async fn a_kill_loses_nothing_acknowledged_and_shows_nothing_in_part() {
    let directory = tempfile::tempdir().unwrap();
    let files = files(directory.path(), 24);
    for acknowledged in [0, 1, 3, 4, 10] {
        let root = directory.path().join(format!("objects-{acknowledged}"));
        let url = format!("file:{}", root.display());
        let mut child = start(Command::new(program()), &root, &files);
        // The test harness says things of its own on the same output.
        let output = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut answers = output.filter_map(|line| line.unwrap().parse::<BlobId>().ok());
        let mut ids: Vec<BlobId> = answers.by_ref().take(acknowledged).collect();
        assert_eq!(ids.len(), acknowledged);
        child.kill().unwrap();
        child.wait().unwrap();
        // What it had said before it died counts too.
        ids.extend(answers);

        let blobs = Blobs::open(&url).unwrap();
        for id in &ids {
            blobs.get_addressed(&prefix("files"), id, 16 << 20).await.unwrap();
        }
        let page = blobs.list(&prefix("files"), None, 1000).await.unwrap();
        assert!(page.objects.len() >= ids.len());
        for object in page.objects {
            let id: BlobId = object.key.as_str().rsplit('/').next().unwrap().parse().unwrap();
            blobs
                .get_addressed(&prefix("files"), &id, 16 << 20)
                .await
                .unwrap();
        }
        // The next sweep clears the rest away.
        let everything = |asked: Vec<Key>| std::future::ready(Ok::<_, pentad_blob::Error>(asked));
        let later =
            std::fs::metadata(&root).unwrap().modified().unwrap() + std::time::Duration::from_secs(3600);
        blobs.sweep(&prefix("files"), later, everything).await.unwrap();
        assert_eq!(count_files(&root), 0);
    }
}

fn count_files(directory: &Path) -> usize {
    let entries = std::fs::read_dir(directory).unwrap().map(Result::unwrap);
    entries
        .map(|entry| {
            if entry.file_type().unwrap().is_dir() {
                count_files(&entry.path())
            } else {
                1
            }
        })
        .sum()
}

/// The place of the first of the calls that fits.
#[track_caller]
fn find(calls: &[String], what: &str, fits: impl Fn(&str) -> bool) -> usize {
    let found = calls.iter().position(|call| fits(call));
    found.unwrap_or_else(|| panic!("{what} is missing in:\n{}", calls.join("\n")))
}

#[test]
fn bytes_and_names_are_on_disk_before_the_answer() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().canonicalize().unwrap().join("objects");
    let trace = directory.path().join("trace");
    let mut strace = Command::new("strace");
    strace.args([
        "-f",
        "-y",
        "-qq",
        "-s",
        "100",
        "-e",
        "trace=fsync,fdatasync,link,linkat,rename,renameat,renameat2,write",
    ]);
    strace.arg("-o").arg(&trace);
    let probe = Command::new("strace")
        .args(["-qq", "-e", "trace=none", "true"])
        .stderr(Stdio::null())
        .status();
    if probe.is_ok_and(|status| status.success()) {
        strace.arg(program());
    } else {
        assert!(
            std::env::var_os("CI").is_none(),
            "the check of fsync needs strace"
        );
        println!("SKIPPED: strace is not installed or not permitted, the order of fsync was not checked");
        return;
    }
    let small = directory.path().join("small");
    let large = directory.path().join("large");
    std::fs::write(&small, noise(1000, 1)).unwrap();
    std::fs::write(&large, noise(9 << 20, 2)).unwrap();
    // The small one twice: the second time it is there already.
    let child = start(strace, &root, &[small.clone(), large.clone(), small.clone()]);
    assert!(child.wait_with_output().unwrap().status.success());

    let trace = std::fs::read_to_string(&trace).unwrap();
    // A call that another thread interrupts is shown in two lines; its end counts, and names no file.
    let mut calls: Vec<String> = Vec::new();
    let mut unfinished = std::collections::HashMap::new();
    for line in trace.lines() {
        let (thread, call) = line.split_once(' ').unwrap();
        let call = call.trim();
        if let Some(begin) = call.strip_suffix("<unfinished ...>") {
            unfinished.insert(thread, begin.to_owned());
        } else if call.contains("resumed>") {
            calls.extend(unfinished.remove(thread).map(|begin| begin + call));
        } else {
            calls.push(call.to_owned());
        }
    }
    assert!(
        calls
            .iter()
            .all(|call| call.starts_with("write") || call.contains("= 0") || call.contains("EEXIST"))
    );

    let mut rest = &calls[..];
    for (file, exists) in [(&small, false), (&large, false), (&small, true)] {
        let id = BlobId::of(&std::fs::read(file).unwrap()).to_string();
        let object = root.join("files").join(&id[..2]).join(&id).display().to_string();
        let synced = |path: &Path| {
            let marker = format!("<{}>", path.display());
            move |call: &str| call.starts_with("fsync(") && call.contains(&marker)
        };
        let answer = find(rest, "the answer", |call| {
            call.starts_with("write(1<") && call.contains(&id)
        });
        let before = &rest[..answer];
        rest = &rest[answer + 1..];
        let parent = Path::new(&object).parent().unwrap();
        if exists {
            find(
                before,
                "the fsync of the directory of an object that exists",
                synced(parent),
            );
            continue;
        }
        let staged = find(
            before,
            "the fsync of the bytes",
            synced(Path::new(&format!("{object}#1"))),
        );
        let publish = find(before, "the publication", |call| {
            (call.starts_with("link") || call.starts_with("rename")) && call.contains(&format!("{object}\""))
        });
        let entry = publish + find(&before[publish..], "the fsync of the name", synced(parent));
        assert!(staged < publish && publish < entry, "{before:#?}");
        // All directories between the object and the one the test made.
        for directory in [root.join("files"), root.clone()] {
            find(&calls, "the fsync of the directories above", synced(&directory));
        }
    }
    let above = directory.path().canonicalize().unwrap();
    find(&calls, "the fsync of the directory above the root", |call| {
        call.starts_with("fsync(") && call.contains(&format!("<{}>", above.display()))
    });
}
