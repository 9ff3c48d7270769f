//! What is sent: ordinary programs with the answers that are right, and hostile ones with how they may end.

use serde_json::{Value, json};

/// A program that is sent to `/api/execute`, or run in the client's session.
pub(crate) struct Program {
    pub(crate) name: &'static str,
    pub(crate) body: Value,
    /// In a session of this language, whose files it finds.
    pub(crate) session: bool,
    pub(crate) right: Right,
}

/// What a right answer is.
pub(crate) enum Right {
    /// It ends well and says this.
    Says(String),
    /// One of these limits ends it.
    Killed(&'static [&'static str]),
    /// One of these limits ends it, or it gives up by itself with an exit code other than zero.
    KilledOrFails(&'static [&'static str]),
}

impl Right {
    /// Whether this is a right answer; what is wrong about it otherwise.
    pub(crate) fn check(&self, status: u16, answer: &Value) -> Result<(), String> {
        let killed = answer["killed_by"].as_str();
        let exit = answer["exit_code"].as_i64();
        let expected = if killed == Some("timeout") { 408 } else { 200 };
        let right = status == expected
            && (killed != Some("timeout") || exit == Some(124))
            && match self {
                Self::Says(text) => {
                    killed.is_none() && exit == Some(0) && answer["stdout"].as_str() == Some(text)
                }
                Self::Killed(by) => killed.is_some_and(|limit| by.contains(&limit)),
                Self::KilledOrFails(by) => match killed {
                    Some(limit) => by.contains(&limit),
                    None => exit.is_some_and(|exit| exit != 0),
                },
            };
        if right {
            return Ok(());
        }
        let mut text = answer.to_string();
        text.truncate(text.floor_char_boundary(2000));
        Err(format!("{status} {text}"))
    }
}

fn execute(name: &'static str, language: &str, code: &str, right: Right) -> Program {
    let body = json!({ "language": language, "code": code });
    Program {
        name,
        body,
        session: false,
        right,
    }
}

fn says(text: impl ToString) -> Right {
    Right::Says(format!("{}\n", text.to_string()))
}

/// Ordinary programs.
pub(crate) fn ordinary(kind: usize, number: u64) -> Program {
    match kind % 11 {
        0 => execute("python", "python", &format!("print({number})"), says(number)),
        1 => execute(
            "python with a library",
            "python",
            &format!("import json, re, hashlib, collections\nprint(json.loads('{{\"n\": {number}}}')['n'])"),
            says(number),
        ),
        2 => execute("node", "node", &format!("console.log({number})"), says(number)),
        3 => execute(
            "typescript",
            "typescript",
            &format!("enum Of {{ N = {number} }}\nconst n: number = Of.N;\nconsole.log(n)"),
            says(number),
        ),
        4 => execute(
            "deno",
            "deno",
            &format!("const n: number = {number};\nconsole.log(n)"),
            says(number),
        ),
        5 => {
            let code =
                "package main\nimport (\"fmt\"; \"os\")\nfunc main() { fmt.Println(os.Getenv(\"N\")) }";
            let mut program = execute("go, known", "go", code, says(number));
            program.body["env"] = json!({ "N": number.to_string() });
            program
        }
        6 => {
            let code = "import sys\nprint(len(sys.stdin.read()), open('given/file').read())";
            let mut program = execute("input and files", "python", code, says(format!("5000 {number}")));
            program.body["stdin"] = json!("x".repeat(5000));
            program.body["files"] = json!({ "given/file": number.to_string() });
            program
        }
        7 => execute(
            "children",
            "python",
            &format!(
                "import subprocess\nprint(subprocess.check_output(['/bin/sh', '-c', 'echo {number}']).decode().strip())"
            ),
            says(number),
        ),
        8 => execute(
            "storage",
            "python",
            &format!(
                "from era_storage import kv, d1\nkv.set('load', 'k{number}', '{number}')\n\
                 print(kv.get('load', 'k{number}'), d1.query('load', 'SELECT ? AS n', [{number}])[0]['n'])"
            ),
            says(format!("{number} {number}")),
        ),
        9 => execute(
            "an error",
            "python",
            "raise SystemExit(3)",
            Right::KilledOrFails(&[]),
        ),
        _ => execute("go, unknown", "go", &unknown_go(number), says(number)),
    }
}

/// A program that no cache of compiled programs has.
fn unknown_go(number: u64) -> String {
    format!("package main\nimport \"os\"\nfunc main() {{ os.Stdout.WriteString(\"{number}\\n\") }}")
}

/// Hostile programs: of each, what may come of it.
pub(crate) fn hostile(kind: usize, number: u64) -> Program {
    const TIME: &[&str] = &["timeout"];
    let timed = |mut program: Program, milliseconds: u64| {
        program.body["timeout_ms"] = json!(milliseconds);
        program
    };
    let in_session = |mut program: Program| {
        program.session = true;
        program
    };
    let contained = says(format!("contained {number}"));
    match kind % 19 {
        0 => timed(
            execute(
                "fork bomb",
                "python",
                "import os\nwhile True:\n    try: os.fork()\n    except OSError: pass",
                Right::Killed(&["processes", "memory", "timeout"]),
            ),
            3000,
        ),
        1 => timed(
            execute(
                "shell fork bomb",
                "python",
                "import os\nos.execv('/bin/sh', ['sh', '-c', ':(){ :|:& };: ; sleep 20'])",
                Right::KilledOrFails(&["processes", "memory", "timeout"]),
            ),
            3000,
        ),
        2 => timed(
            execute(
                "memory",
                "python",
                "x = []\nwhile True: x.append(bytearray(10 << 20))",
                Right::Killed(&["memory"]),
            ),
            20_000,
        ),
        3 => timed(
            execute(
                "memory of children",
                "python",
                "import os, time\nfor _ in range(8):\n    if os.fork() == 0:\n        x = [bytearray(os.urandom(1 << 16) * 64) for _ in range(40)]\n        time.sleep(100)\ntime.sleep(100)",
                Right::Killed(&["memory"]),
            ),
            20_000,
        ),
        4 => timed(
            execute(
                "buffers of node",
                "node",
                "const x = [];\nfor (;;) x.push(Buffer.alloc(8 << 20, 1))",
                Right::KilledOrFails(&["memory"]),
            ),
            20_000,
        ),
        5 => timed(
            execute(
                "output flood",
                "python",
                "while True: print('x' * 10000)",
                Right::Killed(TIME),
            ),
            1500,
        ),
        6 => timed(
            execute(
                "flood of errors",
                "python",
                "import os\nwhile True: os.write(2, b'y' * 65536)",
                Right::Killed(TIME),
            ),
            1500,
        ),
        7 => timed(
            in_session(execute(
                "disk",
                "python",
                "f = open('big', 'wb')\nwhile True: f.write(b'x' * (1 << 20)); f.flush()",
                Right::Killed(&["disk"]),
            )),
            20_000,
        ),
        8 => timed(
            in_session(execute(
                "files without number",
                "python",
                "for i in range(1 << 30): open(f'f{i}', 'w').close()",
                Right::Killed(&["disk"]),
            )),
            20_000,
        ),
        9 => timed(
            execute("endless loop", "python", "while True: pass", Right::Killed(TIME)),
            1000,
        ),
        10 => timed(
            execute("endless loop of node", "node", "for (;;);", Right::Killed(TIME)),
            1000,
        ),
        11 => timed(
            execute(
                "deaf",
                "python",
                "import os, signal\nfor n in range(1, 65):\n    try: signal.signal(n, signal.SIG_IGN)\n    except (OSError, ValueError): pass\nif os.fork(): os.setsid()\nwhile True: pass",
                Right::KilledOrFails(TIME),
            ),
            1000,
        ),
        12 => execute(
            "kill everybody",
            "python",
            &format!(
                "import os, signal, time\nos.kill(1, 9)\ntry: os.kill(-1, 9)\nexcept ProcessLookupError: pass\ntime.sleep(0.02)\nprint('contained {number}')"
            ),
            contained,
        ),
        13 => execute(
            "proc and mounts",
            "python",
            &format!(
                "import ctypes, os\nlibc = ctypes.CDLL(None)\nbad = []\n\
             for path in ('/proc/1/environ', '/proc/1/mem', '/proc/kcore', '/etc/shadow', '/proc/1/root/etc/passwd'):\n    \
                 try: bad.append(open(path, 'rb').read(1) and path)\n    except OSError: pass\n\
             for call in ((165, b'x', b'/tmp', b'tmpfs', 0, 0), (272, 0x10000000), (272, 0x40000000), (161, b'/tmp'), (101, 16, 1, 0, 0), (425, 8, 0), (321, 0, 0, 0)):\n    \
                 if libc.syscall(*call) != -1: bad.append(call)\n\
             print([b for b in bad if b] or 'contained {number}')"
            ),
            contained,
        ),
        14 => execute(
            "daemon",
            "python",
            &format!(
                "import os, time\nif os.fork() == 0:\n    os.setsid()\n    if os.fork() == 0:\n        for fd in (0, 1, 2): os.close(fd)\n        time.sleep(1000)\n    os._exit(0)\nprint('contained {number}')"
            ),
            contained,
        ),
        15 => in_session(execute(
            "links and devices",
            "python",
            &format!(
                "import os, socket\n\
             for name in ('l', 'fifo', 's'):\n    \
                 if os.path.lexists(name): os.unlink(name)\n\
             os.symlink('/etc/passwd', 'l'); os.mkfifo('fifo'); socket.socket(socket.AF_UNIX).bind('s')\n\
             print('contained {number}')"
            ),
            contained,
        )),
        16 => timed(
            execute(
                "stopped",
                "python",
                "import os, signal\nos.kill(0, signal.SIGSTOP)",
                Right::Killed(TIME),
            ),
            1000,
        ),
        17 => timed(
            execute(
                "memory of go",
                "go",
                "package main\nfunc main() { var x [][]byte; for { b := make([]byte, 4<<20); for i := range b { b[i] = 1 }; x = append(x, b) } }",
                Right::KilledOrFails(&["memory"]),
            ),
            20_000,
        ),
        _ => timed(
            execute(
                "threads",
                "python",
                "import threading, time\nwhile True:\n    try: threading.Thread(target=time.sleep, args=(1000,), daemon=True).start()\n    except RuntimeError: pass",
                Right::Killed(&["processes", "memory", "timeout"]),
            ),
            2000,
        ),
    }
}
