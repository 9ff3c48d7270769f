//! Tickets: the state machine against a model, races, fences.

use std::collections::BTreeMap;

use pentad_projects::{
    Completion, Error, Kind, NewComment, NewRetrievalEvent, NewTicket, Priority, StartOptions, Status,
    TicketChange,
};
use pentad_store::{Db, both_engines};
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;

use crate::House;

/// One thing that somebody does to one of the tickets.
#[derive(Clone, Copy, Debug)]
enum Step {
    Start { force: bool },
    Complete { lease: Option<i64> },
    Resolve { lease: Option<i64> },
    Close,
    Approve,
    Reopen,
    Block,
    Unblock,
    Dismiss,
    Escalate,
    Comment { lease: Option<i64> },
    Edit { lease: Option<i64> },
}

fn steps() -> impl Strategy<Value = Vec<(usize, usize, Step)>> {
    let lease = prop_oneof![2 => Just(None), 3 => (0..4_i64).prop_map(Some)];
    let step = prop_oneof![
        4 => any::<bool>().prop_map(|force| Step::Start { force }),
        3 => lease.clone().prop_map(|lease| Step::Complete { lease }),
        2 => lease.clone().prop_map(|lease| Step::Resolve { lease }),
        1 => Just(Step::Close),
        2 => Just(Step::Approve),
        2 => Just(Step::Reopen),
        2 => Just(Step::Block),
        2 => Just(Step::Unblock),
        1 => Just(Step::Dismiss),
        1 => Just(Step::Escalate),
        2 => lease.clone().prop_map(|lease| Step::Comment { lease }),
        2 => lease.prop_map(|lease| Step::Edit { lease }),
    ];
    prop::collection::vec((0..3_usize, 0..2_usize, step), 1..60)
}

/// What a ticket is expected to be.
#[derive(Clone, Debug)]
struct Model {
    kind: Kind,
    status: Status,
    lease: i64,
    priority: Priority,
    comments: usize,
    title: String,
}

impl Model {
    /// Makes the step; whether it is allowed.
    fn step(&mut self, step: Step, number: usize) -> bool {
        let fits = |lease: Option<i64>, current: i64| lease.is_none_or(|lease| lease == current);
        let to = match step {
            Step::Start { force } => {
                let startable = self.status == Status::Open || (force && self.status == Status::Blocked);
                self.lease += i64::from(startable);
                startable.then_some(Status::InProgress)
            }
            Step::Complete { lease } => {
                (self.kind == Kind::Task && self.status == Status::InProgress && fits(lease, self.lease))
                    .then_some(Status::Review)
            }
            Step::Resolve { lease } => {
                (self.status == Status::Review && fits(lease, self.lease)).then_some(Status::Done)
            }
            Step::Close => {
                (self.kind == Kind::Issue && self.status == Status::InProgress).then_some(Status::Closed)
            }
            Step::Approve => (self.status == Status::Suggested).then_some(Status::Open),
            Step::Reopen => (self.status == Status::Review
                || (self.kind == Kind::Issue && self.status == Status::InProgress))
                .then_some(Status::Open),
            Step::Block => {
                (self.kind == Kind::Task && self.status == Status::InProgress).then_some(Status::Blocked)
            }
            Step::Unblock => (self.status == Status::Blocked).then_some(Status::InProgress),
            Step::Dismiss => (matches!(self.status, Status::Suggested | Status::Open)
                || (self.kind == Kind::Issue && self.status == Status::InProgress))
                .then_some(Status::Cancelled),
            Step::Escalate => {
                self.priority = self.priority.raised();
                self.comments += 1;
                return true;
            }
            Step::Comment { lease } => {
                let written = fits(lease, self.lease);
                self.comments += usize::from(written);
                return written;
            }
            Step::Edit { lease } => {
                let written = fits(lease, self.lease);
                if written {
                    self.title = format!("title {number}");
                    self.comments += 1;
                    self.lease += i64::from(lease.is_some());
                }
                return written;
            }
        };
        if let Some(to) = to {
            self.status = to;
        }
        to.is_some()
    }
}

async fn sequences_agree_with_the_model(db: Db) {
    let house = House::new(db);
    let founder = house.person("ada").await;
    let team = house.identity.found_team(&founder, "Acme", "acme").await.unwrap();
    let new = pentad_projects::NewProject {
        name: "Widgets".to_owned(),
        git_remote: "acme/widgets".to_owned(),
        organisation: Some(team.id),
    };
    let project = house.projects.create(&founder, new).await.unwrap().id;
    let key = house.service_key(&founder, &["tickets:write"], None).await;
    let actors = [founder.clone(), key];
    let mut runner = TestRunner::deterministic();
    for _ in 0..12 {
        let sequence = steps().new_tree(&mut runner).unwrap().current();
        let mut tickets = Vec::new();
        for (kind, by_agent) in [(Kind::Task, false), (Kind::Task, true), (Kind::Issue, false)] {
            let new = NewTicket {
                description: "a description that is long enough".to_owned(),
                acceptance_criteria: vec!["works".to_owned()],
                by_agent,
                kind: Some(kind),
                ..NewTicket::titled("title")
            };
            let made = house
                .projects
                .create_ticket(&founder, &project, new)
                .await
                .unwrap();
            let model = Model {
                kind,
                status: if by_agent { Status::Suggested } else { Status::Open },
                lease: 0,
                priority: Priority::Medium,
                comments: 0,
                title: "title".to_owned(),
            };
            assert_eq!(made.ticket.status, model.status);
            tickets.push((made.ticket.id, model));
        }
        for (number, (ticket, actor, step)) in sequence.into_iter().enumerate() {
            let (id, model) = &mut tickets[ticket];
            let before = model.clone();
            let allowed = model.step(step, number);
            let outcome = act(&house, &actors[actor], &project, id, step, number).await;
            assert_eq!(outcome.is_ok(), allowed, "{step:?} on {before:?}: {outcome:?}");
            if let Err(error) = &outcome {
                let refused = matches!(
                    error,
                    Error::WrongState(_) | Error::Senseless(_) | Error::StaleLease { .. }
                );
                assert!(refused, "{error:?}");
            }
            let seen = house
                .projects
                .ticket(&founder, &project, id)
                .await
                .unwrap()
                .ticket;
            assert_eq!(
                (seen.status, seen.lease_epoch, seen.priority, seen.title.as_str()),
                (model.status, model.lease, model.priority, model.title.as_str()),
                "after {step:?} on {before:?}"
            );
            let comments = house
                .projects
                .comments(&founder, &project, id, None, 500)
                .await
                .unwrap();
            assert_eq!(comments.len(), model.comments, "after {step:?} on {before:?}");
        }
    }
}

async fn act(
    house: &House,
    actor: &pentad_kernel::Actor,
    project: &str,
    ticket: &str,
    step: Step,
    number: usize,
) -> pentad_projects::Result<()> {
    let projects = &house.projects;
    match step {
        Step::Start { force } => {
            let options = StartOptions { force, tool: None };
            projects.start_ticket(actor, project, ticket, options).await?;
        }
        Step::Complete { lease } => {
            let completion = Completion {
                notes: "done".to_owned(),
                lease_epoch: lease,
                ..Completion::default()
            };
            projects
                .complete_ticket(actor, project, ticket, completion)
                .await?;
        }
        Step::Resolve { lease } => {
            projects.resolve_ticket(actor, project, ticket, lease).await?;
        }
        Step::Close => {
            projects.close_ticket(actor, project, ticket).await?;
        }
        Step::Approve => {
            projects.approve_ticket(actor, project, ticket).await?;
        }
        Step::Reopen => {
            projects.reopen_ticket(actor, project, ticket).await?;
        }
        Step::Block => {
            projects.block_ticket(actor, project, ticket).await?;
        }
        Step::Unblock => {
            projects.unblock_ticket(actor, project, ticket).await?;
        }
        Step::Dismiss => {
            projects.dismiss_ticket(actor, project, ticket).await?;
        }
        Step::Escalate => {
            projects.escalate_ticket(actor, project, ticket, None).await?;
        }
        Step::Comment { lease } => {
            let new = NewComment {
                content: "a word".to_owned(),
                lease_epoch: lease,
                ..NewComment::default()
            };
            projects.add_comment(actor, project, ticket, new).await?;
        }
        Step::Edit { lease } => {
            let change = TicketChange {
                title: Some(format!("title {number}")),
                lease_epoch: lease,
                ..TicketChange::default()
            };
            projects.edit_ticket(actor, project, ticket, change).await?;
        }
    }
    Ok(())
}

both_engines! {
    async fn any_sequence_of_steps_by_several_actors_agrees_with_the_model(db: Db) {
        sequences_agree_with_the_model(db).await;
    }

    async fn of_many_who_start_at_once_one_wins(db: Db) {
        let house = House::new(db);
        let ada = house.person("ada").await;
        let project = house.project(&ada, "acme/widgets").await.id;
        let ticket = house.projects.create_ticket(&ada, &project, NewTicket::titled("race")).await.unwrap().ticket.id;
        let racers = (0..12).map(|_| {
            let (projects, ada, project, ticket) = (house.projects.clone(), ada.clone(), project.clone(), ticket.clone());
            tokio::spawn(async move { projects.start_ticket(&ada, &project, &ticket, StartOptions::default()).await })
        });
        let mut won = 0;
        for racer in racers.collect::<Vec<_>>() {
            match racer.await.unwrap() {
                Ok(started) => {
                    won += 1;
                    assert_eq!(started.ticket.ticket.lease_epoch, 1);
                }
                Err(error) => assert!(matches!(error, Error::WrongState(_)), "{error:?}"),
            }
        }
        assert_eq!(won, 1);
    }

    async fn a_worker_whose_lease_is_stale_writes_nothing(db: Db) {
        let house = House::new(db);
        let ada = house.person("ada").await;
        let project = house.project(&ada, "acme/widgets").await.id;
        let projects = &house.projects;
        let ticket = projects.create_ticket(&ada, &project, NewTicket::titled("fence")).await.unwrap().ticket.id;
        projects.start_ticket(&ada, &project, &ticket, StartOptions::default()).await.unwrap();
        projects.block_ticket(&ada, &project, &ticket).await.unwrap();
        projects.start_ticket(&ada, &project, &ticket, StartOptions { force: true, tool: None }).await.unwrap();
        let stale = Some(1);
        let comment = NewComment { content: "late".to_owned(), lease_epoch: stale, ..NewComment::default() };
        let change = TicketChange { title: Some("late".to_owned()), lease_epoch: stale, ..TicketChange::default() };
        let completion = Completion { notes: "late".to_owned(), lease_epoch: stale, ..Completion::default() };
        let refusals = [
            projects.add_comment(&ada, &project, &ticket, comment).await.map(|_| ()),
            projects.edit_ticket(&ada, &project, &ticket, change).await.map(|_| ()),
            projects.complete_ticket(&ada, &project, &ticket, completion).await.map(|_| ()),
        ];
        for refusal in refusals {
            assert!(matches!(refusal, Err(Error::StaleLease { passed: 1, current: 2 })), "{refusal:?}");
        }
        let seen = projects.ticket(&ada, &project, &ticket).await.unwrap().ticket;
        assert_eq!((seen.status, seen.title.as_str()), (Status::InProgress, "fence"));
        assert!(projects.comments(&ada, &project, &ticket, None, 10).await.unwrap().is_empty());
    }

    async fn resolving_tells_those_who_wait_and_lets_them_go_on(db: Db) {
        let house = House::new(db);
        let ada = house.person("ada").await;
        let project = house.project(&ada, "acme/widgets").await.id;
        let projects = &house.projects;
        let first = projects.create_ticket(&ada, &project, NewTicket::titled("first")).await.unwrap().ticket.id;
        let second = NewTicket { depends_on: vec![first.clone(), first.clone()], ..NewTicket::titled("second") };
        let second = projects.create_ticket(&ada, &project, second).await.unwrap();
        assert_eq!(second.depends_on, [first.as_str()]);
        let second = second.ticket.id;
        projects.start_ticket(&ada, &project, &second, StartOptions::default()).await.unwrap();
        projects.block_ticket(&ada, &project, &second).await.unwrap();
        projects.start_ticket(&ada, &project, &first, StartOptions::default()).await.unwrap();
        let completion = Completion {
            notes: "the loop is bounded".to_owned(), knowledge_entry_ids: vec!["7".to_owned()], ..Completion::default()
        };
        projects.complete_ticket(&ada, &project, &first, completion).await.unwrap();
        projects.resolve_ticket(&ada, &project, &first, Some(1)).await.unwrap();
        let again = projects.resolve_ticket(&ada, &project, &first, None).await.unwrap_err();
        assert!(matches!(again, Error::WrongState(_)), "{again:?}");
        let seen = projects.ticket(&ada, &project, &second).await.unwrap().ticket;
        assert_eq!(seen.status, Status::InProgress);
        assert_eq!(seen.context_refs.0, ["7"]);
        let comments = projects.comments(&ada, &project, &second, None, 10).await.unwrap();
        assert!(comments[0].content.contains("the loop is bounded"));
    }

    async fn an_edit_is_recorded_by_field_and_said_once(db: Db) {
        let house = House::new(db);
        let ada = house.person("ada").await;
        let project = house.project(&ada, "acme/widgets").await.id;
        let projects = &house.projects;
        let ticket = projects.create_ticket(&ada, &project, NewTicket::titled("old")).await.unwrap().ticket.id;
        let change = TicketChange {
            title: Some("new".to_owned()), priority: Some(Priority::High), description: Some(String::new()),
            ..TicketChange::default()
        };
        projects.edit_ticket(&ada, &project, &ticket, change.clone()).await.unwrap();
        projects.edit_ticket(&ada, &project, &ticket, change).await.unwrap();
        let fields: BTreeMap<String, (String, String)> = projects.ticket_edits(&ada, &project, &ticket).await.unwrap()
            .into_iter().map(|(field, old, new)| (field, (old, new))).collect();
        assert_eq!(fields.len(), 2);
        assert_eq!(fields["title"], ("old".to_owned(), "new".to_owned()));
        assert_eq!(projects.comments(&ada, &project, &ticket, None, 10).await.unwrap().len(), 1);
        let nothing = TicketChange { lease_epoch: Some(0), ..TicketChange::default() };
        let error = projects.edit_ticket(&ada, &project, &ticket, nothing).await.unwrap_err();
        assert!(matches!(error, Error::Senseless(_)), "{error:?}");
    }

    async fn retrievals_belong_to_whoever_works_and_to_the_project(db: Db) {
        let house = House::new(db);
        let (ada, eve) = (house.person("ada").await, house.person("eve").await);
        let project = house.project(&ada, "acme/widgets").await.id;
        let projects = &house.projects;
        let ticket = projects.create_ticket(&ada, &project, NewTicket::titled("t")).await.unwrap().ticket.id;
        let unknown = projects.open_retrieval_context(&ada, &project, Some("tk_0"), None, None).await.unwrap_err();
        assert!(matches!(unknown, Error::Field { field: "ticket_id", .. }), "{unknown:?}");
        let context = projects.open_retrieval_context(&ada, &project, Some(&ticket), None, Some(7)).await.unwrap();
        assert_eq!((context.ticket_id.as_deref(), context.lease_epoch), (Some(ticket.as_str()), 7));
        let huge = NewRetrievalEvent {
            context_id: context.id.clone(), tool_name: "search".to_owned(), source: "mcp".to_owned(),
            arguments: serde_json::json!({ "q": "x".repeat(20_000) }), ..NewRetrievalEvent::default()
        };
        let kept = projects.record_retrieval(&ada, &project, huge).await.unwrap();
        assert_eq!((kept.project_id.as_str(), kept.user_id.as_str()), (project.as_str(), ada.user.as_str()));
        assert_eq!(kept.arguments.0, serde_json::json!({ "_truncated": true, "_original_bytes": 20_008 }));
        assert_eq!(kept.returned_refs.0, serde_json::json!({}));
        assert_eq!(projects.retrieval_log(&ada, &context.id).await.unwrap().events, [kept]);
        assert!(matches!(projects.retrieval_log(&eve, &context.id).await, Err(Error::NotFound { .. })));
        for (user, of, own) in [(&ada, project.as_str(), true), (&eve, &project, false), (&ada, "proj_0", false)] {
            assert_eq!(projects.records_retrievals(&user.user, of, &context.id).await.unwrap(), own);
        }
        assert!(!projects.records_retrievals(&ada.user, &project, "ra_0").await.unwrap());
    }

    async fn two_edits_at_once_never_close_a_cycle(db: Db) {
        let house = House::new(db);
        let ada = house.person("ada").await;
        let project = house.project(&ada, "acme/widgets").await.id;
        for _ in 0..5 {
            let mut ids = Vec::new();
            for title in ["a", "b"] {
                ids.push(house.projects.create_ticket(&ada, &project, NewTicket::titled(title)).await.unwrap().ticket.id);
            }
            let depend = |on: &str, ticket: &str| {
                let (projects, ada, project, ticket) = (house.projects.clone(), ada.clone(), project.clone(), ticket.to_owned());
                let change = TicketChange { depends_on: Some(vec![on.to_owned()]), ..TicketChange::default() };
                tokio::spawn(async move { projects.edit_ticket(&ada, &project, &ticket, change).await })
            };
            let (one, other) = (depend(&ids[0], &ids[1]), depend(&ids[1], &ids[0]));
            let outcomes = [one.await.unwrap().is_ok(), other.await.unwrap().is_ok()];
            assert_eq!(outcomes.iter().filter(|won| **won).count(), 1, "{outcomes:?}");
        }
    }

    async fn comments_are_paged_by_their_key(db: Db) {
        let house = House::new(db);
        let ada = house.person("ada").await;
        let project = house.project(&ada, "acme/widgets").await.id;
        let projects = &house.projects;
        let ticket = projects.create_ticket(&ada, &project, NewTicket::titled("talk")).await.unwrap().ticket.id;
        for number in 0..9 {
            let new = NewComment { content: format!("word {number}"), ..NewComment::default() };
            projects.add_comment(&ada, &project, &ticket, new).await.unwrap();
            // Several comments share an instant, so that only the identifier tells them apart.
            if number % 3 == 2 { house.clock.advance_micros(1); }
        }
        let all = projects.comments(&ada, &project, &ticket, None, 500).await.unwrap();
        let mut seen = Vec::new();
        let mut cursor = None;
        loop {
            let page = projects.comments(&ada, &project, &ticket, cursor.clone(), 2).await.unwrap();
            let Some(last) = page.last() else { break };
            cursor = Some(pentad_projects::CommentCursor {
                since: last.created_at.timestamp(), since_id: Some(last.id.clone()),
            });
            seen.extend(page);
        }
        assert_eq!(seen, all);
        assert_eq!(all.len(), 9);
    }
}
