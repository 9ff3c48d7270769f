//! Attacks on the kernel's interfaces.

use crate::harness::{Attack, Exit, Mentions, Says, Unkilled, python};

/// A system call, by number on x86-64, that must be refused with EPERM or ENOSYS.
fn refused(name: &'static str, calls: &[(&str, u32, &str)]) -> Attack {
    let mut code = String::from("bad = []\n");
    for (call, number, arguments) in calls {
        let comma = if arguments.is_empty() { "" } else { ", " };
        code += &format!(
            "said = call({number}{comma}{arguments})\nif said not in ('EPERM', 'ENOSYS'): bad.append(('{call}', said))\n"
        );
    }
    code += "print(bad or 'contained')\n";
    python(name, &code)
}

pub(crate) fn attacks() -> Vec<Attack> {
    vec![
        refused(
            "mounts",
            &[
                ("mount", 165, "b'none', b'/tmp', b'tmpfs', 0, b''"),
                ("umount2", 166, "b'/proc', 2"),
                ("pivot_root", 155, "b'/tmp', b'/tmp'"),
                ("chroot", 161, "b'/tmp'"),
                ("open_tree", 428, "-100, b'/', 1"),
                ("move_mount", 429, "-1, b'', -100, b'/tmp', 4"),
                ("fsopen", 430, "b'tmpfs', 0"),
                ("fsconfig", 431, "-1, 6, 0, 0, 0"),
                ("fsmount", 432, "-1, 0, 0"),
                ("mount_setattr", 442, "-100, b'/', 0, 0, 0"),
            ],
        ),
        refused(
            "new namespaces",
            &[
                ("unshare user", 272, "0x10000000"),
                ("unshare net", 272, "0x40000000"),
                ("unshare mount", 272, "0x00020000"),
                ("setns", 308, "0, 0"),
                ("clone user", 56, "0x10000000 | 17, 0, 0, 0, 0"),
                ("clone pid", 56, "0x20000000 | 17, 0, 0, 0, 0"),
                ("clone3", 435, "0, 0"),
            ],
        ),
        refused(
            "keys of the session keyring",
            &[
                ("add_key", 248, "b'user', b'a', b'b', 1, -3"),
                ("request_key", 249, "b'user', b'a', 0, -3"),
                ("keyctl", 250, "0, -3, 1"),
            ],
        ),
        refused(
            "io_uring",
            &[
                ("setup", 425, "8, 0"),
                ("enter", 426, "0, 0, 0, 0"),
                ("register", 427, "0, 0, 0, 0"),
            ],
        ),
        refused("asynchronous io contexts", &[("io_setup", 206, "128, 0")]),
        refused(
            "bpf and perf",
            &[
                ("bpf", 321, "0, 0, 0"),
                ("perf_event_open", 298, "0, 0, -1, -1, 0"),
            ],
        ),
        refused(
            "userfaultfd",
            &[("userfaultfd", 323, "0"), ("user mode only", 323, "1")],
        ),
        refused(
            "kernel modules and kexec",
            &[
                ("init_module", 175, "0, 0, b''"),
                ("finit_module", 313, "0, b'', 0"),
                ("delete_module", 176, "b'x', 0"),
                ("kexec_load", 246, "0, 0, 0, 0"),
                ("kexec_file_load", 320, "-1, -1, 0, b'', 0"),
            ],
        ),
        refused(
            "the machine",
            &[
                ("reboot", 169, "0xfee1dead, 672274793, 0, 0"),
                ("swapon", 167, "b'/tmp/x', 0"),
                ("acct", 163, "b'/tmp/x'"),
                ("syslog", 103, "3, 0, 0"),
                ("vhangup", 153, ""),
                ("iopl", 172, "3"),
                ("ioperm", 173, "0x70, 2, 1"),
                ("quotactl", 179, "0, 0, 0, 0"),
            ],
        ),
        refused(
            "the clock",
            &[
                ("settimeofday", 164, "0, 0"),
                ("clock_settime", 227, "0, 0"),
                ("adjtimex", 159, "0"),
                ("clock_adjtime", 305, "0, 0"),
            ],
        ),
        refused(
            "file handles of the whole file system",
            &[
                ("name_to_handle_at", 303, "-100, b'/usr', 0, 0, 0"),
                ("open_by_handle_at", 304, "-100, 0, 0"),
            ],
        ),
        refused(
            "memory of other processes",
            &[
                ("process_vm_readv", 310, "1, 0, 0, 0, 0, 0"),
                ("process_vm_writev", 311, "1, 0, 0, 0, 0, 0"),
                ("process_madvise", 440, "0, 0, 0, 0, 0"),
                ("kcmp", 312, "1, 1, 0, 0, 0"),
                ("pidfd_getfd", 438, "0, 0, 0"),
                ("ptrace traceme", 101, "0, 0, 0, 0"),
                ("ptrace attach", 101, "16, 1, 0, 0"),
                ("move_pages", 279, "1, 0, 0, 0, 0, 0"),
            ],
        ),
        refused(
            "the name of the host",
            &[("sethostname", 170, "b'x', 1"), ("setdomainname", 171, "b'x', 1")],
        ),
        refused("notifications of all files", &[("fanotify_init", 300, "0, 0")]),
        refused(
            "address randomisation switched off",
            &[("personality", 135, "0x0040000")],
        ),
        refused(
            "system calls of tomorrow",
            &[("470", 470, "0"), ("511", 511, "0"), ("1000", 1000, "0")],
        ),
        // The 32-bit spelling of a system call number reaches no other filter.
        refused(
            "the x32 interface",
            &[
                ("mount", 0x4000_0000 + 165, "0, 0, 0, 0, 0"),
                ("getpid", 0x4000_0000 + 39, ""),
            ],
        ),
        python(
            "the 32-bit system call gate",
            r#"
import mmap
page = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
page.write(b'\xb8\x14\x00\x00\x00\xcd\x80\xc3')  # mov eax, 20 (getpid); int 0x80; ret
run = ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(page)))
child = os.fork()
if child == 0:
    run()
    os._exit(0)
status = os.waitpid(child, 0)[1]
print('contained' if os.WIFSIGNALED(status) else ('ran', status))
"#,
        ),
        python(
            "typing into the terminal",
            r#"
import fcntl
print('contained' if attempt(lambda: fcntl.ioctl(0, 0x5412, b'x')) == 'EPERM' else 'TYPED')
"#,
        ),
        python(
            "capabilities",
            r#"
status = dict(line.split(':\t', 1) for line in open('/proc/self/status').read().splitlines() if ':\t' in line)
held = [name for name in ('CapInh', 'CapPrm', 'CapEff', 'CapBnd', 'CapAmb') if int(status[name], 16)]
print('contained' if not held and status['NoNewPrivs'] == '1' and status['Seccomp'] == '2' else (held, status))
"#,
        ),
        python(
            "becoming somebody else",
            r#"
tried = [attempt(lambda: os.setuid(0)), attempt(lambda: os.setgid(0)), attempt(lambda: os.setgroups([0])), attempt(lambda: os.setresuid(0, 0, 0))]
print('contained' if 'DONE' not in tried and os.getuid() == 1000 else tried)
"#,
        ),
        python(
            "programs that run as root",
            r#"
ran = []
for program in ('/usr/bin/su', '/bin/mount', '/usr/bin/passwd', '/usr/bin/newgrp', '/usr/bin/chsh'):
    if os.path.exists(program):
        child = subprocess.run([program, '--help'], capture_output=True, stdin=subprocess.DEVNULL)
        status = subprocess.run(['/bin/sh', '-c', 'exec cat /proc/self/status'], capture_output=True, text=True).stdout
        if 'Uid:\t1000\t1000\t1000\t1000' not in status: ran.append(program)
print(ran or 'contained')
"#,
        ),
        python(
            "settings of the kernel",
            r#"
tried = {}
for path in ('/proc/sys/kernel/core_pattern', '/proc/sysrq-trigger', '/proc/sys/vm/overcommit_memory', '/proc/sys/kernel/hostname',
             '/proc/sys/net/ipv4/ip_forward', '/proc/irq/default_smp_affinity', '/proc/self/uid_map', '/proc/1/oom_score_adj'):
    def write(path=path):
        with open(path, 'w') as file: file.write('1')
    # What is hidden takes writes as /dev/null does.
    if os.path.exists(path) and os.stat(path).st_rdev: continue
    tried[path] = attempt(write)
print('contained' if 'DONE' not in tried.values() else tried)
"#,
        ),
        python(
            "secrets of the kernel",
            r#"
said = {}
for path in ('/proc/kcore', '/proc/kallsyms', '/proc/kmsg', '/proc/keys', '/proc/timer_list', '/proc/cmdline', '/proc/slabinfo', '/dev/kmsg', '/dev/mem', '/proc/config.gz'):
    try: text = open(path, 'rb').read(64)
    except OSError: continue
    if text: said[path] = text
print(said or 'contained')
"#,
        ),
        python(
            "surviving the end of memory",
            r#"
def lower():
    with open('/proc/self/oom_score_adj', 'w') as file: file.write('-1000')
score = int(open('/proc/self/oom_score_adj').read())
print('contained' if score == 1000 and attempt(lower) != 'DONE' else (score, attempt(lower)))
"#,
        ),
        python(
            "raising its own limits",
            r#"
import resource
tried = []
for name in ('RLIMIT_NPROC', 'RLIMIT_NOFILE', 'RLIMIT_FSIZE', 'RLIMIT_CORE', 'RLIMIT_MEMLOCK'):
    number = getattr(resource, name)
    soft, hard = resource.getrlimit(number)
    try: resource.setrlimit(number, (hard + 1000, hard + 1000)); tried.append(name)
    except (OSError, ValueError): pass
print(tried or 'contained')
"#,
        ),
        python(
            "priority over everybody",
            r#"
tried = [attempt(lambda: os.nice(-10)), attempt(lambda: os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(50)))]
print('contained' if 'DONE' not in tried else tried)
"#,
        ),
        python(
            "a core dump of everything",
            "os.kill(os.getpid(), signal.SIGABRT)",
        )
        .expect([Exit(134), Says(""), Unkilled]),
        refused(
            "rarely used system calls",
            &[
                ("modify_ldt", 154, "0, 0, 0"),
                ("uselib", 134, "b'x'"),
                ("ustat", 136, "0, 0"),
                ("sysfs", 139, "3"),
                ("lookup_dcookie", 212, "0, 0, 0"),
                ("remap_file_pages", 216, "0, 0, 0, 0, 0"),
                ("mq_open", 240, "b'x', 0o102, 0o600, 0"),
                ("ioprio_set", 251, "1, 0, 0x2000"),
                ("fspick", 433, "-100, b'/', 0"),
                ("quotactl_fd", 443, "0, 0, 0, 0"),
                ("memfd_secret", 447, "0"),
                ("process_mrelease", 448, "0, 0"),
                ("set_mempolicy_home_node", 450, "0, 0, 0, 0"),
                ("statmount", 457, "0, 0, 0, 0"),
                ("listmount", 458, "0, 0, 0, 0"),
                ("lsm_list_modules", 461, "0, 0, 0"),
                ("open_tree_attr", 467, "-100, b'/', 0, 0, 0"),
            ],
        ),
        // The kernel looks at the lower half of these arguments only; so must the filter.
        refused(
            "arguments with something in the upper half",
            &[
                ("typing into the terminal", 16, "0, 0x700005412, b'x'"),
                ("a packet socket", 41, "0x700000000 + 17, 3, 0"),
                ("no randomisation", 135, "0x700040000"),
                ("unshare", 272, "0x7_10000000"),
                ("ptrace", 101, "0x7_00000010, 1, 0, 0"),
            ],
        ),
        python(
            "new namespaces in the structure of clone3",
            r#"
import struct
said = set()
for flag in (0x10000000, 0x20000000, 0x40000000, 0x00020000, 0x02000000, 0x04000000, 0x08000000, 0x80):
    said.add(call(435, struct.pack('11Q', flag, 0, 0, 0, 17, 0, 0, 0, 0, 0, 0), 88))
print('contained' if said == {'ENOSYS'} else said)
"#,
        ),
        python(
            "tracing a child",
            r#"
child = os.fork()
if child == 0:
    time.sleep(5); os._exit(0)
tried = {call(101, request, child, 0, 0) for request in (16, 0x4206, 0x4207)}
os.kill(child, signal.SIGKILL); os.waitpid(child, 0)
print('contained' if tried == {'EPERM'} else tried)
"#,
        ),
        python(
            "a read-only file written through one's own memory",
            r#"
import mmap
path = os.__file__
before = open(path, 'rb').read()
mapped = mmap.mmap(os.open(path, os.O_RDONLY), 0, access=mmap.ACCESS_COPY)
address = ctypes.addressof(ctypes.c_char.from_buffer(mapped))
for _ in range(50):
    memory = os.open('/proc/self/mem', os.O_RDWR)
    os.pwrite(memory, b'stolen', address)
    libc.madvise(ctypes.c_void_p(address), ctypes.c_size_t(4096), 4)
    os.close(memory)
print('contained' if open(path, 'rb').read() == before else 'WRITTEN')
"#,
        ),
        python(
            "the groups of the host",
            r#"
seen = open('/proc/self/cgroup').read()
print('contained' if 'pentad' not in seen and 'slot' not in seen and not os.path.isdir('/sys/fs/cgroup') else seen)
"#,
        ),
        python(
            "another clock for itself",
            r#"
tried = [attempt(lambda: os.write(os.open('/proc/self/timens_offsets', os.O_WRONLY), b'monotonic 1000 0')), attempt(lambda: time.clock_settime(time.CLOCK_REALTIME, 0))]
alarm = call(222, 9, 0, ctypes.byref(ctypes.c_long()))
print('contained' if 'DONE' not in tried and alarm != 'OK' else (tried, alarm))
"#,
        ),
        python(
            "namespaces by their files",
            r#"
entered = []
for name in os.listdir('/proc/self/ns'):
    for pid in ('self', '1'):
        def enter():
            file = os.open(f'/proc/{pid}/ns/{name}', os.O_RDONLY)
            if call(308, file, 0) == 'OK': entered.append(name)
        attempt(enter)
print(entered or 'contained')
"#,
        ),
        python(
            "a stronger filter is its own business",
            r#"
# Programs may restrict themselves further; that must not unlock anything.
print('contained' if call(157, 38, 0, 0, 0, 0) in ('EINVAL', 'EPERM') else 'no_new_privs was cleared')
"#,
        )
        .and(Mentions("contained")),
    ]
}
