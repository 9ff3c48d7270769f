//! Start-to-result of a small program: a bare process, bwrap, a fresh sandbox, a waiting one. Every variant runs
//! once a round, so that whatever else the machine does hits all alike; the ratios are what to compare.
//!
//! ```text
//! cargo run --profile fast -p pentad-sandbox --example bench -- 30
//! ```
#![allow(clippy::print_stdout, reason = "a benchmark prints")]

use std::collections::BTreeMap;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use pentad_sandbox::{
    Backend, Discard, Executor, ExecutorOptions, InputFile, Job, Language, Limits, LinuxBackend,
    LinuxOptions, PoolKind, PoolSizes, Program, Run, RuntimeSearch, Runtimes, Shape, Workspace,
    WorkspacePath,
};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Milliseconds by variant.
type Table = BTreeMap<String, Vec<f64>>;

/// How Deno is told to run a file of the working directory.
const DENO_BENCH: [&str; 6] = [
    "run",
    "--quiet",
    "--no-prompt",
    "--no-config",
    "--no-lock",
    "bench.ts",
];

fn main() -> Result<()> {
    let rounds: usize = std::env::args().nth(1).map_or(Ok(20), |count| count.parse())?;
    let backend: Arc<dyn Backend> = Arc::new(LinuxBackend::start(&LinuxOptions::default())?);
    let directories = std::env::var_os("PENTAD_RUNTIMES").map(|path| std::env::split_paths(&path).collect());
    let search = RuntimeSearch {
        directories: directories.unwrap_or_default(),
        ..RuntimeSearch::default()
    };
    let runtimes = Runtimes::discover(&search);
    print!("{runtimes}");
    let state = std::env::var_os("PENTAD_STATE")
        .map_or_else(|| std::env::temp_dir().join("pentad-bench"), PathBuf::from);
    let options = ExecutorOptions {
        state: Some(state.clone()),
        ..ExecutorOptions::default()
    };
    let executor = Executor::start(Arc::clone(&backend), runtimes, options)?;
    if executor.runtimes().of(Language::Go).is_ok() {
        println!("preparing Go's standard library (once)");
        executor.prepare_go()?;
    }

    let mut table = Table::new();
    for round in 0..rounds + 2 {
        let mut lap = Table::new();
        for language in Language::ALL {
            if executor.runtimes().of(language).is_ok() {
                measure((&executor, &*backend), language, round, &state, &mut lap)?;
            }
        }
        // The first two rounds warm caches.
        if round >= 2 {
            for (name, times) in lap {
                table.entry(name).or_default().extend(times);
            }
        }
    }
    report(&table);
    sustained(&executor)?;
    drop(executor);
    memory(&backend, &search)?;
    Ok(())
}

fn program(language: Language) -> &'static str {
    match language {
        Language::Python => "print('OK42')",
        Language::Node => "const u = { n: 'OK42' }; console.log(u.n)",
        Language::TypeScript => "interface U { n: string }\nconst u: U = { n: 'OK42' }; console.log(u.n)",
        Language::Go => "package main\nimport \"fmt\"\nfunc main() { fmt.Println(\"OK42\") }",
        Language::Deno => "const m: string = 'OK42'; console.log(m)",
    }
}

/// The bare process's command in a sandbox that is made for it: what isolation alone costs, without what an interpreter
/// is told of its limits.
fn same(executor: &Executor, language: Language) -> Result<(Shape, Run)> {
    let runtime = executor.runtimes().of(language)?;
    let code = program(language);
    let (arguments, files): (&[&str], _) = match language {
        Language::Python => (&["-c", code], vec![]),
        Language::Node => (&["-e", code], vec![]),
        Language::Deno => {
            let file = InputFile::new(WorkspacePath::parse("bench.ts")?, code.as_bytes());
            (&DENO_BENCH, vec![file])
        }
        other => return Err(format!("{other} has no command").into()),
    };
    let shape = Shape {
        mounts: runtime.mounts.clone(),
        ..Shape::default()
    };
    let argv = std::iter::once(runtime.program.as_str()).chain(arguments.iter().copied());
    let run = Run {
        program: Some(Program {
            argv: argv.map(str::to_owned).collect(),
            env: vec![
                ("HOME".into(), "/tmp".into()),
                ("PATH".into(), "/usr/bin:/bin".into()),
            ],
        }),
        workspace: Workspace { base: None, files },
        ..Run::default()
    };
    Ok((shape, run))
}

/// The same program as a command on the host, where there is one.
fn command(executor: &Executor, language: Language, scratch: &Path) -> Result<Option<Vec<String>>> {
    let host = executor.runtimes().of(language)?.host.display().to_string();
    let code = program(language).to_owned();
    Ok(match language {
        Language::Python => Some(vec![host, "-c".into(), code]),
        Language::Node => Some(vec![host, "-e".into(), code]),
        Language::Deno => {
            let file = scratch.join("bench.ts");
            std::fs::write(&file, code)?;
            let mut all = vec![host];
            all.extend(DENO_BENCH.map(str::to_owned));
            all.pop();
            all.push(file.display().to_string());
            Some(all)
        }
        Language::Go => {
            let newest = std::fs::read_dir(scratch.join("go-binaries"))?
                .flatten()
                .max_by_key(|entry| entry.metadata().and_then(|found| found.modified()).ok());
            newest.map(|entry| vec![entry.path().display().to_string()])
        }
        Language::TypeScript => None,
    })
}

fn measure(
    (executor, backend): (&Executor, &dyn Backend),
    language: Language,
    round: usize,
    scratch: &Path,
    lap: &mut Table,
) -> Result<()> {
    let mut note = |name: &str, time: Duration| {
        lap.entry(format!("{language} {name}"))
            .or_default()
            .push(time.as_secs_f64() * 1e3);
    };
    let job = || Job::new(language, program(language));
    settle(executor)?;
    let started = Instant::now();
    let outcome = executor.execute(job(), &mut Discard)?;
    note("5 waiting: result", started.elapsed());
    note("4 waiting: first byte", outcome.first_output.unwrap_or_default());
    expect(&outcome.stdout.text)?;

    if language == Language::Go {
        let unknown = program(language).replace("OK42", &format!("OK42 {round} {}", std::process::id()));
        let started = Instant::now();
        let outcome = executor.execute(Job::new(language, unknown), &mut Discard)?;
        note("6 unknown program: result", started.elapsed());
        expect(&outcome.stdout.text)?;
        // The bare binary is the known program, the most recently used.
        executor.execute(job(), &mut Discard)?;
    } else if language != Language::TypeScript {
        // A variable that interpreters read when they start keeps a job from those that wait; limits of its own
        // from every sandbox that waits.
        let env = vec![("TZ".to_owned(), "UTC".to_owned())];
        let limits = Some(Limits {
            processes: 127,
            ..Limits::default()
        });
        let variants = [
            ("3a fresh interpreter", Job { env, ..job() }),
            ("3b fresh sandbox", Job { limits, ..job() }),
        ];
        for (name, job) in variants {
            settle(executor)?;
            let started = Instant::now();
            let outcome = executor.execute(job, &mut Discard)?;
            note(name, started.elapsed());
            expect(&outcome.stdout.text)?;
        }
        settle(executor)?;
        let (shape, run) = same(executor, language)?;
        let started = Instant::now();
        let outcome = backend.prepare(&shape)?.run(run, &mut Discard)?;
        note("3c the command, new sandbox", started.elapsed());
        expect(&outcome.stdout.text)?;
    }
    settle(executor)?;
    let Some(argv) = command(executor, language, scratch)? else {
        return Ok(());
    };
    note("1 bare process", time(&argv)?);
    if let Some(bwrap) = bwrap(&argv, scratch) {
        note("2 bwrap", time(&bwrap)?);
    }
    Ok(())
}

fn settle(executor: &Executor) -> Result<()> {
    if executor.wait_filled(Duration::from_secs(60)) {
        return Ok(());
    }
    Err(format!("the pool does not fill: {:?}", executor.pools()).into())
}

fn bwrap(argv: &[String], scratch: &Path) -> Option<Vec<String>> {
    if !Path::new("/usr/bin/bwrap").exists() {
        return None;
    }
    let scratch = scratch.display().to_string();
    let prefix = Path::new(&argv[0]).ancestors().nth(2)?.display().to_string();
    let fixed = [
        "/usr/bin/bwrap",
        "--unshare-all",
        "--die-with-parent",
        "--new-session",
        "--ro-bind",
        "/usr",
        "/usr",
        "--symlink",
        "usr/lib",
        "/lib",
        "--symlink",
        "usr/lib64",
        "/lib64",
        "--symlink",
        "usr/bin",
        "/bin",
        "--ro-bind",
        "/etc/ld.so.cache",
        "/etc/ld.so.cache",
        "--proc",
        "/proc",
        "--dev",
        "/dev",
        "--tmpfs",
        "/tmp",
        "--tmpfs",
        "/workspace",
        "--ro-bind",
        &scratch,
        &scratch,
        "--ro-bind",
        &prefix,
        &prefix,
        "--chdir",
        "/workspace",
    ];
    Some(
        fixed
            .iter()
            .map(|argument| (*argument).to_owned())
            .chain(argv.iter().cloned())
            .collect(),
    )
}

fn time(argv: &[String]) -> Result<Duration> {
    let started = Instant::now();
    let output = Command::new(&argv[0])
        .args(&argv[1..])
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .env("HOME", "/tmp")
        .stdin(Stdio::null())
        .output()?;
    let elapsed = started.elapsed();
    if !output.status.success() {
        return Err(format!("{argv:?}: {}", String::from_utf8_lossy(&output.stderr)).into());
    }
    expect(&String::from_utf8_lossy(&output.stdout))?;
    Ok(elapsed)
}

fn expect(output: &str) -> Result<()> {
    if output.starts_with("OK42") {
        Ok(())
    } else {
        Err(format!("unexpected output {output:?}").into())
    }
}

fn quantile(times: &mut [f64], part: f64) -> f64 {
    times.sort_by(f64::total_cmp);
    times[((times.len() as f64 * part) as usize).min(times.len() - 1)]
}

fn report(table: &Table) {
    println!(
        "\n{:<32} {:>8} {:>8} {:>8}   p50 ratio to the bare process, to bwrap",
        "milliseconds", "min", "p50", "p99"
    );
    for (name, times) in table {
        let mut times = times.clone();
        let (least, middle, late) = (
            quantile(&mut times, 0.0),
            quantile(&mut times, 0.5),
            quantile(&mut times, 0.99),
        );
        let language = name.split(' ').next().unwrap_or_default();
        let language = if language == "typescript" {
            "node"
        } else {
            language
        };
        let ratio = |to: &str| {
            table
                .get(&format!("{language} {to}"))
                .map_or_else(String::new, |times| {
                    format!("{:8.2}", middle / quantile(&mut times.clone(), 0.5))
                })
        };
        println!(
            "{name:<32} {least:8.2} {middle:8.2} {late:8.2}   {} {}",
            ratio("1 bare process"),
            ratio("2 bwrap")
        );
    }
    let middle = |name: &str| table.get(name).map(|times| quantile(&mut times.clone(), 0.5));
    if let (Some(typescript), Some(javascript)) = (
        middle("typescript 5 waiting: result"),
        middle("node 5 waiting: result"),
    ) {
        println!(
            "typescript to javascript, waiting: {:.2}",
            typescript / javascript
        );
    }
}

/// As many as the machine takes, for five seconds.
fn sustained(executor: &Executor) -> Result<()> {
    let threads = std::thread::available_parallelism()?.get();
    for language in [Language::Python, Language::Node, Language::Go] {
        if executor.runtimes().of(language).is_err() {
            continue;
        }
        let failures = AtomicU64::new(0);
        let started = Instant::now();
        let mut times: Vec<f64> = std::thread::scope(|scope| {
            let work: Vec<_> = (0..threads)
                .map(|_| {
                    scope.spawn(|| {
                        let mut times = Vec::new();
                        while started.elapsed() < Duration::from_secs(5) {
                            let begun = Instant::now();
                            match executor.execute(Job::new(language, program(language)), &mut Discard) {
                                Ok(outcome) if outcome.exit_code == 0 => {}
                                _ => {
                                    failures.fetch_add(1, Ordering::Relaxed);
                                }
                            }
                            times.push(begun.elapsed().as_secs_f64() * 1e3);
                        }
                        times
                    })
                })
                .collect();
            work.into_iter()
                .flat_map(|thread| thread.join().unwrap_or_default())
                .collect()
        });
        let count = times.len() as f64;
        println!(
            "sustained {language}, {threads} at a time: {:.0} a second, p50 {:.1} ms, p99 {:.1} ms, {} failed",
            count / started.elapsed().as_secs_f64(),
            quantile(&mut times, 0.5),
            quantile(&mut times, 0.99),
            failures.into_inner(),
        );
    }
    Ok(())
}

/// Memory of sandboxes that wait: what they have alone, and with their share of what they have in common.
fn memory(backend: &Arc<dyn Backend>, search: &RuntimeSearch) -> Result<()> {
    const SLOTS: usize = 4;
    for kind in [PoolKind::Empty, PoolKind::Python, PoolKind::Node, PoolKind::Deno] {
        let pool = PoolSizes {
            idle: [(kind, SLOTS)].into(),
            ..PoolSizes::default()
        };
        let options = ExecutorOptions {
            pool,
            ..ExecutorOptions::default()
        };
        let executor = Executor::start(Arc::clone(backend), Runtimes::discover(search), options)?;
        if !executor.wait_filled(Duration::from_secs(30)) || !executor.pools().contains_key(&kind) {
            continue;
        }
        let with = kilobytes_below(std::process::id());
        drop(executor);
        let without = kilobytes_below(std::process::id());
        let each = |with: u64, without: u64| with.saturating_sub(without) / SLOTS as u64;
        println!(
            "memory of a waiting {kind:?}: {} kB private, {} kB PSS",
            each(with.0, without.0),
            each(with.1, without.1),
        );
    }
    Ok(())
}

/// Private and proportional memory of all processes below one.
fn kilobytes_below(pid: u32) -> (u64, u64) {
    let (mut private, mut proportional) = (0, 0);
    let mut pending: Vec<String> = vec![pid.to_string()];
    while let Some(pid) = pending.pop() {
        for task in std::fs::read_dir(format!("/proc/{pid}/task"))
            .into_iter()
            .flatten()
            .flatten()
        {
            let children = std::fs::read_to_string(task.path().join("children")).unwrap_or_default();
            for child in children.split_whitespace() {
                let rollup =
                    std::fs::read_to_string(format!("/proc/{child}/smaps_rollup")).unwrap_or_default();
                let field = |name: &str| -> u64 {
                    let line = rollup.lines().find_map(|line| line.strip_prefix(name));
                    let number = line.and_then(|line| line.split_whitespace().next());
                    number.and_then(|number| number.parse().ok()).unwrap_or(0)
                };
                private += field("Private_Dirty:");
                proportional += field("Pss:");
                pending.push(child.to_owned());
            }
        }
    }
    (private, proportional)
}
