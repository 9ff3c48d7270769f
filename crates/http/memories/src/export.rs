//! Everything that an account stored, one JSON object a line.

use actix_web::HttpResponse;
use actix_web::web::{Bytes, Data};
use futures_util::stream;
use pentad_http_kit::{Access, Endpoint, Fault, Principal, endpoint};
use pentad_kernel::Actor;
use pentad_memories::{ExportedEvent, ExportedMemory, ExportedVersion, Memories, printed, printed_end};
use serde::Serialize;
use serde_json::Value;

use crate::READ;
use crate::faults::fault;
use crate::memories::shown;
use crate::wire::{MemoryAnswer, Shown};

/// How many lines are read at once.
const PAGE: u32 = 200;

#[derive(Serialize)]
#[serde(tag = "record", rename_all = "snake_case")]
enum Line {
    Memory {
        #[serde(flatten)]
        memory: Box<MemoryAnswer>,
        original_input: Option<String>,
        versions: Vec<VersionLine>,
    },
    Event {
        sequence: i64,
        memory_id: String,
        at: String,
        by: String,
        event: String,
        details: Option<Value>,
        digest: String,
        previous_hash: String,
        hash: String,
    },
}

#[derive(Serialize)]
struct VersionLine {
    valid_from: String,
    valid_to: Option<String>,
    transaction_from: String,
    transaction_to: Option<String>,
    superseded_by: Option<String>,
    cause: String,
}

impl From<ExportedVersion> for VersionLine {
    fn from(version: ExportedVersion) -> Self {
        Self {
            valid_from: printed(version.valid_from),
            valid_to: printed_end(version.valid_to),
            transaction_from: printed(version.transaction_from),
            transaction_to: printed_end(version.transaction_to),
            superseded_by: version.superseded_by,
            cause: version.cause,
        }
    }
}

impl Line {
    fn of_memory(exported: ExportedMemory, shown: Shown) -> Self {
        Self::Memory {
            memory: Box::new(MemoryAnswer::of(exported.memory, shown)),
            original_input: exported.original_input,
            versions: exported.versions.into_iter().map(VersionLine::from).collect(),
        }
    }

    fn of_event(event: ExportedEvent) -> Self {
        Self::Event {
            sequence: event.sequence,
            memory_id: event.memory_id,
            at: printed(event.at),
            by: event.actor,
            event: event.kind,
            details: event.details,
            digest: event.digest,
            previous_hash: event.previous_hash,
            hash: event.hash,
        }
    }
}

/// How far an export is.
enum Position {
    Memories(i64),
    Events(i64),
    End,
}

struct Export {
    memories: Data<Memories>,
    actor: Actor,
    shown: Shown,
}

impl Export {
    /// The next lines, and where to go on.
    async fn next(&self, position: Position) -> Result<Option<(Bytes, Position)>, Fault> {
        let (lines, next): (Vec<Line>, Position) = match position {
            Position::Memories(after) => {
                let page = self
                    .memories
                    .export_memories(&self.actor, after, PAGE)
                    .await
                    .map_err(fault)?;
                let next = page
                    .last()
                    .map_or(Position::Events(0), |last| Position::Memories(last.position));
                (
                    page.into_iter()
                        .map(|memory| Line::of_memory(memory, self.shown))
                        .collect(),
                    next,
                )
            }
            Position::Events(after) => {
                let page = self
                    .memories
                    .export_events(&self.actor, after, PAGE)
                    .await
                    .map_err(fault)?;
                let next = page
                    .last()
                    .map_or(Position::End, |last| Position::Events(last.sequence));
                (page.into_iter().map(Line::of_event).collect(), next)
            }
            Position::End => return Ok(None),
        };
        let mut bytes = Vec::new();
        for line in &lines {
            serde_json::to_writer(&mut bytes, line).map_err(|error| Fault::internal(error.to_string()))?;
            bytes.push(b'\n');
        }
        Ok(Some((Bytes::from(bytes), next)))
    }
}

/// Export everything
///
/// Every memory of the account with all that is or was believed of it, then the account's chain of events, one
/// JSON object a line. An event's `hash` is the SHA-256 of the RFC 8785 form of its `actor` (`by`), `at` (in
/// microseconds), `digest`, `kind` (`event`), `memory_id`, `previous_hash` and `seq` (`sequence`).
#[utoipa::path(get, path = "/agent/export", tag = "memories",
    responses((status = 200, description = "The lines.", body = String, content_type = "application/x-ndjson")))]
async fn export_account(memories: Data<Memories>, principal: Principal) -> Result<HttpResponse, Fault> {
    let shown = shown(&memories, &principal).await?;
    let export = Export {
        memories,
        actor: principal.actor.clone(),
        shown,
    };
    let lines = stream::try_unfold((export, Position::Memories(0)), async |(export, position)| {
        let next = export.next(position).await?;
        Ok::<_, actix_web::Error>(next.map(|(bytes, position)| (bytes, (export, position))))
    });
    Ok(HttpResponse::Ok()
        .content_type("application/x-ndjson")
        .streaming(lines))
}

pub(crate) fn endpoints() -> Vec<Endpoint> {
    vec![endpoint!(export_account, Access::Key(READ))]
}
