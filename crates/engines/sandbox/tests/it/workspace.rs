//! Files handed in, and the difference handed out.

use std::fs;

use pentad_sandbox::{
    Backend, ChangeKind, Content, Discard, InputContent, InputFile, Outcome, Run, Shape, Workspace,
    WorkspacePath,
};

use crate::harness;
use crate::runs::shell;

fn file(path: &str, text: &str) -> InputFile {
    InputFile::new(WorkspacePath::parse(path).expect("path"), text.as_bytes())
}

fn run(backend: &dyn Backend, script: &str, workspace: Workspace) -> Outcome {
    let slot = backend.prepare(&Shape::default()).expect("a sandbox");
    let outcome = slot
        .run(
            Run {
                workspace,
                ..shell(script)
            },
            &mut Discard,
        )
        .expect("a run");
    assert_eq!(outcome.exit_code, 0, "{outcome:?}");
    outcome
}

/// `created a`, `changed b`, `deleted c`, in order of path.
fn changes(outcome: &Outcome) -> Vec<String> {
    outcome
        .changes
        .iter()
        .map(|change| {
            let kind = match change.kind {
                ChangeKind::Created(_) => "created",
                ChangeKind::Changed(_) => "changed",
                ChangeKind::Deleted => "deleted",
            };
            format!("{kind} {}", change.path)
        })
        .collect()
}

const SCRIPT: &str = "cat kept; echo 2 >> grown; rm gone; mkdir -p new/deep; echo 3 > new/deep/file; \
                      mv old renamed; touch kept; chmod +x tool; ln -s kept link; cat same > t && cat t > same && rm t";
const EXPECTED: [&str; 7] = [
    "deleted gone",
    "changed grown",
    "created link",
    "created new/deep/file",
    "deleted old",
    "created renamed",
    "changed tool",
];
const BEFORE: [(&str, &str); 6] = [
    ("kept", "k"),
    ("grown", "1\n"),
    ("gone", "x"),
    ("old", "o"),
    ("tool", "#!"),
    ("same", "same"),
];

#[test]
fn the_difference_to_files_handed_in() {
    let Some(backend) = harness::backend("files") else {
        return;
    };
    let files = BEFORE.iter().map(|(path, text)| file(path, text)).collect();
    let outcome = run(backend.as_ref(), SCRIPT, Workspace { base: None, files });
    assert_eq!(outcome.stdout.text, "k");
    assert_eq!(changes(&outcome), EXPECTED);
    assert_eq!(outcome.changes.read("grown").expect("content"), b"1\n2\n");
    assert!(outcome.changes.open("../../etc/passwd").is_err());
}

#[test]
fn the_difference_to_a_directory() {
    let Some(backend) = harness::backend("a base") else {
        return;
    };
    let base = tempfile::Builder::new().prefix("base-").tempdir().expect("base");
    for (path, text) in BEFORE {
        fs::write(base.path().join(path), text).expect("write");
    }
    let workspace = Workspace {
        base: Some(base.path().to_owned()),
        files: vec![],
    };
    let outcome = run(backend.as_ref(), SCRIPT, workspace);
    assert_eq!(changes(&outcome), EXPECTED);
    assert_eq!(outcome.changes.read("grown").expect("content"), b"1\n2\n");
    for (path, text) in BEFORE {
        assert_eq!(
            fs::read_to_string(base.path().join(path)).expect("base"),
            text,
            "the base is untouched"
        );
    }
}

#[test]
fn directories_of_a_base_that_are_deleted_and_replaced() {
    let Some(backend) = harness::backend("a base") else {
        return;
    };
    let base = tempfile::Builder::new().prefix("base-").tempdir().expect("base");
    for directory in ["gone/deep", "replaced", "becomes-file"] {
        fs::create_dir_all(base.path().join(directory)).expect("mkdir");
    }
    for path in [
        "gone/a",
        "gone/deep/b",
        "replaced/old",
        "replaced/same",
        "becomes-file/x",
        "becomes-dir",
    ] {
        fs::write(base.path().join(path), "1").expect("write");
    }
    let script = "rm -r gone replaced becomes-file becomes-dir; mkdir replaced becomes-dir; \
                  printf 1 > replaced/same; echo 2 > replaced/new; echo 3 > becomes-file; echo 4 > becomes-dir/y";
    let workspace = Workspace {
        base: Some(base.path().to_owned()),
        files: vec![],
    };
    let outcome = run(backend.as_ref(), script, workspace);
    assert_eq!(
        changes(&outcome),
        [
            "deleted becomes-dir",
            "created becomes-dir/y",
            "created becomes-file",
            "deleted becomes-file/x",
            "deleted gone/a",
            "deleted gone/deep/b",
            "created replaced/new",
            "deleted replaced/old",
        ]
    );
}

#[test]
fn files_over_a_base() {
    let Some(backend) = harness::backend("a base") else {
        return;
    };
    let base = tempfile::Builder::new().prefix("base-").tempdir().expect("base");
    fs::create_dir(base.path().join("d")).expect("mkdir");
    fs::write(base.path().join("d/below"), "below").expect("write");
    fs::write(base.path().join("covered"), "old").expect("write");
    let files = vec![file("covered", "new"), file("d/over", "over"), file("data", "1")];
    let workspace = Workspace {
        base: Some(base.path().to_owned()),
        files,
    };
    let outcome = run(
        backend.as_ref(),
        "cat covered d/below d/over; echo 2 > data",
        workspace,
    );
    assert_eq!(outcome.stdout.text, "newbelowover");
    assert_eq!(changes(&outcome), ["changed data"]);
}

#[test]
fn injected_files_are_nobody_s() {
    let Some(backend) = harness::backend("injected files") else {
        return;
    };
    let sdk = InputFile::injected(WorkspacePath::parse("sdk.py").expect("path"), &b"x"[..]);
    let files = vec![sdk.clone(), file("mine", "1")];
    let outcome = run(
        backend.as_ref(),
        "cat sdk.py mine; echo 2 > sdk.py; rm mine",
        Workspace { base: None, files },
    );
    assert_eq!(outcome.stdout.text, "x1");
    assert_eq!(changes(&outcome), ["deleted mine"]);
}

#[test]
fn links_and_modes_come_back() {
    let Some(backend) = harness::backend("links") else {
        return;
    };
    let link = InputFile {
        path: WorkspacePath::parse("bin/link").expect("path"),
        content: InputContent::Symlink {
            target: "../tool".into(),
        },
        injected: false,
    };
    let tool = InputFile {
        path: WorkspacePath::parse("tool").expect("path"),
        content: InputContent::File {
            bytes: b"#!/bin/sh\necho ran\n"[..].into(),
            executable: true,
        },
        injected: false,
    };
    let script = "bin/link; cp tool copy; ln -s ../tool bin/other";
    let outcome = run(
        backend.as_ref(),
        script,
        Workspace {
            base: None,
            files: vec![tool, link],
        },
    );
    assert_eq!(outcome.stdout.text, "ran\n");
    let kinds: Vec<_> = outcome
        .changes
        .iter()
        .map(|change| (change.path.as_str(), &change.kind))
        .collect();
    assert!(
        matches!(
            kinds[..],
            [
                ("bin/other", ChangeKind::Created(Content::Symlink { target })),
                ("copy", ChangeKind::Created(Content::File { executable: true, .. })),
            ] if target == "../tool"
        ),
        "{kinds:?}"
    );
}

#[test]
fn files_never_go_through_a_link() {
    let Some(backend) = harness::backend("links") else {
        return;
    };
    let link = InputFile {
        path: WorkspacePath::parse("d").expect("path"),
        content: InputContent::Symlink {
            target: "../tmp".into(),
        },
        injected: false,
    };
    let slot = backend.prepare(&Shape::default()).expect("a sandbox");
    let workspace = Workspace {
        base: None,
        files: vec![link, file("d/x", "1")],
    };
    let error = slot
        .run(
            Run {
                workspace,
                ..shell("true")
            },
            &mut Discard,
        )
        .expect_err("an error");
    assert!(
        matches!(error, pentad_sandbox::Error::Workspace { .. }),
        "{error:?}"
    );
}

#[test]
fn a_workspace_that_does_not_fit_is_an_error_not_a_hang() {
    let Some(backend) = harness::backend("limits") else {
        return;
    };
    let limits = pentad_sandbox::Limits {
        workspace_bytes: 1 << 20,
        ..Default::default()
    };
    let slot = backend
        .prepare(&Shape {
            limits,
            ..Shape::default()
        })
        .expect("a sandbox");
    let files = vec![file("big", &"x".repeat(8 << 20)), file("after", "1")];
    let run = Run {
        workspace: Workspace { base: None, files },
        ..shell("true")
    };
    let error = slot.run(run, &mut Discard).expect_err("an error");
    assert!(
        matches!(error, pentad_sandbox::Error::Workspace { .. }),
        "{error:?}"
    );
}

#[test]
fn changes_of_a_killed_run_are_kept() {
    let Some(backend) = harness::backend("a killed run") else {
        return;
    };
    let mut killed = shell("echo 1 > before; sleep 100; echo 2 > after");
    killed.limits.timeout = std::time::Duration::from_millis(300);
    let outcome = backend
        .prepare(&Shape::default())
        .expect("a sandbox")
        .run(killed, &mut Discard)
        .expect("a run");
    assert_eq!(changes(&outcome), ["created before"]);
}
