//! The five error envelopes and their statuses (contract of the gateway, section 2).

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use pentad_kernel::ErrorKind;
use serde_json::{Value, json};

use crate::{Fault, Surface};

/// The answer for a fault on a surface. `request_id` is what the caller quotes for a fault of ours.
pub fn render(surface: Surface, fault: &Fault, request_id: &str) -> HttpResponse {
    let status = fault.status.unwrap_or_else(|| status(surface, fault));
    let hidden = fault.kind == ErrorKind::Internal;
    let message = if hidden {
        format!("internal error; quote request {request_id} when you report it")
    } else {
        fault.message.clone()
    };
    let body = match &fault.body {
        Some(body) if !hidden => body.clone(),
        _ => envelope(surface, status, &message, fault),
    };
    let mut response = HttpResponse::build(status);
    for (name, value) in &fault.headers {
        response.insert_header((name.clone(), value.clone()));
    }
    if let Some(wait) = fault.retry_after {
        let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        response.insert_header((RETRY_AFTER, seconds.max(1).to_string()));
    }
    if status == StatusCode::UNAUTHORIZED {
        response.insert_header((WWW_AUTHENTICATE, HeaderValue::from_static("Bearer")));
    }
    response.json(body)
}

fn status(surface: Surface, fault: &Fault) -> StatusCode {
    use ErrorKind as Kind;
    match fault.kind {
        // FastAPI, the origin of these surfaces, answers 422 for what it cannot read.
        Kind::Unprocessable => match surface {
            Surface::Memory | Surface::Sync | Surface::Ingest => StatusCode::UNPROCESSABLE_ENTITY,
            Surface::Grep | Surface::Exec => StatusCode::BAD_REQUEST,
        },
        Kind::Invalid if is_not_json(fault) && matches!(surface, Surface::Sync | Surface::Ingest) => {
            StatusCode::UNPROCESSABLE_ENTITY
        }
        Kind::Invalid => StatusCode::BAD_REQUEST,
        Kind::Unauthenticated => StatusCode::UNAUTHORIZED,
        Kind::Forbidden => StatusCode::FORBIDDEN,
        Kind::QuotaExceeded => match surface {
            Surface::Grep | Surface::Sync => StatusCode::FORBIDDEN,
            Surface::Memory => StatusCode::TOO_MANY_REQUESTS,
            Surface::Exec | Surface::Ingest => StatusCode::INSUFFICIENT_STORAGE,
        },
        Kind::NotFound => StatusCode::NOT_FOUND,
        Kind::Conflict => StatusCode::CONFLICT,
        Kind::Gone => StatusCode::GONE,
        Kind::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        Kind::UnsupportedMedia => match surface {
            Surface::Grep | Surface::Exec => StatusCode::BAD_REQUEST,
            Surface::Memory | Surface::Sync => StatusCode::UNPROCESSABLE_ENTITY,
            Surface::Ingest => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        },
        Kind::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
        Kind::RateLimited => StatusCode::TOO_MANY_REQUESTS,
        Kind::Timeout => match surface {
            Surface::Exec => StatusCode::REQUEST_TIMEOUT,
            _ => StatusCode::GATEWAY_TIMEOUT,
        },
        Kind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        Kind::StorageFull => match surface {
            Surface::Exec => StatusCode::INSUFFICIENT_STORAGE,
            _ => StatusCode::SERVICE_UNAVAILABLE,
        },
        Kind::Internal => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// Whether the fault is a body that is not JSON, which some surfaces treat as a wrong field.
fn is_not_json(fault: &Fault) -> bool {
    fault
        .fields
        .first()
        .is_some_and(|field| field.kind == "json_invalid")
}

fn envelope(surface: Surface, status: StatusCode, message: &str, fault: &Fault) -> Value {
    match surface {
        Surface::Grep => json!({
            "error": message,
            "code": fault.code.as_deref().unwrap_or_else(|| grep_code(fault.kind)),
        }),
        Surface::Memory => match &fault.details {
            Some(details) => {
                let mut body = json!({ "detail": message });
                merge(&mut body, details);
                body
            }
            None if status == StatusCode::UNPROCESSABLE_ENTITY && !fault.fields.is_empty() => {
                json!({ "detail": fields(fault) })
            }
            None => json!({ "detail": message }),
        },
        Surface::Ingest => {
            let mut body = json!({ "detail": message });
            if !fault.fields.is_empty() {
                body["errors"] = fields(fault);
            }
            if let Some(details) = &fault.details {
                merge(&mut body, details);
            }
            body
        }
        Surface::Sync => sync_envelope(status, message, fault),
        Surface::Exec => json!({
            "error": status.canonical_reason().unwrap_or("Error"),
            "message": message,
            "code": match &fault.code {
                Some(code) => code,
                None if is_not_json(fault) => "INVALID_JSON",
                None => exec_code(fault.kind),
            },
        }),
    }
}

fn sync_envelope(status: StatusCode, message: &str, fault: &Fault) -> Value {
    let mut details = fault.details.clone().unwrap_or_else(|| json!({}));
    if !fault.fields.is_empty() {
        details["errors"] = fields(fault);
    }
    if let (Some(code), Some(details)) = (&fault.code, details.as_object_mut()) {
        details.entry("error").or_insert_with(|| json!(code));
    }
    let code = fault.code.clone().unwrap_or_else(|| status.as_u16().to_string());
    let message = if fault.fields.is_empty() {
        message
    } else {
        "Validation error"
    };
    json!({ "error": { "code": code, "message": message, "details": details } })
}

fn merge(body: &mut Value, details: &Value) {
    if let (Some(body), Some(details)) = (body.as_object_mut(), details.as_object()) {
        for (name, value) in details {
            body.insert(name.clone(), value.clone());
        }
    }
}

fn fields(fault: &Fault) -> Value {
    let one = |field: &crate::FieldError| {
        // Indexes are numbers in the form that FastAPI's clients read.
        let location: Vec<Value> = field
            .location
            .iter()
            .map(|step| {
                step.parse::<u64>()
                    .map_or_else(|_| json!(step), |index| json!(index))
            })
            .collect();
        json!({ "loc": location, "msg": field.message, "type": field.kind })
    };
    fault.fields.iter().map(one).collect()
}

const fn grep_code(kind: ErrorKind) -> &'static str {
    use ErrorKind as Kind;
    match kind {
        Kind::Invalid | Kind::Unprocessable | Kind::UnsupportedMedia | Kind::Conflict => "invalid_request",
        Kind::Unauthenticated => "missing_auth",
        Kind::Forbidden => "forbidden",
        Kind::QuotaExceeded => "quota_exceeded",
        Kind::NotFound | Kind::Gone => "session_not_found",
        Kind::TooLarge => "payload_too_large",
        Kind::MethodNotAllowed => "method_not_allowed",
        Kind::RateLimited => "rate_limited",
        Kind::Timeout | Kind::Unavailable | Kind::StorageFull => "unavailable",
        Kind::Internal => "internal",
    }
}

const fn exec_code(kind: ErrorKind) -> &'static str {
    use ErrorKind as Kind;
    match kind {
        Kind::Invalid | Kind::Unprocessable | Kind::UnsupportedMedia => "VALIDATION_ERROR",
        Kind::Unauthenticated => "UNAUTHORIZED",
        Kind::Forbidden => "FORBIDDEN",
        Kind::QuotaExceeded | Kind::StorageFull => "QUOTA_EXCEEDED",
        Kind::NotFound | Kind::Gone => "NOT_FOUND",
        Kind::Conflict => "CONFLICT",
        Kind::TooLarge => "PAYLOAD_TOO_LARGE",
        Kind::MethodNotAllowed => "METHOD_NOT_ALLOWED",
        Kind::RateLimited => "BUSY",
        Kind::Timeout => "EXECUTION_TIMEOUT",
        Kind::Unavailable => "UNAVAILABLE",
        Kind::Internal => "INTERNAL",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::body::to_bytes;

    async fn rendered(surface: Surface, fault: &Fault) -> (u16, Value) {
        let response = render(surface, fault, "req-1");
        let status = response.status().as_u16();
        let body = to_bytes(response.into_body()).await.ok().unwrap();
        (status, serde_json::from_slice(&body).unwrap())
    }

    #[actix_web::test]
    async fn each_surface_has_its_own_shape() {
        let fault = Fault::not_found("no such thing").with_code("thing_not_found");
        assert_eq!(
            rendered(Surface::Grep, &fault).await,
            (404, json!({"error": "no such thing", "code": "thing_not_found"}))
        );
        assert_eq!(
            rendered(Surface::Memory, &fault).await,
            (404, json!({"detail": "no such thing"}))
        );
        assert_eq!(
            rendered(Surface::Ingest, &fault).await,
            (404, json!({"detail": "no such thing"}))
        );
        assert_eq!(
            rendered(Surface::Sync, &fault).await,
            (
                404,
                json!({"error": {"code": "thing_not_found", "message": "no such thing", "details": {"error": "thing_not_found"}}})
            )
        );
        assert_eq!(
            rendered(Surface::Exec, &fault).await,
            (
                404,
                json!({"error": "Not Found", "message": "no such thing", "code": "thing_not_found"})
            )
        );
    }

    #[actix_web::test]
    async fn a_wrong_field_is_listed_where_the_surface_lists_fields() {
        let fault = Fault::unprocessable(&["body", "items", "0"], "Field required", "missing");
        let list = json!([{"loc": ["body", "items", 0], "msg": "Field required", "type": "missing"}]);
        assert_eq!(
            rendered(Surface::Memory, &fault).await,
            (422, json!({"detail": list}))
        );
        let (status, body) = rendered(Surface::Ingest, &fault).await;
        assert_eq!((status, &body["errors"]), (422, &list));
        let (status, body) = rendered(Surface::Sync, &fault).await;
        assert_eq!((status, &body["error"]["details"]["errors"]), (422, &list));
        assert_eq!(rendered(Surface::Grep, &fault).await.0, 400);
    }

    #[actix_web::test]
    async fn a_fault_of_ours_names_the_request_and_leaks_nothing() {
        for surface in Surface::ALL {
            let (status, body) = rendered(surface, &Fault::internal("password is hunter2")).await;
            assert_eq!(status, 500);
            assert!(body.to_string().contains("req-1"), "{body}");
            assert!(!body.to_string().contains("hunter2"), "{body}");
        }
    }
}
