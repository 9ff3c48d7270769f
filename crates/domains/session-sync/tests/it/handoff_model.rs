//! Handoffs against a model: whatever the sender, the recipient and a stranger do, in whatever order.

use std::time::Duration;

use pentad_kernel::{Classify as _, ErrorKind};
use pentad_session_sync::handoffs::{NewHandoff, Status};
use pentad_store::{Db, both_engines};
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;

use crate::forge::{World, new_session, session};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Look,
    Claim,
    Revoke,
    Decline,
    Comment,
    Wait,
}

const SENDER: usize = 0;
const RECIPIENT: usize = 1;

fn steps() -> impl Strategy<Value = Vec<(usize, Step)>> {
    let step = prop_oneof![
        3 => Just(Step::Look),
        2 => Just(Step::Claim),
        1 => Just(Step::Revoke),
        1 => Just(Step::Decline),
        3 => Just(Step::Comment),
        1 => Just(Step::Wait),
    ];
    prop::collection::vec((0..3_usize, step), 1..14)
}

/// What a handoff is expected to be.
#[derive(Clone, Debug)]
struct Model {
    status: Status,
    comments: usize,
    viewed: bool,
    hours: u64,
}

impl Model {
    /// Makes the step: whether it succeeds, or the kind of its refusal.
    fn step(&mut self, who: usize, step: Step) -> Result<(), ErrorKind> {
        if step == Step::Wait {
            self.hours += 60;
            return Ok(());
        }
        if who > RECIPIENT {
            return Err(ErrorKind::NotFound);
        }
        // The time is noticed by whoever comes next.
        if self.hours >= 168 && self.status == Status::Pending && step != Step::Comment {
            match (step, who) {
                (Step::Look, _) | (Step::Claim | Step::Decline, RECIPIENT) | (Step::Revoke, SENDER) => {
                    self.status = Status::Expired;
                }
                _ => {}
            }
        }
        let end = |may: usize, to: Status, status: &mut Status| match *status {
            _ if who != may => Err(ErrorKind::NotFound),
            Status::Pending => {
                *status = to;
                Ok(())
            }
            Status::Expired => Err(ErrorKind::Gone),
            _ => Err(ErrorKind::Conflict),
        };
        match step {
            Step::Look if self.status == Status::Expired => Err(ErrorKind::Gone),
            Step::Look => {
                self.viewed |= who == RECIPIENT;
                Ok(())
            }
            Step::Comment => {
                self.comments += 1;
                Ok(())
            }
            Step::Claim => end(RECIPIENT, Status::Claimed, &mut self.status),
            Step::Decline => end(RECIPIENT, Status::Declined, &mut self.status),
            Step::Revoke => end(SENDER, Status::Revoked, &mut self.status),
            Step::Wait => Ok(()),
        }
    }
}

both_engines! {
    async fn any_sequence_of_steps_by_three_people_agrees_with_the_model(db: Db) {
        let world = World::new(db);
        let people = [world.person("ada").await, world.person("grace").await, world.person("eve").await];
        let id = new_session();
        world.push(&people[SENDER], &id, &session("work", &["hello"])).await.unwrap();
        let mut runner = TestRunner::deterministic();
        for _ in 0..25 {
            let sequence = steps().new_tree(&mut runner).unwrap().current();
            let new = NewHandoff { session_id: id.clone(), recipient_email: Some("grace@example.com".into()), ..NewHandoff::default() };
            let handoff = world.sync.create_handoff(&people[SENDER], new).await.unwrap().id;
            let mut model = Model { status: Status::Pending, comments: 0, viewed: false, hours: 0 };
            for (who, step) in sequence {
                let before = model.clone();
                let expected = model.step(who, step);
                let (sync, caller) = (&world.sync, &people[who]);
                let outcome = match step {
                    Step::Look => sync.handoff(caller, &handoff).await.map(|_| ()),
                    Step::Claim => sync.claim_handoff(caller, &handoff).await.map(|_| ()),
                    Step::Revoke => sync.revoke_handoff(caller, &handoff, "mistake").await.map(|_| ()),
                    Step::Decline => sync.decline_handoff(caller, &handoff, None).await.map(|_| ()),
                    Step::Comment => sync.comment_handoff(caller, &handoff, "word").await.map(|_| ()),
                    Step::Wait => {
                        world.clock.advance(Duration::from_secs(60 * 3600));
                        Ok(())
                    }
                };
                assert_eq!(outcome.map_err(|error| error.kind()), expected, "{who} {step:?} on {before:?}");
                let sent = world.sync.handoffs_sent(&people[SENDER]).await.unwrap();
                let seen = sent.iter().find(|seen| seen.id == handoff).unwrap();
                let due = model.status == Status::Pending && model.hours >= 168;
                assert!(seen.status == model.status || (due && seen.status == Status::Expired), "{seen:?} {model:?}");
                assert_eq!(seen.recipient_session_id.is_some(), model.status == Status::Claimed);
                let comments = world.sync.handoff_comments(&people[SENDER], &handoff, 200).await.unwrap();
                assert_eq!(comments.len(), model.comments);
                // What happened is written down, and once.
                let events = world.sync.handoff_events(&people[RECIPIENT], &handoff).await.unwrap();
                let count = |kind: &str| events.iter().filter(|event| event.event_type == kind).count();
                let ends: usize = ["claimed", "revoked", "declined", "expired"].iter().map(|kind| count(kind)).sum();
                assert_eq!((count("created"), count("viewed")), (1, usize::from(model.viewed)));
                assert_eq!(ends, usize::from(model.status != Status::Pending), "{events:?}");
            }
        }
    }
}
