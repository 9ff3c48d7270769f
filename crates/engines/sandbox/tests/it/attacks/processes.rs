//! Attacks on process 1, on the supervisor, and on the end of a run.

use std::time::Duration;

use pentad_sandbox::KilledBy;

use crate::harness::{Attack, Exit, Hides, KilledBy as Killed, Mentions, Says, Unkilled, Within, python};

pub(crate) fn attacks() -> Vec<Attack> {
    vec![
        python(
            "the environment of process 1",
            r#"
print('contained' if attempt(lambda: open('/proc/1/environ', 'rb').read()) == 'EACCES' else open('/proc/1/environ','rb').read())
"#,
        ),
        python(
            "the memory of process 1",
            r#"
tried = [attempt(lambda: open('/proc/1/mem', 'rb')), attempt(lambda: open('/proc/1/mem', 'r+b')), attempt(lambda: open('/proc/1/maps').read(1))]
print('contained' if 'DONE' not in tried else tried)
"#,
        ),
        python(
            "the descriptors of process 1",
            r#"
tried = [attempt(lambda: os.listdir('/proc/1/fd')), attempt(lambda: os.readlink('/proc/1/exe')), attempt(lambda: os.readlink('/proc/1/root')), attempt(lambda: os.readlink('/proc/1/cwd'))]
print('contained' if 'DONE' not in tried else tried)
"#,
        ),
        python(
            "tracing process 1",
            r#"
print('contained' if call(101, 16, 1, 0, 0) == 'EPERM' and call(101, 0x4206, 1, 0, 0) == 'EPERM' else 'TRACED')
"#,
        ),
        python(
            "stealing a descriptor of process 1",
            r#"
pidfd = os.pidfd_open(1)
stolen = [fd for fd in range(16) if call(438, pidfd, fd, 0) == 'OK']
print(stolen or 'contained')
"#,
        ),
        python(
            "its own inherited descriptors",
            r#"
extra = sorted(int(fd) for fd in os.listdir('/proc/self/fd') if int(fd) > 2)
extra = [fd for fd in extra if os.path.exists(f'/proc/self/fd/{fd}')]
print(extra or 'contained')
"#,
        ),
        python(
            "killing process 1",
            r#"
for number in (signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGSTOP, signal.SIGSEGV, signal.SIGQUIT):
    os.kill(1, number)
time.sleep(0.1)
print('contained')
"#,
        ),
        python(
            "pretending to be the supervisor",
            r#"
# Process 1 forwards SIGTERM and ends everything on SIGINT, when the supervisor says so.
child = subprocess.Popen(['/bin/sleep', '30'])
for _ in range(100): os.kill(1, signal.SIGINT); os.kill(1, signal.SIGTERM)
time.sleep(0.1)
print('contained' if child.poll() is None else 'KILLED')
"#,
        ),
        python(
            "killing everybody",
            "subprocess.Popen(['/bin/sleep', '9'])\nos.kill(-1, signal.SIGKILL)\ntime.sleep(0.05)\nprint('contained')\n",
        ),
        python("killing itself", "os.kill(os.getpid(), signal.SIGKILL)").expect([Exit(137), Unkilled]),
        python("a segmentation fault", "ctypes.string_at(0)").expect([Exit(139), Unkilled]),
        python(
            "processes outside",
            r#"
seen = sorted(int(name) for name in os.listdir('/proc') if name.isdigit())
tried = [pid for pid in range(2, 4000) if pid not in seen and attempt(lambda: os.kill(pid, 0)) == 'DONE']
print('contained' if len(seen) <= 3 and not tried else (seen, tried))
"#,
        ),
        python(
            "outliving the run as a daemon",
            r#"
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        for fd in (0, 1, 2): os.close(fd)
        time.sleep(1000)
    os._exit(0)
print('contained')
"#,
        )
        .and(Within(Duration::from_secs(20))),
        python(
            "a child that keeps the output open",
            r#"
subprocess.Popen(['/bin/sh', '-c', 'trap "" HUP TERM INT; while :; do sleep 1; done'])
print('contained')
"#,
        )
        .and(Within(Duration::from_secs(20))),
        python(
            "sleeping for ever",
            "print('before', flush=True)\ntime.sleep(1000)",
        )
        .timeout(1500)
        .expect([
            Killed(KilledBy::Timeout),
            Exit(124),
            Says("before\n"),
            Within(Duration::from_secs(20)),
        ]),
        python("computing for ever", "while True: pass")
            .timeout(1500)
            .expect([
                Killed(KilledBy::Timeout),
                Exit(124),
                Within(Duration::from_secs(20)),
            ]),
        python(
            "not listening to SIGTERM",
            r#"
for number in range(1, 65):
    try: signal.signal(number, signal.SIG_IGN)
    except (OSError, ValueError): pass
print('deaf', flush=True)
while True: time.sleep(1)
"#,
        )
        .timeout(1500)
        .expect([
            Killed(KilledBy::Timeout),
            Exit(124),
            Says("deaf\n"),
            Within(Duration::from_secs(20)),
        ]),
        python(
            "saving its work at SIGTERM",
            r#"
def save(*_):
    open('saved', 'w').write('1'); print('saved', flush=True); sys.exit(0)
signal.signal(signal.SIGTERM, save)
time.sleep(1000)
"#,
        )
        .timeout(6000)
        .expect([
            Killed(KilledBy::Timeout),
            Exit(124),
            Says("saved\n"),
            crate::harness::Changes(&["saved"]),
        ]),
        python(
            "leaving its process group before the timeout",
            r#"
os.setsid() if os.getpid() != os.getsid(0) else None
for _ in range(5):
    if os.fork() == 0:
        os.setsid(); time.sleep(1000)
time.sleep(1000)
"#,
        )
        .timeout(1500)
        .expect([Killed(KilledBy::Timeout), Within(Duration::from_secs(20))]),
        python("stopping itself", "os.kill(0, signal.SIGSTOP)")
            .timeout(1500)
            .expect([
                Killed(KilledBy::Timeout),
                Exit(124),
                Within(Duration::from_secs(20)),
            ]),
        python(
            "a crowd of zombies",
            r#"
for _ in range(400):
    if os.fork() == 0: os._exit(0)
    try: os.waitpid(-1, os.WNOHANG)
    except ChildProcessError: pass
    time.sleep(0.0005)
print('contained')
"#,
        ),
        python(
            "a crowd of orphans",
            r#"
for _ in range(200):
    child = os.fork()
    if child == 0:
        if os.fork() == 0: os._exit(0)
        os._exit(0)
    os.waitpid(child, 0)
print('contained')
"#,
        ),
        python(
            "announcing itself twice",
            "sys.stdout.write('\\x06\\x06contained\\n')",
        )
        .expect([Says("\u{6}\u{6}contained\n"), Exit(0)]),
        python(
            "pretending another end",
            r#"
# Exit codes are taken from the kernel, whatever is printed.
print('killed_by: memory'); print('exit_code: 0'); sys.stdout.flush(); os._exit(42)
"#,
        )
        .expect([Exit(42), Unkilled, Mentions("exit_code: 0")]),
        python(
            "a forged word of the supervisor",
            r#"
import struct
# What is queued carries the sender that the program chooses: nobody, as for a signal from outside.
child = subprocess.Popen(['/bin/sleep', '30'])
for number in (signal.SIGINT, signal.SIGTERM):
    for code in (-1, -2, -3, -60):
        call(129, 1, int(number), struct.pack('iiiiII', int(number), 0, code, 0, 0, 0).ljust(128, b'\0'))
time.sleep(0.2)
print('contained' if child.poll() is None else 'KILLED')
"#,
        ),
        python(
            "signals by descriptor",
            r#"
process = os.pidfd_open(1)
for number in (signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGSTOP): signal.pidfd_send_signal(process, number)
time.sleep(0.1)
print('contained')
"#,
        ),
        python(
            "going on without output",
            "os.write(1, b'last words'); os.close(0); os.close(1); os.close(2)\ntime.sleep(0.3)\nos._exit(4)",
        )
        .expect([Says("last words"), Exit(4), Unkilled]),
        python(
            "a daemon that writes until the end",
            r#"
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        for fd in (0, 1, 2): os.close(fd)
        n = 0
        while True:
            with open('moving', 'w') as file: file.write('x' * (n % 5000))
            os.replace('moving', f'moved{n % 3}'); n += 1
    os._exit(0)
time.sleep(0.2)
print('contained')
"#,
        )
        .and(Within(Duration::from_secs(20))),
        python(
            "a child that stops its parent for ever",
            r#"
parent = os.getpid()
if os.fork() == 0:
    os.kill(parent, signal.SIGSTOP)
    time.sleep(1000)
time.sleep(1000)
"#,
        )
        .timeout(1500)
        .expect([
            Killed(KilledBy::Timeout),
            Exit(124),
            Within(Duration::from_secs(20)),
        ]),
        python(
            "becoming another program",
            "os.execv('/bin/sh', ['python3', '-c', 'echo contained; exit 0'])",
        ),
        python(
            "a program made of memory",
            r#"
try:
    fd = os.memfd_create('x')
    os.write(fd, open('/bin/sh', 'rb').read())
    os.execve(fd, ['sh', '-c', 'unshare -U true 2>/dev/null && echo UNSHARED; grep -c "Seccomp:.2" /proc/self/status'], {'PATH': '/usr/bin:/bin'})
except OSError: print(1)
"#,
        )
        .expect([Says("1\n"), Exit(0), Unkilled]),
        python(
            "the name of the supervisor",
            r#"
call(157, 15, b'sandbox-init'); call(157, 4, 0, 0, 0, 0)
os.kill(os.getpid(), signal.SIGTERM)
"#,
        )
        .expect([Exit(143), Unkilled]),
        python(
            "an exit code that does not fit",
            "os._exit(256 + 7)",
        )
        .expect([Exit(7), Unkilled]),
        python(
            "output that is no text",
            "os.write(1, b'\\xff\\xfe\\xc3(\\0\\xf0\\x9f'); os.write(2, b'\\x80')",
        )
        .expect([Says("\u{FFFD}\u{FFFD}\u{FFFD}(\0\u{FFFD}"), Exit(0), Unkilled]),
        python(
            "words of the gateway's environment",
            r#"
seen = '\n'.join(f'{name}={value}' for name, value in os.environ.items())
for pid in os.listdir('/proc'):
    if pid.isdigit():
        try: seen += open(f'/proc/{pid}/environ').read() + open(f'/proc/{pid}/cmdline').read()
        except OSError: pass
print(seen)
"#,
        )
        .expect([Exit(0), Hides("CARGO"), Hides("/root"), Hides("PENTAD_")]),
    ]
}
