//! What is measured, and the world it is measured in.

use std::time::{Duration, Instant};

use pentad_bench::processor;
use serde_json::{Value, json};

use crate::archive::{Random, growing, megabyte, session};
use crate::server::Server;

/// Processor time after which a figure is precise enough, given that it is counted in hundredths of a second.
const ENOUGH: Duration = Duration::from_secs(1);
/// How long one figure may take.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long background work gets to end.
const SETTLING: Duration = Duration::from_secs(4);

/// A request, or a few that belong together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    Me,
    Pull,
    List,
    Push,
    PushGrown,
    Search,
    Entries,
    CreateTicket,
    StartAndComplete,
}

/// Everything that is measured, with the ratio that is aimed at.
pub const AIMS: &[(Operation, u32)] = &[
    (Operation::Me, 100),
    (Operation::Pull, 20),
    (Operation::List, 50),
    (Operation::Push, 8),
    (Operation::PushGrown, 8),
    (Operation::Search, 30),
    (Operation::Entries, 50),
    (Operation::CreateTicket, 50),
    (Operation::StartAndComplete, 50),
];

impl Operation {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Me => "GET /auth/me",
            Self::Pull => "pull of 1 MB",
            Self::List => "list of 20 sessions",
            Self::Push => "push of 1 MB",
            Self::PushGrown => "push of 1 MB that grew by four messages",
            Self::Search => "search",
            Self::Entries => "list of 50 entries",
            Self::CreateTicket => "create a ticket",
            Self::StartAndComplete => "start and complete a ticket",
        }
    }

    /// Requests between two looks at the clock.
    const fn batch(self) -> usize {
        match self {
            Self::Push | Self::PushGrown => 4,
            Self::Me | Self::List | Self::Entries => 100,
            _ => 20,
        }
    }
}

/// A server with everything in it that the requests are about.
pub struct World {
    server: Server,
    project: String,
    archives: [Vec<u8>; 2],
    growing: Vec<Vec<u8>>,
    tickets: Vec<String>,
    pushes: usize,
}

const PULLED: &str = "ses_pulled0000000000";

impl World {
    pub fn fill(server: Server, sessions: usize) -> Self {
        let client = &server.client;
        for number in 0..sessions {
            let extra = if number % 50 == 0 { "the quokka smiles" } else { "" };
            let archive = session(number as u64 + 7, 40, extra);
            client.push(&format!("ses_{number:016x}"), &archive);
        }
        let archives = [megabyte(1), megabyte(2)];
        client.push(PULLED, &archives[0]);
        let body = json!({"name": "Widgets", "git_remote_normalized": "acme/widgets"});
        let project = client.post("/api/v1/projects/", &body)["id"]
            .as_str()
            .expect("an id")
            .to_owned();
        let mut random = Random::new(99);
        for number in 0..100 {
            let content = format!("src/file{number}.rs: {}", random.words(25));
            let body = json!({"content": content, "entry_type": "pattern", "confidence": 0.9});
            client.post(&format!("/api/v1/projects/{project}/entries/add"), &body);
        }
        let found = || client.get("/api/v1/sessions/search?q=quokka")["total"].as_u64();
        let start = Instant::now();
        while found() < Some(sessions.div_ceil(50) as u64) {
            assert!(
                start.elapsed() < Duration::from_secs(120),
                "{}: sessions are not found",
                server.name
            );
            std::thread::sleep(Duration::from_millis(200));
        }
        Self {
            server,
            project,
            archives,
            growing: growing(3, 16),
            tickets: Vec::new(),
            pushes: 0,
        }
    }

    /// Seconds of processor time for one request.
    pub fn measure(&mut self, operation: Operation) -> f64 {
        // Once without counting: connections, caches, compiled statements.
        self.prepare(operation, 3);
        self.run(operation, 3);
        self.settle(operation);
        let (mut used, mut count) = (Duration::ZERO, 0);
        let start = Instant::now();
        while used < ENOUGH && start.elapsed() < PATIENCE {
            self.prepare(operation, operation.batch());
            let before = processor::time(self.server.process());
            self.run(operation, operation.batch());
            self.settle(operation);
            used += processor::time(self.server.process()).saturating_sub(before);
            count += operation.batch();
        }
        used.as_secs_f64() / count as f64
    }

    /// Waits for what a push leaves to be done after its answer.
    fn settle(&self, operation: Operation) {
        if matches!(operation, Operation::Push | Operation::PushGrown) {
            std::thread::sleep(SETTLING);
        }
    }

    fn prepare(&mut self, operation: Operation, count: usize) {
        if operation == Operation::StartAndComplete {
            self.tickets = (0..count).map(|_| self.create_ticket()).collect();
        }
    }

    fn create_ticket(&self) -> String {
        let body = json!({"title": "Bound the retries", "description": "The loop spins when the server answers 500.",
            "priority": "high", "acceptance_criteria": ["the loop ends"], "file_refs": ["src/retry.rs"]});
        let path = format!("/api/v1/projects/{}/tickets", self.project);
        self.server.client.post(&path, &body)["id"]
            .as_str()
            .expect("an id")
            .to_owned()
    }

    fn run(&mut self, operation: Operation, count: usize) {
        for number in 0..count {
            let client = &self.server.client;
            match operation {
                Operation::Me => {
                    client.get("/api/v1/auth/me");
                }
                Operation::Pull => {
                    let bytes = client.bytes(&format!("/api/v1/sessions/{PULLED}/sync"));
                    assert_eq!(bytes.len(), self.archives[0].len());
                }
                Operation::List => {
                    let listed = client.get("/api/v1/sessions?page_size=20");
                    assert_eq!(listed["sessions"].as_array().map(Vec::len), Some(20));
                }
                Operation::Push => {
                    self.pushes += 1;
                    client.push("ses_pushed0000000000", &self.archives[self.pushes % 2]);
                }
                Operation::PushGrown => {
                    self.pushes += 1;
                    let archive = &self.growing[self.pushes % self.growing.len()];
                    client.push("ses_growing000000000", archive);
                }
                Operation::Search => {
                    let found = client.get("/api/v1/sessions/search?q=quokka");
                    assert!(
                        found["results"]
                            .as_array()
                            .is_some_and(|results| !results.is_empty())
                    );
                }
                Operation::Entries => {
                    let path = format!("/api/v1/projects/{}/entries?limit=50", self.project);
                    assert_eq!(client.get(&path).as_array().map(Vec::len), Some(50));
                }
                Operation::CreateTicket => {
                    self.create_ticket();
                }
                Operation::StartAndComplete => {
                    let ticket = format!(
                        "/api/v1/projects/{}/tickets/{}",
                        self.project, self.tickets[number]
                    );
                    let started = client.post(&format!("{ticket}/start"), &Value::Null);
                    let lease = started["ticket"]["lease_epoch"].clone();
                    let notes =
                        json!({"notes": "bounded", "lease_epoch": lease, "changed_files": ["src/retry.rs"]});
                    client.post(&format!("{ticket}/complete"), &notes);
                }
            }
        }
    }
}
