//! A span for each request, for whoever collects traces.

use actix_web::dev::ServiceRequest;
use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderMap, HeaderName};
use opentelemetry::global;
use opentelemetry::propagation::Extractor;
use opentelemetry::trace::TraceContextExt as _;
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

/// The target of the spans of requests. The program that collects none turns it off, and then nothing is made.
pub const REQUEST_SPANS: &str = "pentad::request";

/// The headers of a request, of which `traceparent` and `tracestate` say what trace it belongs to (W3C Trace Context).
struct Headers<'a>(&'a HeaderMap);

impl Extractor for Headers<'_> {
    fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name)?.to_str().ok()
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(HeaderName::as_str).collect()
    }
}

/// The span of a request, in the trace that the client says. It is named by its route once that is known: a path may
/// hold a secret.
pub(crate) fn request_span(request: &ServiceRequest, request_id: &str) -> Span {
    let span = tracing::info_span!(
        target: REQUEST_SPANS,
        "request",
        otel.kind = "server",
        otel.status_code = tracing::field::Empty,
        http.request.method = tracing::field::Empty,
        http.route = tracing::field::Empty,
        http.response.status_code = tracing::field::Empty,
        pentad.surface = tracing::field::Empty,
        pentad.request_id = request_id,
    );
    if !span.is_disabled() {
        let parent =
            global::get_text_map_propagator(|propagator| propagator.extract(&Headers(request.headers())));
        // A parent can be given to a span that has not begun, as this one.
        let _ = span.set_parent(parent);
    }
    span
}

/// Writes down how the request ended.
pub(crate) fn answered(span: &Span, method: &str, route: &str, surface: &str, status: StatusCode) {
    if span.is_disabled() {
        return;
    }
    // The name is no field of a span that has begun.
    span.context().span().update_name(format!("{method} {route}"));
    span.record("http.request.method", method);
    span.record("http.route", route);
    span.record("http.response.status_code", status.as_u16());
    span.record("pentad.surface", surface);
    if status.is_server_error() {
        span.record("otel.status_code", "ERROR");
    }
}
