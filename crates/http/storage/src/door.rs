//! Storage for programs in sandboxes, which have neither a network nor a key.

use std::cell::RefCell;
use std::collections::HashMap;
use std::os::fd::{AsRawFd as _, RawFd};
use std::rc::Rc;
use std::time::Duration;

use actix_http::HttpService;
use actix_service::{IntoServiceFactory as _, Service as _, ServiceFactory as _, map_config};
use actix_web::dev::AppConfig;
use actix_web::middleware::from_fn;
use actix_web::rt::net::TcpStream;
use actix_web::web::{Data, to};
use actix_web::{App, HttpResponse};
use pentad_http_kit::{Program, Surface, SurfaceRoutes, edge, mount_for_programs};
use pentad_kernel::Actor;
use pentad_storage::Storage;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::oneshot;

/// Connections that are open at once; further ones are closed.
const CONNECTIONS: usize = 512;
/// How long a program may take to send the head of a request.
const HEAD: Duration = Duration::from_secs(10);
/// How long a connection is kept between requests.
const KEEP_ALIVE: Duration = Duration::from_secs(30);

/// Serves the operations of storage on connections that programs in sandboxes make. Whoever accepts a connection
/// knows which sandbox it comes from, and with that for whom: nothing in a request says so, and nothing in it can
/// say otherwise.
#[derive(Clone, Debug)]
pub struct Door(UnboundedSender<Arrival>);

/// A connection of a program.
#[derive(Debug)]
struct Arrival {
    program: Program,
    connection: std::net::TcpStream,
    /// Dropped when the connection is over.
    open: oneshot::Sender<()>,
}

impl Door {
    /// Starts a thread that serves. It ends with the last clone of the door.
    ///
    /// # Errors
    /// When there can be no further thread.
    pub fn open(storage: Storage) -> std::io::Result<Self> {
        let (sender, receiver) = unbounded_channel();
        std::thread::Builder::new()
            .name("storage-door".to_owned())
            .spawn(move || actix_web::rt::System::new().block_on(serve(storage, receiver)))?;
        Ok(Self(sender))
    }

    /// Serves a connection of a program that runs for this actor. It returns at once; what it returns is ready
    /// when the connection is over.
    pub fn serve(&self, actor: Actor, connection: std::net::TcpStream) -> oneshot::Receiver<()> {
        let (open, over) = oneshot::channel();
        let arrival = Arrival {
            program: Program::of(actor),
            connection,
            open,
        };
        if self.0.send(arrival).is_err() {
            tracing::error!("nobody serves storage to programs");
        }
        over
    }
}

async fn serve(storage: Storage, mut arrivals: UnboundedReceiver<Arrival>) {
    let limits = storage.limits().clone();
    let storage = Data::new(storage);
    // A descriptor names one connection as long as that is open.
    let arriving: Rc<RefCell<HashMap<RawFd, Program>>> = Rc::default();
    let arrived = Rc::clone(&arriving);
    let app = App::new()
        .app_data(storage)
        .configure(|config| {
            let surface = SurfaceRoutes::new(Surface::Exec, crate::of_storage(&limits));
            mount_for_programs(surface, config);
        })
        .default_service(to(HttpResponse::NotFound))
        .wrap(from_fn(edge));
    let service = HttpService::build()
        .client_request_timeout(HEAD)
        .keep_alive(KEEP_ALIVE)
        .on_connect_ext(move |connection: &TcpStream, beside| {
            if let Some(program) = arrived.borrow_mut().remove(&connection.as_raw_fd()) {
                beside.insert(program);
            }
        })
        .h1(map_config(app.into_factory(), |()| AppConfig::default()))
        .tcp();
    let Ok(service) = service.new_service(()).await else {
        tracing::error!("storage cannot be served to programs");
        return;
    };
    let count = Rc::new(());
    while let Some(arrival) = arrivals.recv().await {
        let Arrival {
            program,
            connection,
            open,
        } = arrival;
        if Rc::strong_count(&count) > CONNECTIONS {
            tracing::warn!(
                limit = CONNECTIONS,
                "programs keep too many connections to storage open"
            );
            continue;
        }
        let adopted = connection
            .set_nonblocking(true)
            .and_then(|()| TcpStream::from_std(connection));
        let connection = match adopted {
            Ok(connection) => connection,
            Err(error) => {
                tracing::warn!(%error, "a connection of a program cannot be served");
                continue;
            }
        };
        arriving.borrow_mut().insert(connection.as_raw_fd(), program);
        let (serving, count) = (service.call(connection), Rc::clone(&count));
        actix_web::rt::spawn(async move {
            // What went wrong on a connection is the program's to see.
            let _ = serving.await;
            drop((open, count));
        });
    }
}
