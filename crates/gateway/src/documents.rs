//! The OpenAPI documents: one of the whole gateway, one per surface.

use pentad_http_kit::{Surface, SurfaceRoutes, add_security_schemes};
use utoipa::openapi::{Components, Info, License, OpenApi, OpenApiBuilder, Paths, tag::TagBuilder};

use crate::{gateway_routes, surfaces};

/// One published document.
#[derive(Clone)]
pub struct Document {
    /// The file name without its ending: `openapi` or the name of a surface.
    pub name: &'static str,
    /// What the page's list of documents calls it.
    pub title: &'static str,
    /// Where it is served.
    pub path: &'static str,
    /// The document.
    pub api: OpenApi,
}

impl std::fmt::Debug for Document {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Document")
            .field("name", &self.name)
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

/// Title and first words of each surface's document.
const fn words(surface: Surface) -> (&'static str, &'static str) {
    match surface {
        Surface::Grep => (
            "Pentad grep sessions",
            "Upload a tree of text once, then search it in microseconds: literally, by regular expression \
             or fuzzily, with exact totals.",
        ),
        Surface::Memory => (
            "Pentad temporal memories",
            "Memories of agents on two axes of time: what was true when, and what was believed when; with \
             cited answers that can be proved again later.",
        ),
        Surface::Sync => (
            "Pentad session sync",
            "Agent sessions pushed, pulled, searched and handed off; organisations, service keys, projects, \
             knowledge, wiki and tickets.",
        ),
        Surface::Exec => (
            "Pentad code execution",
            "Run untrusted programs in sandboxes, in five languages; with key-value, SQL and object storage.",
        ),
        Surface::Ingest => (
            "Pentad run ingest",
            "Record runs of computer-use agents live, lose nothing, and read them back byte for byte.",
        ),
    }
}

const fn path(surface: Surface) -> &'static str {
    match surface {
        Surface::Grep => "/api/v1/openapi/grep.json",
        Surface::Memory => "/api/v1/openapi/memories.json",
        Surface::Sync => "/api/v1/openapi/sync.json",
        Surface::Exec => "/api/v1/openapi/exec.json",
        Surface::Ingest => "/api/v1/openapi/runs.json",
    }
}

/// The documents, the gateway's first.
///
/// # Panics
/// When two surfaces give different schemas one name: the merged document would silently lose one.
pub fn documents() -> Vec<Document> {
    let surfaces = surfaces();
    let mut documents = vec![Document {
        name: "openapi",
        title: "The whole gateway",
        path: "/api/v1/openapi.json",
        api: whole(&surfaces),
    }];
    documents.extend(surfaces.iter().map(|routes| {
        let surface = routes.surface();
        let (title, description) = words(surface);
        Document {
            name: surface.name(),
            title,
            path: path(surface),
            api: routes.document(title, description),
        }
    }));
    documents
}

fn whole(surfaces: &[SurfaceRoutes]) -> OpenApi {
    let mut info = Info::new("Pentad", env!("CARGO_PKG_VERSION"));
    info.license = Some(License::new("MIT OR Apache-2.0"));
    info.description = Some(
        "The self-hosted back-end for AI agents: five documented HTTP APIs behind one gateway, with one \
         account and key model. Press **Authorize** and paste a key; every example then works as it stands."
            .to_owned(),
    );
    let tags = surfaces.iter().map(|routes| {
        let (title, description) = words(routes.surface());
        TagBuilder::new()
            .name(routes.surface().name())
            .description(Some(format!("**{title}.** {description}")))
            .build()
    });
    let own = TagBuilder::new()
        .name("gateway")
        .description(Some("What all surfaces share."))
        .build();
    let mut document = OpenApiBuilder::new()
        .info(info)
        .paths(Paths::new())
        .components(Some(Components::new()))
        .tags(Some(tags.chain([own]).collect::<Vec<_>>()))
        .build();
    for part in surfaces.iter().chain([&gateway_routes()]) {
        merge(&mut document, part.document_part());
    }
    add_security_schemes(&mut document);
    document
}

fn merge(document: &mut OpenApi, part: OpenApi) {
    let known = &mut document.components.get_or_insert_with(Components::new).schemas;
    for (name, schema) in part.components.unwrap_or_default().schemas {
        if let Some(other) = known.get(&name) {
            assert!(same(other, &schema), "two different schemas are called {name}");
        }
        known.insert(name, schema);
    }
    for (path, item) in part.paths.paths {
        let merged = document.paths.paths.entry(path).or_default();
        merged.merge_operations(item);
    }
}

fn same<T: serde::Serialize>(one: &T, other: &T) -> bool {
    serde_json::to_value(one).ok() == serde_json::to_value(other).ok()
}
