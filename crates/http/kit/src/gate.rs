//! The guard in front of every operation.

use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU32;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actix_web::HttpMessage as _;
use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::http::header::{AUTHORIZATION, HOST, HeaderName, HeaderValue, ORIGIN};
use actix_web::middleware::Next;
use actix_web::web::Data;
use pentad_identity::{Caller, Identity, KeyFamily, Limited, Limiter, Refusal, Standing};
use pentad_kernel::{Actor, ActorKind, ErrorKind};
use serde_json::json;

use crate::principal::insufficient_scope;
use crate::{Access, BodyLimit, Fault, Principal, RequestContext, Surface};

/// Whether code may be run without a key (contract of the gateway, section 3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenExec {
    /// Never.
    Closed,
    /// For requests that come from this machine and from no web page of another origin.
    ThisMachine,
    /// For everybody who reaches the gateway.
    Everybody,
}

/// How many refused credentials one address may send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RefusalLimit {
    /// Refusals a second in the long run.
    pub per_second: NonZeroU32,
    /// Refusals at once.
    pub burst: NonZeroU32,
}

/// What the guard needs to know who is asking and whether they may.
#[derive(Clone, Debug)]
pub struct Gate {
    /// The accounts.
    pub identity: Identity,
    /// The buckets of plans and of refused addresses.
    pub limiter: Limiter,
    /// Whether code may be run without a key.
    pub open_exec: OpenExec,
    /// How many refused credentials one address may send; `None` for as many as it likes.
    pub refusals: Option<RefusalLimit>,
}

/// The cookie of a browser session (seed 004).
pub(crate) const SESSION_COOKIE: &str = "augur_session";
/// The cookie by which a platform administrator looks at another tenant (seed 004).
pub(crate) const OVERRIDE_COOKIE: &str = "augur_tenant_override";

/// What the guard knows of one method of a path.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Policy {
    /// The surface; `None` for the one that the path belongs to.
    pub(crate) surface: Option<Surface>,
    pub(crate) access: Access,
    pub(crate) body_limit: BodyLimit,
    /// Whether refusals and failures are held back.
    pub(crate) slow_to_refuse: bool,
}

/// For how long.
const HELD_BACK: Duration = Duration::from_secs(1);

impl Policy {
    /// The surface that the request is for, which the edge is told.
    fn surface_of(&self, request: &ServiceRequest) -> Surface {
        let context = RequestContext::of(request);
        if let (Some(surface), Some(context)) = (self.surface, &context) {
            context.set_surface(surface);
        }
        context.map_or(Surface::Sync, |context| context.surface())
    }
}

/// Somebody's program in a sandbox, known by its connection alone: what whoever listens for programs puts beside
/// each of their connections, for [`crate::mount_for_programs`].
#[derive(Clone, Debug)]
pub struct Program(Arc<Caller>);

impl Program {
    /// A program that runs for this actor.
    pub fn of(actor: Actor) -> Self {
        Self(Arc::new(Caller::of_program(actor)))
    }
}

/// How callers are known.
#[derive(Clone, Debug)]
pub(crate) enum Admission {
    /// By their credential.
    Gate(Data<Gate>),
    /// By their connection, beside which a [`Program`] lies.
    Programs,
}

/// Admits or refuses a request, before anything of its body is read.
pub(crate) async fn guard<B: MessageBody + 'static>(
    policies: Rc<[(Method, Policy)]>,
    admission: Admission,
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<B>, actix_web::Error> {
    let Some((_, policy)) = policies.iter().find(|(method, _)| method == request.method()) else {
        // The resource answers 405; the edge puts the envelope around it.
        if let Some((_, any)) = policies.first() {
            any.surface_of(&request);
        }
        return next.call(request).await;
    };
    let answer = admit_and_answer(policy, &admission, request, next).await;
    let refused = answer.as_ref().map_or(true, |response| {
        response.status().is_client_error() || response.status().is_server_error()
    });
    if policy.slow_to_refuse && refused {
        tokio::time::sleep(HELD_BACK).await;
    }
    answer
}

async fn admit_and_answer<B: MessageBody + 'static>(
    policy: &Policy,
    admission: &Admission,
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<B>, actix_web::Error> {
    let surface = policy.surface_of(&request);
    request.extensions_mut().insert(policy.body_limit);
    let admitted = match admission {
        Admission::Gate(gate) => match gate.admit(&request, surface, policy.access).await? {
            Some(caller) => {
                let standing = gate.take(surface, &caller)?;
                Some((caller, standing))
            }
            None => None,
        },
        Admission::Programs => {
            let Some(Program(caller)) = request.conn_data::<Program>().cloned() else {
                return Err(Fault::internal("a connection without its program").into());
            };
            permit(policy.access, surface, &caller)?;
            Some((caller, None))
        }
    };
    let standing = admitted.and_then(|(caller, standing)| {
        request.extensions_mut().insert(Principal(caller));
        standing
    });
    let mut response = next.call(request).await?;
    if let Some(standing) = standing {
        let headers = response.headers_mut();
        headers.insert(RATE_LIMIT, HeaderValue::from(standing.limit));
        headers.insert(RATE_REMAINING, HeaderValue::from(standing.remaining));
    }
    Ok(response)
}

const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit-limit");
const RATE_REMAINING: HeaderName = HeaderName::from_static("ratelimit-remaining");
const RATE_RESET: HeaderName = HeaderName::from_static("ratelimit-reset");

impl Gate {
    async fn admit(
        &self,
        request: &ServiceRequest,
        surface: Surface,
        access: Access,
    ) -> Result<Option<Arc<Caller>>, Fault> {
        let peer = request.peer_addr();
        match access {
            Access::Public => return Ok(None),
            Access::Visitor => return Ok(self.visitor(request).await),
            Access::Operator if peer.is_some_and(|peer| peer.ip().is_loopback()) => return Ok(None),
            _ => {}
        }
        let caller = match bearer(request) {
            Some(token) => match self.identity.authenticate(token).await {
                Ok(caller) => caller,
                Err(refusal) => return Err(self.refuse(surface, access, refusal, peer)),
            },
            None if access.takes_cookie() => match self.by_cookie(request).await? {
                Some(caller) => caller,
                None if matches!(access, Access::Page(_)) => return Ok(None),
                None => return Err(self.missing_either(surface, peer)),
            },
            None if matches!(access, Access::Exec(_)) && self.is_open_to(request) => {
                Arc::new(self.identity.local_caller().await?)
            }
            None => return Err(self.missing(surface, peer)),
        };
        permit(access, surface, &caller)?;
        if let Some(key) = &caller.actor.key {
            self.identity.note_use(key, peer.map(|peer| peer.ip()));
        }
        Ok(Some(caller))
    }

    /// Who asks, where that can be told; a credential that does not work may be meant for somebody else.
    async fn visitor(&self, request: &ServiceRequest) -> Option<Arc<Caller>> {
        match bearer(request) {
            Some(token) => self.identity.authenticate(token).await.ok(),
            None if self.is_open_to(request) => self.identity.local_caller().await.ok().map(Arc::new),
            None => None,
        }
    }

    /// Whoever is signed in with a browser.
    async fn by_cookie(&self, request: &ServiceRequest) -> Result<Option<Arc<Caller>>, Fault> {
        let Some(cookie) = request.cookie(SESSION_COOKIE) else {
            return Ok(None);
        };
        if !request.method().is_safe() && !same_origin(request) {
            return Err(Fault::new(
                ErrorKind::Forbidden,
                "a browser session changes nothing from another origin",
            ));
        }
        let Some(user) = self.identity.web_session_user(cookie.value()).await? else {
            return Ok(None);
        };
        // The override means something only in the hands of an administrator; a slug that is not there
        // is as good as none.
        let overridden = match request.cookie(OVERRIDE_COOKIE).filter(|_| user.is_admin) {
            Some(slug) => self.identity.organisation_by_slug(slug.value()).await.ok(),
            None => None,
        };
        let organisation = overridden.map_or_else(|| user.home_organisation.clone(), |other| other.id);
        let caller = self.identity.web_caller(&user, &organisation).await?;
        Ok(Some(Arc::new(caller)))
    }

    /// The answer to a request without a key and without a session. Where seeds 002 and 004 have the same
    /// path, nothing tells which of them it is meant for, so it reads as an error of both.
    fn missing_either(&self, surface: Surface, peer: Option<SocketAddr>) -> Fault {
        let fault = self.missing(surface, peer);
        if surface != Surface::Sync || fault.kind != ErrorKind::Unauthenticated {
            return fault;
        }
        let body = json!({
            "detail": fault.message,
            "error": { "code": "401", "message": fault.message, "details": {} },
        });
        fault.with_body(body)
    }

    /// The answer to a request without a credential.
    fn missing(&self, surface: Surface, peer: Option<SocketAddr>) -> Fault {
        let message = match surface {
            Surface::Grep | Surface::Exec => "send a key: Authorization: Bearer <key>",
            Surface::Memory | Surface::Ingest => "Not authenticated",
            Surface::Sync => "Missing or invalid Authorization header",
        };
        self.slowed(peer, Fault::new(ErrorKind::Unauthenticated, message))
    }

    /// The answer to a credential that opens nothing.
    fn refuse(&self, surface: Surface, access: Access, refusal: Refusal, peer: Option<SocketAddr>) -> Fault {
        if matches!(refusal, Refusal::Store(_)) {
            return refusal.into();
        }
        let mut fault = Fault::from(refusal);
        if surface != Surface::Sync {
            fault.code = None;
        }
        if matches!(access, Access::Ingest(_)) {
            fault.kind = ErrorKind::Forbidden;
        }
        self.slowed(peer, fault)
    }

    /// The fault itself, or that its sender has had too many of them.
    fn slowed(&self, peer: Option<SocketAddr>, fault: Fault) -> Fault {
        let (Some(limit), Some(peer)) = (self.refusals, peer) else {
            return fault;
        };
        match self
            .limiter
            .check(&address_bucket(peer.ip()), limit.per_second, limit.burst)
        {
            Ok(_) => fault,
            Err(limited) => too_many(limited, "too many refused credentials from this address"),
        }
    }

    /// Takes a request from the caller's bucket, which is as large as the best plan that the caller has: who
    /// joins a team asks as often as the team may.
    fn take(&self, surface: Surface, caller: &Caller) -> Result<Option<Standing>, Fault> {
        let plan = self.identity.plans().plan(caller.effective_plan);
        let Some(rate) = plan.requests_per_second.and_then(NonZeroU32::new) else {
            return Ok(None);
        };
        let organisation = caller.actor.organisation.as_str();
        // For grep per organisation: rotating keys must not multiply the rate.
        let bucket = match (&caller.actor.key, surface) {
            (Some(key), Surface::Memory | Surface::Sync | Surface::Exec | Surface::Ingest) => key.as_str(),
            _ => organisation,
        };
        match self.limiter.check(bucket, rate, rate) {
            Ok(standing) => Ok(Some(standing)),
            Err(limited) => {
                let message = format!(
                    "more than the {rate} requests a second of the plan {}",
                    caller.effective_plan
                );
                Err(too_many(limited, &message))
            }
        }
    }

    fn is_open_to(&self, request: &ServiceRequest) -> bool {
        match self.open_exec {
            OpenExec::Closed => false,
            OpenExec::Everybody => true,
            OpenExec::ThisMachine => {
                let host = request
                    .headers()
                    .get(HOST)
                    .and_then(|value| value.to_str().ok())
                    .unwrap_or_default();
                let site = request
                    .headers()
                    .get("sec-fetch-site")
                    .and_then(|value| value.to_str().ok());
                is_loopback_host(host)
                    && site.is_none_or(|site| matches!(site, "same-origin" | "none"))
                    && same_origin(request)
            }
        }
    }
}

fn permit(access: Access, surface: Surface, caller: &Caller) -> Result<(), Fault> {
    let actor = &caller.actor;
    match access {
        Access::Public | Access::Visitor | Access::Credential => Ok(()),
        Access::Exec(_) if actor.kind == ActorKind::Local => Ok(()),
        Access::User => match actor.kind {
            ActorKind::UserKey => Ok(()),
            _ => Err(no_service_key(actor)),
        },
        Access::Admin | Access::Operator => {
            if actor.is_admin && actor.kind != ActorKind::ServiceKey {
                Ok(())
            } else {
                Err(Fault::new(
                    ErrorKind::Forbidden,
                    "Admin access required: only a platform administrator may do this",
                ))
            }
        }
        Access::Browser(_) | Access::Page(_) if actor.kind == ActorKind::WebSession => Ok(()),
        // A DSN key is no credential where nothing is written (contract of seed 004, section 1).
        Access::Browser(scopes) | Access::Page(scopes)
            if caller.family == Some(KeyFamily::Ingest) && !actor.scopes.allows_any(scopes) =>
        {
            Err(Fault::new(ErrorKind::Unauthenticated, "Not authenticated"))
        }
        Access::Key(scopes)
        | Access::Exec(scopes)
        | Access::Ingest(scopes)
        | Access::Browser(scopes)
        | Access::Page(scopes) => {
            if actor.scopes.allows_any(scopes) {
                Ok(())
            } else if scopes.is_empty() && surface == Surface::Sync {
                Err(no_service_key(actor))
            } else {
                Err(insufficient_scope(caller, scopes))
            }
        }
    }
}

fn no_service_key(actor: &Actor) -> Fault {
    Fault::new(
        ErrorKind::Forbidden,
        "service keys may not do this: use a key of your own",
    )
    .with_code("service_key_not_allowed")
    .with_details(json!({ "service_key_name": actor.key_name }))
}

fn too_many(limited: Limited, message: &str) -> Fault {
    let seconds = limited.retry_after.as_secs() + 1;
    Fault::new(ErrorKind::RateLimited, message)
        .with_retry_after(limited.retry_after)
        .with_header(RATE_LIMIT, HeaderValue::from(limited.limit))
        .with_header(RATE_REMAINING, HeaderValue::from(0))
        .with_header(RATE_RESET, HeaderValue::from(seconds))
}

fn bearer(request: &ServiceRequest) -> Option<&str> {
    let value = request.headers().get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}

/// Whether the request comes from no web page, or from one of this gateway's own.
fn same_origin(request: &ServiceRequest) -> bool {
    let Some(origin) = request.headers().get(ORIGIN) else {
        return true;
    };
    let host = request.headers().get(HOST).and_then(|value| value.to_str().ok());
    let origin = origin
        .to_str()
        .ok()
        .and_then(|origin| origin.split_once("://"))
        .map(|(_, host)| host);
    origin.is_some() && origin == host
}

fn is_loopback_host(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    name.eq_ignore_ascii_case("localhost")
        || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// IPv6 networks are handed out by the 64 bits: a bucket per address would be a bucket per request.
fn address_bucket(address: IpAddr) -> String {
    match address {
        IpAddr::V4(address) => format!("refused:{address}"),
        IpAddr::V6(address) => {
            let network = address.segments();
            format!(
                "refused:{:x}:{:x}:{:x}:{:x}",
                network[0], network[1], network[2], network[3]
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_this_machine_are_loopback() {
        for host in [
            "localhost",
            "LOCALHOST:8080",
            "127.0.0.1:1",
            "127.9.9.9",
            "[::1]:8080",
            "[::1]",
        ] {
            assert!(is_loopback_host(host), "{host}");
        }
        for host in [
            "",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "10.0.0.1",
            "[::2]",
            "evil:127",
        ] {
            assert!(!is_loopback_host(host), "{host}");
        }
    }

    #[test]
    fn addresses_of_one_ipv6_network_share_a_bucket() {
        let bucket = |text: &str| address_bucket(text.parse().unwrap());
        assert_eq!(bucket("2001:db8::1"), bucket("2001:db8::ffff"));
        assert_ne!(bucket("2001:db8::1"), bucket("2001:db8:0:1::1"));
    }
}
