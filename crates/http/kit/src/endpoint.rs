//! Operations: handler, document and access in one place.

use std::fmt;

use actix_web::Route;
use actix_web::http::Method;
use utoipa::openapi::path::{HttpMethod, Operation};
use utoipa::openapi::{RefOr, Schema};

use crate::{Access, BodyLimit, Surface};

/// One operation of a surface. Made by [`endpoint!`](crate::endpoint).
#[derive(Clone)]
pub struct Endpoint {
    pub(crate) path: String,
    pub(crate) method: Method,
    pub(crate) access: Access,
    pub(crate) body_limit: BodyLimit,
    pub(crate) shared: bool,
    pub(crate) also: &'static [Surface],
    pub(crate) tail: bool,
    pub(crate) number: bool,
    pub(crate) surface_by_path: bool,
    pub(crate) slow_to_refuse: bool,
    pattern: Option<String>,
    pub(crate) documented: bool,
    pub(crate) operation: Operation,
    pub(crate) schemas: Vec<(String, RefOr<Schema>)>,
    pub(crate) route: fn() -> Route,
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
            also: &[],
            tail: false,
            number: false,
            surface_by_path: false,
            slow_to_refuse: false,
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

    /// The same, whose refusals and failures are held back for a second: for clients that ask again at once.
    #[must_use]
    pub const fn slow_to_refuse(mut self) -> Self {
        self.slow_to_refuse = true;
        self
    }

    /// The same, for one of the operations that several surfaces have at the same place: it stands in the
    /// surface's own document, while the gateway mounts and documents the operation that serves them all.
    #[must_use]
    pub const fn shared_with(mut self, others: &'static [Surface]) -> Self {
        self.shared = true;
        self.also = others;
        self
    }

    /// The same, for an operation that serves these surfaces: failures before its handler runs take the
    /// envelope of the one that the path belongs to, later ones that of the one which is meant.
    #[must_use]
    pub const fn serving(mut self, surfaces: &'static [Surface]) -> Self {
        self.surface_by_path = true;
        self.also = surfaces;
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

    pub(crate) fn pattern(&self) -> String {
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
    pub(crate) surface: Surface,
    pub(crate) endpoints: Vec<Endpoint>,
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
