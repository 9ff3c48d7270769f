//! The rules by which runs of one session take their turns on several gateways, checked in every state.
//!
//! A gateway takes the turn for `HELD` when that of the last holder is over, by its own clock; the number of the
//! turn rises. While the run goes on it renews the turn, and stops the run when it could not for `HELD - SPARE`.
//! What the run did is written only if the turn still has its number. Two claims:
//!
//! 1. Whatever the clocks say and however late a gateway is, no run's work is lost or written on top of work that
//!    it did not see. That is the fence: the number.
//! 2. Clocks that are no further apart than `SPARE` let at most one program run at a time.

use pentad_kernel::Timestamp;
use pentad_store::explore::{Model, explore};
use pentad_store::{Db, both_engines};

use crate::repository;
use crate::{NewSession, Session, SessionId};

const HELD: u8 = 3;
const SPARE: u8 = 1;
const GATEWAYS: usize = 2;
/// How long the world lasts, and how many turns it sees.
const END: u8 = 7;
const TURNS: u8 = 4;

/// The session's row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
struct Row {
    number: u8,
    until: u8,
    /// What the session holds: how often something was added to it.
    value: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Gateway {
    Idle,
    /// It has the turn, as far as it knows, and has yet to read what the session holds.
    Begun {
        number: u8,
        renewed: u8,
    },
    /// Its program runs on what it read.
    Runs {
        number: u8,
        renewed: u8,
        read: u8,
    },
    /// Its program ended or was stopped; what it did is on its way to the database, for however long.
    Writes {
        number: u8,
        read: u8,
    },
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct State {
    now: u8,
    row: Row,
    gateways: [Gateway; GATEWAYS],
    /// How many runs were told that their work is written.
    acknowledged: u8,
}

/// The protocol, with or without its rules.
struct Turns {
    /// How far the clock of each gateway is ahead.
    ahead: [u8; GATEWAYS],
    /// Whether a write asks for the number of its turn.
    fenced: bool,
    /// Whether a run that could not be renewed is stopped.
    stops: bool,
}

const TRUE: Turns = Turns {
    ahead: [0, SPARE],
    fenced: true,
    stops: true,
};

impl Turns {
    fn of_gateway(&self, state: &State, one: usize) -> Vec<(&'static str, State)> {
        let clock = state.now + self.ahead[one];
        let to = |gateway| {
            let mut next = state.clone();
            next.gateways[one] = gateway;
            next
        };
        let mut steps = Vec::new();
        match state.gateways[one] {
            Gateway::Idle if state.row.until <= clock && state.row.number < TURNS => {
                let number = state.row.number + 1;
                let mut next = to(Gateway::Begun {
                    number,
                    renewed: state.now,
                });
                next.row.number = number;
                next.row.until = clock + HELD;
                steps.push(("begins", next));
            }
            Gateway::Idle => {}
            Gateway::Begun { number, renewed } => {
                let read = state.row.value;
                steps.push((
                    "reads",
                    to(Gateway::Runs {
                        number,
                        renewed,
                        read,
                    }),
                ));
                steps.push(("is killed", to(Gateway::Idle)));
            }
            Gateway::Runs {
                number,
                renewed,
                read,
            } => {
                steps.push(("ends its program", to(Gateway::Writes { number, read })));
                steps.push(("is killed", to(Gateway::Idle)));
                if state.row.number == number && renewed < state.now {
                    let mut next = to(Gateway::Runs {
                        number,
                        renewed: state.now,
                        read,
                    });
                    next.row.until = clock + HELD;
                    steps.push(("renews", next));
                }
            }
            Gateway::Writes { number, read } => {
                let mut next = to(Gateway::Idle);
                if state.row.number == number || !self.fenced {
                    next.row.value = read + 1;
                    next.row.until = 0;
                    next.acknowledged += 1;
                }
                steps.push(("writes", next));
                steps.push(("is killed", to(Gateway::Idle)));
            }
        }
        steps
    }

    /// Time passes; programs whose turn could not be renewed are stopped before it is over.
    fn tick(&self, state: &State) -> State {
        let mut next = state.clone();
        next.now += 1;
        for gateway in &mut next.gateways {
            let late = |renewed| self.stops && next.now >= renewed + HELD - SPARE;
            match *gateway {
                Gateway::Begun { renewed, .. } if late(renewed) => *gateway = Gateway::Idle,
                Gateway::Runs {
                    number,
                    renewed,
                    read,
                } if late(renewed) => {
                    *gateway = Gateway::Writes { number, read };
                }
                _ => {}
            }
        }
        next
    }
}

impl Model for Turns {
    type State = State;

    fn start(&self) -> State {
        State {
            now: 1,
            row: Row::default(),
            gateways: [Gateway::Idle; GATEWAYS],
            acknowledged: 0,
        }
    }

    fn steps(&self, state: &State) -> Vec<(String, State)> {
        let mut steps = Vec::new();
        if state.now < END {
            steps.push(("time passes".to_owned(), self.tick(state)));
        }
        for one in 0..GATEWAYS {
            let of_one = self.of_gateway(state, one).into_iter();
            steps.extend(of_one.map(|(name, next)| (format!("gateway {one} {name}"), next)));
        }
        steps
    }

    fn wrong(&self, state: &State) -> Option<String> {
        let running = |gateway: &&Gateway| matches!(gateway, Gateway::Runs { .. });
        if state.row.value != state.acknowledged {
            return Some("the work of an acknowledged run is lost".to_owned());
        }
        (state.gateways.iter().filter(running).count() > 1).then(|| "two programs run".to_owned())
    }
}

/// The same, where only what is written counts.
struct Written(Turns);

impl Model for Written {
    type State = State;

    fn start(&self) -> State {
        self.0.start()
    }

    fn steps(&self, state: &State) -> Vec<(String, State)> {
        self.0.steps(state)
    }

    fn wrong(&self, state: &State) -> Option<String> {
        self.0.wrong(state).filter(|wrong| wrong.starts_with("the work"))
    }
}

#[test]
fn no_work_is_lost_and_no_two_programs_run() {
    let states = explore(&TRUE).unwrap_or_else(|way| panic!("{way:#?}"));
    assert!(states > 1_000, "{states} states are not all that there are");
}

#[test]
fn each_rule_is_needed() {
    let unfenced = Turns {
        fenced: false,
        ..TRUE
    };
    let way = explore(&Written(unfenced)).unwrap_err();
    assert!(way.last().unwrap().starts_with("the work"), "{way:#?}");
    let way = explore(&Turns { stops: false, ..TRUE }).unwrap_err();
    assert!(way.last().unwrap().starts_with("two programs"), "{way:#?}");
    let ahead = [0, SPARE + 1];
    let way = explore(&Turns { ahead, ..TRUE }).unwrap_err();
    assert!(way.last().unwrap().starts_with("two programs"), "{way:#?}");
}

#[test]
fn however_wrong_the_clocks_are_no_work_is_lost() {
    for ahead in [[0, 2], [0, 5], [3, 0]] {
        let turns = Turns {
            ahead,
            stops: false,
            ..TRUE
        };
        explore(&Written(turns)).unwrap_or_else(|way| panic!("{way:#?}"));
    }
}

both_engines! {
    /// The statements do what the model says of them, on a long walk.
    async fn the_database_keeps_the_rules_of_the_model(db: Db) {
        let key = session(&db).await;
        let (mut row, mut random) = (Row::default(), 1_u64);
        let mut numbers = Vec::new();
        for now in 1..120_u8 {
            // xorshift: the same walk each time.
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            let at = |time: u8| Timestamp::from_micros(i64::from(time));
            let number = numbers.get(random as usize / 8 % numbers.len().max(1)).copied().unwrap_or(0);
            match random % 4 {
                0 | 1 => {
                    let begun = repository::begin_run(&db, &key, at(now), at(now + HELD)).await.unwrap();
                    let may = row.until <= now;
                    assert_eq!(begun, may.then_some(i64::from(row.number) + 1));
                    if may {
                        row.number += 1;
                        row.until = now + HELD;
                        numbers.push(row.number);
                    }
                }
                2 => {
                    let renewed = repository::renew_run(&db, &key, i64::from(number), at(now + HELD)).await.unwrap();
                    assert_eq!(renewed, number == row.number);
                    if renewed {
                        row.until = now + HELD;
                    }
                }
                _ => {
                    let mut tx = db.begin().await.unwrap();
                    let written = repository::commit_run(&mut tx, &key, i64::from(number), None, at(now)).await.unwrap();
                    tx.commit().await.unwrap();
                    assert_eq!(written.is_some(), number == row.number);
                    if let Some(generation) = written {
                        row.value += 1;
                        row.until = 0;
                        assert_eq!(generation, i64::from(row.value));
                    }
                }
            }
        }
        assert!(row.number > 20 && row.value > 2, "{row:?}");
    }
}

/// A session, and the organisation it needs.
async fn session(db: &Db) -> String {
    let clock = std::sync::Arc::new(pentad_kernel::SystemClock);
    let identity = pentad_identity::Identity::new(db.clone(), clock, pentad_identity::PlanTable::default());
    let user = identity
        .create_user("ada@example.com", None, false)
        .await
        .unwrap();
    let new = NewSession::of(pentad_sandbox::Language::Python);
    let session = Session {
        id: SessionId::parse("turns").unwrap(),
        key: pentad_kernel::id::ordered_uuid(),
        organisation: user.home_organisation.clone(),
        language: new.language,
        persistent: true,
        created_at: Timestamp::from_micros(0),
        updated_at: Timestamp::from_micros(0),
        last_run_at: None,
        metadata: new.metadata,
        data: new.data,
        default_timeout: None,
        allow_internet: false,
        allow_public: false,
        setup: None,
        setup_status: None,
        setup_result: None,
        file_count: 0,
        total_bytes: 0,
        generation: 0,
    };
    let mut tx = db.begin().await.unwrap();
    repository::insert(&mut tx, &session).await.unwrap();
    tx.commit().await.unwrap();
    session.key
}
