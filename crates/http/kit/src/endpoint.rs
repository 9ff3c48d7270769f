//! Operations: handler, document and access in one place.

use std::collections::BTreeMap;
use std::fmt;
use std::rc::Rc;

use actix_web::http::Method;
use actix_web::middleware::from_fn;
use actix_web::web::{Data, ServiceConfig};
use actix_web::{Route, web};
use serde_json::json;
use utoipa::openapi::path::{HttpMethod, Operation, PathItem};
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{
    Components, Content, Info, License, OpenApi, OpenApiBuilder, Paths, Ref, RefOr, Response, Schema,
    SecurityRequirement,
};

use crate::gate::{Admission, Policy, SESSION_COOKIE, guard};
use crate::{Access, BodyLimit, Gate, Surface};

/// One operation of a surface. Made by [`endpoint!`](crate::endpoint).
#[derive(Clone)]
pub struct Endpoint {
    path: String,
    method: Method,
    access: Access,
    body_limit: BodyLimit,
    shared: bool,
    tail: bool,
    number: bool,
    surface_by_path: bool,
    pattern: Option<String>,
    documented: bool,
    operation: Operation,
    schemas: Vec<(String, RefOr<Schema>)>,
    route: fn() -> Route,
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Endpoint({} {}, {:?})", self.method, self.path, self.access)
    }
}

/// Declares the operation of a handler that carries `#[utoipa::path]`, with its [`Access`].
#[macro_export]
macro_rules! endpoint {
    ($handler:ident, $access:expr) => {
        $crate::macro_support::paste! {
            $crate::Endpoint::new::<[<__path_ $handler>]>($access, || ::actix_web::web::to($handler))
        }
    };
}

impl Endpoint {
    /// The operation that the annotation `P` describes.
    pub fn new<P>(access: Access, route: fn() -> Route) -> Self
    where
        P: utoipa::Path + utoipa::__dev::SchemaReferences + for<'t> utoipa::__dev::Tags<'t>,
    {
        let mut schemas = Vec::new();
        <P as utoipa::__dev::SchemaReferences>::schemas(&mut schemas);
        let methods = P::methods();
        let mut operation = P::operation();
        operation.tags = Some(P::tags().into_iter().map(str::to_owned).collect());
        Self {
            path: P::path(),
            method: method(methods.first().unwrap_or(&HttpMethod::Get)),
            access,
            body_limit: BodyLimit::default(),
            shared: false,
            tail: false,
            number: false,
            surface_by_path: false,
            pattern: None,
            documented: true,
            operation,
            schemas,
            route,
        }
    }

    /// The same with another limit for its body: what it is called, and how many bytes it allows.
    #[must_use]
    pub const fn body_limit(mut self, name: &'static str, bytes: usize) -> Self {
        self.body_limit = BodyLimit { name, bytes };
        self
    }

    /// The same, whose last path parameter takes the rest of the path, slashes included.
    #[must_use]
    pub const fn tail(mut self) -> Self {
        self.tail = true;
        self
    }

    /// The same, whose last path parameter takes decimal digits only: another text there is another path.
    #[must_use]
    pub const fn number(mut self) -> Self {
        self.number = true;
        self
    }

    /// The same, for one of the operations that several surfaces have at the same place: it stands in the
    /// surface's own document, while the gateway mounts and documents the operation that serves them all.
    #[must_use]
    pub const fn shared(mut self) -> Self {
        self.shared = true;
        self
    }

    /// The same, whose failures before the handler runs take the envelope of the surface that the path
    /// belongs to: for operations that serve several.
    #[must_use]
    pub const fn surface_by_path(mut self) -> Self {
        self.surface_by_path = true;
        self
    }

    /// The same, mounted at another pattern than the document writes: for parameters that only take some
    /// forms, or hold slashes in the middle of a path.
    #[must_use]
    pub fn mounted_at(mut self, pattern: impl Into<String>) -> Self {
        self.pattern = Some(pattern.into());
        self
    }

    /// The same, left out of the documents: for what only answers that there is nothing.
    #[must_use]
    pub const fn undocumented(mut self) -> Self {
        self.documented = false;
        self
    }

    /// Its path as the document writes it.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Its method.
    pub const fn method(&self) -> &Method {
        &self.method
    }

    /// Who may reach it.
    pub const fn access(&self) -> Access {
        self.access
    }

    fn pattern(&self) -> String {
        if let Some(pattern) = &self.pattern {
            return pattern.clone();
        }
        match self.path.rfind('{') {
            Some(start) if self.number => {
                let name = self.path[start + 1..].trim_end_matches('}');
                format!("{}{{{name}:[0-9]+}}", &self.path[..start])
            }
            Some(start) if self.tail => {
                let name = self.path[start + 1..].trim_end_matches('}');
                format!("{}{{{name}:.*}}", &self.path[..start])
            }
            _ => self.path.clone(),
        }
    }
}

/// The operations of one surface.
#[derive(Clone, Debug)]
pub struct SurfaceRoutes {
    surface: Surface,
    endpoints: Vec<Endpoint>,
}

impl SurfaceRoutes {
    /// The operations of a surface, in the order in which overlapping paths are tried: exact ones go
    /// before those with parameters.
    pub fn new(surface: Surface, endpoints: Vec<Endpoint>) -> Self {
        Self { surface, endpoints }
    }

    /// The surface.
    pub const fn surface(&self) -> Surface {
        self.surface
    }

    /// The operations.
    pub fn endpoints(&self) -> &[Endpoint] {
        &self.endpoints
    }

    /// Mounts the operations, each behind its guard, with and without a trailing slash.
    pub fn mount(self, gate: &Data<Gate>, config: &mut ServiceConfig) {
        self.mount_behind(&Admission::Gate(gate.clone()), config);
    }

    /// Mounts the operations for a server that talks to programs in sandboxes: beside each connection lies the
    /// [`crate::Program`] that made it, whose scopes count as those of a key do.
    pub fn mount_for_programs(self, config: &mut ServiceConfig) {
        self.mount_behind(&Admission::Programs, config);
    }

    fn mount_behind(self, admission: &Admission, config: &mut ServiceConfig) {
        let mut resources: Vec<(String, Vec<Endpoint>)> = Vec::new();
        for endpoint in self.endpoints.into_iter().filter(|endpoint| !endpoint.shared) {
            let pattern = endpoint.pattern();
            match resources.iter_mut().find(|(known, _)| *known == pattern) {
                Some((_, methods)) => methods.push(endpoint),
                None => resources.push((pattern, vec![endpoint])),
            }
        }
        for (pattern, methods) in resources {
            let policies: Rc<[(Method, Policy)]> = methods
                .iter()
                .map(|endpoint| {
                    let policy = Policy {
                        surface: (!endpoint.surface_by_path).then_some(self.surface),
                        access: endpoint.access,
                        body_limit: endpoint.body_limit,
                    };
                    (endpoint.method.clone(), policy)
                })
                .collect();
            let tail = methods.iter().any(|endpoint| endpoint.tail);
            let patterns = if tail || pattern.ends_with('/') {
                vec![pattern]
            } else {
                vec![pattern.clone(), pattern + "/"]
            };
            let admission = admission.clone();
            let mut resource = web::resource(patterns);
            for endpoint in methods {
                resource = resource.route((endpoint.route)().method(endpoint.method));
            }
            config.service(resource.wrap(from_fn(move |request, next| {
                guard(Rc::clone(&policies), admission.clone(), request, next)
            })));
        }
    }

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
        }
        schemas.insert(self.error_schema_name(), self.error_schema());
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

    fn complete(&self, endpoint: &Endpoint) -> Operation {
        let mut operation = endpoint.operation.clone();
        operation.security = security(endpoint.access);
        let responses = &mut operation.responses.responses;
        let mut add = |status: &str, description: &str| {
            responses
                .entry(status.to_owned())
                .or_insert_with(|| RefOr::T(Response::new(description)));
        };
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
                let reference = Ref::from_schema_name(self.error_schema_name());
                let content = Content::new(Some(RefOr::<Schema>::Ref(reference)));
                response
                    .content
                    .insert("application/json".to_owned(), RefOr::T(content));
            }
        }
        operation
    }

    fn error_schema_name(&self) -> String {
        format!("{}.Error", self.surface.name())
    }

    fn error_schema(&self) -> RefOr<Schema> {
        let schema = match self.surface {
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

fn method(method: &HttpMethod) -> Method {
    match method {
        HttpMethod::Get => Method::GET,
        HttpMethod::Post => Method::POST,
        HttpMethod::Put => Method::PUT,
        HttpMethod::Delete => Method::DELETE,
        HttpMethod::Options => Method::OPTIONS,
        HttpMethod::Head => Method::HEAD,
        HttpMethod::Patch => Method::PATCH,
        _ => Method::TRACE,
    }
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
