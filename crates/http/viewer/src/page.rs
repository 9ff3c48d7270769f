//! What every page has: head, bar, policy, and the answer for what is not there.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, LOCATION, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use maud::{DOCTYPE, Markup, PreEscaped, html};
use pentad_http_kit::{Fault, Principal};
use pentad_kernel::ErrorKind;
use pentad_runs::Error;

use crate::assets::{self, Asset};
use crate::{Viewer, words};

/// Nothing but this origin's own scripts, styles and images; nothing inline.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
                      connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// Who looks at a page.
pub(crate) struct Visitor {
    email: String,
    tenant: String,
    is_at_home: bool,
}

impl Visitor {
    pub(crate) async fn of(viewer: &Viewer, principal: &Principal) -> Result<Self, Fault> {
        let actor = &principal.actor;
        let here = viewer.identity.organisation(&actor.organisation).await?;
        let user = viewer.identity.user(&actor.user).await?;
        Ok(Self {
            email: actor.email.clone(),
            is_at_home: user.home_organisation == here.id,
            tenant: here.name,
        })
    }
}

/// A page with its bar.
pub(crate) fn page(visitor: &Visitor, title: &str, script: Option<&Asset>, main: &Markup) -> HttpResponse {
    let body = html! {
        a.skip href="#main" { "Skip to content" }
        header.bar {
            a.brand href="/viewer/" {
                img src=(assets::ICON.url()) alt="" width="24" height="24";
                span { "Pentad" }
                span.brand-area { "Runs" }
            }
            nav aria-label="Other pages" { a href="/api/docs/" { "API" } }
            div.who {
                span.tenant.away[!visitor.is_at_home] title="Workspace" {
                    @if !visitor.is_at_home { "viewing " }
                    (visitor.tenant)
                }
                span.email { (visitor.email) }
                button.quiet type="button" data-sign-out { "Sign out" }
            }
        }
        (main)
    };
    answer(StatusCode::OK, &document(title, script, "", &body))
}

/// A whole document.
pub(crate) fn document(title: &str, script: Option<&Asset>, class: &str, body: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) " · Pentad" }
                link rel="icon" type="image/svg+xml" href=(assets::ICON.url());
                link rel="stylesheet" href=(assets::STYLE.url());
                script type="module" src=(assets::PAGES.url()) {}
                @if let Some(script) = script { script type="module" src=(script.url()) {} }
            }
            body class=(class) {
                noscript { p.notice { "These pages need JavaScript: it comes from this server alone." } }
                (body)
            }
        }
    }
}

/// A page or a piece of one as an answer.
pub(crate) fn answer(status: StatusCode, markup: &Markup) -> HttpResponse {
    let PreEscaped(text) = markup;
    HttpResponse::build(status)
        .content_type("text/html; charset=utf-8")
        .insert_header((CACHE_CONTROL, "private, no-store"))
        .insert_header((CONTENT_SECURITY_POLICY, POLICY))
        .insert_header((REFERRER_POLICY, "no-referrer"))
        .insert_header((X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .body(text.clone())
}

/// The way to the sign-in page, and back to this address.
pub(crate) fn to_sign_in(address: &str) -> HttpResponse {
    HttpResponse::SeeOther()
        .insert_header((
            LOCATION,
            format!("/viewer/login?next={}", words::encoded(address)),
        ))
        .insert_header((CACHE_CONTROL, "private, no-store"))
        .finish()
}

/// What is not there, as a page; every other error goes on.
pub(crate) fn missing(visitor: &Visitor, error: Error) -> Result<HttpResponse, Fault> {
    if pentad_kernel::Classify::kind(&error) != ErrorKind::NotFound {
        return Err(error.into());
    }
    let main = html! {
        main.message id="main" tabindex="-1" {
            h1 { "Not here" }
            p {
                "There is no such run in this workspace. It may have been removed, or belong to another one."
            }
            p { a.button href="/viewer/" { "All runs" } }
        }
    };
    let mut page = page(visitor, "Not here", None, &main);
    *page.status_mut() = StatusCode::NOT_FOUND;
    Ok(page)
}
