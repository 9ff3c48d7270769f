//! Attacks over a network that is not there.

use pentad_sandbox::Language;

use crate::harness::{Attack, Exit, Says, Unkilled, attack, python};

pub(crate) fn attacks() -> Vec<Attack> {
    vec![
        python("the internet, the cloud's metadata, the neighbours", r#"
reached = []
for address in (('1.1.1.1', 53), ('169.254.169.254', 80), ('10.0.0.1', 80), ('192.168.0.1', 80), ('172.17.0.1', 80), ('100.64.0.1', 80)):
    if attempt(lambda: socket.create_connection(address, 1)) == 'DONE': reached.append(address)
if attempt(lambda: socket.create_connection(('fd00::1', 80), 1)) == 'DONE': reached.append('ula')
print(reached or 'contained')
"#),
        python("the name service", r#"
print('contained' if attempt(lambda: socket.getaddrinfo('example.com', 80)) != 'DONE' else 'RESOLVED')
"#),
        python("services of the host", r#"
open_ports = [port for port in (22, 25, 53, 80, 443, 3000, 3306, 5432, 6379, 8000, 8080, 9000) if attempt(lambda: socket.create_connection(('127.0.0.1', port), 0.2)) == 'DONE']
print(open_ports or 'contained')
"#),
        python("datagrams into the dark", r#"
sent = []
for address in ('1.1.1.1', '255.255.255.255', '224.0.0.1'):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
    if attempt(lambda: s.sendto(b'x', (address, 53))) == 'DONE': sent.append(address)
print(sent or 'contained')
"#),
        python("raw sockets", r#"
families = [(socket.AF_INET, socket.SOCK_RAW, 1), (socket.AF_INET, socket.SOCK_RAW, 255), (socket.AF_INET6, socket.SOCK_RAW, 58), (socket.AF_PACKET, socket.SOCK_RAW, 3), (socket.AF_PACKET, socket.SOCK_DGRAM, 3)]
made = [f for f in families if attempt(lambda: socket.socket(*f)) == 'DONE']
print(made or 'contained')
"#),
        python("rarely used protocols", r#"
made = []
for family in range(3, 46):
    if family in (10, 16): continue
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_RAW, socket.SOCK_SEQPACKET):
        if attempt(lambda: socket.socket(family, kind)) == 'DONE': made.append((family, kind))
made += [protocol for protocol in range(1, 23) if attempt(lambda: socket.socket(16, socket.SOCK_RAW, protocol)) == 'DONE']
print(made or 'contained')
"#),
        python("abstract sockets of the host", r#"
names = [line.split()[-1] for line in open('/proc/net/unix').read().splitlines()[1:] if '@' in line]
print(names or 'contained')
"#),
        python("interfaces and routes", r#"
import fcntl
names = [name for _, name in socket.if_nameindex()]
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
changed = [attempt(lambda: fcntl.ioctl(s, 0x8914, b'lo'.ljust(16, b'\0') + bytes(24))), attempt(lambda: fcntl.ioctl(s, 0x890B, bytes(120)))]
print('contained' if names == ['lo'] and 'DONE' not in changed else (names, changed))
"#),
        python("the caller's port when nobody answers", r#"
# The listener of a run without storage is closed before the run begins.
print('contained' if attempt(lambda: socket.create_connection(('127.0.0.1', 8787), 1)) == 'ECONNREFUSED' else 'ANSWERED')
"#),
        python("sockets of services by their path", r#"
reached = []
for path in ('/var/run/docker.sock', '/run/dbus/system_bus_socket', '/run/systemd/private', '/tmp/.X11-unix/X0', '\0/tmp/.X11-unix/X0', '\0/org/freedesktop/systemd1', '/run/containerd/containerd.sock'):
    s = socket.socket(socket.AF_UNIX)
    if attempt(lambda: s.connect(path)) == 'DONE': reached.append(path)
print(reached or 'contained')
"#),
        python("the loopback of version 6", r#"
reached = [port for port in (22, 80, 5432, 8080, 8787) if attempt(lambda: socket.create_connection(('::1', port), 0.2)) == 'DONE']
print(reached or 'contained')
"#),
        python("connections kept half open", r#"
listener = socket.socket(); listener.bind(('127.0.0.1', 0)); listener.listen(5)
held = []
try:
    for _ in range(1000):
        c = socket.socket(); c.setblocking(False)
        try: c.connect(listener.getsockname())
        except BlockingIOError: pass
        held.append(c)
except OSError: pass
print('contained' if len(held) < 256 else len(held))
"#),
        attack("fetch", Language::Deno, "try { await fetch('http://1.1.1.1/'); console.log('FETCHED') } catch (e) { console.log('contained') }")
            .expect([Says("contained\n"), Exit(0), Unkilled]),
        attack("sockets of Node", Language::Node, "require('net').connect(80, '1.1.1.1').on('connect', () => console.log('CONNECTED')).on('error', () => console.log('contained'))")
            .expect([Says("contained\n"), Exit(0), Unkilled]),
    ]
}
