//! `pentad serve`.

use std::io::Write as _;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use pentad_blob::Blobs;
use pentad_exec::{Engine, Exec};
use pentad_gateway::{Deps, ServerLimits};
use pentad_grep_sessions::GrepSessions;
use pentad_http_kit::{Gate, OpenExec, PublicUrl, RefusalLimit};
use pentad_identity::{Bootstrapped, Limiter};
use pentad_kernel::{SharedClock, SystemClock};
use pentad_runs::Runs;
use pentad_session_sync::SessionSync;
use pentad_storage::Storage;
use secrecy::{ExposeSecret as _, SecretString};

use crate::cli::ServeArguments;
use crate::config::Server;
use crate::exec;
use crate::setup;

/// How many refusals an address may collect before the rate counts.
const REFUSAL_BURST: u32 = 200;

pub(crate) async fn run(arguments: Box<ServeArguments>, engine: Option<Engine>) -> anyhow::Result<()> {
    let server = arguments.resolve()?;
    let db = setup::open_database(&server.storage).await?;
    let identity = setup::identity(db.clone(), &server.storage);
    let listener = pentad_gateway::listen(server.listen)
        .with_context(|| format!("cannot listen on {}: is another program using it?", server.listen))?;
    let address = listener.local_addr()?;
    let public_url = server
        .storage
        .public_url
        .clone()
        .unwrap_or_else(|| format!("http://{address}"));
    let engine = engine.unwrap_or_else(|| Engine::unavailable("it was not started"));
    let sandboxes = exec::announced(&engine);

    let limits = ServerLimits::default();
    let memories = setup::memories(db.clone(), identity.clone(), &server.storage)?;
    let blobs = Blobs::open_with(&server.storage.object_store, &server.storage.objects)
        .context("the object store cannot be opened")?;
    if db.is_shared() && std::env::var_os("PENTAD_SEALING_SECRET").is_none() {
        tracing::warn!(
            "PENTAD_SEALING_SECRET is not set: gateways on one database have to share it, or stored keys of \
             language models open on the gateway alone that stored them"
        );
    }
    let clock: SharedClock = Arc::new(SystemClock);
    let sync = SessionSync::new(
        db.clone(),
        blobs.clone(),
        identity.clone(),
        Arc::clone(&clock),
        server.sync_settings(address.ip().is_loopback())?,
    );
    let (sync, projects) =
        pentad_gateway::with_projects(sync, db.clone(), identity.clone(), Arc::clone(&clock));
    let grep = GrepSessions::new(
        db.clone(),
        blobs.clone(),
        Arc::clone(&clock),
        server.grep_settings(),
    );
    let storage = Storage::open(
        db.clone(),
        blobs.clone(),
        Arc::clone(&clock),
        server.storage_settings(),
    )
    .context("the storage of agents cannot be opened")?;
    let settings = arguments.exec.settings(&server.storage);
    let settings = pentad_exec::Settings {
        public_url: Some(public_url.clone()),
        ..settings
    };
    let exec = Exec::new(db.clone(), blobs.clone(), Arc::clone(&clock), engine, settings)
        .context("code execution cannot be set up")?;
    let exec =
        pentad_gateway::with_storage(exec, &storage).context("storage cannot be served to programs")?;
    exec.recover().await?;
    let runs = Runs::start(db.clone(), blobs, clock, server.run_limits()?);
    let deps = Deps {
        gate: Gate {
            identity: identity.clone(),
            limiter: Limiter::default(),
            open_exec: open_exec(&server, address.ip().is_loopback()),
            refusals: NonZeroU32::new(server.refusals_per_second).map(|per_second| RefusalLimit {
                per_second,
                burst: per_second.max(NonZeroU32::new(REFUSAL_BURST).unwrap_or(per_second)),
            }),
        },
        db: db.clone(),
        memories,
        exec,
        grep,
        projects,
        sync,
        runs,
        storage,
        sign_ups: server.sign_ups(),
        mailer: server.mailer(&public_url)?,
        public_url: PublicUrl::new(server.storage.public_url.as_deref()),
        metrics: pentad_gateway::install_metrics(),
        limits: ServerLimits {
            workers: server.workers.unwrap_or(limits.workers),
            shutdown_timeout: Duration::from_secs(server.shutdown_seconds),
            ..limits
        },
    };
    // Last: the key is shown once, by a start that nothing holds up any more.
    let password = std::env::var("PENTAD_ADMIN_PASSWORD")
        .ok()
        .map(SecretString::from);
    let bootstrapped = identity.bootstrap(&arguments.admin_email, password).await?;
    announce(&server, &public_url, &sandboxes, bootstrapped.as_ref());
    pentad_gateway::run(listener, deps, stop_signal()).await?;
    db.close().await;
    tracing::info!("stopped");
    Ok(())
}

fn open_exec(server: &Server, on_loopback: bool) -> OpenExec {
    match server.exec_open {
        Some(true) => {
            tracing::warn!("exec.open is on: whoever reaches this gateway may run code without a key");
            OpenExec::Everybody
        }
        Some(false) => OpenExec::Closed,
        None if on_loopback => OpenExec::ThisMachine,
        None => OpenExec::Closed,
    }
}

/// Says where everything is and, once, how to get in. Nobody has to listen: a closed output ends nothing.
fn announce(server: &Server, public_url: &str, sandboxes: &str, bootstrapped: Option<&Bootstrapped>) {
    let mut text = format!(
        "pentad {} at {public_url}\n  Swagger UI   {public_url}/api/docs/\n  ReDoc        {public_url}/api/redoc\n  \
         viewer       {public_url}/viewer/\n  database     {}\n  objects      {}\n{}",
        env!("CARGO_PKG_VERSION"),
        without_password(&server.storage.database_url),
        server.storage.object_store,
        sandboxes,
    );
    if let Some(made) = bootstrapped {
        let password = match &made.generated_password {
            Some(password) => password.expose_secret(),
            None => "as PENTAD_ADMIN_PASSWORD says",
        };
        text += &format!(
            "\nThis store was empty. Shown once:\n  administrator  {}\n  password       {password}\n  key            {}\n",
            made.admin.email,
            made.key.secret()
        );
    }
    let mut output = std::io::stdout().lock();
    let _ = output.write_all(text.as_bytes()).and_then(|()| output.flush());
}

fn without_password(url: &str) -> String {
    match (url.find("://"), url.rfind('@')) {
        (Some(scheme), Some(at)) if scheme < at => format!("{}://…@{}", &url[..scheme], &url[at + 1..]),
        _ => url.to_owned(),
    }
}

async fn stop_signal() {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut interrupt), Ok(mut terminate)) =
        (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        tracing::warn!("signals cannot be received: stop the program with kill");
        return std::future::pending().await;
    };
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    tracing::info!("stopping: running requests may finish");
}
