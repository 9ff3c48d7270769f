//! Comments on tickets, and the reviews read from them.

use actix_web::HttpResponse;
use actix_web::web::{Data, Json, Path};
use pentad_http_kit::{Access, Endpoint, Fault, JsonBody, Principal, Query, endpoint};
use pentad_projects::{Comment, CommentCursor, Finding, NewComment, Projects, ReviewRound, ReviewState};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use crate::parameters::{instant, integer, text};
use crate::tickets::{READ, WRITE};
use crate::wire::{answer, list, optional_time, time};

answer! {
    /// A comment.
    CommentAnswer as sync::TicketComment, from |comment: Comment| {
        id: String = comment.id,
        ticket_id: String = comment.ticket_id,
        author_user_id: String = comment.author_user_id,
        /// `system` for what the server says.
        author_persona: Option<String> = comment.author_persona,
        content: String = comment.content,
        session_id: Option<String> = comment.session_id,
        created_at: String = time(comment.created_at),
        /// `api` or `system`.
        source: String = comment.source,
    }
}

answer! {
    /// Something a review found.
    FindingAnswer as sync::Finding, from |finding: Finding| {
        /// `CRITICAL`, `HIGH`, `MEDIUM` or `LOW`.
        severity: String = finding.severity,
        text: String = finding.text,
        round: i64 = finding.round,
        raised_at: String = time(finding.raised_at),
        raised_comment_id: String = finding.raised_comment_id,
        status: &'static str = if finding.closed_round.is_some() { "closed" } else { "open" },
        closed_round: Option<i64> = finding.closed_round,
    }
}

answer! {
    /// A round of a review.
    RoundAnswer as sync::ReviewRound, from |round: ReviewRound| {
        round: i64 = round.round,
        /// `VERIFIED-CLEAN` or `CHANGES_REQUESTED`.
        verdict: &'static str = round.verdict,
        raw_verdict: String = round.raw_verdict,
        /// Whether it says that the work is verified and clean, and nothing weaker.
        is_strict_verified_clean: bool = round.is_strict_verified_clean,
        comment_id: String = round.comment_id,
        timestamp: String = time(round.timestamp),
        findings_raised: i64 = round.findings_raised,
    }
}

answer! {
    /// How a review stands.
    ReviewStateAnswer as sync::ReviewState, from |state: ReviewState| {
        open_findings: Vec<FindingAnswer> = list(state.open_findings),
        closed_findings: Vec<FindingAnswer> = list(state.closed_findings),
        last_verdict: &'static str = state.last_verdict,
        /// The same as it was written.
        last_raw_verdict: String = state.last_raw_verdict,
        last_verdict_is_strict_verified_clean: bool = state.last_verdict_is_strict_verified_clean,
        /// Open findings by severity.
        severity_counts: Map<String, Value> = state
            .severity_counts
            .into_iter()
            .map(|(severity, count)| (severity.to_owned(), json!(count)))
            .collect(),
        rounds: Vec<RoundAnswer> = list(state.rounds),
        last_review_comment_id: String = state.last_review_comment_id,
        last_implementer_comment_id: Option<String> = state.last_implementer_comment_id,
        updated_at: Option<String> = optional_time(state.updated_at),
    }
}

/// How a ticket's review stands.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = sync::TicketReview)]
pub(crate) struct TicketReview {
    ticket_id: String,
    /// `null` without a review.
    review_state: Option<ReviewStateAnswer>,
}

/// A comment to write.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = sync::NewTicketComment, example = json!({"content": "looking into it"}))]
pub(crate) struct NewCommentBody {
    /// 1 to 10,000 characters.
    content: String,
    author_persona: Option<String>,
    session_id: Option<String>,
    /// The comment is written only if this is the present lease.
    lease_epoch: Option<i64>,
}

/// Comment on a ticket
#[utoipa::path(post, path = "/api/v1/projects/{project_id}/tickets/{ticket_id}/comments", tag = "sync", request_body = NewCommentBody,
    params(("project_id" = String, Path, description = "The project.", example = "proj_0123456789abcdef"),
           ("ticket_id" = String, Path, description = "The ticket.", example = "tk_0123456789abcdef")),
    responses((status = 201, description = "The comment.", body = CommentAnswer),
              (status = 404, description = "There is no such project or ticket."),
              (status = 409, description = "`stale_lease_epoch`."),
              (status = 422, description = "A field is refused.")))]
async fn add_comment(
    projects: Data<Projects>,
    principal: Principal,
    path: Path<(String, String)>,
    body: JsonBody<NewCommentBody>,
) -> Result<HttpResponse, Fault> {
    let (project, ticket) = path.into_inner();
    let body = body.0;
    let new = NewComment {
        content: body.content,
        author_persona: body.author_persona,
        session_id: body.session_id,
        lease_epoch: body.lease_epoch,
    };
    let comment = projects
        .add_comment(&principal.actor, &project, &ticket, new)
        .await?;
    Ok(HttpResponse::Created().json(CommentAnswer::from(comment)))
}

/// List comments on a ticket
///
/// Oldest first. `since` and `since_id` of the last comment seen give the next page.
#[utoipa::path(get, path = "/api/v1/projects/{project_id}/tickets/{ticket_id}/comments", tag = "sync",
    params(("project_id" = String, Path, description = "The project.", example = "proj_0123456789abcdef"),
           ("ticket_id" = String, Path, description = "The ticket.", example = "tk_0123456789abcdef"),
           ("since" = Option<String>, Query, description = "RFC 3339: comments after this instant."),
           ("since_id" = Option<String>, Query, description = "The comment of that instant that was seen last."),
           ("limit" = Option<i64>, Query, description = "1 to 500. Default 200.")),
    responses((status = 200, description = "The comments.", body = Vec<CommentAnswer>),
              (status = 404, description = "There is no such project or ticket."),
              (status = 422, description = "A parameter is refused.")))]
async fn list_ticket_comments(
    projects: Data<Projects>,
    principal: Principal,
    path: Path<(String, String)>,
    query: Query,
) -> Result<Json<Vec<CommentAnswer>>, Fault> {
    let (project, ticket) = path.into_inner();
    let after = instant(&query, "since")?.map(|since| CommentCursor {
        since,
        since_id: text(&query, "since_id"),
    });
    let limit = integer(&query, "limit", &(1..=500))?.unwrap_or(200);
    let comments = projects
        .comments(&principal.actor, &project, &ticket, after, limit)
        .await?;
    Ok(Json(list(comments)))
}

/// Read the state of a ticket's review
///
/// Read from its comments: rounds begin with `Codex R1 review on tk_…: CHANGES_REQUESTED`.
#[utoipa::path(get, path = "/api/v1/projects/{project_id}/tickets/{ticket_id}/review-state", tag = "sync",
    params(("project_id" = String, Path, description = "The project.", example = "proj_0123456789abcdef"),
           ("ticket_id" = String, Path, description = "The ticket.", example = "tk_0123456789abcdef")),
    responses((status = 200, description = "The review, if there is one.", body = TicketReview),
              (status = 404, description = "There is no such project or ticket.")))]
async fn get_review_state(
    projects: Data<Projects>,
    principal: Principal,
    path: Path<(String, String)>,
) -> Result<Json<TicketReview>, Fault> {
    let (project, ticket) = path.into_inner();
    let state = projects.review(&principal.actor, &project, &ticket).await?;
    Ok(Json(TicketReview {
        ticket_id: ticket,
        review_state: state.map(ReviewStateAnswer::from),
    }))
}

pub(crate) fn endpoints() -> Vec<Endpoint> {
    vec![
        endpoint!(add_comment, Access::Key(WRITE)),
        endpoint!(list_ticket_comments, Access::Key(READ)),
        endpoint!(get_review_state, Access::Key(READ)),
    ]
}
