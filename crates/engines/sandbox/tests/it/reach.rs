//! Reaching out of a sandbox, reaching into one, and what happens when the host process dies.

use std::io::{Read, Write};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use pentad_sandbox::{Backend, Discard, LinuxBackend, LinuxOptions, Shape};

use crate::harness;
use crate::runs::shell;

#[test]
fn a_program_reaches_the_caller_s_listener() {
    let Some(backend) = harness::backend("a listener") else {
        return;
    };
    let mut slot = backend
        .prepare(&Shape {
            listen: vec![8787, 3128],
            ..Shape::default()
        })
        .expect("a sandbox");
    let listener = slot.take_listener(8787).expect("a listener");
    assert!(slot.take_listener(8787).is_none(), "it is given once");
    let answer = std::thread::spawn(move || {
        let (mut connection, _) = listener.accept().expect("a connection");
        let mut line = [0; 5];
        connection.read_exact(&mut line).expect("a request");
        connection.write_all(b"from outside\n").expect("an answer");
        line
    });
    let script = "python3 -c \"import socket; c = socket.create_connection(('127.0.0.1', 8787)); c.sendall(b'hello'); print(c.recv(99))\n\
                  try: socket.create_connection(('127.0.0.1', 3128))\nexcept OSError as e: print(e.strerror)\"";
    let outcome = slot.run(shell(script), &mut Discard).expect("a run");
    assert_eq!(
        outcome.stdout.text, "b'from outside\\n'\nConnection refused\n",
        "{outcome:?}"
    );
    assert_eq!(&answer.join().expect("the listener"), b"hello");
}

#[test]
fn the_caller_reaches_a_port_inside() {
    let Some(backend) = harness::backend("dialling") else {
        return;
    };
    let slot = backend.prepare(&Shape::default()).expect("a sandbox");
    let control = slot.control();
    assert!(control.dial(9000).is_err(), "nobody listens yet");
    let script = "python3 -c \"import socket; s = socket.socket(); s.bind(('127.0.0.1', 9000)); s.listen(); print('up', flush=True)\n\
                  c, _ = s.accept(); c.sendall(b'inside ' + c.recv(99))\"";
    let outcome = std::thread::scope(|scope| {
        let caller = scope.spawn(|| {
            let deadline = Instant::now() + Duration::from_secs(10);
            let mut connection = loop {
                match control.dial(9000) {
                    Ok(connection) => break connection,
                    Err(_) if Instant::now() < deadline => std::thread::yield_now(),
                    Err(error) => panic!("{error:?}"),
                }
            };
            connection.write_all(b"out").expect("a request");
            let mut answer = String::new();
            connection.read_to_string(&mut answer).expect("an answer");
            answer
        });
        let outcome = slot.run(shell(script), &mut Discard).expect("a run");
        assert_eq!(caller.join().expect("the caller"), "inside out");
        outcome
    });
    assert_eq!(outcome.exit_code, 0, "{outcome:?}");
    assert!(control.dial(9000).is_err(), "the sandbox is gone");
}

#[test]
fn who_waits_for_a_port_that_lets_nobody_in_waits_alone() {
    let Some(backend) = harness::backend("a full port") else {
        return;
    };
    let slot = backend.prepare(&Shape::default()).expect("a sandbox");
    let control = slot.control();
    let script = "python3 -c \"import socket, time; s = socket.socket(); s.bind(('127.0.0.1', 9000)); s.listen(0)\n\
                  kept = [socket.socket() for _ in range(4)]\nfor c in kept: c.setblocking(False); c.connect_ex(('127.0.0.1', 9000))\n\
                  print('full', flush=True); time.sleep(1000)\"";
    let mut full = false;
    let mut sink = |event: pentad_sandbox::Event<'_>| {
        if matches!(event, pentad_sandbox::Event::Stdout(_)) && !std::mem::replace(&mut full, true) {
            let started = Instant::now();
            // Each of them waits half a second.
            std::thread::scope(|scope| {
                for _ in 0..20 {
                    scope.spawn(|| assert!(control.dial(9000).is_err()));
                }
            });
            assert!(started.elapsed() < Duration::from_secs(5), "one after the other");
            control.cancel();
        }
        std::ops::ControlFlow::Continue(())
    };
    let outcome = slot.run(shell(script), &mut sink).expect("a run");
    assert!(outcome.cancelled, "{outcome:?}");
}

#[test]
fn another_thread_ends_a_run() {
    let Some(backend) = harness::backend("cancelling") else {
        return;
    };
    let slot = backend.prepare(&Shape::default()).expect("a sandbox");
    let control = slot.control();
    let started = Instant::now();
    std::thread::scope(|scope| {
        scope.spawn(|| control.cancel());
        let outcome = slot.run(shell("sleep 100"), &mut Discard).expect("a run");
        assert!(outcome.cancelled && outcome.killed_by.is_none(), "{outcome:?}");
    });
    assert!(started.elapsed() < Duration::from_secs(5));
}

/// The host of the next test: a process that runs something for ever.
#[test]
fn host_for_ever() {
    if std::env::var_os("PENTAD_HOST_FOR_EVER").is_none() {
        return;
    }
    let backend = LinuxBackend::start(&LinuxOptions::default()).expect("a backend");
    let _waiting = backend.prepare(&Shape::default()).expect("a sandbox");
    let slot = backend.prepare(&Shape::default()).expect("a sandbox");
    let _ = slot.run(
        shell("sleep 1000 & sleep 1000"),
        &mut |_: pentad_sandbox::Event<'_>| std::ops::ControlFlow::Continue(()),
    );
}

#[test]
fn no_sandbox_survives_its_host() {
    let Some(_) = harness::backend("the death of the host") else {
        return;
    };
    let mut host = Command::new(std::env::current_exe().expect("own path"))
        .args(["reach::host_for_ever", "--exact", "--nocapture"])
        .env("PENTAD_HOST_FOR_EVER", "1")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("a host");
    let wait = |what: &str, mut until: Box<dyn FnMut() -> bool>| {
        let deadline = Instant::now() + Duration::from_secs(20);
        while !until() {
            assert!(Instant::now() < deadline, "{what}");
            std::thread::yield_now();
        }
    };
    let pid = host.id();
    let inside = move || {
        harness::descendants(pid)
            .into_iter()
            .filter(|(_, name)| name == "sleep")
            .count()
    };
    wait("the sandbox did not start", Box::new(move || inside() >= 2));
    let all = harness::descendants(pid);
    host.kill().expect("kill -9");
    host.wait().expect("wait");
    wait(
        "something survived",
        Box::new(move || {
            all.iter()
                .all(|(pid, name)| harness::process_name(*pid).as_deref() != Some(name))
        }),
    );
}
