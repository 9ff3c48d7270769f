//! The outermost layer: request ids, panics, envelopes, measurements.

use std::cell::Cell;
use std::fmt;
use std::panic::AssertUnwindSafe;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{ALLOW, AUTHORIZATION, HeaderName, HeaderValue};
use actix_web::http::{Method, StatusCode};
use actix_web::middleware::Next;
use actix_web::{HttpMessage as _, HttpResponse, ResponseError};
use futures_util::FutureExt as _;
use pentad_kernel::ErrorKind;
use tracing::{Instrument as _, Span};

use crate::{Fault, Surface, render, trace};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// What the layers learn about a request on its way in, for the edge to use on its way out.
#[derive(Clone, Debug)]
pub struct RequestContext(Rc<Inner>);

#[derive(Debug)]
struct Inner {
    id: String,
    surface: Cell<Surface>,
}

impl RequestContext {
    /// The context of a request, when it came through the edge.
    pub fn of(request: &ServiceRequest) -> Option<Self> {
        request.extensions().get::<Self>().cloned()
    }

    /// Says which surface the request is meant for, once that is known better than by its path.
    pub fn set_surface(&self, surface: Surface) {
        self.0.surface.set(surface);
    }

    /// The surface that the request is meant for, as far as is known.
    pub fn surface(&self) -> Surface {
        self.0.surface.get()
    }

    /// The identifier under which the log knows the request.
    pub fn id(&self) -> &str {
        &self.0.id
    }
}

/// The first half of request ids, so that those of several processes differ.
fn process_prefix() -> &'static str {
    static PREFIX: std::sync::OnceLock<String> = std::sync::OnceLock::new();
    PREFIX.get_or_init(|| pentad_kernel::secret::random_hex(6))
}

fn next_request_id() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    format!("{}-{:x}", process_prefix(), NEXT.fetch_add(1, Ordering::Relaxed))
}

/// Wraps every request: gives it an id, catches what panics, renders every failure in the envelope of
/// its surface, and measures.
///
/// # Errors
/// Only with a rendered answer inside, for failures that come without the request they belong to.
pub async fn edge<B: MessageBody + 'static>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    let started = Instant::now();
    let by_path = Surface::of_path(request.path()).unwrap_or_else(|| by_bearer(&request));
    let surface = if by_path == Surface::Grep {
        of_sessions(&request)
    } else {
        by_path
    };
    let context = RequestContext(Rc::new(Inner {
        id: next_request_id(),
        surface: Cell::new(surface),
    }));
    request.extensions_mut().insert(context.clone());
    let method = request.method().clone();
    let span = trace::request_span(&request, context.id());
    let outcome = AssertUnwindSafe(next.call(request))
        .catch_unwind()
        .instrument(span.clone())
        .await;
    let _answering = span.enter();
    match outcome {
        Ok(Ok(response)) => {
            let route = response.request().match_pattern();
            let response = finish(response, &context);
            measure(&context, &method, route.as_deref(), response.status(), started);
            Ok(response)
        }
        Ok(Err(error)) => {
            let response = error.error_response();
            let fault = fault_of(&response, &context);
            Err(finish_without_request(&fault, &context, &method, started))
        }
        Err(panic) => {
            let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
            let text = text
                .or_else(|| panic.downcast_ref::<String>().cloned())
                .unwrap_or_default();
            let fault = Fault::internal(format!("a handler panicked: {text}"));
            Err(finish_without_request(&fault, &context, &method, started))
        }
    }
}

/// Which of the two surfaces that have sessions a request is for, as far as its head tells: `source_tool`
/// is a parameter of seed 002 alone, and so is the list, unless a key of seed 000 asks for it.
fn of_sessions(request: &ServiceRequest) -> Surface {
    let is_list =
        request.method() == Method::GET && request.path().trim_end_matches('/') == "/api/v1/sessions";
    if request.query_string().contains("source_tool=") {
        Surface::Sync
    } else if is_list {
        by_bearer(request)
    } else {
        Surface::Grep
    }
}

fn by_bearer(request: &ServiceRequest) -> Surface {
    let token = request
        .headers()
        .get(AUTHORIZATION)
        .and_then(|value| value.to_str().ok());
    Surface::of_bearer(
        token
            .and_then(|value| value.split_once(' '))
            .map_or("", |(_, token)| token),
    )
}

fn finish<B: MessageBody + 'static>(
    response: ServiceResponse<B>,
    context: &RequestContext,
) -> ServiceResponse<BoxBody> {
    let mut response = response.map_into_boxed_body();
    let needs_envelope = response.status().as_u16() >= 400
        && (response.response().extensions().contains::<Fault>()
            || response.response().body().size() == BodySize::None
            || matches!(response.response().body().size(), BodySize::Sized(0))
            || response.response().error().is_some());
    if needs_envelope {
        let fault = fault_of(response.response(), context);
        let rendered = answer(&fault, context);
        let (request, original) = response.into_parts();
        let mut rendered = rendered;
        if let Some(allow) = original.headers().get(ALLOW) {
            rendered.headers_mut().insert(ALLOW, allow.clone());
        }
        response = ServiceResponse::new(request, rendered);
    }
    tag(response.headers_mut(), context);
    response
}

fn finish_without_request(
    fault: &Fault,
    context: &RequestContext,
    method: &actix_web::http::Method,
    started: Instant,
) -> actix_web::Error {
    let mut response = answer(fault, context);
    tag(response.headers_mut(), context);
    measure(context, method, None, response.status(), started);
    Rendered(Cell::new(Some(response))).into()
}

fn answer(fault: &Fault, context: &RequestContext) -> HttpResponse {
    if fault.kind == ErrorKind::Internal {
        tracing::error!(request_id = context.id(), error = %fault.message, "request failed");
    }
    render(context.0.surface.get(), fault, context.id())
}

fn tag(headers: &mut actix_web::http::header::HeaderMap, context: &RequestContext) {
    if let Ok(id) = HeaderValue::from_str(context.id()) {
        headers.insert(REQUEST_ID, id);
    }
}

/// The fault that a response carries, or the one that its bare status stands for.
fn fault_of(response: &HttpResponse, context: &RequestContext) -> Fault {
    if let Some(fault) = response.extensions().get::<Fault>() {
        return fault.clone();
    }
    let status = response.status();
    match status {
        StatusCode::NOT_FOUND => Fault::not_found("no such path: see /api/docs for those there are")
            .with_code(match context.0.surface.get() {
                Surface::Exec => "NOT_FOUND",
                _ => "not_found",
            }),
        StatusCode::METHOD_NOT_ALLOWED => Fault::new(
            ErrorKind::MethodNotAllowed,
            "the path does not know this method: see the Allow header",
        ),
        StatusCode::PAYLOAD_TOO_LARGE => Fault::new(ErrorKind::TooLarge, "the body is larger than the limit"),
        StatusCode::REQUEST_TIMEOUT => {
            Fault::new(ErrorKind::Timeout, "the request did not arrive in time").with_status(status)
        }
        status if status.is_client_error() => {
            let reason = response
                .error()
                .map_or_else(|| status.to_string(), ToString::to_string);
            Fault::invalid(reason).with_status(status)
        }
        status => {
            let reason = response
                .error()
                .map_or_else(|| status.to_string(), ToString::to_string);
            Fault::internal(reason)
        }
    }
}

fn measure(
    context: &RequestContext,
    method: &actix_web::http::Method,
    route: Option<&str>,
    status: StatusCode,
    started: Instant,
) {
    let surface = context.0.surface.get().name();
    let elapsed = started.elapsed();
    let route = route.unwrap_or("unmatched").to_owned();
    trace::answered(&Span::current(), method.as_str(), &route, surface, status);
    metrics::histogram!(
        "pentad_http_request_seconds",
        "surface" => surface,
        "method" => method.to_string(),
        "route" => route,
        "status" => status_class(status),
    )
    .record(elapsed.as_secs_f64());
    tracing::debug!(
        request_id = context.id(),
        %method,
        status = status.as_u16(),
        micros = u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX),
        "request answered"
    );
}

fn status_class(status: StatusCode) -> &'static str {
    match status.as_u16() {
        100..=199 => "1xx",
        200..=299 => "2xx",
        300..=399 => "3xx",
        400..=499 => "4xx",
        _ => "5xx",
    }
}

/// A finished answer on the way of an error.
struct Rendered(Cell<Option<HttpResponse>>);

impl fmt::Debug for Rendered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Rendered")
    }
}

impl fmt::Display for Rendered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the request failed")
    }
}

impl ResponseError for Rendered {
    fn error_response(&self) -> HttpResponse {
        self.0
            .take()
            .unwrap_or_else(|| HttpResponse::InternalServerError().finish())
    }
}
