//! The operations of seed 002's organisations, invites, service keys, settings, plans and administration, used
//! as their document shows.

use pentad_identity::{KeyFamily, PlanName, User};
use serde_json::{Value, json};

use crate::examples::Walk;

pub(crate) async fn walk(walk: &mut Walk) {
    let admin = walk.key.clone();
    let (_, founder) = walk.gateway.tenant(KeyFamily::User, PlanName::Unlimited).await;
    walk.key = founder;
    let founded = walk
        .post("/api/v1/org", json!({"name": "Acme", "slug": "acme-works"}))
        .await;
    let team = founded["org_id"].as_str().unwrap().to_owned();
    let org = [("org_id", team.as_str())];
    invites(walk, &team).await;
    let settings = "/api/v1/orgs/{org_id}/settings";
    walk.at("GET", settings, &org, None).await;
    let body = json!({"kb_retention_days": 90, "require_lease_epoch_on_ticket_writes": false});
    let set = walk.at("PUT", settings, &org, Some(body)).await;
    assert_eq!(
        set,
        json!({"kb_retention_days": 90, "kb_max_context_words": null, "kb_section_page_limit": null})
    );
    service_keys(walk, &team).await;
    integrations(walk).await;

    assert_eq!(walk.get("/api/v1/billing/status").await["is_org_member"], true);
    walk.refused(
        400,
        "POST /api/v1/billing/checkout",
        json!({"tier": "team", "seats": 3}),
    )
    .await;
    walk.refused(400, "POST /api/v1/billing/portal", json!({})).await;
    crate::examples_of_projects::walk(walk, &team).await;
    walk.key = admin;
    administration(walk).await;
}

async fn invites(walk: &mut Walk, team: &str) {
    let founder = walk.key.clone();
    let org = [("org_id", team)];
    let mut people = Vec::new();
    for path in [
        "/api/v1/org/invite",
        "/api/v1/orgs/{org_id}/invite",
        "/api/v1/orgs/{org_id}/members/invite",
    ] {
        let (user, key) = walk.gateway.tenant(KeyFamily::User, PlanName::Unlimited).await;
        let body = json!({"email": user.email, "role": "member"});
        let invite = walk.at("POST", path, &org, Some(body)).await;
        people.push((user, key, invite["invite_id"].as_str().unwrap().to_owned()));
    }
    assert_eq!(
        walk.get("/api/v1/org/invites").await["invites"]
            .as_array()
            .unwrap()
            .len(),
        3
    );
    let (_, _, first) = &people[0];
    let resent = walk
        .at(
            "POST",
            "/api/v1/orgs/{org_id}/invites/{invite_id}/resend",
            &[("org_id", team), ("invite_id", first)],
            None,
        )
        .await;
    assert_eq!(resent["sent"], false, "nothing is sent without an SMTP server");
    let invite = |index: usize| [("invite_id", people[index].2.as_str())];
    walk.key.clone_from(&people[0].1);
    assert_eq!(
        walk.get("/api/v1/org/invites/me").await["invites"][0]["org_name"],
        "Acme"
    );
    let accepted = walk
        .at("POST", "/api/v1/org/invite/{invite_id}/accept", &invite(0), None)
        .await;
    assert_eq!(accepted["role"], "member");
    walk.key.clone_from(&people[1].1);
    let why = Some(json!({"decline_reason": "wrong person"}));
    walk.at("POST", "/api/v1/org/invite/{invite_id}/decline", &invite(1), why)
        .await;
    walk.key = founder;
    walk.at("DELETE", "/api/v1/org/invites/{invite_id}", &invite(2), None)
        .await;
    assert_eq!(
        walk.get("/api/v1/org").await["members"].as_array().unwrap().len(),
        2
    );
    members(walk, team, &people[0]).await;
}

async fn members(walk: &mut Walk, team: &str, (user, key, _): &(User, String, String)) {
    let founder = walk.key.clone();
    let member = [("org_id", team), ("user_id", user.id.as_str())];
    let role = Some(json!({"role": "admin"}));
    walk.at("PUT", "/api/v1/org/members/{user_id}/role", &member, role)
        .await;
    let listed = walk
        .at("GET", "/api/v1/orgs/{org_id}/members", &member, None)
        .await;
    let listed = listed["members"].as_array().unwrap();
    let of_user = listed.iter().find(|listed| listed["user_id"] == user.id.as_str());
    assert_eq!(of_user.unwrap()["role"], "admin");
    let role = Some(json!({"role": "member"}));
    walk.at(
        "PUT",
        "/api/v1/orgs/{org_id}/members/{user_id}/role",
        &member,
        role,
    )
    .await;
    assert_eq!(walk.get("/api/v1/orgs").await["orgs"][0]["role"], "owner");
    walk.at("DELETE", "/api/v1/org/members/{user_id}", &member, None)
        .await;
    let body = json!({"email": user.email, "role": "member"});
    let again = walk
        .at("POST", "/api/v1/orgs/{org_id}/invite", &member, Some(body))
        .await;
    walk.key.clone_from(key);
    let invite = [("invite_id", again["invite_id"].as_str().unwrap())];
    walk.at("POST", "/api/v1/org/invite/{invite_id}/accept", &invite, None)
        .await;
    walk.key = founder;
    walk.at("DELETE", "/api/v1/orgs/{org_id}/members/{user_id}", &member, None)
        .await;
}

async fn service_keys(walk: &mut Walk, team: &str) {
    let path = "/api/v1/orgs/{org_id}/service-keys";
    let org = [("org_id", team)];
    let body = json!({"name": "ci", "scopes": ["tickets:read", "tickets:write"], "expires_in_days": 30});
    let key = walk.at("POST", path, &org, Some(body)).await;
    assert!(key["key"].as_str().unwrap().starts_with("sk_sfs_"));
    let id = [("org_id", team), ("key_id", key["id"].as_str().unwrap())];
    let rotated = walk
        .at(
            "POST",
            "/api/v1/orgs/{org_id}/service-keys/{key_id}/rotate",
            &id,
            None,
        )
        .await;
    let id = [("org_id", team), ("key_id", rotated["id"].as_str().unwrap())];
    let body = Some(json!({"revoke_reason": "done"}));
    walk.at("DELETE", "/api/v1/orgs/{org_id}/service-keys/{key_id}", &id, body)
        .await;
    assert_eq!(
        walk.at("GET", path, &org, None).await.as_array().unwrap().len(),
        2
    );
}

async fn integrations(walk: &mut Walk) {
    walk.get("/api/v1/settings/github").await;
    walk.put("/api/v1/settings/github", json!({"auto_comment": true}))
        .await;
    let body = json!({"instance_url": "https://gitlab.com", "access_token": "glpat-x"});
    walk.put("/api/v1/settings/gitlab", body).await;
    assert_eq!(walk.get("/api/v1/settings/gitlab").await["has_token"], true);
    walk.at("DELETE", "/api/v1/settings/gitlab", &[], None).await;
}

async fn administration(walk: &mut Walk) {
    let (user, _) = walk.gateway.tenant(KeyFamily::User, PlanName::Free).await;
    let listed = walk.get("/api/v1/admin/users").await;
    let of_user = |listed: &Value| {
        listed["users"]
            .as_array()
            .unwrap()
            .iter()
            .any(|one| one["id"] == user.id.as_str())
    };
    assert!(
        of_user(&listed) && listed["total"].as_i64().unwrap() >= 2,
        "{listed}"
    );
    let by_address = [("user_id", user.email.as_str())];
    let found = walk
        .at("GET", "/api/v1/admin/users/{user_id}", &by_address, None)
        .await;
    assert_eq!(found["tier"], "free");
    let id = [("user_id", user.id.as_str())];
    let tier = Some(json!({"tier": "team"}));
    let changed = walk
        .at("PUT", "/api/v1/admin/users/{user_id}/tier", &id, tier)
        .await;
    assert_eq!(
        (&changed["old_tier"], &changed["new_tier"]),
        (&json!("free"), &json!("team"))
    );
    let name = Some(json!({"name": "lost"}));
    let minted = walk
        .at("POST", "/api/v1/admin/users/{user_id}/api-keys", &id, name)
        .await;
    assert!(minted["raw_key"].as_str().unwrap().starts_with("sk_sfs_"));
    walk.at("PUT", "/api/v1/admin/users/{user_id}/verify", &id, None)
        .await;
    walk.at("DELETE", "/api/v1/admin/users/{user_id}", &id, None)
        .await;
    let closed = walk.at("GET", "/api/v1/admin/users/{user_id}", &id, None).await;
    assert_eq!(
        (
            &closed["is_active"],
            &closed["email_verified"],
            &closed["api_key_count"]
        ),
        (&json!(false), &json!(true), &json!(0))
    );
}
