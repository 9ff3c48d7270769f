//! Binding, serving, stopping.

use std::future::Future;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use actix_web::middleware::from_fn;
use actix_web::web::{Data, ServiceConfig};
use actix_web::{App, HttpResponse, HttpServer};
use pentad_http_kit::{edge, mount};
use socket2::{Domain, Protocol, Socket, Type};

use crate::background::Background;
use crate::documents::{Document, documents};
use crate::pages::{self, Published};
use crate::surfaces::surfaces_within;
use crate::{Deps, gateway_routes};

/// How long runs may take to be written down when the server stops.
const EXEC_END: Duration = Duration::from_secs(5);

/// Connections that may wait to be accepted: clients of seed 004 open hundreds at once.
const BACKLOG: i32 = 2048;

/// Binds an address with a backlog that bursts of new connections fit in.
///
/// # Errors
/// When the address cannot be bound.
pub fn listen(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// Serves until `shutdown` resolves, then finishes running requests within the limit and returns.
///
/// # Errors
/// When the listener cannot be used.
pub async fn run(
    listener: TcpListener,
    deps: Deps,
    shutdown: impl Future<Output = ()>,
) -> std::io::Result<()> {
    // Shared: they are megabytes, and each worker would copy them before it serves.
    let documents = Arc::new(documents());
    let published = Data::new(Published::new(&documents));
    let limits = deps.limits.clone();
    let background = Background::start(&deps);
    let for_workers = deps.clone();
    let server = HttpServer::new(move || {
        let (deps, published, documents) = (for_workers.clone(), published.clone(), documents.clone());
        App::new()
            .configure(move |config| configure(&deps, &documents, &published, config))
            .default_service(actix_web::web::to(HttpResponse::NotFound))
            .wrap(from_fn(edge))
    })
    .on_connect(pentad_http_kit::watch_connection)
    .workers(limits.workers)
    .keep_alive(limits.keep_alive)
    .client_request_timeout(limits.head_timeout)
    .shutdown_timeout(limits.shutdown_timeout.as_secs())
    .disable_signals()
    .listen(listener)?
    .run();
    let handle = server.handle();
    let running = tokio::spawn(server);
    shutdown.await;
    // Agents that wait for commands would hold up the end.
    deps.runs.stop_waiting();
    handle.stop(true).await;
    let outcome = running.await.map_err(std::io::Error::other)?;
    deps.exec.close(EXEC_END).await;
    background.stop(&deps).await;
    outcome
}

fn configure(deps: &Deps, documents: &[Document], published: &Data<Published>, config: &mut ServiceConfig) {
    let gate = Data::new(deps.gate.clone());
    config.app_data(Data::new(deps.clone()));
    config.app_data(gate.clone());
    config.app_data(Data::new(deps.memories.clone()));
    config.app_data(Data::new(deps.grep.clone()));
    config.app_data(Data::new(pentad_http_exec::Api {
        exec: deps.exec.clone(),
        public_url: deps.public_url.clone(),
    }));
    config.app_data(Data::new(deps.projects.clone()));
    config.app_data(Data::new(deps.sync.clone()));
    config.app_data(Data::new(deps.storage.clone()));
    config.app_data(Data::new(deps.sign_ups));
    config.app_data(Data::new(deps.mailer.clone()));
    config.app_data(Data::new(deps.public_url.clone()));
    config.app_data(Data::new(pentad_http_runs::Api {
        runs: deps.runs.clone(),
        identity: deps.gate.identity.clone(),
        limiter: deps.gate.limiter.clone(),
        public_url: deps.public_url.clone(),
    }));
    config.app_data(Data::new(pentad_http_viewer::Viewer {
        runs: deps.runs.clone(),
        identity: deps.gate.identity.clone(),
    }));
    let others = [gateway_routes(), pentad_http_viewer::routes()];
    let surfaces = surfaces_within(deps.runs.limits(), deps.storage.limits());
    mount(surfaces.into_iter().chain(others), &gate, config);
    pages::mount(documents, published, config);
}
