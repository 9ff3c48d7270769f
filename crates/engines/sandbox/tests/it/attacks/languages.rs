//! Attacks in, and on, the other languages; and on the start of interpreters.

use std::time::Duration;

use pentad_sandbox::{KilledBy, Language};

use crate::harness::{
    Attack, Exit, Fails, Hides, KilledBy as Killed, Limited, Mentions, Says, Unkilled, Within, attack, python,
};

pub(crate) fn attacks() -> Vec<Attack> {
    let js = |name, code: &str| {
        attack(name, Language::Node, code).expect([Says("contained\n"), Exit(0), Unkilled])
    };
    let deno = |name, code: &str| {
        attack(name, Language::Deno, code).expect([Says("contained\n"), Exit(0), Unkilled])
    };
    let go = |name, code: &str| attack(name, Language::Go, code);
    vec![
        js("process 1 from Node", r"
const fs = require('fs'); const read = [];
for (const f of ['environ', 'mem', 'maps', 'fd/0', 'exe', 'root/etc']) try { fs.readFileSync('/proc/1/' + f); read.push(f) } catch {}
try { process.kill(1, 'SIGKILL') } catch {}
console.log(read.length ? read : 'contained')"),
        js("children of Node", r"
const { spawnSync } = require('child_process');
const said = spawnSync('/bin/sh', ['-c', 'id -u; cat /proc/self/status | grep -c CapEff:.0000000000000000; unshare -U id 2>&1; mount -t tmpfs x /tmp 2>&1'], { encoding: 'utf8' }).stdout;
console.log(said.startsWith('1000\n1\n') && !said.includes('uid=') ? 'contained' : said)"),
        js("native bindings of Node", r"
try { process.dlopen({ exports: {} }, '/tmp/nothing.node'); console.log('LOADED') } catch { console.log('contained') }"),
        js("the loader's own pieces", r"
console.log(typeof exactly === 'undefined' && typeof message === 'undefined' && process.argv.length === 2 && process.execArgv.length === 0 ? 'contained' : 'LEAKED')"),
        js("a prototype spoilt for everybody", r"
Object.prototype.toString = () => 'spoilt'; Array.prototype.push = () => 0; JSON.parse = () => ({});
console.log('contained')"),
        attack("workers without end", Language::Node, r"
const { Worker } = require('worker_threads');
const more = () => { try { new Worker('setInterval(() => {}, 1e6)', { eval: true }).on('error', () => {}) } catch {} };
setInterval(() => { for (let i = 0; i < 10; i++) more() }, 1)")
            .timeout(2500)
            .expect([Fails, Limited(&[KilledBy::Memory, KilledBy::Processes, KilledBy::Timeout]), Within(Duration::from_secs(20))]),
        attack("an event loop that never ends", Language::Node, "setInterval(() => {}, 1e6); console.log('before')")
            .timeout(1500)
            .expect([Killed(KilledBy::Timeout), Exit(124), Says("before\n")]),
        attack("a regular expression without end", Language::Node, "console.log(/^(a+)+$/.test('a'.repeat(60) + 'b'))")
            .timeout(1500)
            .expect([Killed(KilledBy::Timeout), Exit(124)]),
        attack("types that do harm", Language::TypeScript, r"
import * as fs from 'fs';
const read: string[] = [];
for (const f of ['/etc/shadow', '/proc/1/environ', '/proc/1/mem']) try { fs.readFileSync(f); read.push(f) } catch {}
console.log(read.length ? read : 'contained')")
            .expect([Says("contained\n"), Exit(0), Unkilled]),
        attack("source that is not TypeScript", Language::TypeScript, "const x: = 3")
            .expect([Exit(1), Unkilled, Says("")]),
        deno("permissions of Deno", r"
const done: string[] = [];
for (const [name, act] of Object.entries({
  run: () => new Deno.Command('/bin/ls').outputSync(), ffi: () => Deno.dlopen('/lib/x86_64-linux-gnu/libc.so.6', {}),
  sys: () => Deno.hostname(), listen: () => Deno.listen({ port: 80 }), kill: () => Deno.kill(1, 'SIGKILL') })) {
  try { await act(); done.push(name) } catch { /* refused */ }
}
console.log(done.length ? done : 'contained')"),
        deno("imports from elsewhere", r"
const done: string[] = [];
for (const from of ['https://deno.land/std/version.ts', 'npm:lodash', 'jsr:@std/path', 'http://127.0.0.1/x.ts']) {
  try { await import(from); done.push(from) } catch { /* refused */ }
}
console.log(done.length ? done : 'contained')"),
        deno("files through Deno", r"
const read: string[] = [];
for (const path of ['/etc/shadow', '/proc/1/environ', '/root/.ssh', '/var/log']) { try { Deno.statSync(path).isFile ? Deno.readFileSync(path) : [...Deno.readDirSync(path)]; read.push(path) } catch { /* refused */ } }
console.log(read.length ? read : 'contained')"),
        go("process 1 from Go", r#"package main
import ("fmt"; "os"; "syscall")
func main() {
	for _, f := range []string{"environ", "mem", "maps", "exe"} { if _, err := os.ReadFile("/proc/1/" + f); err == nil { fmt.Println("READ", f) } }
	if err := syscall.PtraceAttach(1); err == nil { fmt.Println("TRACED") }
	if err := syscall.Mount("x", "/tmp", "tmpfs", 0, ""); err == nil { fmt.Println("MOUNTED") }
	if err := syscall.Unshare(syscall.CLONE_NEWUSER); err == nil { fmt.Println("UNSHARED") }
	fmt.Println("contained")
}"#)
        .expect([Says("contained\n"), Exit(0), Unkilled]),
        go("memory from Go", r"package main
func main() { var x [][]byte; for { b := make([]byte, 4<<20); for i := range b { b[i] = 1 }; x = append(x, b) } }")
            .expect([Fails, Limited(&[KilledBy::Memory]), Within(Duration::from_secs(15))]),
        go("goroutines without end", r"package main
func main() { for { go func() { select {} }() } }")
            .timeout(10_000)
            .expect([Fails, Limited(&[KilledBy::Memory, KilledBy::Timeout])]),
        go("the compiler's cache", r#"package main
import ("fmt"; "os")
func main() {
	for _, d := range []string{"/opt/go-std", "/opt/go", "/opt", "/opt/program"} { if os.WriteFile(d+"/x", nil, 0644) == nil || os.Remove(d) == nil { fmt.Println("WROTE", d) } }
	fmt.Println("contained")
}"#)
        .expect([Says("contained\n"), Exit(0), Unkilled]),
        go("source that takes files of the build", "package main\nimport _ \"embed\"\n//go:embed ../../etc/passwd\nvar s string\nfunc main() { print(s) }")
            .expect([Fails, Unkilled, Hides("root:")]),
        go("source that does not compile", "package main\nfunc main() { x }").expect([Fails, Unkilled, Says("")]),
        attack("an endless type for the compiler", Language::Go, "package main\nimport \"C\"\nfunc main() {}").expect([Fails, Unkilled]),
        attack("source nested deeper than any stack", Language::TypeScript, &format!("{}1{}", "(".repeat(200_000), ")".repeat(200_000)))
            .expect([Exit(1), Unkilled, Says("")]),
        attack("an imported source nested deeper than any stack", Language::TypeScript, "import './deep';\nconsole.log('x')")
            .file("deep.ts", Box::leak("!".repeat(300_000).into_boxed_str()))
            .expect([Says(""), Exit(1), Unkilled]),
        attack("JavaScript nested deeper than any stack", Language::Node, &format!("{}1{}", "(".repeat(200_000), ")".repeat(200_000)))
            .expect([Fails]),
        attack("Python nested deeper than any stack", Language::Python, &format!("{}1{}", "(".repeat(200_000), ")".repeat(200_000)))
            .expect([Fails, Unkilled]),
        attack("Go nested deeper than any stack", Language::Go, &format!("package main\nvar x = {}1{}\nfunc main() {{}}", "(".repeat(200_000), ")".repeat(200_000)))
            .expect([Unkilled]),
        go("a module of directories elsewhere", "package main\nimport \"example.com/x\"\nfunc main() { x.X() }")
            .file("go.mod", "module a\ngo 1.21\nrequire example.com/x v0.0.0\nreplace example.com/x => ../etc\n")
            .expect([Fails, Unkilled, Hides("root:")]),
        python("a library in front of all others", "print('contained')").env("LD_PRELOAD", "/workspace/evil.so").file("evil.so", "not a library")
            .expect([Mentions("contained"), Exit(0)]),
        python("Python's own variables", "print('contained' if 'secret' not in sys.path else 'x')").env("PYTHONPATH", "/workspace/lib").env("PYTHONSTARTUP", "/workspace/start.py"),
        attack("options for Node", Language::Node, "console.log('contained')").env("NODE_OPTIONS", "--require /workspace/evil.js").file("evil.js", "console.log('in the sandbox all the same')")
            .expect([Mentions("contained"), Exit(0), Unkilled]),
        python("a loader that is no Python any more", "import builtins\nbuiltins.print = None; sys.stdout = None; sys.exit = None\nos.write(1, b'contained\\n')"),
        python("an error in the last moment", "import atexit\natexit.register(lambda: os._exit(7))\nprint('contained')").expect([Says("contained\n"), Exit(7), Unkilled]),
        python("recursion without end", "def f(): f()\nf()").expect([Exit(1), Unkilled]),
        python("the stack of the machine", "sys.setrecursionlimit(10**8)\ndef f(): f()\nf()").expect([Fails]),
    ]
}
