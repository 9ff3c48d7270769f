//! The rules by which several gateways change one session, checked in every state.
//!
//! The session is a log of changes in the database; each gateway has what it replayed of it in memory. A change is
//! appended under the lock of the session's row, and only by a gateway whose memory is at the end of the log; it
//! changes its memory after that, and then answers. A search answers from memory once that is at the end of the
//! log. So every answer is that of all changes that were acknowledged before it was asked for, in the order of the
//! log, on every gateway.

use pentad_store::explore::{Model, explore};

const GATEWAYS: usize = 2;
/// Changes that clients want, each sent to one gateway.
const CHANGES: u8 = 3;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Gateway {
    Idle,
    /// Works on a change that belongs behind what it has seen.
    Stores {
        change: u8,
        seen: usize,
    },
    /// The change is in the log at a place, and not yet in memory.
    Applies {
        change: u8,
        place: usize,
    },
}

/// What a gateway replayed, and up to which place of the log.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
struct Memory {
    changes: Vec<u8>,
    seen: usize,
}

impl Memory {
    fn catch_up(&mut self, log: &[u8]) {
        self.changes.extend(&log[self.seen..]);
        self.seen = log.len();
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct State {
    log: Vec<u8>,
    gateways: [Gateway; GATEWAYS],
    memories: [Memory; GATEWAYS],
    sent: u8,
    acknowledged: Vec<u8>,
    /// What a search was answered that must not be.
    stale: bool,
}

/// The protocol, with or without its rules.
struct Changes {
    /// Whether an append looks whether the log is as long as its gateway thinks.
    compares: bool,
    /// Whether a search looks whether its memory is at the end of the log.
    looks: bool,
}

impl Changes {
    fn of_gateway(&self, state: &State, one: usize) -> Vec<(&'static str, State)> {
        let mut steps = Vec::new();
        let mut step = |name, change: &dyn Fn(&mut State)| {
            let mut next = state.clone();
            change(&mut next);
            steps.push((name, next));
        };
        let seen = state.memories[one].seen;
        match state.gateways[one] {
            Gateway::Idle => {
                if state.sent < CHANGES {
                    step("takes a change", &|next| {
                        next.gateways[one] = Gateway::Stores {
                            change: next.sent,
                            seen,
                        };
                        next.sent += 1;
                    });
                }
                step("is killed", &|next| next.memories[one] = Memory::default());
            }
            Gateway::Stores { change, seen } if state.log.len() == seen || !self.compares => {
                step("appends", &|next| {
                    next.log.push(change);
                    let place = next.log.len();
                    next.gateways[one] = Gateway::Applies { change, place };
                });
                step("is killed", &|next| {
                    next.memories[one] = Memory::default();
                    next.gateways[one] = Gateway::Idle;
                });
            }
            Gateway::Stores { change, .. } => step("catches up", &|next| {
                next.memories[one].catch_up(&next.log);
                let seen = next.log.len();
                next.gateways[one] = Gateway::Stores { change, seen };
            }),
            Gateway::Applies { change, place } => {
                step("answers the change", &|next| {
                    next.memories[one].changes.push(change);
                    next.memories[one].seen = place;
                    next.acknowledged.push(change);
                    next.gateways[one] = Gateway::Idle;
                });
                // Nobody is answered, and the change is there.
                step("is killed", &|next| {
                    next.memories[one] = Memory::default();
                    next.gateways[one] = Gateway::Idle;
                });
            }
        }
        // Searches wait for the change under way only when they have to catch up.
        let is_idle = state.gateways[one] == Gateway::Idle;
        if !self.looks || seen == state.log.len() || is_idle {
            step("answers a search", &|next| {
                if self.looks && is_idle {
                    next.memories[one].catch_up(&next.log);
                }
                let found = &next.memories[one].changes;
                next.stale |= next.acknowledged.iter().any(|change| !found.contains(change));
                next.stale |= !next.log.starts_with(found);
            });
        }
        steps
    }
}

impl Model for Changes {
    type State = State;

    fn start(&self) -> State {
        State {
            log: Vec::new(),
            gateways: [const { Gateway::Idle }; GATEWAYS],
            memories: std::array::from_fn(|_| Memory::default()),
            sent: 0,
            acknowledged: Vec::new(),
            stale: false,
        }
    }

    fn steps(&self, state: &State) -> Vec<(String, State)> {
        (0..GATEWAYS)
            .flat_map(|one| {
                let steps = self.of_gateway(state, one).into_iter();
                steps.map(move |(name, next)| (format!("gateway {one} {name}"), next))
            })
            .collect()
    }

    fn wrong(&self, state: &State) -> Option<String> {
        let times = |change: &u8| state.log.iter().filter(|other| *other == change).count();
        if let Some(change) = state.acknowledged.iter().find(|change| times(change) != 1) {
            return Some(format!("change {change} is in the log {} times", times(change)));
        }
        state
            .stale
            .then(|| "a search was answered from an old or another order".to_owned())
    }
}

#[test]
fn every_answer_is_that_of_all_acknowledged_changes_in_one_order() {
    let rules = Changes {
        compares: true,
        looks: true,
    };
    let states = explore(&rules).unwrap_or_else(|way| panic!("{way:#?}"));
    assert!(states > 500, "{states} states are not all that there are");
}

#[test]
fn each_rule_is_needed() {
    for (compares, looks) in [(false, true), (true, false)] {
        let way = explore(&Changes { compares, looks }).unwrap_err();
        assert!(way.last().unwrap().starts_with("a search"), "{way:#?}");
    }
}
