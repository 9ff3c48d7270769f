//! A run ends when the client that waits for it goes away.

use actix_web::HttpRequest;
use pentad_exec::{Error, Result};

/// The client of a request.
#[derive(Clone, Debug)]
pub(crate) struct Client(pentad_http_kit::Client);

impl Client {
    pub(crate) fn of(request: &HttpRequest) -> Self {
        Self(pentad_http_kit::Client::of(request))
    }

    /// Resolves when it has closed its connection.
    pub(crate) async fn gone(&self) {
        self.0.gone().await;
    }

    /// Does the work, unless the client goes away first.
    pub(crate) async fn wait_for<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        self.0.wait_for(work).await.unwrap_or(Err(Error::Cancelled))
    }
}
