//! Who runs next: a bounded number of runs at once, a bounded queue, and turns taken between organisations.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use pentad_kernel::OrganisationId;
use tokio::sync::oneshot;

use crate::{Error, Result};

/// The places to run and the queue in front of them. Clones share them.
#[derive(Clone, Debug)]
pub(crate) struct Admission(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    places: usize,
    /// Places that one organisation may hold: one is left for the others.
    places_each: usize,
    queue: usize,
    queue_each: usize,
    longest_wait: Duration,
}

#[derive(Debug, Default)]
struct State {
    running: usize,
    waiting: usize,
    organisations: HashMap<OrganisationId, Share>,
    /// Organisations that may have somebody waiting, in the order of their turns.
    turns: VecDeque<OrganisationId>,
}

/// What one organisation has.
#[derive(Debug, Default)]
struct Share {
    running: usize,
    waiting: usize,
    queue: VecDeque<oneshot::Sender<()>>,
}

/// A run that may wait. Dropped, it waits no longer.
#[derive(Debug)]
pub(crate) struct Ticket {
    admission: Admission,
    organisation: OrganisationId,
}

/// A place to run, until it is dropped.
#[derive(Debug)]
pub(crate) struct Permit {
    admission: Admission,
    organisation: OrganisationId,
}

/// How busy it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Load {
    /// Runs under way.
    pub running: usize,
    /// Runs that wait for their turn.
    pub waiting: usize,
}

impl Admission {
    pub(crate) fn new(places: usize, queue: usize, longest_wait: Duration) -> Self {
        let places = places.max(1);
        Self(Arc::new(Shared {
            state: Mutex::default(),
            places,
            places_each: (places - 1).max(1),
            queue,
            queue_each: (queue / 2).max(1),
            longest_wait,
        }))
    }

    pub(crate) fn load(&self) -> Load {
        let state = self.lock();
        Load {
            running: state.running,
            waiting: state.waiting,
        }
    }

    /// Joins those who wait; refuses when there are too many of them.
    pub(crate) fn enter(&self, organisation: &OrganisationId) -> Result<Ticket> {
        let mut state = self.lock();
        let full = |whose: &str, limit| {
            let reason = format!("{limit} runs {whose} wait already (exec queued_runs)");
            Err(Error::Busy { reason })
        };
        if state.waiting >= self.0.queue {
            return full("of all", self.0.queue);
        }
        let share = state.organisations.entry(organisation.clone()).or_default();
        if share.waiting >= self.0.queue_each {
            return full("of this organisation", self.0.queue_each);
        }
        share.waiting += 1;
        state.waiting += 1;
        Ok(Ticket {
            admission: self.clone(),
            organisation: organisation.clone(),
        })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives free places to those who wait, an organisation after the other.
    fn hand_out(&self, state: &mut State) {
        let mut passed = 0;
        while state.running < self.0.places && passed < state.turns.len() {
            let Some(organisation) = state.turns.pop_front() else {
                break;
            };
            let Some(share) = state.organisations.get_mut(&organisation) else {
                continue;
            };
            if share.running >= self.0.places_each {
                state.turns.push_back(organisation);
                passed += 1;
                continue;
            }
            let Some(next) = share.queue.pop_front() else {
                continue;
            };
            if !share.queue.is_empty() {
                state.turns.push_back(organisation);
            }
            // Who has gone away in the meantime takes no place.
            if next.send(()).is_ok() {
                share.running += 1;
                state.running += 1;
            }
            passed = 0;
        }
    }
}

impl State {
    fn leave(&mut self, organisation: &OrganisationId, change: impl FnOnce(&mut Share)) {
        if let Some(share) = self.organisations.get_mut(organisation) {
            change(share);
            if share.running == 0 && share.waiting == 0 {
                self.organisations.remove(organisation);
            }
        }
    }
}

impl Ticket {
    /// Waits for a place.
    pub(crate) async fn place(self) -> Result<Permit> {
        let (next, mut turn) = oneshot::channel();
        {
            let mut state = self.admission.lock();
            let share = state.organisations.entry(self.organisation.clone()).or_default();
            share.queue.push_back(next);
            if share.queue.len() == 1 {
                state.turns.push_back(self.organisation.clone());
            }
            self.admission.hand_out(&mut state);
        }
        // A place that is handed over while the wait is given up goes back by this guard.
        let mut given = Given {
            turn: &mut turn,
            admission: &self.admission,
            organisation: &self.organisation,
            taken: false,
        };
        let longest = self.admission.0.longest_wait;
        match tokio::time::timeout(longest, &mut *given.turn).await {
            Ok(Ok(())) => {
                given.taken = true;
                drop(given);
                Ok(Permit {
                    admission: self.admission.clone(),
                    organisation: self.organisation.clone(),
                })
            }
            _ => Err(Error::Busy {
                reason: format!(
                    "no place to run became free within {} seconds (exec longest_wait)",
                    longest.as_secs()
                ),
            }),
        }
    }
}

struct Given<'a> {
    turn: &'a mut oneshot::Receiver<()>,
    admission: &'a Admission,
    organisation: &'a OrganisationId,
    taken: bool,
}

impl Drop for Given<'_> {
    fn drop(&mut self) {
        if self.taken {
            return;
        }
        self.turn.close();
        if self.turn.try_recv().is_ok() {
            drop(Permit {
                admission: self.admission.clone(),
                organisation: self.organisation.clone(),
            });
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let mut state = self.admission.lock();
        state.waiting -= 1;
        state.leave(&self.organisation, |share| share.waiting -= 1);
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let admission = self.admission.clone();
        let mut state = admission.lock();
        state.running -= 1;
        state.leave(&self.organisation, |share| share.running -= 1);
        admission.hand_out(&mut state);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn organisation(name: &str) -> OrganisationId {
        OrganisationId::new(name)
    }

    async fn place(admission: &Admission, name: &str) -> Permit {
        let ticket = admission.enter(&organisation(name)).unwrap();
        ticket.place().await.unwrap()
    }

    #[tokio::test]
    async fn one_organisation_leaves_a_place_for_the_others() {
        let admission = Admission::new(3, 8, Duration::from_millis(20));
        let _first = place(&admission, "a").await;
        let second = place(&admission, "a").await;
        let third = admission.enter(&organisation("a")).unwrap().place().await;
        assert!(matches!(third, Err(Error::Busy { .. })));
        let _other = place(&admission, "b").await;
        assert_eq!(
            admission.load(),
            Load {
                running: 3,
                waiting: 0
            }
        );
        drop(second);
        let _again = place(&admission, "a").await;
    }

    #[tokio::test]
    async fn organisations_take_turns() {
        let admission = Admission::new(2, 100, Duration::from_secs(60));
        let holder = place(&admission, "c").await;
        let other = place(&admission, "d").await;
        let order = Arc::new(Mutex::new(Vec::new()));
        let mut waiting = Vec::new();
        for name in ["a", "a", "a", "b"] {
            let (admission, order) = (admission.clone(), Arc::clone(&order));
            waiting.push(tokio::spawn(async move {
                let _permit = place(&admission, name).await;
                order.lock().unwrap().push(name);
            }));
            tokio::task::yield_now().await;
        }
        drop(holder);
        for task in waiting {
            task.await.unwrap();
        }
        assert_eq!(*order.lock().unwrap(), ["a", "b", "a", "a"]);
        drop(other);
    }

    #[tokio::test]
    async fn the_queue_and_the_share_of_it_are_bounded() {
        let admission = Admission::new(1, 4, Duration::from_secs(60));
        let a = organisation("a");
        let tickets = [admission.enter(&a).unwrap(), admission.enter(&a).unwrap()];
        assert!(matches!(admission.enter(&a), Err(Error::Busy { .. })));
        let other = admission.enter(&organisation("b")).unwrap();
        drop(tickets);
        assert!(admission.enter(&a).is_ok());
        drop(other);
        assert_eq!(
            admission.load(),
            Load {
                running: 0,
                waiting: 0
            }
        );
    }

    #[tokio::test]
    async fn who_stops_waiting_loses_no_place() {
        let admission = Admission::new(1, 4, Duration::from_secs(60));
        let permit = place(&admission, "a").await;
        let given_up = tokio::spawn({
            let ticket = admission.enter(&organisation("b")).unwrap();
            async move { ticket.place().await.map(drop) }
        });
        tokio::task::yield_now().await;
        given_up.abort();
        assert!(given_up.await.is_err());
        drop(permit);
        let _next = place(&admission, "c").await;
        assert_eq!(
            admission.load(),
            Load {
                running: 1,
                waiting: 0
            }
        );
    }
}
