//! Namespaces and keys in paths.

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};
use pentad_http_kit::{Fault, Query};
use pentad_storage::{Key, ListRequest, MAX_PAGE, Namespace};
use percent_encoding::percent_decode_str;

/// The namespace in `/api/storage/{kind}/{namespace}…`.
pub(crate) struct InNamespace(pub(crate) Namespace);

/// The namespace and the key in `/api/storage/{kind}/{namespace}/{key}`.
pub(crate) struct AtKey {
    pub(crate) namespace: Namespace,
    pub(crate) key: Key,
}

/// A part of the path, decoded once. The key is all that follows the namespace, slashes included; a slash that
/// is escaped is a slash as well.
fn part(request: &HttpRequest, place: usize) -> Result<String, Fault> {
    let path = request.uri().path();
    let text = path.splitn(6, '/').nth(place).unwrap_or_default();
    percent_decode_str(text)
        .decode_utf8()
        .map(std::borrow::Cow::into_owned)
        .map_err(|_| Fault::invalid("the path is not UTF-8"))
}

fn namespace(request: &HttpRequest) -> Result<Namespace, Fault> {
    Ok(Namespace::parse(&part(request, 4)?)?)
}

impl FromRequest for InNamespace {
    type Error = Fault;
    type Future = Ready<Result<Self, Fault>>;

    fn from_request(request: &HttpRequest, _payload: &mut Payload) -> Self::Future {
        ready(namespace(request).map(Self))
    }
}

impl FromRequest for AtKey {
    type Error = Fault;
    type Future = Ready<Result<Self, Fault>>;

    fn from_request(request: &HttpRequest, _payload: &mut Payload) -> Self::Future {
        let read = || {
            Ok(Self {
                namespace: namespace(request)?,
                key: Key::parse(part(request, 5)?)?,
            })
        };
        ready(read())
    }
}

/// `prefix`, `limit` and `cursor`.
pub(crate) fn list_request(query: &Query) -> Result<ListRequest, Fault> {
    let default = ListRequest::default();
    let limit = query.integer("limit", &(1..=i64::from(MAX_PAGE)))?;
    Ok(ListRequest {
        prefix: query.text("prefix").unwrap_or_default().to_owned(),
        limit: limit
            .and_then(|limit| u32::try_from(limit).ok())
            .unwrap_or(default.limit),
        cursor: query
            .text("cursor")
            .filter(|cursor| !cursor.is_empty())
            .map(str::to_owned),
    })
}
