//! What the documents say of every operation beyond its own annotation.

use std::collections::BTreeMap;
use std::marker::PhantomData;

use actix_web::http::Method;
use serde_json::{Value, json};
use utoipa::openapi::path::{Operation, ParameterIn, PathItem};
use utoipa::openapi::schema::{AnyOf, KnownFormat, ObjectBuilder, SchemaFormat, SchemaType, Type};
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{
    Components, Content, Info, License, OpenApi, OpenApiBuilder, Paths, Ref, RefOr, Response, Schema,
    SecurityRequirement,
};
use utoipa::{PartialSchema, ToSchema};

use crate::gate::SESSION_COOKIE;
use crate::{Access, Endpoint, Surface, SurfaceRoutes};

/// Bytes of any kind, for annotations: `body = inline(Binary)`.
#[derive(Clone, Copy, Debug)]
pub struct Binary;

impl PartialSchema for Binary {
    fn schema() -> RefOr<Schema> {
        let format = SchemaFormat::KnownFormat(KnownFormat::Binary);
        RefOr::T(
            ObjectBuilder::new()
                .schema_type(Type::String)
                .format(Some(format))
                .into(),
        )
    }
}

impl ToSchema for Binary {}

/// Server-sent events, for annotations: `body = inline(Events)`. Their names and data are told in words.
#[derive(Clone, Copy, Debug)]
pub struct Events;

impl PartialSchema for Events {
    fn schema() -> RefOr<Schema> {
        RefOr::T(ObjectBuilder::new().schema_type(SchemaType::AnyValue).into())
    }
}

impl ToSchema for Events {}

/// The one or the other, for annotations of what two surfaces answer at one place: `body = inline(Name)`, where
/// `Name` is an alias of it.
#[derive(Clone, Copy, Debug)]
pub struct Either<One, Other>(PhantomData<(One, Other)>);

impl<One: ToSchema, Other: ToSchema> PartialSchema for Either<One, Other> {
    fn schema() -> RefOr<Schema> {
        any_of([One::name(), Other::name()])
    }
}

impl<One: ToSchema, Other: ToSchema> ToSchema for Either<One, Other> {
    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        schemas.push((One::name().into_owned(), One::schema()));
        One::schemas(schemas);
        schemas.push((Other::name().into_owned(), Other::schema()));
        Other::schemas(schemas);
    }
}

/// An answer may have several of the forms at once, for example an empty list.
fn any_of(names: impl IntoIterator<Item = impl Into<String>>) -> RefOr<Schema> {
    let mut any = AnyOf::new();
    any.items = names
        .into_iter()
        .map(|name| RefOr::Ref(Ref::from_schema_name(name)))
        .collect();
    RefOr::T(Schema::AnyOf(any))
}

impl SurfaceRoutes {
    /// The surface's own document: what a client generator wants.
    pub fn document(&self, title: &str, description: &str) -> OpenApi {
        let mut document = self.collect(|_| true);
        document.info.title = title.to_owned();
        document.info.description = Some(description.to_owned());
        document
    }

    /// The surface's part of the gateway's document: everything but what the gateway documents for
    /// several surfaces at once.
    pub fn document_part(&self) -> OpenApi {
        self.collect(|endpoint| !endpoint.shared)
    }

    fn collect(&self, wanted: impl Fn(&Endpoint) -> bool) -> OpenApi {
        let mut paths = Paths::new();
        let mut schemas = BTreeMap::new();
        for endpoint in self
            .endpoints
            .iter()
            .filter(|endpoint| endpoint.documented && wanted(endpoint))
        {
            let operation = self.complete(endpoint);
            let item = paths.paths.entry(endpoint.path.clone()).or_default();
            *slot(item, &endpoint.method) = Some(operation);
            schemas.extend(endpoint.schemas.iter().cloned());
            for surface in self.surfaces_of(endpoint) {
                schemas.insert(error_schema_name(surface), error_schema(surface));
            }
        }
        let mut components = Components::new();
        components.schemas = schemas.into_iter().collect();
        let mut info = Info::new("", env!("CARGO_PKG_VERSION"));
        info.license = Some(License::new("MIT OR Apache-2.0"));
        let mut document = OpenApiBuilder::new()
            .info(info)
            .paths(paths)
            .components(Some(components))
            .build();
        add_security_schemes(&mut document);
        document
    }

    /// The surfaces in whose envelopes the operation fails.
    fn surfaces_of(&self, endpoint: &Endpoint) -> Vec<Surface> {
        let mut surfaces = endpoint.also.to_vec();
        if surfaces.is_empty() || endpoint.shared {
            surfaces.insert(0, self.surface);
        }
        surfaces
    }

    fn complete(&self, endpoint: &Endpoint) -> Operation {
        let surfaces = self.surfaces_of(endpoint);
        let mut operation = endpoint.operation.clone();
        operation.security = security(endpoint.access);
        let mut typed = false;
        for parameter in operation.parameters.iter_mut().flatten() {
            let RefOr::T(parameter) = parameter else { continue };
            parameter.schema = parameter.schema.take().map(never_null);
            // A path whose parameter cannot be read is another path on every other surface.
            let is_read = parameter.parameter_in == ParameterIn::Query
                || parameter.parameter_in == ParameterIn::Path && surfaces.contains(&Surface::Sync);
            typed |= is_read && !parameter.schema.as_ref().is_some_and(is_text);
        }
        let mut refusals: Vec<(&str, &str)> = match &operation.request_body {
            Some(RefOr::T(body)) => {
                let is_json = body.content.contains_key("application/json");
                surfaces
                    .iter()
                    .flat_map(|surface| refusals_of_bodies(*surface, is_json))
                    .copied()
                    .collect()
            }
            _ => Vec::new(),
        };
        if typed {
            let status = |surface| match surface {
                Surface::Sync | Surface::Ingest => "422",
                Surface::Grep | Surface::Memory | Surface::Exec => "400",
            };
            refusals.extend(
                surfaces
                    .iter()
                    .map(|surface| (status(*surface), "A parameter is out of its bounds.")),
            );
        }
        if endpoint.number {
            refusals.push(("404", "There is no such path."));
        }
        let responses = &mut operation.responses.responses;
        let mut add = |status: &str, description: &str| {
            responses
                .entry(status.to_owned())
                .or_insert_with(|| RefOr::T(Response::new(description)));
        };
        for (status, description) in refusals {
            add(status, description);
        }
        if !matches!(endpoint.access, Access::Public | Access::Visitor) {
            add("401", "No usable credential came with the request.");
            add("403", "The credential does not reach this far.");
            add("429", "Too many requests; `Retry-After` says when to come back.");
        }
        add(
            "500",
            "A fault of the server; `X-Request-Id` names the request for a report.",
        );
        for (status, response) in responses.iter_mut() {
            let RefOr::T(response) = response else { continue };
            if status.as_str() >= "400" && response.content.is_empty() {
                let content = Content::new(Some(failure(&surfaces)));
                response
                    .content
                    .insert("application/json".to_owned(), RefOr::T(content));
            }
        }
        operation
    }
}

/// A parameter is there or not: JSON's null, which an optional type of Rust brings, is no value of it.
fn never_null(schema: RefOr<Schema>) -> RefOr<Schema> {
    let mut value = serde_json::to_value(&schema).expect("a schema is JSON");
    let types = value.get_mut("type").and_then(Value::as_array_mut);
    let Some(types) = types else {
        return schema;
    };
    types.retain(|name| name != "null");
    if let [one] = types.as_slice() {
        value["type"] = one.clone();
    }
    serde_json::from_value(value).unwrap_or(schema)
}

fn is_text(schema: &RefOr<Schema>) -> bool {
    serde_json::to_value(schema).is_ok_and(|schema| schema["type"] == "string")
}

/// What is answered to a body that cannot be read, before the handler has a word.
const fn refusals_of_bodies(surface: Surface, is_json: bool) -> &'static [(&'static str, &'static str)] {
    const TOO_LARGE: (&str, &str) = (
        "413",
        "The body is larger than the limit, which the message names.",
    );
    const BROKEN: (&str, &str) = ("400", "The body is not what the operation takes, or broke off.");
    const WRONG_FIELD: &str = "A field is missing or wrong.";
    if !is_json {
        return &[BROKEN, TOO_LARGE];
    }
    match surface {
        Surface::Grep | Surface::Exec => &[
            ("400", "The body is not JSON, or a field is missing or wrong."),
            TOO_LARGE,
        ],
        Surface::Memory => &[BROKEN, TOO_LARGE, ("422", WRONG_FIELD)],
        Surface::Sync => &[
            BROKEN,
            TOO_LARGE,
            ("422", "The body is not JSON, or a field is missing or wrong."),
        ],
        Surface::Ingest => &[
            BROKEN,
            TOO_LARGE,
            ("415", "The body is of another media type."),
            ("422", "The body is not JSON, or a field is missing or wrong."),
        ],
    }
}

/// An error in the envelope of one of the surfaces.
fn failure(surfaces: &[Surface]) -> RefOr<Schema> {
    match surfaces {
        [surface] => RefOr::Ref(Ref::from_schema_name(error_schema_name(*surface))),
        several => any_of(several.iter().map(|surface| error_schema_name(*surface))),
    }
}

fn error_schema_name(surface: Surface) -> String {
    format!("{}.Error", surface.name())
}

fn error_schema(surface: Surface) -> RefOr<Schema> {
    let schema = match surface {
        Surface::Grep => json!({
            "type": "object",
            "required": ["error", "code"],
            "properties": {
                "error": { "type": "string", "description": "What went wrong, for people." },
                "code": { "type": "string", "description": "What went wrong, for programs." },
            },
            "example": { "error": "no such session", "code": "session_not_found" },
        }),
        Surface::Memory | Surface::Ingest => json!({
            "type": "object",
            "required": ["detail"],
            "properties": {
                "detail": {
                    "description": "What went wrong; a list of wrong fields where fields are wrong.",
                    "anyOf": [
                        { "type": "string" },
                        { "type": "array", "items": { "type": "object" } },
                        { "type": "object" },
                    ],
                },
            },
            "example": { "detail": "Not authenticated" },
        }),
        Surface::Sync => json!({
            "type": "object",
            "required": ["error"],
            "properties": { "error": {
                "type": "object",
                "required": ["code", "message", "details"],
                "properties": {
                    "code": { "type": "string", "description": "What went wrong, for programs." },
                    "message": { "type": "string", "description": "What went wrong, for people." },
                    "details": { "type": "object", "description": "Facts about it." },
                },
            } },
            "example": { "error": { "code": "404", "message": "Session not found", "details": {} } },
        }),
        Surface::Exec => json!({
            "type": "object",
            "required": ["error", "message", "code"],
            "properties": {
                "error": { "type": "string", "description": "The words of the status." },
                "message": { "type": "string", "description": "What went wrong, for people." },
                "code": { "type": "string", "description": "What went wrong, for programs." },
            },
            "example": { "error": "Not Found", "message": "no such session", "code": "SESSION_NOT_FOUND" },
        }),
    };
    RefOr::T(serde_json::from_value(schema).expect("the literal above is a schema"))
}

/// Adds the ways in which a request can say who sends it.
pub fn add_security_schemes(document: &mut OpenApi) {
    let bearer = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .description(Some(
            "A key: `Authorization: Bearer <key>`. Its scopes say what it opens.",
        ))
        .build();
    let cookie = ApiKeyValue::with_description(
        SESSION_COOKIE,
        "The browser session that `/api/v1/auth/login` starts.",
    );
    let components = document.components.get_or_insert_with(Components::new);
    components.add_security_scheme("key", SecurityScheme::Http(bearer));
    components.add_security_scheme("session", SecurityScheme::ApiKey(ApiKey::Cookie(cookie)));
}

fn security(access: Access) -> Option<Vec<SecurityRequirement>> {
    let scopes: Vec<&str> = access.scopes().iter().map(|scope| scope.name()).collect();
    let mut ways = match access {
        Access::Public | Access::Visitor => return Some(Vec::new()),
        Access::Operator => vec![
            SecurityRequirement::default(),
            SecurityRequirement::new("key", Vec::<String>::new()),
        ],
        Access::Exec(_) => vec![SecurityRequirement::default()],
        _ => Vec::new(),
    };
    if scopes.is_empty() && access != Access::Operator {
        ways.push(SecurityRequirement::new("key", Vec::<String>::new()));
    }
    // Any one of the scopes suffices, which is a list of alternatives in the document's language.
    ways.extend(
        scopes
            .into_iter()
            .map(|scope| SecurityRequirement::new("key", [scope])),
    );
    if access.takes_cookie() {
        ways.push(SecurityRequirement::new("session", Vec::<String>::new()));
    }
    Some(ways)
}

fn slot<'a>(item: &'a mut PathItem, method: &Method) -> &'a mut Option<Operation> {
    match method.as_str() {
        "POST" => &mut item.post,
        "PUT" => &mut item.put,
        "DELETE" => &mut item.delete,
        "OPTIONS" => &mut item.options,
        "HEAD" => &mut item.head,
        "PATCH" => &mut item.patch,
        "TRACE" => &mut item.trace,
        _ => &mut item.get,
    }
}
