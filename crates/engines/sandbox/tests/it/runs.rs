//! One run: output while it lasts, input, limits without cgroups, its end.

use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use pentad_sandbox::{
    Backend, Discard, Event, KilledBy, Limits, LinuxBackend, LinuxOptions, Outcome, Program, Run, Shape,
};

use crate::harness;

pub(crate) fn shell(script: &str) -> Run {
    let program = Program {
        argv: ["/bin/sh", "-c", script].map(str::to_owned).to_vec(),
        env: vec![("PATH".into(), "/usr/bin:/bin".into())],
    };
    Run {
        program: Some(program),
        ..Run::default()
    }
}

fn run(backend: &dyn Backend, run: Run) -> Outcome {
    backend
        .prepare(&Shape::default())
        .expect("a sandbox")
        .run(run, &mut Discard)
        .expect("a run")
}

#[test]
fn output_arrives_while_the_program_runs() {
    let Some(backend) = harness::backend("streaming") else {
        return;
    };
    let mut events: Vec<(Duration, String)> = Vec::new();
    let started = Instant::now();
    let script =
        "echo one; sleep 0.2; printf 'The '; sleep 0.2; printf 'quick'; echo two >&2; sleep 0.2; echo";
    let slot = backend.prepare(&Shape::default()).expect("a sandbox");
    let outcome = slot
        .run(shell(script), &mut |event: Event<'_>| {
            let text = match event {
                Event::Stdout(text) => format!("out {text}"),
                Event::Stderr(text) => format!("err {text}"),
            };
            events.push((started.elapsed(), text));
            ControlFlow::Continue(())
        })
        .expect("a run");
    let mut said: Vec<_> = events.iter().map(|(_, text)| text.as_str()).collect();
    said.sort_unstable();
    assert_eq!(
        said,
        ["err two\n", "out \n", "out The ", "out one\n", "out quick"]
    );
    let (first, last) = (events[0].0, events[4].0);
    assert!(last - first > Duration::from_millis(450), "{events:?}");
    assert_eq!(outcome.stdout.text, "one\nThe quick\n");
}

#[test]
fn a_reader_that_goes_away_ends_the_run() {
    let Some(backend) = harness::backend("a reader that goes away") else {
        return;
    };
    let slot = backend.prepare(&Shape::default()).expect("a sandbox");
    let started = Instant::now();
    let outcome = slot
        .run(shell("while :; do echo x; sleep 0.05; done"), &mut |_: Event<
            '_,
        >| {
            ControlFlow::Break(())
        })
        .expect("a run");
    assert!(
        outcome.cancelled && outcome.stopped && outcome.killed_by.is_none(),
        "{outcome:?}"
    );
    assert!(started.elapsed() < Duration::from_secs(3));
}

#[test]
fn input_is_read_to_its_end() {
    let Some(backend) = harness::backend("input") else {
        return;
    };
    let big = vec![b'x'; 300_000];
    let outcome = run(
        backend.as_ref(),
        Run {
            stdin: big,
            ..shell("wc -c")
        },
    );
    assert_eq!(outcome.stdout.text.trim(), "300000");
    assert_eq!(
        run(backend.as_ref(), shell("cat; echo end")).stdout.text,
        "end\n",
        "without any it is at its end"
    );
}

#[test]
fn ends_are_reported_as_they_were() {
    let Some(backend) = harness::backend("ends") else {
        return;
    };
    for (script, code, signal) in [
        ("exit 3", 3, None),
        ("kill -TERM $$", 143, Some(15)),
        ("exit 137", 137, None),
    ] {
        let outcome = run(backend.as_ref(), shell(script));
        assert_eq!(
            (outcome.exit_code, outcome.signal, outcome.killed_by),
            (code, signal, None),
            "{script}"
        );
    }
    let missing = Program {
        argv: vec!["/no/such/program".into()],
        env: vec![],
    };
    let outcome = run(
        backend.as_ref(),
        Run {
            program: Some(missing),
            ..Run::default()
        },
    );
    assert_eq!(outcome.exit_code, 127);
    assert!(outcome.stderr.text.contains("No such file"), "{outcome:?}");
}

#[test]
fn usage_is_measured() {
    let Some(backend) = harness::backend("usage") else {
        return;
    };
    let outcome = run(
        backend.as_ref(),
        shell("i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done"),
    );
    assert!(
        outcome.usage.cpu > Duration::from_millis(20),
        "{:?}",
        outcome.usage
    );
    assert!(outcome.usage.max_memory_bytes > 100_000, "{:?}", outcome.usage);
    assert!(outcome.duration >= outcome.usage.cpu / 2);
}

/// As on a system whose cgroups cannot be used.
#[test]
fn memory_and_processes_are_limited_without_cgroups_too() {
    let options = LinuxOptions {
        without_cgroups: true,
        ..LinuxOptions::default()
    };
    let Ok(backend) = LinuxBackend::start(&options) else {
        return harness::skip("without cgroups", "no backend");
    };
    let limits = Limits {
        memory_bytes: 64 << 20,
        processes: 20,
        ..Limits::default()
    };
    let shape = Shape {
        limits,
        ..Shape::default()
    };
    let hog = "x=aaaaaaaaaaaaaaaa; while :; do x=$x$x; done";
    let outcome = backend
        .prepare(&shape)
        .expect("a sandbox")
        .run(shell(hog), &mut Discard)
        .expect("a run");
    assert_eq!(
        (outcome.killed_by, outcome.exit_code),
        (Some(KilledBy::Memory), 137),
        "{outcome:?}"
    );
    let many = "for i in $(seq 100); do sleep 100 & done; jobs | wc -l";
    let outcome = backend
        .prepare(&shape)
        .expect("a sandbox")
        .run(shell(many), &mut Discard)
        .expect("a run");
    assert_ne!(outcome.exit_code, 0, "{outcome:?}");
    assert!(outcome.stderr.text.to_lowercase().contains("fork"), "{outcome:?}");
}

#[test]
fn too_much_output_ends_a_run_only_where_that_is_asked_for() {
    let Some(backend) = harness::backend("fatal output") else {
        return;
    };
    let mut flood = shell("while :; do echo xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx; done");
    flood.limits.fatal_output_bytes = Some(100_000);
    let outcome = run(backend.as_ref(), flood);
    assert_eq!(outcome.killed_by, Some(KilledBy::Output), "{outcome:?}");
    assert!(outcome.stopped);
}

#[test]
fn a_sandbox_needs_exactly_one_program() {
    let Some(backend) = harness::backend("programs") else {
        return;
    };
    let slot = backend.prepare(&Shape::default()).expect("a sandbox");
    assert!(matches!(
        slot.run(Run::default(), &mut Discard),
        Err(pentad_sandbox::Error::Program)
    ));
}

#[test]
fn a_mount_that_does_not_exist_is_named() {
    let Some(backend) = harness::backend("mounts") else {
        return;
    };
    let mount = pentad_sandbox::Mount {
        source: "/no/such/place".into(),
        target: "/opt/x".into(),
    };
    let error = backend
        .prepare(&Shape {
            mounts: vec![mount],
            ..Shape::default()
        })
        .err()
        .expect("an error");
    assert!(error.to_string().contains("/no/such/place"), "{error}");
    assert_eq!(
        run(backend.as_ref(), shell("echo fine")).stdout.text,
        "fine\n",
        "the backend goes on"
    );
}

#[test]
fn slots_may_outlive_their_backend() {
    let Some(backend) = harness::backend("slots") else {
        return;
    };
    let slot = backend.prepare(&Shape::default()).expect("a sandbox");
    drop(backend);
    let outcome = slot.run(shell("echo alive"), &mut Discard);
    assert!(outcome.is_ok_and(|outcome| outcome.stdout.text == "alive\n"));
}
