//! Transpiling what strangers wrote.
//!
//! The compiler goes as deep into its stack as the source is nested, and a thread without stack takes its whole
//! process along. A short source cannot nest deeper than the stack that it is given here; a longer one is
//! transpiled by a process of its own, whose end is then an error of the source.

use std::ffi::OsStr;
use std::io::{self, Read, Write};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use rustix::process::{Resource, Rlimit, setrlimit};

use crate::error::{Error, Result};
use crate::linux::NAME;

/// The argument that makes a process transpile its standard input, before the name of the source.
pub(crate) const MARKER: &str = "--pentad-transpile";

/// Longest source that is transpiled in this process.
pub(crate) const SHORT: usize = 8 << 10;
/// Stack for it: address space, of which a usual source touches next to nothing. The test below nests as deep as a
/// short source can.
const STACK: usize = 256 << 20;
/// Of a process that transpiles: its whole memory, and seconds of processor time.
const MEMORY: u64 = 2 << 30;
const SECONDS: u64 = 10;

/// JavaScript made of one file.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct JavaScript {
    pub(crate) code: String,
    /// The form in which it can be required, when it is an ES module.
    pub(crate) commonjs: Option<String>,
}

/// JavaScript, or the message of a syntax error.
pub(crate) type Transpiled = std::result::Result<JavaScript, String>;

/// Runs `work` with a stack that any number of short sources, one after the other, cannot exhaust.
pub(crate) fn with_deep_stack<T: Send>(work: impl FnOnce() -> T + Send) -> Result<T> {
    let done = std::thread::scope(|scope| {
        std::thread::Builder::new()
            .name("transpile".into())
            .stack_size(STACK)
            .spawn_scoped(scope, work)?
            .join()
            .map_err(|_| io::Error::other("the compiler failed"))
    });
    done.map_err(Error::io("transpiling"))
}

/// Transpiles one file. Called within [`with_deep_stack`].
pub(crate) fn transpile(name: &str, source: &str) -> Transpiled {
    if source.len() <= SHORT {
        return in_process(name, source);
    }
    match in_another_process(name, source) {
        Ok(Some(transpiled)) => transpiled,
        Ok(None) => Err(format!(
            "{name}:1:1 - SyntaxError: the source is nested too deeply, or too large, to be transpiled"
        )),
        Err(error) => Err(format!("{name} cannot be transpiled at the moment: {error}")),
    }
}

fn in_process(name: &str, source: &str) -> Transpiled {
    let code = pentad_transpile::transpile(name, source)
        .map_err(|error| error.to_string())?
        .code;
    Ok(JavaScript {
        commonjs: pentad_transpile::commonjs(&code),
        code,
    })
}

/// `None` when the process did not survive it.
fn in_another_process(name: &str, source: &str) -> io::Result<Option<Transpiled>> {
    let mut child = Command::new("/proc/self/exe")
        .arg0(NAME)
        .args([MARKER, name])
        .env_clear()
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    if let Some(mut input) = child.stdin.take() {
        // A process that has died says so by its status.
        let _ = input.write_all(source.as_bytes());
    }
    let output = child.wait_with_output()?;
    if !output.status.success() {
        return Ok(None);
    }
    Ok(read(&String::from_utf8_lossy(&output.stdout)))
}

/// What such a process writes: a syntax error after `-`; after `+` and its length the code, and what can be required.
fn written(transpiled: &Transpiled) -> String {
    match transpiled {
        Ok(made) => {
            let commonjs = made.commonjs.as_deref().unwrap_or_default();
            format!("+{}\n{}{commonjs}", made.code.len(), made.code)
        }
        Err(message) => format!("-{message}"),
    }
}

fn read(text: &str) -> Option<Transpiled> {
    if let Some(message) = text.strip_prefix('-') {
        return Some(Err(message.to_owned()));
    }
    let (length, text) = text.strip_prefix('+')?.split_once('\n')?;
    let (code, commonjs) = text.split_at_checked(length.parse().ok()?)?;
    Some(Ok(JavaScript {
        code: code.to_owned(),
        commonjs: (!commonjs.is_empty()).then(|| commonjs.to_owned()),
    }))
}

/// The life of a process that transpiles. Its exit code.
pub(crate) fn serve(name: &OsStr) -> i32 {
    for (resource, most) in [
        (Resource::As, MEMORY),
        (Resource::Cpu, SECONDS),
        (Resource::Core, 0),
        (Resource::Nofile, 16),
    ] {
        let limit = Rlimit {
            current: Some(most),
            maximum: Some(most),
        };
        if setrlimit(resource, limit).is_err() {
            return 70;
        }
    }
    let mut source = String::new();
    if io::stdin().read_to_string(&mut source).is_err() {
        return 70;
    }
    let name = name.to_string_lossy();
    let Ok(transpiled) = with_deep_stack(|| in_process(&name, &source)) else {
        return 70;
    };
    let mut output = io::stdout().lock();
    let done = output
        .write_all(written(&transpiled).as_bytes())
        .and_then(|()| output.flush());
    if done.is_ok() { 0 } else { 70 }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sources that are as deep as `bytes` allow, in all the ways there are.
    fn deep(bytes: usize) -> Vec<String> {
        let nested = |before: &str, open: &str, middle: &str, close: &str| {
            let count = (bytes - before.len() - middle.len()) / (open.len() + close.len());
            format!("{before}{}{middle}{}", open.repeat(count), close.repeat(count))
        };
        [
            ("", "(", "1", ")"),
            ("", "[", "", "]"),
            ("", "{", "", "}"),
            ("", "!", "1", ""),
            ("", "- ", "1", ""),
            ("", "a=", "1", ""),
            ("", "a=>", "1", ""),
            ("", "1+", "1", ""),
            ("", "1**", "1", ""),
            ("", "1?1:", "1", ""),
            ("", "1?", "1", ":1"),
            ("", "f(", "", ")"),
            ("f", "()", "", ""),
            ("a", ".b", "", ""),
            ("a", "?.b", "", ""),
            ("", "new ", "a", ""),
            ("", "if(1)", ";", ""),
            ("", "if(1);else ", ";", ""),
            ("", "a:", ";", ""),
            ("", "`${", "1", "}`"),
            ("", "({a:", "1", "})"),
            ("", "function f(){", "", "}"),
            ("", "class A{a=", "1", "}"),
            ("", "namespace a{", "", "}"),
            ("", "enum A{a=", "1", "}"),
            ("", "<a>", "1", ""),
            ("a", "!", "", ""),
            ("a", " as 1", "", ""),
            ("let a:", "(", "1", ")"),
            ("let a:1", "[]", "", ""),
            ("let a:", "A<", "1", ">"),
            ("let a:", "keyof ", "1", ""),
            ("let a:", "1|", "1", ""),
            ("let a:", "1 extends 1?1:", "1", ""),
            ("let a:", "{a:", "1", "}"),
            ("let a:", "()=>", "1", ""),
            ("let ", "[", "a", "]"),
            ("let ", "{a:", "a", "}"),
            ("", "@a", " class A{}", ""),
        ]
        .iter()
        .map(|(before, open, middle, close)| nested(before, open, middle, close))
        .collect()
    }

    #[test]
    fn a_short_source_cannot_exhaust_the_stack() {
        let sources = deep(SHORT);
        assert!(sources.iter().all(|source| source.len() <= SHORT));
        // Whether it is a syntax error is not the question: this process is alive.
        let transpiled = with_deep_stack(|| {
            let all = sources.iter().map(|source| transpile("main.ts", source));
            all.filter(std::result::Result::is_ok).count()
        });
        assert!(transpiled.expect("a thread") > sources.len() / 2);
    }

    #[test]
    fn a_long_source_ends_nobody_but_its_own_process() {
        let told: Vec<_> = with_deep_stack(|| {
            let deep = deep(1 << 20);
            deep.iter().map(|source| transpile("main.ts", source)).collect()
        })
        .expect("a thread");
        let too_deep = |told: &&Transpiled| matches!(told, Err(message) if message.contains("too deeply"));
        assert!(told.iter().filter(too_deep).count() > 10);
    }

    #[test]
    fn both_ways_say_the_same() {
        for body in [
            "enum Level { Low = 1 }\n",
            "export const ü = 'é';\n",
            "const x: = 3\n",
        ] {
            let long = format!("{body}{}", "let y: number = 1;\n".repeat(1000));
            let elsewhere = in_another_process("main.ts", &long).expect("a process");
            let here = with_deep_stack(|| in_process("main.ts", &long)).expect("a thread");
            assert_eq!(elsewhere, Some(here));
        }
    }
}
