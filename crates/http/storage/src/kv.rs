//! Keys and values.

use actix_web::web::{Data, Json};
use pentad_http_kit::{Fault, JsonBody, Principal, Query};
use pentad_storage::{NewEntry, Storage};

use crate::place::{AtKey, InNamespace, list_request};
use crate::wire::{Done, KvKey, KvKeys, KvPut, KvValue};

/// List keys
///
/// In the order of their bytes. `cursor` of one page gives the next.
#[utoipa::path(get, path = "/api/storage/kv/{namespace}", tag = "storage",
    params(("namespace" = String, Path, description = "1 to 128 of letters, digits, `_`, `-`, `.`, `:`.", example = "myapp"),
           ("prefix" = Option<String>, Query, description = "What the keys begin with."),
           ("limit" = Option<u32>, Query, description = "Keys on a page, 1 to 1000. Default 100."),
           ("cursor" = Option<String>, Query, description = "`cursor` of the page before.")),
    responses((status = 200, description = "A page of keys.", body = KvKeys),
              (status = 400, description = "The namespace cannot be one (`INVALID_NAMESPACE`), or a parameter is out of its bounds.")))]
pub(crate) async fn list_kv_keys(
    storage: Data<Storage>,
    principal: Principal,
    place: InNamespace,
    query: Query,
) -> Result<Json<KvKeys>, Fault> {
    let page = storage
        .kv_list(&principal.actor, &place.0, &list_request(&query)?)
        .await?;
    let keys = page.entries.into_iter().map(|entry| KvKey {
        name: entry.key,
        metadata: entry.metadata,
    });
    Ok(Json(KvKeys {
        keys: keys.collect(),
        list_complete: page.cursor.is_none(),
        cursor: page.cursor.unwrap_or_default(),
    }))
}

/// Read a value
#[utoipa::path(get, path = "/api/storage/kv/{namespace}/{key}", tag = "storage",
    params(("namespace" = String, Path, description = "The namespace.", example = "myapp"),
           ("key" = String, Path, description = "The key; slashes need no escape.", example = "config")),
    responses((status = 200, description = "The value.", body = KvValue),
              (status = 400, description = "The namespace or the key cannot be one."),
              (status = 404, description = "There is no such key (`KEY_NOT_FOUND`).")))]
pub(crate) async fn get_kv_value(
    storage: Data<Storage>,
    principal: Principal,
    place: AtKey,
) -> Result<Json<KvValue>, Fault> {
    let entry = storage
        .kv_get(&principal.actor, &place.namespace, &place.key)
        .await?;
    Ok(Json(KvValue {
        value: entry.value,
        metadata: entry.metadata,
    }))
}

/// Store a value
///
/// In place of what was there. A value has up to 25 MiB (`kv_value_bytes`), a key 512 bytes (`key_bytes`),
/// metadata 1 KiB (`kv_metadata_bytes`).
#[utoipa::path(put, path = "/api/storage/kv/{namespace}/{key}", tag = "storage",
    params(("namespace" = String, Path, description = "The namespace.", example = "myapp"),
           ("key" = String, Path, description = "The key; slashes need no escape.", example = "config")),
    request_body = KvPut,
    responses((status = 200, description = "It is stored.", body = Done),
              (status = 400, description = "The namespace, the key or the body is wrong."),
              (status = 413, description = "Value or metadata is larger than its limit, which the message names.")))]
pub(crate) async fn put_kv_value(
    storage: Data<Storage>,
    principal: Principal,
    place: AtKey,
    body: JsonBody<KvPut>,
) -> Result<Json<Done>, Fault> {
    let entry = NewEntry {
        value: body.0.value,
        metadata: body.0.metadata.unwrap_or_default(),
    };
    storage
        .kv_set(&principal.actor, &place.namespace, &place.key, entry)
        .await?;
    Ok(Json(Done::YES))
}

/// Delete a key
///
/// One that is not there counts as deleted.
#[utoipa::path(delete, path = "/api/storage/kv/{namespace}/{key}", tag = "storage",
    params(("namespace" = String, Path, description = "The namespace.", example = "myapp"),
           ("key" = String, Path, description = "The key; slashes need no escape.", example = "config")),
    responses((status = 200, description = "It is gone.", body = Done),
              (status = 400, description = "The namespace or the key cannot be one.")))]
pub(crate) async fn delete_kv_key(
    storage: Data<Storage>,
    principal: Principal,
    place: AtKey,
) -> Result<Json<Done>, Fault> {
    storage
        .kv_delete(&principal.actor, &place.namespace, &place.key)
        .await?;
    Ok(Json(Done::YES))
}
