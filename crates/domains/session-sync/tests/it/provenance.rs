//! What a manifest says of the work it belongs to, and what of it is believed.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use pentad_kernel::UserId;
use pentad_session_sync::{Project, Projects, Result, SessionRef};
use pentad_store::{Db, both_engines};
use serde_json::json;

use crate::forge::{World, new_session, tar_gz};

/// One project for every remote, in which one user does one piece of work.
#[derive(Debug)]
struct OneProject {
    worker: UserId,
}

impl Projects for OneProject {
    fn of_remote<'a>(&'a self, _remote: &'a str) -> BoxFuture<'a, Result<Vec<Project>>> {
        Box::pin(async { Ok(Vec::new()) })
    }

    fn link<'a>(&'a self, _user: &'a UserId, _remote: &'a str) -> BoxFuture<'a, Result<Option<String>>> {
        Box::pin(async { Ok(Some("proj_1".to_owned())) })
    }

    fn by_id<'a>(&'a self, _id: &'a str) -> BoxFuture<'a, Result<Option<Project>>> {
        Box::pin(async { Ok(None) })
    }

    fn part<'a>(&'a self, _: &'a str, _: &'a str, _: &'a str) -> BoxFuture<'a, Result<Option<String>>> {
        Box::pin(async { Ok(None) })
    }

    fn ticket_lease<'a>(&'a self, _: &'a str, _: &'a str) -> BoxFuture<'a, Result<Option<i64>>> {
        Box::pin(async { Ok(None) })
    }

    fn records_retrievals<'a>(
        &'a self,
        user: &'a UserId,
        project: &'a str,
        retrieval_audit_id: &'a str,
    ) -> BoxFuture<'a, Result<bool>> {
        Box::pin(
            async move { Ok(*user == self.worker && project == "proj_1" && retrieval_audit_id == "ra_1") },
        )
    }
}

fn worked(context: &str, remote: Option<&str>) -> Vec<u8> {
    let manifest = json!({
        "title": "T", "source": {"tool": "codex"}, "stats": {"message_count": 1}, "retrieval_audit_id": context,
    });
    let workspace = remote.map_or(json!({}), |remote| json!({"git": {"remote_url": remote}}));
    tar_gz(&[
        ("manifest.json", manifest.to_string().as_bytes()),
        ("messages.jsonl", b"{\"role\":\"user\",\"content\":\"x\"}\n"),
        ("workspace.json", workspace.to_string().as_bytes()),
    ])
}

both_engines! {
    async fn a_session_keeps_only_its_owners_retrievals_in_its_project(db: Db) {
        let mut world = World::new(db);
        let (ada, eve) = (world.person("ada").await, world.person("eve").await);
        let worker = ada.actor.user.clone();
        world.sync = world.sync.clone().with_projects(Arc::new(OneProject { worker }));
        let remote = Some("git@github.com:acme/widgets.git");
        for (who, archive, kept) in [
            (&ada, worked("ra_1", remote), Some("ra_1")),
            (&ada, worked("ra_2", remote), None),
            (&ada, worked("ra_1", None), None),
            (&eve, worked("ra_1", remote), None),
        ] {
            let id = new_session();
            world.push(who, &id, &archive).await.unwrap();
            let session = world.sync.session(&who.actor, &SessionRef::Id(id)).await.unwrap();
            assert_eq!(session.retrieval_audit_id.as_deref(), kept);
        }
    }
}
