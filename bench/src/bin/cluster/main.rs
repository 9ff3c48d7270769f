//! Three gateways on one PostgreSQL and one bucket, under load over every surface, while they are killed, their
//! connections to PostgreSQL are cut, and the bucket answers errors.
//!
//! ```text
//! cluster PENTAD S3_SERVER POSTGRES_URL [--seconds N] [--seed N] [--scripts FILE] [--scale SECONDS] [--soak MINUTES]
//! ```
//!
//! `S3_SERVER` is a program that prints the `AWS_…` variables and the bucket of a server, an empty line, and serves
//! until its standard input ends. `FILE` has a shell command a line, run against the gateways in turn before the
//! load, once in peace and once while faults happen; in it `{base}`, `{key}`, `{exec_key}`, `{memory_key}`,
//! `{grep_key}`, `{dsn}`, `{admin_email}`, `{admin_password}` and `{set_tier}` (a program that is given a user and a
//! plan) are filled in. Fails when a script fails in peace, or in the storm before it was told to come back; when an
//! answer to the load is neither right nor one that says to come back; and when the audit at the end finds anything
//! lost, twice, or in another order than it was acknowledged. With `--scale` there are no faults: throughput is measured with one, two and three gateways instead;
//! with `--soak`, memory, descriptors, processes and the times of answers are, minute by minute.

mod balancer;
mod door;
mod faults;
mod gateways;
mod ledger;
mod scale;
mod scripts;
mod soak;
mod work;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use balancer::Balancer;
use door::Door;
use faults::Faults;
use gateways::Gateways;
use ledger::Ledger;

/// How long the load goes on when nothing else is said.
const SECONDS: u64 = 120;

struct Arguments {
    program: PathBuf,
    s3_server: PathBuf,
    postgres: String,
    seconds: u64,
    seed: u64,
    scripts: Option<PathBuf>,
    scale: Option<u64>,
    soak: Option<u32>,
}

impl Arguments {
    fn read() -> Self {
        let mut words = std::env::args().skip(1);
        let mut next = |what: &str| words.next().unwrap_or_else(|| panic!("{what} is missing"));
        let mut arguments = Self {
            program: next("the pentad program").into(),
            s3_server: next("the S3 server").into(),
            postgres: next("the URL of PostgreSQL"),
            seconds: SECONDS,
            seed: rand::random(),
            scripts: None,
            scale: None,
            soak: None,
        };
        while let Some(flag) = words.next() {
            let value = words.next().unwrap_or_else(|| panic!("{flag} has a value"));
            match flag.as_str() {
                "--seconds" => arguments.seconds = value.parse().expect("seconds"),
                "--seed" => arguments.seed = value.parse().expect("a seed"),
                "--scale" => arguments.scale = Some(value.parse().expect("seconds")),
                "--soak" => arguments.soak = Some(value.parse().expect("minutes")),
                "--scripts" => arguments.scripts = Some(value.into()),
                other => panic!("unknown: {other}"),
            }
        }
        arguments
    }
}

fn main() {
    let arguments = Arguments::read();
    let directory = tempfile::tempdir().expect("a directory");
    let bucket = gateways::Bucket::start(&arguments.s3_server);
    let database = Arc::new(Door::to(door::authority(&arguments.postgres)));
    let objects = Arc::new(Door::to(door::authority(&bucket.endpoint)));
    let settings = gateways::Settings {
        program: arguments.program.clone(),
        directory: directory.path().to_owned(),
        database: door::through(&arguments.postgres, &database),
        environment: bucket.environment_through(&objects),
        object_store: bucket.url(),
    };
    let balancer = Arc::new(Balancer::bind());
    let gateways = Arc::new(Gateways::start(settings, &balancer.base()));
    balancer.set(gateways.addresses());
    balancer.serve();
    println!(
        "three gateways behind {}; seed {}",
        balancer.base(),
        arguments.seed
    );

    if let Some(seconds) = arguments.scale {
        return scale::measure(&gateways, &balancer, Duration::from_secs(seconds));
    }
    let mut problems = Vec::new();
    let mut faults = Faults::new(arguments.seed, &gateways, [&database, &objects]);
    if let Some(file) = &arguments.scripts {
        let scripts = scripts::read(file, &gateways, &balancer.base());
        problems.extend(scripts::in_peace(&scripts));
        problems.extend(scripts::in_storm(&scripts, &gateways, &balancer, &mut faults));
    }
    problems.extend(match arguments.soak {
        Some(minutes) => soak::endure(&gateways, &balancer, minutes),
        None => storm(arguments.seconds, &gateways, &balancer, &mut faults),
    });
    let ended = gateways.stop();
    problems.extend(
        ended
            .into_iter()
            .map(|gateway| format!("{gateway} did not end well")),
    );
    // Objects have the times of their store, in whole seconds.
    std::thread::sleep(Duration::from_secs(2));
    println!("{}", gateways.pentad(&["sweep", "--older-than", "0"]));
    if arguments.scripts.is_none() {
        problems.extend(orphans(&bucket));
    }
    for problem in problems.iter().take(100) {
        println!("PROBLEM {problem}");
    }
    assert!(
        problems.is_empty(),
        "{} problems; seed {}",
        problems.len(),
        arguments.seed
    );
    println!("nothing acknowledged is missing, nothing is there twice");
}

/// Objects that are there although everything that had one is deleted. Pushed sessions lie in a trash for a month,
/// and databases are never deleted.
fn orphans(bucket: &gateways::Bucket) -> Vec<String> {
    let kept = |name: &String| name.starts_with("sync/") || name.starts_with("storage/d1/");
    let objects = bucket.objects();
    println!("{} objects are left", objects.len());
    let left = objects.into_iter().filter(|name| !kept(name));
    left.map(|name| format!("object {name} is left over")).collect()
}

/// Load and faults together, then the audit; what the load made is deleted at last.
fn storm(seconds: u64, gateways: &Arc<Gateways>, balancer: &Balancer, faults: &mut Faults) -> Vec<String> {
    let ledger = Ledger::default();
    let workers = work::all(gateways, &balancer.base());
    let (mut workers, mut problems) = work::during(workers, &ledger, Duration::ZERO, || {
        let end = Instant::now() + Duration::from_secs(seconds);
        println!("faults: {}", faults.rage(|| Instant::now() >= end));
        Vec::from_iter(gateways.recover())
    });
    println!("{ledger}");
    problems.extend(ledger.wrong());
    for worker in &mut workers {
        problems.extend(worker.audit());
    }
    for worker in &mut workers {
        problems.extend(worker.delete());
    }
    problems
}
