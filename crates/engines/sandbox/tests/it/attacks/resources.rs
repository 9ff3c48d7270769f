//! Attacks on what everybody shares: memory, processes, processor, disk, output.

use std::time::Duration;

use pentad_sandbox::{KilledBy, Language};

use crate::harness::{
    Attack, Exit, Fails, Floods, KilledBy as Killed, Limited, Mentions, Says, Unkilled, Within, attack,
    python,
};

/// Memory ends a run, unless the kernel refuses a request so large that the program notices itself.
const MEMORY: &[KilledBy] = &[KilledBy::Memory];
const PROCESSES: &[KilledBy] = &[KilledBy::Processes, KilledBy::Memory, KilledBy::Timeout];
const DISK: &[KilledBy] = &[KilledBy::Disk];

fn memory(name: &'static str, code: &str) -> Attack {
    python(name, code).expect([
        Killed(KilledBy::Memory),
        Exit(137),
        Within(Duration::from_secs(20)),
    ])
}

fn disk(name: &'static str, code: &str) -> Attack {
    python(name, code).expect([Killed(KilledBy::Disk), Fails, Within(Duration::from_secs(20))])
}

pub(crate) fn attacks() -> Vec<Attack> {
    vec![
        memory(
            "a list without end",
            "x = []\nwhile True: x.append(bytearray(1 << 20))",
        ),
        memory(
            "many small objects",
            "x = []\nwhile True: x.append({len(x): [len(x)] * 10})",
        ),
        python(
            "a hundred gigabytes at once",
            "x = bytearray(100 << 30)\nfor i in range(0, len(x), 4096): x[i] = 1",
        )
        .expect([Fails, Limited(MEMORY), Within(Duration::from_secs(10))]),
        memory(
            "memory shared out between children",
            r#"
for _ in range(8):
    if os.fork() == 0:
        x = [bytearray(os.urandom(1 << 16) * 16) for _ in range(60)]
        time.sleep(1000)
time.sleep(1000)
"#,
        ),
        memory(
            "memory mapped and shared",
            r#"
import mmap
x = []
while True:
    m = mmap.mmap(-1, 8 << 20); m.write(b'x' * (8 << 20)); x.append(m)
"#,
        ),
        python(
            "memory without an address",
            r#"
held = []
try:
    while len(held) < 200:
        fd = os.memfd_create('x'); held.append(fd)
        for _ in range(6): os.write(fd, b'x' * (1 << 20))
except OSError: print('refused')
else: print('HELD', len(held))
"#,
        )
        .expect([Limited(MEMORY), crate::harness::Hides("HELD")]),
        python(
            "System V shared memory",
            r#"
held = 0
for i in range(200):
    segment = libc.shmget(0, 16 << 20, 0o1600)
    if segment < 0: break
    libc.shmat.restype = ctypes.c_void_p
    address = libc.shmat(segment, None, 0)
    ctypes.memset(address, 1, 16 << 20); held += 16
else: print('HELD', held)
print('refused' if not held else held)
"#,
        )
        .expect([Limited(MEMORY), crate::harness::Hides("HELD")]),
        memory(
            "memory in a child, after which the parent goes on",
            r#"
if os.fork() == 0:
    x = []
    while True: x.append(bytearray(1 << 20))
os.wait()
time.sleep(1000)
"#,
        ),
        attack(
            "a JavaScript heap without end",
            Language::Node,
            "const x = [];\nfor (;;) x.push(new Array(1e5).fill(Math.random()));",
        )
        .expect([Fails, Limited(MEMORY), Within(Duration::from_secs(20))]),
        attack(
            "JavaScript buffers outside the heap",
            Language::Node,
            "const x = [];\nfor (;;) x.push(Buffer.alloc(4 << 20, 1));",
        )
        .expect([
            Killed(KilledBy::Memory),
            Exit(137),
            Within(Duration::from_secs(15)),
        ]),
        python("a fork bomb", "while True: os.fork()")
            .timeout(3000)
            .expect([Fails, Limited(PROCESSES), Within(Duration::from_secs(20))]),
        python(
            "a fork bomb that does not give up",
            r#"
while True:
    try: os.fork()
    except OSError: pass
"#,
        )
        .timeout(3000)
        .expect([
            Fails,
            Limited(&[KilledBy::Processes, KilledBy::Memory, KilledBy::Timeout]),
            Within(Duration::from_secs(20)),
        ]),
        attack(
            "a shell fork bomb",
            Language::Python,
            "import os\nos.execv('/bin/sh', ['sh', '-c', ':(){ :|:& };: ; sleep 20'])",
        )
        .timeout(3000)
        .expect([Fails, Within(Duration::from_secs(20))]),
        python(
            "taking all processes, and failing",
            r#"
try:
    while True:
        if os.fork() == 0: time.sleep(1000)
except OSError:
    time.sleep(0.5)
    sys.exit(3)
"#,
        )
        .expect([
            Killed(KilledBy::Processes),
            Exit(3),
            Within(Duration::from_secs(20)),
        ]),
        python(
            "threads without end",
            r#"
started = 0
try:
    while started < 5000: threading.Thread(target=time.sleep, args=(1000,), daemon=True).start(); started += 1
except RuntimeError: pass
print('contained' if started < 60 else started)
"#,
        ),
        python(
            "counting its processes",
            r#"
children = []
try:
    while len(children) < 5000:
        child = os.fork()
        if child == 0: time.sleep(1000)
        children.append(child)
except OSError: pass
print('contained' if 20 < len(children) <= 40 else len(children))
"#,
        ),
        python(
            "all processors",
            r#"
for _ in range(8):
    if os.fork() == 0:
        while True: pass
used = os.times; begin = time.monotonic()
time.sleep(0.7)
spent = 0.0
for pid in os.listdir('/proc'):
    if pid.isdigit() and pid != '1':
        fields = open(f'/proc/{pid}/stat').read().rsplit(')', 1)[1].split()
        spent += (int(fields[11]) + int(fields[12])) / os.sysconf('SC_CLK_TCK')
print('spent', spent)
"#,
        )
        .expect([
            Exit(0),
            Unkilled,
            Mentions("spent"),
            Within(Duration::from_secs(20)),
        ]),
        disk(
            "a file without end",
            "f = open('big', 'wb')\nwhile True: f.write(b'x' * (1 << 20)); f.flush()",
        ),
        disk(
            "many files that fill the workspace",
            r#"
for i in range(1000):
    with open(f'f{i}', 'wb') as f: f.write(b'x' * (1 << 20))
"#,
        ),
        disk(
            "files without number",
            r#"
for i in range(100000): open(f'{i}', 'w').close()
"#,
        ),
        disk(
            "directories without number",
            "for i in range(100000): os.mkdir(str(i))",
        ),
        disk(
            "a sparse file of terabytes",
            "os.truncate(os.open('sparse', os.O_CREAT | os.O_RDWR), 1 << 42)",
        )
        .expect([
            Fails,
            Limited(DISK),
            crate::harness::DoesNotKeep("sparse-kept"),
            Within(Duration::from_secs(20)),
        ]),
        python(
            "filling /tmp",
            r#"
try:
    for i in range(1000):
        with open(f'/tmp/{i}', 'wb') as f: f.write(b'x' * (1 << 20))
    print('FILLED')
except OSError as error: print('contained' if i < 9 else i)
"#,
        ),
        python(
            "filling shared memory files",
            r#"
try:
    for i in range(1000):
        with open(f'/dev/shm/{i}', 'wb') as f: f.write(b'x' * (1 << 20))
    print('FILLED')
except OSError as error: print('contained' if i < 9 else i)
"#,
        ),
        python(
            "writing where it must not",
            r#"
written = []
for directory in ('/', '/usr', '/usr/lib', '/etc', '/dev', '/opt', '/proc', '/bin', os.path.dirname(os.__file__)):
    if attempt(lambda: open(f'{directory}/x', 'w')) == 'DONE': written.append(directory)
print(written or 'contained')
"#,
        ),
        python(
            "descriptors without end",
            r#"
held = []
try:
    while len(held) < 100000: held.append(os.open('/dev/null', os.O_RDONLY))
except OSError as error: print('contained' if len(held) < 256 else len(held))
"#,
        ),
        python(
            "pipes full of data",
            r#"
import fcntl
held = 0
try:
    for _ in range(2000):
        r, w = os.pipe(); fcntl.fcntl(w, 1031, 1 << 20); os.set_blocking(w, False)
        held += os.write(w, b'x' * (1 << 20))
except OSError: pass
print('contained' if held < 160 << 20 else held)
"#,
        ),
        python(
            "a flood of output",
            "while True: sys.stdout.write('x' * 65536 + '\\n')",
        )
        .timeout(2000)
        .expect([
            Killed(KilledBy::Timeout),
            Floods(1 << 20),
            Within(Duration::from_secs(20)),
        ]),
        python(
            "a flood of errors without a line end",
            "for _ in range(300): sys.stderr.write('y' * 65536)\nprint('contained')",
        )
        .expect([Exit(0), Says("contained\n"), Floods(300 * 65536)]),
        python(
            "bytes that are no text, without end",
            "while True: os.write(1, b'\\xff' * 65536)",
        )
        .timeout(1500)
        .expect([Killed(KilledBy::Timeout), Within(Duration::from_secs(20))]),
        python(
            "attributes without end",
            r#"
written = 0
try:
    for i in range(600):
        open(f'{i}', 'w').close()
        for j in range(100): os.setxattr(f'{i}', f'user.{j}', b'x' * 60000); written += 60000
except OSError: print('contained' if written < 192 << 20 else written)
else: print(written)
"#,
        )
        .expect([
            Limited(&[KilledBy::Memory, KilledBy::Disk]),
            Within(Duration::from_secs(20)),
        ]),
        python(
            "timers without end",
            r#"
made = 0
timer = ctypes.c_int()
while made < 100000 and call(222, 1, 0, ctypes.addressof(timer)) == 'OK': made += 1
print('contained' if made <= 1024 else made)
"#,
        ),
        python(
            "sockets full of data",
            r#"
held = 0; kept = []
try:
    for _ in range(2000):
        a, b = socket.socketpair(); a.setblocking(False); kept.append((a, b))
        a.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 24)
        try:
            while True: held += a.send(b'x' * 65536)
        except BlockingIOError: pass
except OSError: pass
print('contained' if held < 192 << 20 else held)
"#,
        )
        .expect([Limited(MEMORY), Within(Duration::from_secs(20))]),
        memory(
            "sockets full of data in many processes",
            r#"
def fill():
    kept = []
    try:
        while True:
            a, b = socket.socketpair(); a.setblocking(False); kept.append((a, b))
            try:
                while True: a.send(b'x' * 65536)
            except BlockingIOError: pass
    except OSError: time.sleep(1000)
for _ in range(20):
    if os.fork() == 0: fill()
fill()
"#,
        ),
        python(
            "connections full of data",
            r#"
listener = socket.socket(); listener.bind(('127.0.0.1', 0)); listener.listen(500)
held = 0; kept = []
try:
    for _ in range(60):
        a = socket.socket()
        try: a.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 23)
        except OSError: pass
        a.connect(listener.getsockname()); b, _ = listener.accept(); a.setblocking(False); kept.append((a, b))
        try:
            while held < 1 << 30: held += a.send(b'x' * 65536)
        except BlockingIOError: pass
except OSError: pass
print('contained' if held < 192 << 20 else 'HELD')
"#,
        )
        .expect([
            Limited(MEMORY),
            crate::harness::Hides("HELD"),
            Within(Duration::from_secs(20)),
        ]),
        memory(
            "a vast address space, read page by page",
            r#"
libc.mmap.restype = ctypes.c_void_p
size = 4 << 40
start = libc.mmap(None, ctypes.c_size_t(size), 1, 0x4022, -1, ctypes.c_long(0))
libc.madvise(ctypes.c_void_p(start), ctypes.c_size_t(size), 15)
for at in range(start, start + size, 2 << 20): ctypes.string_at(at, 1)
"#,
        ),
        python(
            "all that is shared, and then memory",
            r#"
for directory in ('/tmp', '/dev/shm', '.'):
    try:
        for i in range(1000): open(f'{directory}/{i}', 'wb').write(b'x' * (1 << 20))
    except OSError: pass
x = []
while True: x.append(bytearray(1 << 20))
"#,
        )
        .expect([
            Fails,
            Limited(&[KilledBy::Memory, KilledBy::Disk]),
            Within(Duration::from_secs(20)),
        ]),
        python(
            "locking memory",
            r#"
import mmap
m = mmap.mmap(-1, 64 << 20)
print('contained' if libc.mlock(ctypes.c_void_p(ctypes.addressof(ctypes.c_char.from_buffer(m))), ctypes.c_size_t(64 << 20)) != 0 and libc.mlockall(3) != 0 else 'LOCKED')
"#,
        ),
    ]
}
