//! Attacks through files: reading what is not shown, leaving something harmful behind.

use crate::harness::{Attack, Changes, DoesNotKeep, Exit, Says, python};

pub(crate) fn attacks() -> Vec<Attack> {
    vec![
        python("files of the host", r#"
found = [path for path in ('/etc/shadow', '/root', '/home', '/var', '/sys', '/run', '/boot', '/mnt', '/srv', '/work', '/etc/hostname.bak', '/.oldroot', '/.dockerenv', '/dev/sda', '/dev/vda', '/dev/kmsg', '/dev/ptmx', '/dev/tty', '/etc/machine-id', '/etc/ssh')
         if attempt(lambda: os.listdir(path) if os.path.isdir(path) else open(path).read(1)) == 'DONE' and (not os.path.isdir(path) or [n for n in os.listdir(path) if n != '.pyenv'])]
print(found or 'contained')
"#),
        python("the way out of the root", r#"
real = os.listdir('/')
for _ in range(50): os.chdir('..')
tried = [attempt(lambda: os.chroot('/tmp')), os.listdir('.') == real, os.path.exists('/../../../../root/.ssh'), os.path.exists('/proc/1/root/etc')]
print('contained' if tried == ['EPERM', True, False, False] else tried)
"#),
        python("the hidden workings of the workspace", r#"
seen = [path for path in ('/.w', '/.b', '/.s') if os.path.isdir(path) and os.listdir(path)]
print(seen or 'contained')
"#),
        python("links that lead outside", r#"
os.symlink('/etc/passwd', 'absolute'); os.symlink('../../etc/passwd', 'upwards'); os.mkdir('d'); os.symlink('../../x', 'd/up')
os.symlink('inside', 'good'); open('inside', 'w').write('1'); os.symlink('../inside', 'd/good')
print('contained')
"#)
        .and(Changes(&["d/good", "good", "inside"])),
        python("things that are not files", r#"
os.mkfifo('fifo'); s = socket.socket(socket.AF_UNIX); s.bind('socket')
for mode in (0o060666, 0o020666):
    if attempt(lambda: os.mknod(f'device{mode}', mode, os.makedev(1, 5))) == 'DONE': print('MADE')
print('contained')
"#)
        .and(Changes(&[])),
        python("a program that runs as its owner", r#"
open('suid', 'w').write('#!/bin/sh\nid\n'); os.chmod('suid', 0o6755)
print('contained')
"#)
        .and(Changes(&["suid"])),
        python("a hard link to a file of the system", r#"
tried = [attempt(lambda: os.link('/etc/passwd', 'stolen')), attempt(lambda: os.link('/usr/bin/env', 'env'))]
print('contained' if 'DONE' not in tried else tried)
"#)
        .and(Changes(&[])),
        python("names that are not names", r#"
for name in (b'\xff\xfe', b'new\nline', b'-rf', b' ', b'*', b'\xe2\x80\xae', b'a' * 255):
    open(b'/workspace/' + name, 'w').close()
print('contained')
"#)
        .and(DoesNotKeep("\u{FFFD}\u{FFFD}")),
        python("a directory deeper than any path", r#"
for _ in range(500):
    os.mkdir('d'); os.chdir('d')
open('bottom', 'w').write('1')
print('contained')
"#)
        .and(Changes(&[])),
        python("files nobody may read", r#"
os.mkdir('locked'); open('locked/f', 'w').write('1'); os.chmod('locked/f', 0); os.chmod('locked', 0)
open('sealed', 'w').write('2'); os.chmod('sealed', 0)
print('contained')
"#)
        .and(Changes(&["locked/f", "sealed"])),
        python("deleting its workspace", r#"
tried = attempt(lambda: os.rmdir('/workspace'))
os.unlink('given')
print('contained' if tried in ('EROFS', 'EBUSY') else tried)
"#)
        .file("given", "1")
        .and(Changes(&["given"])),
        python("moving its workspace", r#"
tried = [attempt(lambda: os.rename('/workspace', '/tmp/w')), attempt(lambda: os.rename('/tmp', '/workspace/t'))]
print('contained' if 'DONE' not in tried else tried)
"#)
        .and(Changes(&[])),
        python("a mode in which nothing can be entered", "os.chmod('/workspace', 0)\nprint('contained')\n"),
        python("times that overflow", r#"
open('f', 'w').close(); os.utime('f', (2**40, 2**40)); open('g', 'w').close(); os.utime('g', (-2**40, -2**40))
print('contained')
"#)
        .and(Changes(&["f", "g"])),
        python("a file that looks like a deletion", r#"
# Overlay marks deletions with a 0:0 device; only the overlay itself can make one.
tried = attempt(lambda: os.mknod('given', 0o020000, os.makedev(0, 0)))
try: os.setxattr('.', 'user.overlay.opaque', b'y')
except OSError: pass
print('contained')
"#)
        .file("kept", "1")
        .expect([Says("contained\n"), Exit(0), Changes(&[])]),
        python("modules in place of the library", "import json, random, traceback\nprint('contained' if 'loads' in dir(json) else 'REPLACED')\n")
            .file("json.py", "print('REPLACED')")
            .file("sitecustomize.py", "print('REPLACED')")
            .file("usercustomize.py", "print('REPLACED')")
            .file("encodings/__init__.py", "print('REPLACED')"),
        python("a link behind a link that leads upwards", r#"
os.makedirs('p/q/r'); open('p/q/r/f', 'w').write('1')
os.symlink('../../..', 'p/q/r/top'); os.symlink('p/q/r/top/../../etc', 'out')
print('contained' if os.path.realpath('out') == '/etc' else os.path.realpath('out'))
"#)
        .and(Changes(&["p/q/r/f", "p/q/r/top"])),
        python("something else in the place of a file", r#"
os.unlink('fifo'); os.mkfifo('fifo'); os.unlink('socket'); socket.socket(socket.AF_UNIX).bind('socket')
os.unlink('directory'); os.mkdir('directory'); open('directory/below', 'w').close()
os.unlink('d/file'); os.rmdir('d'); open('d', 'w').close()
print('contained')
"#)
        .file("fifo", "1")
        .file("socket", "1")
        .file("directory", "1")
        .file("d/file", "1")
        .and(Changes(&["d", "d/file", "directory", "directory/below", "fifo", "socket"])),
        python("one file under many names", r#"
open('a', 'w').write('x' * 1000)
for i in range(50): os.link('a', f'l{i}')
print('contained' if os.stat('a').st_nlink == 51 else 'x')
"#),
        python("attributes of a file system that is not there", r#"
open('a', 'w').write('1'); os.mkdir('d')
for name in ('metacopy', 'redirect', 'opaque', 'origin', 'whiteout', 'protattr'):
    for path in ('a', 'd'):
        try: os.setxattr(path, f'user.overlay.{name}', b'y')
        except OSError: pass
tried = [attempt(lambda: os.setxattr('a', name, b'y')) for name in ('trusted.overlay.opaque', 'security.capability')]
print('contained' if 'DONE' not in tried else tried)
"#)
        .and(Changes(&["a"])),
        python("a file that cannot be changed any more", r#"
import fcntl, struct
open('a', 'w').write('1'); f = os.open('a', os.O_RDONLY)
tried = [attempt(lambda: fcntl.ioctl(f, 0x40086602, struct.pack('l', flag))) for flag in (0x10, 0x20)]
print('contained' if 'DONE' not in tried else tried)
"#)
        .and(Changes(&["a"])),
        python("a file made of links to itself", r#"
os.symlink('loop', 'loop'); os.symlink('b', 'a'); os.symlink('a', 'b')
print('contained')
"#)
        .and(Changes(&["a", "b", "loop"])),
    ]
}
