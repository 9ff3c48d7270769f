//! Knowledge entries.

use std::collections::BTreeMap;

use actix_web::HttpResponse;
use actix_web::web::{Data, Json, Path};
use pentad_http_kit::{Access, Endpoint, Fault, JsonBody, Principal, Query, endpoint};
use pentad_kernel::Scope;
use pentad_projects::{
    AddedEntry, BulkPromotion, Entry, EntryChange, EntryFilter, EntryOrder, NewEntry, Projects,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::parameters::{boolean, integer, text};
use crate::wire::{answer, list, optional_time, time};

pub(crate) const READ: &[Scope] = &[Scope::KnowledgeRead];
pub(crate) const WRITE: &[Scope] = &[Scope::KnowledgeWrite];

answer! {
    /// A knowledge entry.
    EntryAnswer as sync::Entry, from |entry: Entry| {
        id: i64 = entry.id,
        project_id: String = entry.project_id,
        /// The session it was learned in; `manual` for none.
        session_id: String = entry.session_id,
        user_id: String = entry.user_id,
        /// `decision`, `pattern`, `discovery`, `convention`, `bug` or `dependency`.
        entry_type: String = entry.entry_type,
        content: String = entry.content,
        /// 0 to 1.
        confidence: f64 = entry.confidence,
        source_context: Option<String> = entry.source_context,
        persona_name: Option<String> = entry.persona_name,
        /// `human` or `agent`.
        author_class: String = entry.author_class,
        created_at: String = time(entry.created_at),
        compiled_at: Option<String> = optional_time(entry.compiled_at),
        dismissed: bool = entry.dismissed,
        /// `evidence`, `claim` or `note`.
        claim_class: String = entry.claim_class,
        entity_ref: Option<String> = entry.entity_ref,
        entity_type: Option<String> = entry.entity_type,
        /// `current`, `aging`, `stale` or `superseded`.
        freshness_class: String = entry.freshness_class,
        superseded_by: Option<i64> = entry.superseded_by,
        supersession_reason: Option<String> = entry.supersession_reason,
        promoted_at: Option<String> = optional_time(entry.promoted_at),
        promoted_by: Option<String> = entry.promoted_by,
        retrieved_count: i64 = entry.retrieved_count,
        used_in_answer_count: i64 = entry.used_in_answer_count,
        compiled_count: i64 = entry.compiled_count,
        last_relevant_at: String = time(entry.last_relevant_at),
        dismissed_at: Option<String> = optional_time(entry.dismissed_at),
        dismissed_by: Option<String> = entry.dismissed_by,
        dismissed_reason: Option<String> = entry.dismissed_reason,
    }
}

/// A new entry with what was made of it.
#[derive(Debug, serde::Serialize, ToSchema)]
#[schema(as = sync::AddedEntry)]
pub(crate) struct AddedEntryAnswer {
    #[serde(flatten)]
    entry: EntryAnswer,
    /// Why it is a claim or a note.
    classification_reason: String,
    /// What would make it a claim.
    tip: Option<String>,
    /// The entries whose place it took.
    upserted_from: Vec<i64>,
}

impl From<AddedEntry> for AddedEntryAnswer {
    fn from(added: AddedEntry) -> Self {
        Self {
            entry: added.entry.into(),
            classification_reason: added.classification_reason,
            tip: added.tip,
            upserted_from: added.upserted_from,
        }
    }
}

fn filter(query: &Query) -> Result<EntryFilter, Fault> {
    let order = match query.text("sort") {
        None | Some("created_at_desc") => EntryOrder::Created,
        Some("last_relevant_at_desc") => EntryOrder::Relevant,
        Some("confidence_desc") => EntryOrder::Confident,
        Some(_) => {
            return Err(Fault::unprocessable(
                &["query", "sort"],
                "created_at_desc, last_relevant_at_desc or confidence_desc",
                "value_error",
            ));
        }
    };
    let limit = integer(query, "limit", &(1..=200))?.unwrap_or(50);
    let page = integer(query, "page", &(1..=1_000_000))?.unwrap_or(1);
    let before = integer(query, "cursor", &(0..=i64::MAX))?;
    if before.is_some() && order != EntryOrder::Created {
        return Err(Fault::unprocessable(
            &["query", "cursor"],
            "goes with the order created_at_desc only",
            "value_error",
        ));
    }
    Ok(EntryFilter {
        entry_type: text(query, "type"),
        pending: boolean(query, "pending")?,
        search: text(query, "search"),
        claim_class: text(query, "claim_class"),
        freshness_class: text(query, "freshness_class"),
        dismissed: boolean(query, "dismissed")?,
        session_id: text(query, "session_id"),
        persona_name: text(query, "persona_name"),
        author_class: text(query, "author_class"),
        source: text(query, "source_filter"),
        order,
        before,
        offset: if before.is_some() { 0 } else { (page - 1) * limit },
        limit,
        used_in_answer: boolean(query, "used_in_answer")?.unwrap_or(false),
    })
}

/// List knowledge entries
///
/// A search counts as a retrieval of what it finds, unless the key may only read. A full page carries
/// `X-Next-Cursor`.
#[utoipa::path(get, path = "/api/v1/projects/{project_id}/entries", tag = "sync",
    params(("project_id" = String, Path, description = "The project.", example = "proj_0123456789abcdef"),
           ("type" = Option<String>, Query, description = "One type of entries."),
           ("pending" = Option<bool>, Query, description = "`true` for neither compiled nor dismissed, `false` for compiled."),
           ("search" = Option<String>, Query, description = "Part of the content, in any case; at least 3 characters."),
           ("claim_class" = Option<String>, Query, description = "`evidence`, `claim` or `note`."),
           ("freshness_class" = Option<String>, Query, description = "`current`, `aging`, `stale` or `superseded`."),
           ("dismissed" = Option<bool>, Query, description = "Whether they were put aside."),
           ("session_id" = Option<String>, Query, description = "The session they were learned in."),
           ("persona_name" = Option<String>, Query, description = "The persona that wrote them."),
           ("author_class" = Option<String>, Query, description = "`human` or `agent`."),
           ("source_filter" = Option<String>, Query, description = "`manual` or `session`."),
           ("sort" = Option<String>, Query, description = "`created_at_desc` (default), `last_relevant_at_desc` or `confidence_desc`."),
           ("page" = Option<i64>, Query, description = "From 1."),
           ("cursor" = Option<i64>, Query, description = "`X-Next-Cursor` of the page before."),
           ("limit" = Option<i64>, Query, description = "1 to 200. Default 50."),
           ("used_in_answer" = Option<bool>, Query, description = "Whether what is found goes into an answer.")),
    responses((status = 200, description = "The entries.", body = Vec<EntryAnswer>),
              (status = 404, description = "There is no such project."),
              (status = 422, description = "A parameter is refused.")))]
async fn list_entries(
    projects: Data<Projects>,
    principal: Principal,
    project_id: Path<String>,
    query: Query,
) -> Result<HttpResponse, Fault> {
    let filter = filter(&query)?;
    let entries = projects.entries(&principal.actor, &project_id, &filter).await?;
    let full = i64::try_from(entries.len()).unwrap_or(i64::MAX) == filter.limit;
    let mut response = HttpResponse::Ok();
    if let Some(last) = entries
        .last()
        .filter(|_| full && filter.order == EntryOrder::Created)
    {
        response.insert_header(("X-Next-Cursor", last.id.to_string()));
    }
    Ok(response.json(list::<_, EntryAnswer>(entries)))
}

/// Read a knowledge entry
#[utoipa::path(get, path = "/api/v1/projects/{project_id}/entries/{entry_id}", tag = "sync",
    params(("project_id" = String, Path, description = "The project.", example = "proj_0123456789abcdef"),
           ("entry_id" = i64, Path, description = "The entry.")),
    responses((status = 200, description = "The entry.", body = EntryAnswer),
              (status = 404, description = "There is no such project or entry.")))]
async fn get_entry(
    projects: Data<Projects>,
    principal: Principal,
    path: Path<(String, String)>,
) -> Result<Json<EntryAnswer>, Fault> {
    let (project, entry) = path.into_inner();
    let entry = projects
        .entry(&principal.actor, &project, entry_id(&entry)?)
        .await?;
    Ok(Json(entry.into()))
}

fn entry_id(text: &str) -> Result<i64, Fault> {
    text.parse()
        .map_err(|_| Fault::unprocessable(&["path", "entry_id"], "must be a whole number", "int_parsing"))
}

/// A knowledge entry to write down.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = sync::NewEntry, example = json!({
    "content": "We use a pool of 8 readers and 1 writer in src/db.rs", "entry_type": "decision", "confidence": 0.9
}))]
pub(crate) struct NewEntryBody {
    /// 20 to 20,000 characters.
    content: String,
    /// Default `discovery`.
    entry_type: Option<String>,
    /// Default `manual`.
    session_id: Option<String>,
    /// 0 to 1. Default 0.7 without a session, 1.0 with one.
    confidence: Option<f64>,
    source_context: Option<String>,
    entity_ref: Option<String>,
    entity_type: Option<String>,
    persona_name: Option<String>,
    /// `human` or `agent`. Default `human`; a service key always writes as an agent.
    author_class: Option<String>,
    /// Take the place of the live entries about the same `entity_ref`.
    #[serde(default)]
    upsert: bool,
    /// Accepted and without effect: an entry that is not fit to be a claim stays a note.
    #[serde(default)]
    force_claim: bool,
}

/// Add a knowledge entry
///
/// A confident, specific entry of at least 50 characters is a claim, which compiles into the context
/// document; any other is a note.
#[utoipa::path(post, path = "/api/v1/projects/{project_id}/entries/add", tag = "sync", request_body = NewEntryBody,
    params(("project_id" = String, Path, description = "The project.", example = "proj_0123456789abcdef")),
    responses((status = 201, description = "The entry and what was made of it.", body = AddedEntryAnswer),
              (status = 404, description = "There is no such project."),
              (status = 409, description = "A recent entry says the same."),
              (status = 422, description = "A field is refused.")))]
async fn add_entry(
    projects: Data<Projects>,
    principal: Principal,
    project_id: Path<String>,
    body: JsonBody<NewEntryBody>,
) -> Result<HttpResponse, Fault> {
    let body = body.0;
    let new = NewEntry {
        content: body.content,
        entry_type: body.entry_type,
        session_id: body.session_id,
        confidence: body.confidence,
        source_context: body.source_context,
        entity_ref: body.entity_ref,
        entity_type: body.entity_type,
        persona_name: body.persona_name,
        author_class: body.author_class,
        upsert: body.upsert,
        force_claim: body.force_claim,
    };
    let added = projects.add_entry(&principal.actor, &project_id, new).await?;
    Ok(HttpResponse::Created().json(AddedEntryAnswer::from(added)))
}

async fn change(
    projects: &Projects,
    principal: &Principal,
    path: Path<(String, String)>,
    change: EntryChange,
) -> Result<Json<EntryAnswer>, Fault> {
    let (project, entry) = path.into_inner();
    let entry = projects
        .change_entry(&principal.actor, &project, entry_id(&entry)?, change)
        .await?;
    Ok(Json(entry.into()))
}

/// Whether an entry is put aside.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = sync::DismissEntry, example = json!({"dismissed": true, "reason": "outdated"}))]
pub(crate) struct DismissEntry {
    /// Default true.
    dismissed: Option<bool>,
    /// At most 500 characters.
    reason: Option<String>,
}

/// Dismiss or un-dismiss a knowledge entry
#[utoipa::path(put, path = "/api/v1/projects/{project_id}/entries/{entry_id}", tag = "sync", request_body = DismissEntry,
    params(("project_id" = String, Path, description = "The project.", example = "proj_0123456789abcdef"),
           ("entry_id" = i64, Path, description = "The entry.")),
    responses((status = 200, description = "The entry.", body = EntryAnswer),
              (status = 404, description = "There is no such project or entry.")))]
async fn update_entry(
    projects: Data<Projects>,
    principal: Principal,
    path: Path<(String, String)>,
    body: JsonBody<DismissEntry>,
) -> Result<Json<EntryAnswer>, Fault> {
    let body = body.0;
    let dismissal = EntryChange::Dismiss(body.dismissed.unwrap_or(true), body.reason);
    change(&projects, &principal, path, dismissal).await
}

/// Say that a knowledge entry still holds
#[utoipa::path(put, path = "/api/v1/projects/{project_id}/entries/{entry_id}/refresh", tag = "sync",
    params(("project_id" = String, Path, description = "The project.", example = "proj_0123456789abcdef"),
           ("entry_id" = i64, Path, description = "The entry.")),
    responses((status = 200, description = "The entry.", body = EntryAnswer),
              (status = 404, description = "There is no such project or entry."),
              (status = 409, description = "Another entry took its place.")))]
async fn refresh_entry(
    projects: Data<Projects>,
    principal: Principal,
    path: Path<(String, String)>,
) -> Result<Json<EntryAnswer>, Fault> {
    change(&projects, &principal, path, EntryChange::Refresh).await
}

/// Make a knowledge entry a claim
#[utoipa::path(put, path = "/api/v1/projects/{project_id}/entries/{entry_id}/promote", tag = "sync",
    params(("project_id" = String, Path, description = "The project.", example = "proj_0123456789abcdef"),
           ("entry_id" = i64, Path, description = "The entry.")),
    responses((status = 200, description = "The entry.", body = EntryAnswer),
              (status = 404, description = "There is no such project or entry."),
              (status = 409, description = "It is a claim already."),
              (status = 422, description = "It cannot be one, for the reasons given.")))]
async fn promote_entry(
    projects: Data<Projects>,
    principal: Principal,
    path: Path<(String, String)>,
) -> Result<Json<EntryAnswer>, Fault> {
    change(&projects, &principal, path, EntryChange::Promote).await
}

/// The entry that takes another one's place.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = sync::SupersedeEntry, example = json!({"superseding_id": 2, "reason": "measured again"}))]
pub(crate) struct SupersedeEntry {
    /// An entry of the same project.
    superseding_id: i64,
    /// At most 500 characters.
    reason: Option<String>,
}

/// Put another knowledge entry in the place of one
#[utoipa::path(put, path = "/api/v1/projects/{project_id}/entries/{entry_id}/supersede", tag = "sync", request_body = SupersedeEntry,
    params(("project_id" = String, Path, description = "The project.", example = "proj_0123456789abcdef"),
           ("entry_id" = i64, Path, description = "The entry.")),
    responses((status = 200, description = "The entry and what takes its place.", body = SupersededAnswer),
              (status = 404, description = "There is no such project, entry or superseding entry.")))]
async fn supersede_entry(
    projects: Data<Projects>,
    principal: Principal,
    path: Path<(String, String)>,
    body: JsonBody<SupersedeEntry>,
) -> Result<Json<SupersededAnswer>, Fault> {
    let body = body.0;
    let supersession = EntryChange::Supersede(body.superseding_id, body.reason.clone());
    let entry = change(&projects, &principal, path, supersession).await?.0;
    Ok(Json(SupersededAnswer {
        superseded_entry_id: entry.id,
        superseding_entry_id: body.superseding_id,
        reason: body.reason,
        entry,
    }))
}

/// An entry whose place another one took.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = sync::SupersededEntry)]
pub(crate) struct SupersededAnswer {
    #[serde(flatten)]
    entry: EntryAnswer,
    superseded_entry_id: i64,
    superseding_entry_id: i64,
    reason: Option<String>,
}

/// A new confidence.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = sync::EntryConfidence, example = json!({"confidence": 0.9}))]
pub(crate) struct EntryConfidence {
    /// 0 to 1.
    confidence: f64,
}

/// Give a knowledge entry another confidence
#[utoipa::path(put, path = "/api/v1/projects/{project_id}/entries/{entry_id}/confidence", tag = "sync", request_body = EntryConfidence,
    params(("project_id" = String, Path, description = "The project.", example = "proj_0123456789abcdef"),
           ("entry_id" = i64, Path, description = "The entry.")),
    responses((status = 200, description = "The entry.", body = EntryAnswer),
              (status = 404, description = "There is no such project or entry."),
              (status = 422, description = "Not between 0 and 1.")))]
async fn set_entry_confidence(
    projects: Data<Projects>,
    principal: Principal,
    path: Path<(String, String)>,
    body: JsonBody<EntryConfidence>,
) -> Result<Json<EntryAnswer>, Fault> {
    change(
        &projects,
        &principal,
        path,
        EntryChange::Confidence(body.confidence),
    )
    .await
}

/// Dismiss every superseded, and every stale and little trusted knowledge entry
///
/// Little trusted is one with a confidence below 0.5.
#[utoipa::path(post, path = "/api/v1/projects/{project_id}/entries/dismiss-stale", tag = "sync",
    params(("project_id" = String, Path, description = "The project.", example = "proj_0123456789abcdef")),
    responses((status = 200, description = "`{dismissed, dismissed_count}`: how many, twice.", body = Object),
              (status = 404, description = "There is no such project.")))]
async fn dismiss_stale_entries(
    projects: Data<Projects>,
    principal: Principal,
    project_id: Path<String>,
) -> Result<Json<Value>, Fault> {
    let dismissed = projects.dismiss_stale(&principal.actor, &project_id).await?;
    Ok(Json(
        json!({ "dismissed": dismissed, "dismissed_count": dismissed }),
    ))
}

/// Which notes shall become claims.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[schema(as = sync::BulkPromote, example = json!({"min_length": 50, "min_confidence": 0.8, "dry_run": true}))]
pub(crate) struct BulkPromote {
    /// Characters that a note has at least. Default 50.
    min_length: Option<i64>,
    /// Confidence that it has at least. Default 0.8.
    min_confidence: Option<f64>,
    /// The confidence that it has afterwards, whatever it has now; its own when not given.
    set_confidence: Option<f64>,
    /// Only notes of this type.
    entry_type: Option<String>,
    /// Whether to say only what would be done. Default true.
    dry_run: Option<bool>,
    /// Also notes of people who may read the project and not change it. Default false.
    include_reader_notes: Option<bool>,
}

/// What promoting many notes did, or would do.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = sync::BulkPromoted)]
pub(crate) struct BulkPromotedAnswer {
    promoted: usize,
    skipped: u64,
    /// Every reason for which a note may be skipped, with how many it holds for.
    reasons: BTreeMap<&'static str, u64>,
    promoted_ids: Vec<i64>,
    dry_run: bool,
    reader_notes_excluded: u64,
}

/// Make claims of many notes
///
/// Tries only, unless `dry_run` is false.
#[utoipa::path(post, path = "/api/v1/projects/{project_id}/entries/bulk-promote", tag = "sync", request_body = BulkPromote,
    params(("project_id" = String, Path, description = "The project.", example = "proj_0123456789abcdef")),
    responses((status = 200, description = "What it did, or would do.", body = BulkPromotedAnswer),
              (status = 404, description = "There is no such project."),
              (status = 422, description = "A field is refused.")))]
async fn bulk_promote_entries(
    projects: Data<Projects>,
    principal: Principal,
    project_id: Path<String>,
    body: JsonBody<BulkPromote>,
) -> Result<Json<BulkPromotedAnswer>, Fault> {
    let (body, default) = (body.0, BulkPromotion::default());
    let promotion = BulkPromotion {
        min_length: body.min_length.unwrap_or(default.min_length),
        min_confidence: body.min_confidence.unwrap_or(default.min_confidence),
        set_confidence: body.set_confidence,
        entry_type: body.entry_type,
        include_reader_notes: body.include_reader_notes.unwrap_or(false),
        dry_run: body.dry_run.unwrap_or(true),
    };
    let done = projects
        .bulk_promote(&principal.actor, &project_id, &promotion)
        .await?;
    Ok(Json(BulkPromotedAnswer {
        promoted: done.promoted.len(),
        skipped: done.skipped,
        reasons: done.reasons,
        promoted_ids: done.promoted,
        dry_run: promotion.dry_run,
        reader_notes_excluded: done.reader_notes_excluded,
    }))
}

pub(crate) fn endpoints() -> Vec<Endpoint> {
    vec![
        endpoint!(list_entries, Access::Key(READ)),
        endpoint!(add_entry, Access::Key(WRITE)),
        endpoint!(dismiss_stale_entries, Access::User),
        endpoint!(bulk_promote_entries, Access::User),
        endpoint!(get_entry, Access::Key(READ)),
        endpoint!(update_entry, Access::Key(WRITE)),
        endpoint!(refresh_entry, Access::Key(WRITE)),
        endpoint!(promote_entry, Access::Key(WRITE)),
        endpoint!(supersede_entry, Access::Key(WRITE)),
        endpoint!(set_entry_confidence, Access::User),
    ]
}
