//! Noticing that a client has gone away while it is being answered.
//!
//! The server reads a connection only when it wants the next request, so a client that hangs up in the middle
//! of a long answer is not missed until it is written. What is kept here is a second handle on the socket.

use std::any::Any;
use std::io::ErrorKind;
use std::net::TcpStream;
use std::os::fd::AsFd as _;
use std::sync::Arc;
use std::time::Duration;

use actix_web::HttpRequest;
use actix_web::dev::Extensions;

/// How often a connection is looked at.
const LOOK: Duration = Duration::from_millis(200);

/// A handle on the socket of a connection.
#[derive(Clone, Debug)]
struct Socket(Arc<TcpStream>);

/// Keeps a handle on each new connection: for the server's `on_connect`.
pub fn watch_connection(connection: &dyn Any, data: &mut Extensions) {
    // Without one, a client that goes away is noticed when the answer is written.
    let handle = connection
        .downcast_ref::<actix_web::rt::net::TcpStream>()
        .and_then(|stream| stream.as_fd().try_clone_to_owned().ok());
    if let Some(handle) = handle {
        data.insert(Socket(Arc::new(TcpStream::from(handle))));
    }
}

/// The client of a request.
#[derive(Clone, Debug)]
pub struct Client(Option<Socket>);

impl Client {
    /// The client of this request.
    pub fn of(request: &HttpRequest) -> Self {
        Self(request.conn_data::<Socket>().cloned())
    }

    /// Resolves when it has closed its connection.
    pub async fn gone(&self) {
        let Some(Socket(socket)) = &self.0 else {
            return std::future::pending().await;
        };
        loop {
            tokio::time::sleep(LOOK).await;
            match socket.peek(&mut [0]) {
                Ok(0) => return,
                // The next request is here already.
                Ok(_) => {}
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
                Err(_) => return,
            }
        }
    }

    /// Does the work, unless the client goes away first: then the work is dropped.
    pub async fn wait_for<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            // Work that is done at once sets no timer.
            biased;
            outcome = work => Some(outcome),
            () = self.gone() => None,
        }
    }
}
