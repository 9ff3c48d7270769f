//! The proof that a request passed its guard.

use std::future::{Ready, ready};
use std::ops::Deref;
use std::sync::Arc;

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpMessage as _, HttpRequest};
use pentad_identity::Caller;
use pentad_kernel::{ErrorKind, Scope};
use serde_json::json;

use crate::Fault;

/// Who is asking. Only the guard makes one, so a handler that takes one cannot be reached around it.
#[derive(Clone, Debug)]
pub struct Principal(pub(crate) Arc<Caller>);

impl Deref for Principal {
    type Target = Caller;

    fn deref(&self) -> &Caller {
        &self.0
    }
}

impl Principal {
    /// Refuses a caller without any of the scopes: for operations that decide after reading the request
    /// which surface it is meant for.
    ///
    /// # Errors
    /// A fault of kind [`ErrorKind::Forbidden`].
    pub fn require(&self, scopes: &[Scope]) -> Result<(), Fault> {
        if self.actor.scopes.allows_any(scopes) {
            Ok(())
        } else {
            Err(insufficient_scope(&self.0, scopes))
        }
    }
}

/// The fault of a credential that is known and does not reach this far.
pub(crate) fn insufficient_scope(caller: &Caller, scopes: &[Scope]) -> Fault {
    let mut required: Vec<&str> = scopes.iter().map(|scope| scope.name()).collect();
    required.sort_unstable();
    let message = format!("this key lacks the scope {}", required.join(" or "));
    Fault::new(ErrorKind::Forbidden, message)
        .with_code("insufficient_scope")
        .with_details(json!({
            "required": required,
            "current": caller.actor.scopes.names(),
        }))
}

impl FromRequest for Principal {
    type Error = Fault;
    type Future = Ready<Result<Self, Fault>>;

    fn from_request(request: &HttpRequest, _payload: &mut Payload) -> Self::Future {
        let principal = request.extensions().get::<Self>().cloned();
        ready(principal.ok_or_else(|| Fault::internal("a handler asks for the caller of a public operation")))
    }
}

/// Who asks for an operation that is open to everybody, where that can be told.
#[derive(Clone, Debug)]
pub struct Visitor(pub Option<Principal>);

impl FromRequest for Visitor {
    type Error = Fault;
    type Future = Ready<Result<Self, Fault>>;

    fn from_request(request: &HttpRequest, _payload: &mut Payload) -> Self::Future {
        ready(Ok(Self(request.extensions().get::<Principal>().cloned())))
    }
}
