//! Signing in.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use maud::html;
use pentad_http_kit::Query;

use crate::{assets, page};

/// The sign-in page
#[utoipa::path(get, path = "/viewer/login", responses((status = 200, description = "The page.")))]
pub(crate) async fn login_page(query: Query) -> HttpResponse {
    // Only a place of these pages: nobody is sent elsewhere after signing in.
    let next = query
        .text("next")
        .filter(|next| next.starts_with("/viewer") && !next.contains('\\'))
        .unwrap_or("/viewer/");
    let body = html! {
        main.login id="main" {
            img src=(assets::ICON.url()) alt="" width="48" height="48";
            h1 { "Sign in to Pentad" }
            p.muted { "Watch your agents at work, and see what they did." }
            form data-sign-in data-next=(next) method="post" {
                label for="email" { "E-mail" }
                input id="email" name="email" type="email" autocomplete="username" required autofocus;
                label for="password" { "Password" }
                input id="password" name="password" type="password" autocomplete="current-password" required;
                p.error role="alert" data-error {}
                button.primary type="submit" { "Sign in" }
            }
        }
    };
    page::answer(StatusCode::OK, &page::document("Sign in", None, "plain", &body))
}
