//! Style, scripts and icon: part of the binary, under names that change with their content.

use std::sync::LazyLock;

use actix_web::HttpResponse;
use actix_web::http::header::{CACHE_CONTROL, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use actix_web::web::Path;
use pentad_http_kit::Fault;
use pentad_kernel::secret;

/// A file that pages load.
pub(crate) struct Asset {
    name: String,
    media: &'static str,
    content: &'static str,
}

impl Asset {
    fn new(stem: &str, ending: &str, media: &'static str, content: &'static str) -> Self {
        let version = &secret::sha256_hex(content)[..12];
        Self {
            name: format!("{stem}-{version}.{ending}"),
            media,
            content,
        }
    }

    /// Where it is served.
    pub(crate) fn url(&self) -> String {
        format!("/viewer/assets/{}", self.name)
    }
}

const SCRIPT: &str = "text/javascript; charset=utf-8";

pub(crate) static STYLE: LazyLock<Asset> = LazyLock::new(|| {
    Asset::new(
        "viewer",
        "css",
        "text/css; charset=utf-8",
        include_str!("../assets/viewer.css"),
    )
});
pub(crate) static ICON: LazyLock<Asset> =
    LazyLock::new(|| Asset::new("icon", "svg", "image/svg+xml", include_str!("../assets/icon.svg")));
pub(crate) static PAGES: LazyLock<Asset> =
    LazyLock::new(|| Asset::new("pages", "js", SCRIPT, include_str!("../assets/pages.js")));
pub(crate) static RUN: LazyLock<Asset> = LazyLock::new(|| Asset::new("run", "js", SCRIPT, RUN_SCRIPT));

/// One script of several files, which share one scope: what one of them names, those after it know.
const RUN_SCRIPT: &str = concat!(
    include_str!("../assets/run/page.js"),
    include_str!("../assets/run/steps.js"),
    include_str!("../assets/run/strip.js"),
    include_str!("../assets/run/current.js"),
    include_str!("../assets/run/stage.js"),
    include_str!("../assets/run/live.js"),
    include_str!("../assets/run/commands.js"),
    include_str!("../assets/run/controls.js"),
);

/// A file that pages load
#[utoipa::path(get, path = "/viewer/assets/{name}", responses((status = 200, description = "The file.")))]
pub(crate) async fn asset(name: Path<String>) -> Result<HttpResponse, Fault> {
    let all: [&Asset; 4] = [&STYLE, &ICON, &PAGES, &RUN];
    let asset = all
        .into_iter()
        .find(|asset| asset.name == *name)
        .ok_or_else(|| Fault::not_found("there is no such file"))?;
    Ok(HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, asset.media))
        .insert_header((CACHE_CONTROL, "public, max-age=31536000, immutable"))
        .insert_header((X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .body(asset.content))
}
