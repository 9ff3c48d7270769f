//! Under which address clients reach the gateway.

use std::sync::Arc;

use actix_web::HttpRequest;

/// The address that links in answers begin with: the configured one, or else that which the request was sent to.
#[derive(Clone, Debug, Default)]
pub struct PublicUrl(Option<Arc<str>>);

impl PublicUrl {
    /// The configured address, or none.
    pub fn new(configured: Option<&str>) -> Self {
        Self(configured.map(|url| url.trim_end_matches('/').into()))
    }

    /// The address, without a slash at its end.
    pub fn origin(&self, request: &HttpRequest) -> String {
        if let Some(url) = &self.0 {
            return url.as_ref().to_owned();
        }
        let from = request.connection_info();
        format!("{}://{}", from.scheme(), from.host())
    }

    /// Whether browsers are known to reach it encrypted only.
    pub fn is_https(&self) -> bool {
        self.0.as_ref().is_some_and(|url| url.starts_with("https://"))
    }
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    #[test]
    fn the_configured_address_goes_before_that_of_the_request() {
        let request = TestRequest::default()
            .insert_header(("host", "here.example:8080"))
            .to_http_request();
        let configured = PublicUrl::new(Some("https://pentad.example/"));
        assert_eq!(configured.origin(&request), "https://pentad.example");
        assert_eq!(PublicUrl::default().origin(&request), "http://here.example:8080");
        assert!(configured.is_https() && !PublicUrl::default().is_https());
    }
}
