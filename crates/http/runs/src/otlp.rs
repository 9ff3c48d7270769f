//! OpenTelemetry traces in: OTLP/HTTP, version 1.10, as protobuf and as JSON.

use std::collections::BTreeMap;

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::web::Data;
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTracePartialSuccess, ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value};
use opentelemetry_proto::tonic::trace::v1::{self as proto, status::StatusCode as Outcome};
use pentad_http_kit::{Fault, Principal};
use pentad_kernel::{ErrorKind, Timestamp};
use pentad_runs::{Error, Json, Span, SpanEvent};
use prost::Message as _;

use crate::Api;
use crate::body::Raw;

const PROTOBUF: &str = "application/x-protobuf";

/// Take OpenTelemetry traces
///
/// OTLP/HTTP, protobuf or JSON, gzip allowed; the key of a DSN is the bearer. A trace becomes a run, named by the
/// attribute `augur.run_id`, `gen_ai.conversation.id` or `session.id`, else by the trace; an agent's root span becomes its session,
/// tools its steps, calls of models its model calls, events of spans its decision events. Every span is also kept as
/// it came, in `spans.jsonl`. The answer means that all of it is on the disk.
#[utoipa::path(post, path = "/v1/traces", tag = "runs",
    request_body(content = Object, description = "ExportTraceServiceRequest", example = json!({"resourceSpans": [{
        "resource": {"attributes": [{"key": "service.name", "value": {"stringValue": "myagent"}}]},
        "scopeSpans": [{"spans": [{
            "traceId": "5b8efff798038103d269b633813fc60c", "spanId": "eee19b7ec3c1b174", "name": "execute_tool click",
            "kind": 1, "startTimeUnixNano": "1779148800000000000", "endTimeUnixNano": "1779148801000000000",
            "attributes": [{"key": "gen_ai.operation.name", "value": {"stringValue": "execute_tool"}},
                           {"key": "gen_ai.tool.name", "value": {"stringValue": "click"}}]}]}]}]})),
    responses((status = 200, description = "ExportTraceServiceResponse, in the form of the request.", body = Object),
              (status = 415, description = "The body is neither application/x-protobuf nor application/json."),
              (status = 422, description = "The body is no such request."),
              (status = 503, description = "More is waiting to be written than can be written in time: `Retry-After`.")))]
pub(crate) async fn add_traces(
    api: Data<Api>,
    principal: Principal,
    body: Raw,
) -> Result<HttpResponse, Fault> {
    let is_protobuf = match body.media.as_str() {
        PROTOBUF => true,
        "application/json" => false,
        _ => {
            let message = "the body must be application/x-protobuf or application/json";
            return Err(Fault::new(ErrorKind::UnsupportedMedia, message));
        }
    };
    let wrong = |message: String| Fault::from(Error::invalid(&["body"], "value_error", message));
    let request = if is_protobuf {
        ExportTraceServiceRequest::decode(body.bytes).map_err(|error| wrong(error.to_string()))?
    } else {
        serde_json::from_slice(&body.bytes).map_err(|error| wrong(error.to_string()))?
    };
    let (spans, rejected) = read(&request);
    let taken = api.runs.ingest_spans(&principal.actor, spans).await;
    taken.map_err(|error| {
        let overloaded = matches!(error, Error::Overloaded { .. });
        let fault = Fault::from(error);
        // Old exporters drop what is answered with 429.
        if overloaded {
            fault.with_status(StatusCode::SERVICE_UNAVAILABLE)
        } else {
            fault
        }
    })?;
    let partial_success = (rejected > 0).then(|| ExportTracePartialSuccess {
        rejected_spans: rejected,
        error_message: "a span needs a trace id of 16 bytes and a span id of 8".to_owned(),
    });
    let response = ExportTraceServiceResponse { partial_success };
    Ok(if is_protobuf {
        HttpResponse::Ok()
            .content_type(PROTOBUF)
            .body(response.encode_to_vec())
    } else {
        HttpResponse::Ok().json(response)
    })
}

/// Take OpenTelemetry traces
///
/// The same as `POST /v1/traces`, for exporters whose base address is that of the API.
#[utoipa::path(post, path = "/api/v1/otel/v1/traces", tag = "runs",
    request_body(content = Object, description = "ExportTraceServiceRequest", example = json!({"resourceSpans": []})),
    responses((status = 200, description = "ExportTraceServiceResponse, in the form of the request.", body = Object),
              (status = 415, description = "The body is neither application/x-protobuf nor application/json."),
              (status = 422, description = "The body is no such request.")))]
pub(crate) async fn add_traces_below_api(
    api: Data<Api>,
    principal: Principal,
    body: Raw,
) -> Result<HttpResponse, Fault> {
    add_traces(api, principal, body).await
}

/// The spans of a request, and how many are none.
fn read(request: &ExportTraceServiceRequest) -> (Vec<Span>, i64) {
    let mut spans = Vec::new();
    let mut rejected = 0;
    for resource_spans in &request.resource_spans {
        let resource = resource_spans
            .resource
            .as_ref()
            .map(|resource| attributes(&resource.attributes))
            .unwrap_or_default();
        for span in resource_spans.scope_spans.iter().flat_map(|scope| &scope.spans) {
            match read_span(span, &resource) {
                Some(span) => spans.push(span),
                None => rejected += 1,
            }
        }
    }
    (spans, rejected)
}

fn read_span(span: &proto::Span, resource: &BTreeMap<String, Json>) -> Option<Span> {
    if span.trace_id.len() != 16 || span.span_id.len() != 8 {
        return None;
    }
    let raw = serde_json::to_vec(span).ok()?;
    let failed = span
        .status
        .as_ref()
        .filter(|status| status.code == Outcome::Error as i32);
    Some(Span {
        trace_id: hex(&span.trace_id),
        span_id: hex(&span.span_id),
        parent_id: (!span.parent_span_id.is_empty()).then(|| hex(&span.parent_span_id)),
        name: span.name.clone(),
        from: instant(span.start_time_unix_nano),
        to: instant(span.end_time_unix_nano),
        attributes: attributes(&span.attributes),
        resource: resource.clone(),
        events: span
            .events
            .iter()
            .map(|event| SpanEvent {
                at: instant(event.time_unix_nano),
                name: event.name.clone(),
                attributes: attributes(&event.attributes),
            })
            .collect(),
        error: failed.map(|status| status.message.clone()),
        raw: Json::parse(&raw).ok()?,
    })
}

fn instant(nanos: u64) -> Timestamp {
    Timestamp::from_micros(i64::try_from(nanos / 1_000).unwrap_or(0))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn attributes(pairs: &[KeyValue]) -> BTreeMap<String, Json> {
    pairs
        .iter()
        .map(|pair| (pair.key.clone(), value(pair.value.as_ref(), 0)))
        .collect()
}

/// How deep values may lie in each other.
const DEPTH: usize = 32;

fn value(given: Option<&AnyValue>, depth: usize) -> Json {
    use any_value::Value::{
        ArrayValue, BoolValue, BytesValue, DoubleValue, IntValue, KvlistValue, StringValue,
    };
    let Some(given) = given
        .and_then(|given| given.value.as_ref())
        .filter(|_| depth < DEPTH)
    else {
        return Json::Null;
    };
    match given {
        StringValue(text) => Json::from(text.as_str()),
        BoolValue(flag) => Json::from(*flag),
        IntValue(number) => Json::Number(number.to_string().into()),
        DoubleValue(number) if number.is_finite() => Json::Number(number.to_string().into()),
        ArrayValue(array) => Json::Array(
            array
                .values
                .iter()
                .map(|each| value(Some(each), depth + 1))
                .collect(),
        ),
        KvlistValue(list) => list
            .values
            .iter()
            .map(|pair| (pair.key.clone(), value(pair.value.as_ref(), depth + 1)))
            .collect(),
        BytesValue(bytes) => Json::from(hex(bytes)),
        _ => Json::Null,
    }
}
