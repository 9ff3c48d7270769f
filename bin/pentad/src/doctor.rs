//! `pentad doctor`: what the gateway depends on, and what to do about each failure.

use std::process::ExitCode;
use std::time::Duration;

use pentad_blob::{Blobs, Key, Prefix};
use pentad_kernel::{Clock as _, SystemClock, Timestamp};
use pentad_sandbox::{LinuxBackend, Runtimes};
use pentad_store::Db;

use crate::cli::DoctorArguments;
use crate::config::Storage;

/// How far the clocks of gateways and database may be apart.
const CLOCKS_APART: Duration = Duration::from_secs(1);

struct Report {
    failures: u32,
}

impl Report {
    fn line<R: std::fmt::Display>(&mut self, what: &str, outcome: Result<String, (String, R)>) {
        match outcome {
            Ok(found) => say!("ok    {what:<14} {found}"),
            Err((found, remedy)) => {
                self.failures += 1;
                say!("FAIL  {what:<14} {found}\n      {:<14} {remedy}", "");
            }
        }
    }
}

pub(crate) async fn run(arguments: &DoctorArguments) -> anyhow::Result<ExitCode> {
    let storage = &arguments.storage.resolve()?;
    let mut report = Report { failures: 0 };
    report.line("data directory", data_directory(storage));
    report.line("database", database(storage).await);
    report.line("objects", objects(storage).await);
    report.line("clock", clock());
    sandbox(&mut report, arguments, storage);
    Ok(if report.failures == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn data_directory(storage: &Storage) -> Result<String, (String, &'static str)> {
    let directory = &storage.data_dir;
    let probe = directory.join(".doctor");
    let attempt = std::fs::create_dir_all(directory)
        .and_then(|()| std::fs::write(&probe, b"probe"))
        .and_then(|()| std::fs::remove_file(&probe));
    match attempt {
        Ok(()) => Ok(directory.display().to_string()),
        Err(error) => Err((
            format!("{}: {error}", directory.display()),
            "give --data-dir a directory that this user may write to",
        )),
    }
}

async fn database(storage: &Storage) -> Result<String, (String, &'static str)> {
    let db = Db::open(&storage.database_url, &storage.database)
        .await
        .map_err(|error| {
            (
                chain(&error),
                "check --database-url, that the server runs, and that this machine may reach it",
            )
        })?;
    db.migrate().await.map_err(|error| {
        (
            chain(&error),
            "use the version of pentad that wrote this database, or a newer one",
        )
    })?;
    let answer = db
        .ping()
        .await
        .map_err(|error| (chain(&error), "look at the database's own log"));
    let clock = db.clock().await.ok().flatten();
    db.close().await;
    if let Some(theirs) = clock {
        let ours = SystemClock.now();
        let apart = ours.since(theirs).max(theirs.since(ours));
        if apart > CLOCKS_APART {
            return Err((
                format!("its clock is {} ms from this machine's", apart.as_millis()),
                "synchronise the clocks, for example by NTP: what gateways hold for a time, others take by theirs",
            ));
        }
    }
    answer.map(|()| format!("{:?}, schema version {}", db.engine(), Db::known_schema_version()))
}

async fn objects(storage: &Storage) -> Result<String, (String, &'static str)> {
    let remedy = "check --object-store, the AWS_… variables, and that the bucket exists and may be written";
    let probe = async {
        let blobs = Blobs::open_with(&storage.object_store, &storage.objects)?;
        let namespace = Prefix::parse("doctor")?;
        let id = blobs.put_addressed(&namespace, "probe".into()).await?;
        blobs.delete(&Key::addressed(&namespace, &id)).await
    };
    probe
        .await
        .map_err(|error: pentad_blob::Error| (chain(&error), remedy))?;
    Ok(storage.object_store.clone())
}

fn sandbox(report: &mut Report, arguments: &DoctorArguments, storage: &Storage) {
    if !arguments.exec.is_on(&storage.exec) {
        say!("off   sandbox        code execution is turned off");
        return;
    }
    for guard in LinuxBackend::probe().guards {
        let name = format!("{:?}", guard.guard);
        if guard.works {
            report.line::<String>(&name, Ok(guard.detail));
            continue;
        }
        let remedy = guard.remedy.unwrap_or_default();
        match guard.guard.fallback() {
            Some(fallback) if !guard.guard.required() => {
                say!(
                    "none  {name:<14} {}; instead: {fallback}\n      {:<14} {remedy}",
                    guard.detail,
                    ""
                );
            }
            _ => report.line(&name, Err((guard.detail, remedy))),
        }
    }
    let runtimes = Runtimes::discover(&arguments.exec.search(&storage.exec));
    for runtime in runtimes.iter() {
        let name = format!("{:?}", runtime.kind);
        report.line::<String>(
            &name,
            Ok(format!("{} {}", runtime.version, runtime.host.display())),
        );
    }
    // A language that nobody uses is no failure.
    for (kind, reason) in runtimes.refused() {
        let name = format!("{kind:?}");
        say!("none  {name:<14} {reason}\n      {:<14} {}", "", kind.remedy());
    }
}

fn clock() -> Result<String, (String, &'static str)> {
    // No machine that runs this version can truthfully show an earlier time.
    let earliest = Timestamp::from_micros(1_790_000_000_000_000);
    let now = SystemClock.now();
    if now < earliest {
        Err((
            format!("{now} is in the past"),
            "set the clock, for example by NTP: keys and sessions end by it",
        ))
    } else {
        Ok(now.to_string())
    }
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
