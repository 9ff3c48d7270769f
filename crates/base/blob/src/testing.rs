//! An S3 server in this process, for tests.

use std::net::SocketAddr;
use std::path::Path;

use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use s3s::auth::SimpleAuth;
use s3s::service::S3ServiceBuilder;
use s3s_fs::FileSystem;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::open::{Options, install_crypto_provider};

/// A server that speaks S3 on a free port of the loopback interface, with one empty bucket in a
/// temporary directory. It ends, and its data goes, when it is dropped.
///
/// ```
/// use pentad_blob::{Blobs, testing::S3Server};
///
/// # #[tokio::main] async fn main() -> Result<(), pentad_blob::Error> {
/// let server = S3Server::start().await;
/// let blobs = Blobs::open_with(&server.url("tests"), &server.options())?;
/// # let _ = blobs; Ok(()) }
/// ```
#[derive(Debug)]
pub struct S3Server {
    /// Its URL, for `AWS_ENDPOINT_URL`.
    pub endpoint: String,
    /// The name of its bucket.
    pub bucket: String,
    /// The variables a client needs, for a process that is started with them.
    pub env: Vec<(String, String)>,
    data: TempDir,
    // Ends when it is dropped.
    _serving: JoinSet<()>,
}

const BUCKET: &str = "pentad-test";
const ACCESS_KEY: &str = "test-access-key";
const SECRET_KEY: &str = "test-secret-key";

impl S3Server {
    /// Starts a server and returns when it accepts connections. Also does
    /// [`install_crypto_provider`].
    ///
    /// # Panics
    /// If the machine has no temporary directory or no free port.
    pub async fn start() -> Self {
        install_crypto_provider();
        let data = tempfile::tempdir().expect("a temporary directory can be made");
        std::fs::create_dir(data.path().join(BUCKET)).expect("the directory is empty");
        let mut service =
            S3ServiceBuilder::new(FileSystem::new(data.path()).expect("the directory is readable"));
        service.set_auth(SimpleAuth::from_single(ACCESS_KEY, SECRET_KEY));
        let service = service.build();

        let any_port = SocketAddr::from(([127, 0, 0, 1], 0));
        let listener = TcpListener::bind(any_port).await.expect("a port is free");
        let address = listener.local_addr().expect("a bound socket has an address");
        let mut serving = JoinSet::new();
        serving.spawn(async move {
            let http = Builder::new(TokioExecutor::new());
            let mut connections = JoinSet::new();
            loop {
                // A client that hangs up before it is accepted is no reason to stop.
                let Ok((socket, _)) = listener.accept().await else {
                    continue;
                };
                let connection = http
                    .serve_connection(TokioIo::new(socket), service.clone())
                    .into_owned();
                connections.spawn(async move {
                    // Clients close connections as they like.
                    let _ = connection.await;
                });
                while connections.try_join_next().is_some() {}
            }
        });

        let endpoint = format!("http://{address}");
        let env = [
            ("AWS_ENDPOINT_URL", endpoint.as_str()),
            ("AWS_REGION", "us-east-1"),
            ("AWS_ACCESS_KEY_ID", ACCESS_KEY),
            ("AWS_SECRET_ACCESS_KEY", SECRET_KEY),
        ];
        let env = env
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .to_vec();
        Self {
            endpoint,
            bucket: BUCKET.to_owned(),
            env,
            data,
            _serving: serving,
        }
    }

    /// The URL of a store in the bucket, by its prefix.
    #[must_use]
    pub fn url(&self, prefix: &str) -> String {
        format!("s3://{}/{prefix}", self.bucket)
    }

    /// Options that lead to this server and to no other.
    #[must_use]
    pub fn options(&self) -> Options {
        Options {
            environment: self.env.clone(),
            ..Options::default()
        }
    }

    /// The directory where the server keeps its files: the bucket, and beside it the parts of
    /// uploads that were not finished.
    #[must_use]
    pub fn directory(&self) -> &Path {
        self.data.path()
    }
}
