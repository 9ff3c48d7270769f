//! What there is.

use actix_web::web::{Data, Json};
use pentad_http_kit::{Fault, Principal, Query};
use pentad_storage::{Namespace, ResourceFilter, ResourceKind, Storage};

use crate::wire::{Resource, ResourceCounts, ResourceStats, Resources};

/// List what is stored
///
/// Keys, tables of databases and objects, the last written first.
#[utoipa::path(get, path = "/api/resources/list", tag = "storage",
    params(("type" = Option<String>, Query, description = "`kv`, `d1`, `r2` or `do`."),
           ("namespace" = Option<String>, Query, description = "Only in this namespace."),
           ("key_prefix" = Option<String>, Query, description = "Only what begins so."),
           ("limit" = Option<u32>, Query, description = "How many, 1 to 1000. Default 100."),
           ("offset" = Option<u32>, Query, description = "How many to leave out. Default 0.")),
    responses((status = 200, description = "Some of it.", body = Resources),
              (status = 400, description = "A parameter is out of its bounds.")))]
pub(crate) async fn list_resources(
    storage: Data<Storage>,
    principal: Principal,
    query: Query,
) -> Result<Json<Resources>, Fault> {
    let namespace = query.text("namespace").filter(|name| !name.is_empty());
    let filter = ResourceFilter {
        kind: query.choice("type", &ResourceKind::ALL.map(|kind| (kind.name(), kind)))?,
        namespace: namespace.map(Namespace::parse).transpose()?,
        key_prefix: query.text("key_prefix").unwrap_or_default().to_owned(),
    };
    let number = |name: &str, bounds: std::ops::RangeInclusive<i64>, default: u32| {
        let number = query.integer(name, &bounds)?;
        Ok::<u32, Fault>(
            number
                .and_then(|number| u32::try_from(number).ok())
                .unwrap_or(default),
        )
    };
    let limit = number("limit", 1..=1_000, 100)?;
    let offset = number("offset", 0..=i64::from(i32::MAX), 0)?;
    let page = storage
        .resources(&principal.actor, &filter, limit, offset)
        .await?;
    let has_more = u64::from(offset) + (page.resources.len() as u64) < page.total;
    let resources = page.resources.into_iter().map(|resource| Resource {
        kind: resource.kind.name(),
        namespace: resource.namespace,
        key: resource.key,
        created_at: resource.created_at,
        updated_at: resource.updated_at,
        size: resource.size,
        metadata: resource.metadata,
    });
    Ok(Json(Resources {
        resources: resources.collect(),
        total: page.total,
        offset,
        limit,
        has_more,
    }))
}

/// Count what is stored
#[utoipa::path(get, path = "/api/resources/stats", tag = "storage",
    responses((status = 200, description = "How many, of what, where, and how many bytes.", body = ResourceStats)))]
pub(crate) async fn get_resource_stats(
    storage: Data<Storage>,
    principal: Principal,
) -> Result<Json<ResourceStats>, Fault> {
    let statistics = storage.statistics(&principal.actor).await?;
    let count = |kind| statistics.by_kind.get(&kind).copied().unwrap_or(0);
    Ok(Json(ResourceStats {
        total: statistics.total,
        by_type: ResourceCounts {
            kv: count(ResourceKind::Kv),
            d1: count(ResourceKind::D1),
            r2: count(ResourceKind::R2),
            durable_objects: count(ResourceKind::Do),
        },
        by_namespace: statistics.by_namespace,
        total_size: statistics.total_size,
    }))
}
