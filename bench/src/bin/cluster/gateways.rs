//! The gateways, and the bucket they share.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Mutex, mpsc};
use std::time::{Duration, Instant};

use pentad_bench::client::Client;

use crate::door::{self, Door};

pub const COUNT: usize = 3;
/// The administrator's password.
pub const PASSWORD: &str = "correct horse battery staple";
/// Longer than a gateway takes to begin.
const START: Duration = Duration::from_secs(60);
/// How long they may take to be whole again after the last fault.
const RECOVERY: Duration = Duration::from_secs(60);
/// Longer than a gateway takes to finish what it does.
const END: Duration = Duration::from_secs(45);

/// An S3 server in a process of its own, which ends with this one.
pub struct Bucket {
    child: Child,
    stdin: Option<ChildStdin>,
    environment: BTreeMap<String, String>,
    pub endpoint: String,
}

impl Bucket {
    pub fn start(program: &Path) -> Self {
        let mut child = Command::new(program)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the S3 server starts");
        let lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
        let environment: BTreeMap<String, String> = lines
            .map_while(Result::ok)
            .take_while(|line| !line.is_empty())
            .filter_map(|line| {
                line.split_once('=')
                    .map(|(name, value)| (name.to_owned(), value.to_owned()))
            })
            .collect();
        Self {
            stdin: child.stdin.take(),
            child,
            endpoint: environment["AWS_ENDPOINT_URL"].clone(),
            environment,
        }
    }

    pub fn url(&self) -> String {
        format!("s3://{}/cluster", self.environment["BUCKET"])
    }

    /// The names of the objects that are there.
    pub fn objects(&self) -> Vec<String> {
        let root = PathBuf::from(&self.environment["DIRECTORY"])
            .join(&self.environment["BUCKET"])
            .join("cluster");
        let (mut pending, mut objects) = (vec![root.clone()], Vec::new());
        while let Some(directory) = pending.pop() {
            for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
                let path = entry.path();
                if path.is_dir() {
                    pending.push(path);
                } else if let Ok(name) = path.strip_prefix(&root) {
                    objects.push(name.display().to_string());
                }
            }
        }
        objects
    }

    pub fn environment_through(&self, door: &Door) -> Vec<(String, String)> {
        let mut environment = self.environment.clone();
        environment.insert("AWS_ENDPOINT_URL".to_owned(), door::through(&self.endpoint, door));
        environment.into_iter().collect()
    }
}

impl Drop for Bucket {
    fn drop(&mut self) {
        drop(self.stdin.take());
        let _ = self.child.wait();
    }
}

pub struct Settings {
    pub program: PathBuf,
    pub directory: PathBuf,
    pub database: String,
    pub environment: Vec<(String, String)>,
    pub object_store: String,
}

pub struct Gateways {
    settings: Settings,
    base: String,
    gateways: Vec<Gateway>,
    pub key: String,
}

struct Gateway {
    address: String,
    child: Mutex<Option<Child>>,
}

impl Gateways {
    /// Starts them on an empty database. They tell clients that they are at `base`.
    pub fn start(settings: Settings, base: &str) -> Self {
        let free = || TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
        let gateways = (0..COUNT).map(|_| Gateway {
            address: free().expect("a free port").to_string(),
            child: Mutex::default(),
        });
        let mut gateways = Self {
            settings,
            base: base.to_owned(),
            gateways: gateways.collect(),
            key: String::new(),
        };
        gateways.key = gateways
            .launch(0)
            .expect("the database is empty, so that a key is printed");
        for number in 1..COUNT {
            gateways.launch(number);
        }
        assert!(gateways.are_ready(START), "the gateways start");
        gateways
    }

    pub fn addresses(&self) -> Vec<String> {
        self.gateways
            .iter()
            .map(|gateway| gateway.address.clone())
            .collect()
    }

    fn command(&self, number: usize) -> Command {
        let data = self.settings.directory.join(format!("gateway-{number}"));
        let mut command = Command::new(&self.settings.program);
        for (name, value) in &self.settings.environment {
            command.env(name, value);
        }
        command
            .env("PENTAD_DATABASE_URL", &self.settings.database)
            .env("PENTAD_OBJECT_STORE", &self.settings.object_store)
            .env("PENTAD_DATA_DIR", data)
            .env("PENTAD_SEALING_SECRET", "one for all of them")
            .env("PENTAD_ADMIN_PASSWORD", PASSWORD);
        command
    }

    /// Starts a gateway; gives the key that a first start prints.
    fn launch(&self, number: usize) -> Option<String> {
        let gateway = &self.gateways[number];
        let log = self.settings.directory.join(format!("gateway-{number}.log"));
        let log = File::options()
            .create(true)
            .append(true)
            .open(log)
            .expect("a log");
        let mut child = self
            .command(number)
            .args([
                "--log",
                "warn",
                "serve",
                "--listen",
                &gateway.address,
                "--public-url",
                &self.base,
            ])
            .args([
                "--database-wait-seconds",
                "2",
                "--database-statement-seconds",
                "5",
            ])
            .args(["--objects-seconds", "6", "--objects-attempt-seconds", "2"])
            .args(["--judge-private", "true", "--exec-open", "false"])
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .expect("pentad starts");
        let lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
        *gateway.child.lock().expect("a lock") = Some(child);
        let (sender, key) = mpsc::channel();
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                if let Some(key) = line.trim().strip_prefix("key ") {
                    // Only the first start waits for it.
                    let _ = sender.send(key.trim().to_owned());
                }
            }
        });
        let is_first = number == 0 && self.key.is_empty();
        is_first.then(|| key.recv_timeout(START).ok()).flatten()
    }

    /// The processes of the gateways that run.
    pub fn processes(&self) -> Vec<u32> {
        let of = |gateway: &Gateway| Some(gateway.child.lock().expect("a lock").as_ref()?.id());
        self.gateways.iter().filter_map(of).collect()
    }

    /// Processor time that the gateways have used.
    pub fn processor_time(&self) -> Duration {
        let of = |id: u32| {
            let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
            let fields = stat.rsplit_once(") ")?.1.split(' ').skip(11).take(2);
            // utime and stime, in hundredths of a second.
            let ticks: u64 = fields.filter_map(|field| field.parse::<u64>().ok()).sum();
            Some(Duration::from_millis(ticks * 10))
        };
        self.processes().into_iter().filter_map(of).sum()
    }

    /// Kills a gateway where it stands.
    pub fn kill(&self, number: usize) {
        if let Some(mut child) = self.gateways[number].child.lock().expect("a lock").take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    pub fn start_again(&self, number: usize) {
        self.launch(number);
    }

    /// Whether all of them are ready within a time. One that ended by itself, because its database was away when it
    /// started, is started again, as systemd would.
    pub fn are_ready(&self, within: Duration) -> bool {
        let end = Instant::now() + within;
        for (number, gateway) in self.gateways.iter().enumerate() {
            let ready = || {
                let answer = Client::new(&gateway.address, "").get("/readyz");
                answer.is_ok_and(|answer| answer.status == 200)
            };
            while !ready() {
                if Instant::now() > end {
                    return false;
                }
                let ended = match &mut *gateway.child.lock().expect("a lock") {
                    Some(child) => child.try_wait().expect("a child").is_some(),
                    None => true,
                };
                if ended {
                    self.launch(number);
                }
                std::thread::sleep(Duration::from_millis(100));
            }
        }
        true
    }

    /// Waits until all of them are ready after the last fault; what went wrong when they are not.
    pub fn recover(&self) -> Option<String> {
        let begun = Instant::now();
        let ready = self.are_ready(RECOVERY);
        println!(
            "all gateways ready: {ready}, {:?} after the last fault",
            begun.elapsed()
        );
        (!ready).then(|| format!("not every gateway is ready {RECOVERY:?} after the last fault"))
    }

    /// What a sub-command prints.
    pub fn pentad(&self, arguments: &[&str]) -> String {
        let output = self.command(0).args(arguments).output().expect("pentad runs");
        assert!(
            output.status.success(),
            "{arguments:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    /// A program that puts somebody on a plan: it is given who, and which. It tries again while the database is away.
    pub fn set_tier_program(&self) -> PathBuf {
        let command = self.command(0);
        let mut script = "#!/bin/sh\n".to_owned();
        for (name, value) in command.get_envs() {
            let value = value.unwrap_or_default().to_string_lossy();
            script += &format!("export {}='{value}'\n", name.to_string_lossy());
        }
        script += &format!(
            "for _ in 1 2 3 4 5 6; do {} admin set-plan \"$@\" && exit; sleep 2; done\nexit 1\n",
            self.settings.program.display()
        );
        let path = self.settings.directory.join("set-tier");
        std::fs::write(&path, script).expect("a file");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o700)).expect("its mode");
        path
    }

    /// Ends them as a signal would. Those that did not end well in time.
    pub fn stop(&self) -> Vec<String> {
        let children: Vec<(String, Child)> = self
            .gateways
            .iter()
            .filter_map(|gateway| {
                Some((
                    gateway.address.clone(),
                    gateway.child.lock().expect("a lock").take()?,
                ))
            })
            .collect();
        for (_, child) in &children {
            let _ = Command::new("kill")
                .args(["-TERM", &child.id().to_string()])
                .status();
        }
        let end = Instant::now() + END;
        let mut unwell = Vec::new();
        for (address, mut child) in children {
            let status = loop {
                match child.try_wait().expect("a child") {
                    None if Instant::now() < end => std::thread::sleep(Duration::from_millis(50)),
                    status => break status,
                }
            };
            if !status.is_some_and(|status| status.success()) {
                unwell.push(format!("{address}: {status:?}"));
                let _ = child.kill();
                let _ = child.wait();
            }
        }
        unwell
    }
}

impl Drop for Gateways {
    fn drop(&mut self) {
        for number in 0..COUNT {
            self.kill(number);
            if std::thread::panicking() {
                let mut log = String::new();
                let file = self.settings.directory.join(format!("gateway-{number}.log"));
                let _ = File::open(file).and_then(|mut file| file.read_to_string(&mut log));
                let from = log.len().saturating_sub(4_000);
                println!("--- gateway {number}\n{}", log.get(from..).unwrap_or_default());
            }
        }
    }
}
