//! Objects: as JSON with base64, or as they are.

use std::time::Duration;

use actix_web::body::SizedStream;
use actix_web::http::header::{
    ACCEPT, CONTENT_DISPOSITION, CONTENT_TYPE, ETAG, EntityTag, HeaderValue, X_CONTENT_TYPE_OPTIONS,
};
use actix_web::web::{self, Bytes, Data, Json, Payload};
use actix_web::{FromRequest as _, HttpRequest, HttpResponse};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use pentad_http_kit::{Binary, Fault, JsonBody, Principal, Query};
use pentad_storage::{Metadata, Object, ObjectMetadata, Storage, StoredObject};

use crate::place::{AtKey, InNamespace, list_request};
use crate::wire::{Done, R2Key, R2Keys, R2Object, R2Put, R2Stored};

/// How long a client may send nothing in the middle of an object.
const STALL: Duration = Duration::from_secs(30);
/// From this size on, base64 is work for a thread of its own.
const BLOCKING: usize = 256 << 10;

/// List objects
///
/// In the order of the bytes of their keys. `cursor` of one page gives the next.
#[utoipa::path(get, path = "/api/storage/r2/{namespace}", tag = "storage",
    params(("namespace" = String, Path, description = "1 to 128 of letters, digits, `_`, `-`, `.`, `:`.", example = "myapp"),
           ("prefix" = Option<String>, Query, description = "What the keys begin with."),
           ("limit" = Option<u32>, Query, description = "Objects on a page, 1 to 1000. Default 100."),
           ("cursor" = Option<String>, Query, description = "`cursor` of the page before.")),
    responses((status = 200, description = "A page of objects.", body = R2Keys),
              (status = 400, description = "The namespace cannot be one (`INVALID_NAMESPACE`), or a parameter is out of its bounds.")))]
pub(crate) async fn list_r2_objects(
    storage: Data<Storage>,
    principal: Principal,
    place: InNamespace,
    query: Query,
) -> Result<Json<R2Keys>, Fault> {
    let page = storage
        .r2_list(&principal.actor, &place.0, &list_request(&query)?)
        .await?;
    let objects = page.objects.into_iter().map(|object| R2Key {
        key: object.key,
        size: object.size,
        uploaded: object.uploaded,
    });
    Ok(Json(R2Keys {
        objects: objects.collect(),
        truncated: page.cursor.is_some(),
        cursor: page.cursor.unwrap_or_default(),
    }))
}

/// Read an object
///
/// As JSON with its bytes in base64; or, with `Accept: application/octet-stream`, the bytes themselves under the
/// content type that they were stored with.
#[utoipa::path(get, path = "/api/storage/r2/{namespace}/{key}", tag = "storage",
    params(("namespace" = String, Path, description = "The namespace.", example = "myapp"),
           ("key" = String, Path, description = "The key; slashes need no escape.", example = "dir/file.txt")),
    responses((status = 200, description = "The object.", content(
                   (R2Object = "application/json"),
                   (inline(Binary) = "application/octet-stream"))),
              (status = 400, description = "The namespace or the key cannot be one."),
              (status = 404, description = "There is no such object (`OBJECT_NOT_FOUND`).")))]
pub(crate) async fn get_r2_object(
    storage: Data<Storage>,
    principal: Principal,
    place: AtKey,
    request: HttpRequest,
) -> Result<HttpResponse, Fault> {
    let object = storage
        .r2_get(&principal.actor, &place.namespace, &place.key)
        .await?;
    if wants_bytes(&request) {
        return Ok(as_it_is(object));
    }
    let bytes = object
        .content
        .bytes()
        .await
        .map_err(pentad_storage::Error::from)?;
    let content = apart(bytes.len(), move || STANDARD.encode(&bytes)).await?;
    Ok(HttpResponse::Ok().json(R2Object {
        content,
        size: object.size,
        http_metadata: object.metadata.http,
        custom_metadata: object.metadata.custom,
        etag: object.etag,
        uploaded: object.uploaded,
    }))
}

/// Store an object
///
/// In place of what was there, at once and whole. The body is JSON with the bytes in base64; a body of any other
/// content type is the bytes themselves. An object has up to 64 MiB (`r2_object_bytes`), a key 512 bytes
/// (`key_bytes`), metadata 8 KiB (`r2_metadata_bytes`).
#[utoipa::path(put, path = "/api/storage/r2/{namespace}/{key}", tag = "storage",
    params(("namespace" = String, Path, description = "The namespace.", example = "myapp"),
           ("key" = String, Path, description = "The key; slashes need no escape.", example = "dir/file.txt")),
    request_body = R2Put,
    responses((status = 200, description = "It is stored.", body = R2Stored),
              (status = 400, description = "The namespace, the key or the body is wrong."),
              (status = 413, description = "Object or metadata is larger than its limit, which the message names.")))]
pub(crate) async fn put_r2_object(
    storage: Data<Storage>,
    principal: Principal,
    place: AtKey,
    request: HttpRequest,
    payload: Payload,
) -> Result<Json<R2Stored>, Fault> {
    let stored = match raw_content_type(&request) {
        Some(content_type) => {
            let metadata = ObjectMetadata {
                http: Metadata::from_iter([("contentType".to_owned(), content_type.into())]),
                custom: Metadata::new(),
            };
            let content = stream::unfold(payload, |mut payload| async {
                let next = match tokio::time::timeout(STALL, payload.next()).await {
                    Ok(next) => next?.map_err(|error| error.to_string()),
                    Err(_) => Err(format!("nothing came for {} s", STALL.as_secs())),
                };
                Some((next, payload))
            });
            put(&storage, &principal, &place, &metadata, content).await?
        }
        None => {
            let body = JsonBody::<R2Put>::from_request(&request, &mut payload.into_inner()).await?;
            let body = body.0;
            let metadata = ObjectMetadata {
                http: body.http_metadata.unwrap_or_default(),
                custom: body.metadata.unwrap_or_default(),
            };
            let text = body.content;
            let bytes = apart(text.len(), move || STANDARD.decode(text)).await?;
            let bytes = bytes.map_err(|error| {
                let message = format!("content: not base64: {error}");
                Fault::unprocessable(&["body", "content"], message, "value_error")
            })?;
            let content = stream::iter([Ok::<_, String>(Bytes::from(bytes))]);
            put(&storage, &principal, &place, &metadata, content).await?
        }
    };
    Ok(Json(R2Stored {
        success: true,
        size: stored.size,
        etag: stored.etag,
    }))
}

/// Delete an object
///
/// One that is not there counts as deleted.
#[utoipa::path(delete, path = "/api/storage/r2/{namespace}/{key}", tag = "storage",
    params(("namespace" = String, Path, description = "The namespace.", example = "myapp"),
           ("key" = String, Path, description = "The key; slashes need no escape.", example = "dir/file.txt")),
    responses((status = 200, description = "It is gone.", body = Done),
              (status = 400, description = "The namespace or the key cannot be one.")))]
pub(crate) async fn delete_r2_object(
    storage: Data<Storage>,
    principal: Principal,
    place: AtKey,
) -> Result<Json<Done>, Fault> {
    storage
        .r2_delete(&principal.actor, &place.namespace, &place.key)
        .await?;
    Ok(Json(Done::YES))
}

async fn put(
    storage: &Storage,
    principal: &Principal,
    place: &AtKey,
    metadata: &ObjectMetadata,
    content: impl futures_util::Stream<Item = Result<Bytes, String>>,
) -> Result<StoredObject, Fault> {
    let (namespace, key) = (&place.namespace, &place.key);
    Ok(storage
        .r2_put(&principal.actor, namespace, key, metadata, content)
        .await?)
}

/// Runs what takes long for many bytes where it holds nobody up.
async fn apart<T: Send + 'static>(
    bytes: usize,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Fault> {
    if bytes < BLOCKING {
        return Ok(work());
    }
    web::block(work)
        .await
        .map_err(|error| Fault::internal(error.to_string()))
}

fn header<'a>(request: &'a HttpRequest, name: &actix_web::http::header::HeaderName) -> Option<&'a str> {
    request.headers().get(name)?.to_str().ok()
}

fn wants_bytes(request: &HttpRequest) -> bool {
    header(request, &ACCEPT).is_some_and(|accept| {
        accept
            .split(',')
            .filter_map(|range| range.split(';').next())
            .any(|range| range.trim().eq_ignore_ascii_case("application/octet-stream"))
    })
}

/// The content type of a body that is the object itself.
fn raw_content_type(request: &HttpRequest) -> Option<&str> {
    let content_type = header(request, &CONTENT_TYPE)?;
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    let is_json = essence.eq_ignore_ascii_case("application/json");
    (!is_json && !essence.is_empty()).then_some(content_type)
}

fn as_it_is(object: Object) -> HttpResponse {
    let stored = object
        .metadata
        .http
        .get("contentType")
        .and_then(|value| value.as_str());
    let content_type = stored
        .and_then(|text| HeaderValue::from_str(text).ok())
        .unwrap_or(HeaderValue::from_static("application/octet-stream"));
    let content = object.content.into_stream().map_err(std::io::Error::other);
    HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, content_type))
        .insert_header((ETAG, EntityTag::new_strong(object.etag).to_string()))
        // A browser saves what strangers stored and runs none of it.
        .insert_header((X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .insert_header((CONTENT_DISPOSITION, "attachment"))
        .body(SizedStream::new(object.size, content))
}
