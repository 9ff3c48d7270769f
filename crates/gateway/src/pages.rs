//! Swagger UI and ReDoc, served from this binary alone.

use std::io::Read as _;

use actix_web::http::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, ContentType, HeaderValue,
    LOCATION,
};
use actix_web::middleware::{Compress, DefaultHeaders};
use actix_web::web::{self, Bytes, Data, Path, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use pentad_http_kit::Fault;
use utoipa_swagger_ui::{Config, SwaggerUi, Url};

use crate::documents::Document;

/// ReDoc's own bundle (MIT, `assets/redoc.LICENSE`), whose only outside address, a logo, is emptied.
const REDOC: &[u8] = include_bytes!("../assets/redoc.standalone.js.gz");

/// The pages load nothing from elsewhere and may not either.
const POLICY: &str = "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
                      worker-src 'self' blob:; frame-ancestors 'none'";

const REDOC_PAGE: &str = r#"<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Pentad API</title>
<link rel="icon" href="data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 32 32'%3E%3Cpath fill='%23345' d='M16 1 31 12 25 30H7L1 12z'/%3E%3C/svg%3E">
<style>body { margin: 0 }</style>
</head>
<body>
<redoc spec-url="/api/v1/openapi.json" hide-download-button></redoc>
<script src="/api/redoc/redoc.standalone.js"></script>
</body>
</html>
"#;

/// The documents as they are served.
#[derive(Clone, Debug)]
pub(crate) struct Published(Vec<(&'static str, Bytes)>);

impl Published {
    pub(crate) fn new(documents: &[Document]) -> Self {
        let render = |document: &Document| {
            let json = serde_json::to_vec(&document.api).expect("a document has a JSON form");
            (document.path, Bytes::from(json))
        };
        Self(documents.iter().map(render).collect())
    }
}

async fn document(published: Data<Published>, request: HttpRequest) -> Result<HttpResponse, Fault> {
    let found = published
        .0
        .iter()
        .find(|(path, _)| *path == request.path().trim_end_matches('/'));
    let (_, json) = found.ok_or_else(|| Fault::not_found("no such document"))?;
    Ok(HttpResponse::Ok()
        .insert_header(ContentType::json())
        .body(json.clone()))
}

async fn redoc_page() -> HttpResponse {
    HttpResponse::Ok()
        .insert_header(ContentType::html())
        .body(REDOC_PAGE)
}

async fn redoc_script(request: HttpRequest) -> Result<HttpResponse, Fault> {
    let accepts = request
        .headers()
        .get(ACCEPT_ENCODING)
        .and_then(|value| value.to_str().ok());
    let mut response = HttpResponse::Ok();
    response
        .insert_header(("content-type", "text/javascript; charset=utf-8"))
        .insert_header((CACHE_CONTROL, "public, max-age=86400"));
    if accepts.is_some_and(|accepts| accepts.contains("gzip")) {
        return Ok(response.insert_header((CONTENT_ENCODING, "gzip")).body(REDOC));
    }
    let mut script = Vec::new();
    flate2::read::GzDecoder::new(REDOC)
        .read_to_end(&mut script)
        .map_err(|error| Fault::internal(format!("the embedded script does not unpack: {error}")))?;
    Ok(response.body(script))
}

async fn to_docs(path: Path<String>) -> HttpResponse {
    HttpResponse::PermanentRedirect()
        .insert_header((LOCATION, format!("/api/{path}docs/")))
        .finish()
}

/// Mounts the documents and the pages that show them.
pub(crate) fn mount(documents: &[Document], published: &Data<Published>, config: &mut ServiceConfig) {
    config.app_data(published.clone());
    for path in documents.iter().map(|document| document.path) {
        config.service(web::resource([path.to_owned(), format!("{path}/")]).get(document));
    }
    let headers = || {
        DefaultHeaders::new()
            .add((CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY)))
            .add(("x-content-type-options", "nosniff"))
    };
    config.service(
        web::resource("/api/redoc/redoc.standalone.js")
            .wrap(headers())
            .get(redoc_script),
    );
    let urls: Vec<Url<'static>> = documents
        .iter()
        .map(|document| Url::new(document.title, document.path))
        .collect();
    let settings = Config::new(urls)
        .try_it_out_enabled(true)
        .persist_authorization(true)
        .display_request_duration(true)
        .doc_expansion("list")
        .filter(true);
    let mut swagger = web::scope("").wrap(Compress::default()).wrap(headers());
    for prefix in ["", "v1/"] {
        let page = format!("/api/{prefix}redoc");
        config.service(
            web::resource([page.clone(), format!("{page}/")])
                .wrap(headers())
                .get(redoc_page),
        );
        config.service(web::resource(format!("/api/{{prefix:{prefix}}}docs")).get(to_docs));
        swagger =
            swagger.service(SwaggerUi::new(format!("/api/{prefix}docs/{{_:.*}}")).config(settings.clone()));
    }
    // Last: a scope without a prefix takes every path that nothing before it took.
    config.service(swagger);
}
