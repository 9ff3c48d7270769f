//! What programs of each language may count on.

use std::sync::Arc;
use std::time::Duration;

use pentad_sandbox::{
    Discard, Executor, ExecutorOptions, InputFile, Job, Language, Outcome, PoolKind, PoolSizes, WorkspacePath,
};

use crate::harness;

struct Bench {
    executor: Executor,
    _state: tempfile::TempDir,
}

fn executor(test: &str) -> Option<Bench> {
    executor_with(test, PoolSizes::default())
}

fn executor_with(test: &str, pool: PoolSizes) -> Option<Bench> {
    let backend = harness::backend(test)?;
    let state = tempfile::Builder::new()
        .prefix("language-state-")
        .tempdir()
        .expect("state");
    let options = ExecutorOptions {
        state: Some(harness::state_directory(state.path())),
        pool,
        ..ExecutorOptions::default()
    };
    let executor = Executor::start(backend, harness::runtimes(), options).expect("an executor");
    Some(Bench {
        executor,
        _state: state,
    })
}

fn run(bench: &Bench, job: Job) -> Option<Outcome> {
    let language = job.language;
    if let Err(error) = bench.executor.runtimes().of(language) {
        harness::skip(language.as_str(), &error.to_string());
        return None;
    }
    Some(bench.executor.execute(job, &mut Discard).expect("a run"))
}

fn check(bench: &Bench, language: Language, code: &str, stdout: &str) {
    if let Some(outcome) = run(bench, Job::new(language, code)) {
        assert_eq!(
            (outcome.stdout.text.as_str(), outcome.exit_code),
            (stdout, 0),
            "{language}: {code}\n{}",
            outcome.stderr.text
        );
    }
}

fn with_files(language: Language, code: &str, files: &[(&str, &str)]) -> Job {
    let mut job = Job::new(language, code);
    job.workspace.files = files
        .iter()
        .map(|(path, text)| InputFile::new(WorkspacePath::parse(path).expect("path"), text.as_bytes()))
        .collect();
    job
}

#[test]
fn python() {
    let Some(bench) = executor("python") else { return };
    let check = |code, stdout| check(&bench, Language::Python, code, stdout);
    check("print('é 漢字 🦀')", "é 漢字 🦀\n");
    check(
        "\u{feff}print('after a byte order mark')",
        "after a byte order mark\n",
    );
    check(
        "print(__name__, __file__)\nimport sys; print(sys.argv, sys.path[0])",
        "__main__ main.py\n['main.py'] /workspace\n",
    );
    check("import sys; print(repr(sys.stdin.read()))", "''\n");
    check(
        "import os; print(os.getcwd(), sorted(os.environ))",
        "/workspace ['HOME', 'LANG', 'PATH', 'TMPDIR']\n",
    );
    check(
        "import atexit, threading, time\natexit.register(print, 'last')\nthreading.Thread(target=lambda: (time.sleep(.05), print('thread'))).start()",
        "thread\nlast\n",
    );
    check(
        "import dataclasses, pickle\n@dataclasses.dataclass\nclass P: x: int\nprint(pickle.loads(pickle.dumps(P(3))))",
        "P(x=3)\n",
    );
    check(
        "import multiprocessing as m\nif __name__ == '__main__':\n  c = m.get_context('fork')\n  with c.Pool(2) as p: print(p.map(abs, [-1, -2]))",
        "[1, 2]\n",
    );
    check(
        "import subprocess, sys; print(subprocess.run([sys.executable, '-c', 'print(7)'], capture_output=True, text=True).stdout, end='')",
        "7\n",
    );
    let code = "def f(x):\n    return g(x)\ndef g(x):\n    return 1/x\nf(0)\n";
    if let Some(outcome) = run(&bench, Job::new(Language::Python, code)) {
        assert_eq!(outcome.exit_code, 1);
        let shown = &outcome.stderr.text;
        for part in [
            "File \"main.py\", line 4, in g",
            "    return 1/x",
            "ZeroDivisionError",
        ] {
            assert!(shown.contains(part), "{shown}");
        }
        assert!(!shown.contains("_boot") && !shown.contains("<string>"), "{shown}");
    }
    for (code, exit) in [
        ("import sys; sys.exit(3)", 3),
        ("raise SystemExit('words')", 1),
        ("exit()", 0),
        ("print('unclosed", 1),
    ] {
        if let Some(outcome) = run(&bench, Job::new(Language::Python, code)) {
            assert_eq!(outcome.exit_code, exit, "{code}");
        }
    }
    if let Some(outcome) = run(
        &bench,
        Job {
            stdin: b"typed".to_vec(),
            ..Job::new(Language::Python, "print(input())")
        },
    ) {
        assert_eq!(outcome.stdout.text, "typed\n");
    }
    if let Some(outcome) = run(
        &bench,
        with_files(
            Language::Python,
            "import util; print(util.f())",
            &[("util.py", "def f(): return 42\n")],
        ),
    ) {
        assert_eq!(outcome.stdout.text, "42\n", "{}", outcome.stderr.text);
        assert!(outcome.changes.is_empty(), "no bytecode: {:?}", outcome.changes);
    }
}

#[test]
fn node() {
    let Some(bench) = executor("node") else { return };
    let check = |code, stdout| check(&bench, Language::Node, code, stdout);
    check(
        "console.log(require.main === module, __filename, process.argv.length, process.cwd())",
        "true /workspace/main.js 2 /workspace\n",
    );
    check(
        "setTimeout(() => console.log('late'), 20); process.on('exit', (code) => console.log('exit', code))",
        "late\nexit 0\n",
    );
    check(
        "import os from 'node:os'; import { join } from 'path'; console.log(typeof os.tmpdir(), join('a', 'b'), import.meta.url)",
        "string a/b file:///workspace/main.js\n",
    );
    check(
        "const v = await Promise.resolve(4); console.log('top', await import('node:fs').then((fs) => typeof fs.readFileSync), v)",
        "top function 4\n",
    );
    let long = "x".repeat(200_000);
    check("process.stdout.write('x'.repeat(200000))", &long);
    check(
        "let s = ''; process.stdin.on('data', (d) => s += d).on('end', () => console.log(JSON.stringify(s)))",
        "\"\"\n",
    );
    check(
        "console.log(Object.keys(process.env).sort().join())",
        "HOME,LANG,PATH,TMPDIR\n",
    );
    for (code, exit, said) in [
        ("process.exit(3)", 3, ""),
        ("throw new Error('Test error')", 1, "Test error"),
        ("Promise.reject(new Error('nope'))", 1, "nope"),
        ("await Promise.reject(new Error('nope'))", 1, "nope"),
        ("const a = ;", 1, "SyntaxError"),
    ] {
        if let Some(outcome) = run(&bench, Job::new(Language::Node, code)) {
            assert_eq!(outcome.exit_code, exit, "{code}: {}", outcome.stderr.text);
            assert!(
                outcome.stderr.text.contains(said),
                "{code}: {}",
                outcome.stderr.text
            );
        }
    }
    let files = [
        ("util.js", "exports.f = () => 41"),
        ("m.mjs", "export const g = 1"),
        ("data.json", "{\"h\": 2}"),
    ];
    for (code, said) in [
        (
            "console.log(require('./util').f(), require('./data.json').h)",
            "41 2\n",
        ),
        (
            "import { f } from './util.js'; import { g } from './m.mjs'; console.log(f() + g)",
            "42\n",
        ),
    ] {
        if let Some(outcome) = run(&bench, with_files(Language::Node, code, &files)) {
            assert_eq!(outcome.stdout.text, said, "{}", outcome.stderr.text);
        }
    }
}

#[test]
fn typescript() {
    let Some(bench) = executor("typescript") else {
        return;
    };
    let check = |code, stdout| check(&bench, Language::TypeScript, code, stdout);
    check(
        "enum C { A = 1, B }\nnamespace N { export const x: number = 3 }\n\
         class P { constructor(private v: number) {} get(): number { return this.v } }\n\
         const f = async (): Promise<number> => 5;\n\
         f().then(v => console.log(C.B, N.x, new P(4).get(), v, ({a: 1} satisfies object as any).a))",
        "2 3 4 5 1\n",
    );
    check(
        "const v: number = await Promise.resolve(7);\nconsole.log(v);\nexport {};",
        "7\n",
    );
    check(
        "import { createHash } from 'node:crypto';\nconsole.log(createHash('md5').update('a').digest('hex'))",
        "0cc175b9c0f1b6a831c399e269772661\n",
    );
    check(
        "import * as fs from 'fs';\nfs.writeFileSync('o', 'd' as string); console.log(fs.readFileSync('o', 'utf8'))",
        "d\n",
    );
    let files = [
        (
            "util.ts",
            "import { one } from './deep/one';\nexport const f = (x: number): number => x + one;",
        ),
        ("deep/one.ts", "export const one: number = 1;"),
        ("deep/bad.ts", "const x: = 1"),
    ];
    for code in [
        "import { f } from './util';\nconsole.log(f(41))",
        "const { f } = await import('./util.ts');\nconsole.log(f(41))",
        "import { f } from './util.js';\nconsole.log(f(41))",
    ] {
        if let Some(outcome) = run(&bench, with_files(Language::TypeScript, code, &files)) {
            assert_eq!(outcome.stdout.text, "42\n", "{code}\n{}", outcome.stderr.text);
            assert!(outcome.changes.is_empty());
        }
    }
    for code in [
        "const { f } = require('./util');\nconsole.log(f(41))",
        "const { f } = require('./util.js') as any;\nconsole.log(f(41))",
        "import('./util').then(({ f }) => console.log(f(41)))",
    ] {
        if let Some(outcome) = run(&bench, with_files(Language::TypeScript, code, &files)) {
            assert_eq!(outcome.stdout.text, "42\n", "{code}\n{}", outcome.stderr.text);
        }
    }
    if let Some(outcome) = run(
        &bench,
        with_files(Language::TypeScript, "import './deep/bad'", &files),
    ) {
        assert_eq!(outcome.exit_code, 1);
        assert!(
            outcome.stderr.text.contains("deep/bad.ts:1:10"),
            "{}",
            outcome.stderr.text
        );
    }
    if let Some(outcome) = run(&bench, Job::new(Language::TypeScript, "const x: = 3")) {
        assert_eq!(outcome.exit_code, 1);
        assert!(
            outcome.stderr.text.starts_with("main.ts:1:10 - SyntaxError"),
            "{}",
            outcome.stderr.text
        );
    }
    if let Some(outcome) = run(
        &bench,
        Job::new(
            Language::TypeScript,
            "interface A {\n  x: number\n}\nfunction f(): A {\n  throw new Error('here')\n}\nf()",
        ),
    ) {
        assert!(
            outcome.stderr.text.contains("main.ts:5"),
            "lines of the source: {}",
            outcome.stderr.text
        );
    }
}

/// A project of modules, begun by requiring its entry: imports of all kinds, cycles, values that change.
#[test]
fn typescript_projects_can_be_required() {
    let Some(bench) = executor("typescript") else {
        return;
    };
    let files = [
        (
            "index.ts",
            "import total, { count, add, type Unit } from './lib/counter';\nimport * as shapes from './lib/shapes.js';\n\
             import settings from '../workspace/config.json';\nimport { basename } from 'node:path';\n\
             import fs from 'fs';\nimport plain, { word } from './plain';\n\
             const require = 1, __dirname = 2;\nadd(2);\nadd(3);\n\
             export const unit: Unit = 'm';\nexport default function () { return 'made'; }\n\
             console.log(count, total(), new shapes.Square(2).area(), shapes.default.name, settings.name,\n\
             \x20 basename(import.meta.url), typeof fs.readFileSync, plain.word + word, { count }.count, require + __dirname, this);",
        ),
        (
            "lib/counter.ts",
            "import { describe } from './shapes';\nexport type Unit = string;\nexport let count = 0;\n\
             export const add = (n: number): void => { count += n; };\nexport default () => describe(count);",
        ),
        (
            "lib/shapes.ts",
            "import { count } from './counter';\nexport abstract class Shape { abstract area(): number; }\n\
             export class Square extends Shape { constructor(private side: number) { super(); } area() { return this.side ** 2; } }\n\
             export function describe(n: number): string { return `${n}/${count}`; }\nexport default class Default {}\nexport * from './more';",
        ),
        ("lib/more.ts", "export enum Level { Low = 1 }"),
        ("plain.js", "exports.word = 'w';"),
        ("config.json", "{\"name\": \"n\"}"),
    ];
    let code = "const made = require('./index.ts');\nconsole.log(made.default(), made.unit, require('./lib/shapes').Level.Low)";
    if let Some(outcome) = run(&bench, with_files(Language::TypeScript, code, &files)) {
        assert_eq!(
            outcome.stdout.text, "5 5/5 4 Default n index.ts function ww 5 3 undefined\nmade m 1\n",
            "{}",
            outcome.stderr.text
        );
    }
    // An error names the line of the source.
    let files = [(
        "bad.ts",
        "import { sep } from 'path';\ninterface A {\n  x: 1\n}\nthrow new Error(sep as string);",
    )];
    let job = with_files(Language::TypeScript, "require('./bad')", &files);
    if let Some(outcome) = run(&bench, job) {
        assert!(
            outcome.stderr.text.contains("bad.ts:5"),
            "{}",
            outcome.stderr.text
        );
    }
}

/// Projects have a main file, too; it is not the program that requires it.
#[test]
fn a_project_may_have_a_file_of_the_programs_name() {
    for (name, language, file, codes) in [
        (
            "node",
            Language::Node,
            "main.js",
            ["require('./main.js')", "import './main.js'"],
        ),
        (
            "typescript",
            Language::TypeScript,
            "main.ts",
            ["require('./main')", "import './main.ts'"],
        ),
        (
            "python",
            Language::Python,
            "main.py",
            ["import main", "exec(open('main.py').read())"],
        ),
        (
            "deno",
            Language::Deno,
            "main.ts",
            ["import './main.ts'", "await import('./main.ts')"],
        ),
        (
            "deno",
            Language::Deno,
            "main.ts",
            ["deno run main.ts", "/usr/local/bin/deno run --allow-read main.ts"],
        ),
    ] {
        let Some(bench) = executor(name) else { continue };
        let text = if language == Language::Python {
            "print('mine')"
        } else {
            "console.log('mine')"
        };
        for code in codes {
            if let Some(outcome) = run(&bench, with_files(language, code, &[(file, text)])) {
                assert_eq!(outcome.stdout.text, "mine\n", "{code}: {}", outcome.stderr.text);
                assert!(outcome.changes.is_empty(), "{:?}", outcome.changes);
            }
        }
    }
    let Some(bench) = executor("python") else { return };
    let code = "import subprocess, sys\nsubprocess.run([sys.executable, 'main.py'])";
    let files = [("main.py", "import other\nprint(other.x)"), ("other.py", "x = 7")];
    if let Some(outcome) = run(&bench, with_files(Language::Python, code, &files)) {
        assert_eq!(outcome.stdout.text, "7\n", "{}", outcome.stderr.text);
        assert!(
            outcome.changes.is_empty(),
            "no bytecode beside it: {:?}",
            outcome.changes
        );
    }
}

#[test]
fn deno() {
    let Some(bench) = executor("deno") else { return };
    let check = |code, stdout| check(&bench, Language::Deno, code, stdout);
    check(
        "const m: string = 'hello';\nconsole.log(m, await Promise.resolve(4), new URL('http://a/b').pathname)",
        "hello 4 /b\n",
    );
    check(
        "Deno.writeTextFileSync('x.txt', '1'); console.log(Deno.readTextFileSync('x.txt'), typeof fetch)",
        "1 function\n",
    );
    check(
        "console.log(Object.keys(Deno.env.toObject()).sort().join())",
        "HOME,LANG,PATH,TMPDIR\n",
    );
    check(
        "addEventListener('unload', () => console.log('bye')); setTimeout(() => console.log('late'), 20)",
        "late\nbye\n",
    );
    for (code, exit) in [
        ("Deno.exit(3)", 3),
        ("throw new Error('x')", 1),
        ("const x: = 1", 1),
    ] {
        if let Some(outcome) = run(&bench, Job::new(Language::Deno, code)) {
            assert_eq!(outcome.exit_code, exit, "{code}: {}", outcome.stderr.text);
        }
    }
    let job = with_files(
        Language::Deno,
        "import { f } from './util.ts';\nconsole.log(f(41))",
        &[("util.ts", "export const f = (x: number): number => x + 1;")],
    );
    if let Some(outcome) = run(&bench, job) {
        assert_eq!(outcome.stdout.text, "42\n", "{}", outcome.stderr.text);
        assert!(outcome.changes.is_empty(), "{:?}", outcome.changes);
    }
}

#[test]
fn go() {
    let Some(bench) = executor("go") else { return };
    let check = |code, stdout| check(&bench, Language::Go, code, stdout);
    let hello = "package main\nimport \"fmt\"\nfunc main() { fmt.Println(\"hello\") }";
    check(hello, "hello\n");
    check(hello, "hello\n");
    check(
        "package main\nimport (\"encoding/json\";\"fmt\";\"sort\";\"net/http\";\"os\")\nfunc main(){ m:=map[string]int{\"b\":2,\"a\":1}; k:=[]string{}; for x:=range m {k=append(k,x)}; sort.Strings(k); b,_:=json.Marshal(m); fmt.Println(k,string(b),http.StatusOK,os.Getenv(\"HOME\")) }",
        "[a b] {\"a\":1,\"b\":2} 200 /tmp\n",
    );
    for (code, exit, said) in [
        ("package main\nimport \"os\"\nfunc main(){ os.Exit(3) }", 3, ""),
        (
            "package main\nfunc main(){ var p *int; *p = 1 }",
            2,
            "nil pointer",
        ),
        (
            "package main\nfunc main() { x }",
            2,
            "./main.go:2:15: undefined: x",
        ),
    ] {
        if let Some(outcome) = run(&bench, Job::new(Language::Go, code)) {
            assert_eq!(outcome.exit_code, exit, "{}", outcome.stderr.text);
            assert!(outcome.stderr.text.contains(said), "{}", outcome.stderr.text);
        }
    }
    let files = [
        ("go.mod", "module example.com/m\n\ngo 1.21\n"),
        ("part/part.go", "package part\nconst Answer = 42\n"),
        ("data.txt", "d"),
    ];
    let code = "package main\nimport (\"fmt\"; \"os\"; \"example.com/m/part\")\nfunc main() { b, _ := os.ReadFile(\"data.txt\"); fmt.Println(part.Answer, string(b)) }";
    if let Some(outcome) = run(&bench, with_files(Language::Go, code, &files)) {
        assert_eq!(outcome.stdout.text, "42 d\n", "{}", outcome.stderr.text);
        assert!(outcome.changes.is_empty(), "{:?}", outcome.changes);
    }
}

#[test]
fn variables_reach_every_language() {
    let Some(bench) = executor("variables") else {
        return;
    };
    let programs = [
        (
            Language::Python,
            "import os; print(os.environ['API_KEY'], os.environ.get('TZ'))",
        ),
        (
            Language::Node,
            "console.log(process.env.API_KEY, process.env.TZ ?? 'None')",
        ),
        (
            Language::TypeScript,
            "console.log(process.env.API_KEY as string, process.env.TZ ?? 'None')",
        ),
        (
            Language::Deno,
            "console.log(Deno.env.get('API_KEY'), Deno.env.get('TZ') ?? 'None')",
        ),
        (
            Language::Go,
            "package main\nimport (\"fmt\"; \"os\")\nfunc main() { z := os.Getenv(\"TZ\"); if z == \"\" { z = \"None\" }; fmt.Println(os.Getenv(\"API_KEY\"), z) }",
        ),
    ];
    for (language, code) in programs {
        for zone in [None, Some("UTC")] {
            let mut job = Job::new(language, code);
            job.env.push(("API_KEY".into(), "é=1 2".into()));
            job.env.extend(zone.map(|zone| ("TZ".into(), zone.into())));
            if let Some(outcome) = run(&bench, job) {
                let expected = format!("é=1 2 {}\n", zone.unwrap_or("None"));
                assert_eq!(
                    outcome.stdout.text, expected,
                    "{language}: {}",
                    outcome.stderr.text
                );
            }
        }
    }
}

#[test]
fn a_pool_keeps_what_it_should_and_serves_from_it() {
    let sizes = PoolSizes {
        idle: [(PoolKind::Python, 2)].into(),
        most: 4,
        ..PoolSizes::default()
    };
    let Some(bench) = executor_with("the pool", sizes) else {
        return;
    };
    assert!(
        bench.executor.wait_filled(Duration::from_secs(30)),
        "{:?}",
        bench.executor.pools()
    );
    let before = bench.executor.pools()[&PoolKind::Python];
    assert_eq!(
        (before.waiting, before.hits, before.misses, before.failures),
        (2, 0, 0, 0)
    );
    for _ in 0..3 {
        assert!(bench.executor.wait_filled(Duration::from_secs(30)));
        check(&bench, Language::Python, "print(1)", "1\n");
    }
    let after = bench.executor.pools()[&PoolKind::Python];
    assert_eq!((after.hits, after.misses), (3, 0));
}

#[test]
fn without_a_pool_everything_works_too() {
    let Some(bench) = executor_with("no pool", PoolSizes::none()) else {
        return;
    };
    check(&bench, Language::Python, "print(1)", "1\n");
    check(&bench, Language::Node, "console.log(1)", "1\n");
    check(&bench, Language::Deno, "console.log(1)", "1\n");
}

#[test]
fn many_at_a_time_get_their_own_output() {
    let Some(bench) = executor("many at a time") else {
        return;
    };
    let bench = Arc::new(bench);
    std::thread::scope(|scope| {
        for number in 0..12 {
            let bench = Arc::clone(&bench);
            scope.spawn(move || {
                check(
                    &bench,
                    Language::Python,
                    &format!("import time; time.sleep(.1); print({number})"),
                    &format!("{number}\n"),
                );
            });
        }
    });
}

/// A program is longer than a pipe holds, and so is what it reads.
#[test]
fn a_long_program_arrives_whole() {
    let pools = [PoolSizes::default(), PoolSizes::none()];
    for bench in pools
        .into_iter()
        .filter_map(|pool| executor_with("long programs", pool))
    {
        let filler = "0123456789".repeat(90_000);
        let stdin = "i".repeat(300_000);
        let programs = [
            (
                Language::Python,
                format!("import sys\nx = '{filler}'\nprint(len(x), len(sys.stdin.read()))"),
            ),
            (
                Language::Node,
                format!("const x = '{filler}';\nconsole.log(x.length, require('fs').readFileSync(0).length)"),
            ),
            (
                Language::TypeScript,
                format!(
                    "const x: string = '{filler}';\nimport * as fs from 'fs';\nconsole.log(x.length, fs.readFileSync(0).length)"
                ),
            ),
            (
                Language::Deno,
                format!(
                    "const x: string = '{filler}';\nlet n = 0;\nfor await (const p of Deno.stdin.readable) n += p.length;\nconsole.log(x.length, n)"
                ),
            ),
            (
                Language::Go,
                format!(
                    "package main\nimport (\"fmt\"; \"io\"; \"os\")\nconst x = \"{filler}\"\nfunc main() {{ b, _ := io.ReadAll(os.Stdin); fmt.Println(len(x), len(b)) }}"
                ),
            ),
        ];
        for (language, code) in programs {
            let mut job = Job::new(language, code);
            job.stdin = stdin.clone().into_bytes();
            if let Some(outcome) = run(&bench, job) {
                assert_eq!(
                    (outcome.stdout.text.as_str(), outcome.exit_code),
                    ("900000 300000\n", 0),
                    "{language}: {}",
                    outcome.stderr.text
                );
            }
        }
        // So do the other TypeScript files of its workspace, which come with it.
        let module = format!(
            "export const y: number = 7;\nexport const x: string = '{}';",
            &filler[..400_000]
        );
        let job = with_files(
            Language::TypeScript,
            "import { x, y } from './big';\nconsole.log(x.length, y)",
            &[("big.ts", &module)],
        );
        if let Some(outcome) = run(&bench, job) {
            assert_eq!(outcome.stdout.text, "400000 7\n", "{}", outcome.stderr.text);
        }
    }
}
