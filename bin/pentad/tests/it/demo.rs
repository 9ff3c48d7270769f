//! `pentad demo` against a running server.

use crate::server::Server;

/// What each command under "Try" prints, in its order.
const SHOWN: [&str; 7] = [
    "lease",
    "Berlin",
    "full jitter",
    "Pentad demo",
    "Lovelace: 11.5 degrees",
    "Hopper",
    "cua.click_outside_viewport",
];

#[test]
fn every_api_has_something_to_show_and_a_second_call_adds_nothing() {
    let server = Server::start();
    let load = || server.pentad(&["demo", "--url", &server.base, "--key", &server.key]);
    let first = load();
    assert_eq!(first.matches(": loaded\n").count(), 7, "{first}");

    let (_, commands) = first.split_once("\nTry, ").unwrap();
    let (_, commands) = commands.split_once('\n').unwrap();
    let commands: Vec<String> = commands.replace("\\\n", "").lines().map(str::to_owned).collect();
    assert_eq!(commands.len(), SHOWN.len());
    for (command, shown) in commands.iter().zip(SHOWN) {
        let output = server
            .command("bash", &[])
            .args(["-c", command])
            .env("KEY", &server.key)
            .output()
            .unwrap();
        let printed = String::from_utf8_lossy(&output.stdout);
        assert!(printed.contains(shown), "{command}\nprints\n{printed}");
    }

    let second = load();
    assert_eq!(second.matches(": was there\n").count(), 7, "{second}");
}

#[test]
fn a_key_that_opens_nothing_is_said_to_be_one() {
    let server = Server::start();
    let output = server
        .command("pentad", &[])
        .args(["demo", "--url", &server.base, "--key", "sk_sfs_0123"])
        .output()
        .unwrap();
    assert!(!output.status.success());
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("the key is not accepted"), "{said}");
}
