//! From a URL to a store.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use object_store::ObjectStore;
use object_store::local::LocalFileSystem;
use object_store::memory::InMemory;

use crate::error::{Error, Operation};
use crate::limits::Limits;
use crate::local::Directories;

/// What a store is opened with besides its URL.
#[derive(Clone)]
pub struct Options {
    /// Timeouts and sizes.
    pub limits: Limits,
    /// The `AWS_*` settings. Default: those in the environment of this process.
    pub environment: Vec<(String, String)>,
}

impl Default for Options {
    fn default() -> Self {
        let setting = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
            let name = name.into_string().ok().filter(|name| name.starts_with("AWS_"))?;
            Some((name, value.into_string().ok()?))
        };
        Self {
            limits: Limits::default(),
            environment: std::env::vars_os().filter_map(setting).collect(),
        }
    }
}

/// Names of the settings only: the values hold credentials.
impl fmt::Debug for Options {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.environment.iter().map(|(name, _)| name).collect();
        formatter
            .debug_struct("Options")
            .field("limits", &self.limits)
            .field("environment", &names)
            .finish()
    }
}

/// A store and what this crate must know about it.
pub(crate) struct Opened {
    pub(crate) store: Arc<dyn ObjectStore>,
    /// Below which all keys lie; empty or ending in `/`.
    pub(crate) prefix: String,
    /// The directories, if it is the local file system.
    pub(crate) local: Option<Directories>,
}

pub(crate) fn open(url: &str, options: &Options) -> Result<Opened, Error> {
    let unusable = |reason: &str| Error::InvalidStore {
        url: redact(url),
        reason: reason.to_owned(),
    };
    if url == "memory:" {
        return Ok(Opened {
            store: Arc::new(InMemory::new()),
            prefix: String::new(),
            local: None,
        });
    }
    if let Some(path) = url.strip_prefix("file:") {
        let path = match path.strip_prefix("//") {
            Some(path) if path.starts_with('/') => path,
            Some(_) => {
                return Err(unusable(
                    "a file URL names no host: write file:DIR or file:///DIR",
                ));
            }
            None => path,
        };
        return match path {
            "" => Err(unusable("the directory is missing: write file:DIR")),
            path => open_local(url, Path::new(path)),
        };
    }
    if let Some(rest) = url.strip_prefix("s3://") {
        return open_s3(url, rest, options);
    }
    Err(unusable("write file:DIR, s3://BUCKET/PREFIX or memory:"))
}

/// A URL may hold a password where none belongs; errors are logged.
fn redact(url: &str) -> String {
    match (url.split_once("://"), url.rfind('@')) {
        (Some((scheme, _)), Some(at)) => format!("{scheme}://…{}", &url[at..]),
        _ => url.to_owned(),
    }
}

fn open_local(url: &str, path: &Path) -> Result<Opened, Error> {
    let failed = |error: std::io::Error| Error::of_cause(Operation::Open, url, error.into());
    let directories = Directories::create(path).map_err(failed)?;
    let store = LocalFileSystem::new_with_prefix(directories.root())
        .map_err(|error| Error::of_store(Operation::Open, url, error))?
        .with_fsync(true);
    Ok(Opened {
        store: Arc::new(store),
        prefix: String::new(),
        local: Some(directories),
    })
}

#[cfg(not(feature = "s3"))]
fn open_s3(url: &str, _: &str, _: &Options) -> Result<Opened, Error> {
    Err(Error::InvalidStore {
        url: redact(url),
        reason: "this program was built without S3".to_owned(),
    })
}

/// Chooses the TLS implementation of this process (rustls over ring).
///
/// The program calls this once at its start, before it opens an `s3://` store; a library should
/// not choose for it. Calling it again, or after another choice was made, changes nothing.
#[cfg(feature = "s3")]
pub fn install_crypto_provider() {
    // The only error is that a provider is installed, which is what was wanted.
    let _ = rustls::crypto::ring::default_provider().install_default();
}

#[cfg(feature = "s3")]
const MIN_S3_PART_BYTES: usize = 5 << 20;

#[cfg(feature = "s3")]
fn open_s3(url: &str, rest: &str, options: &Options) -> Result<Opened, Error> {
    use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
    use object_store::{BackoffConfig, ClientOptions, RetryConfig};

    let unusable = |reason: String| Error::InvalidStore {
        url: redact(url),
        reason,
    };
    let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
    let prefix = prefix.trim_matches('/');
    if bucket.is_empty() || bucket.contains(['@', ':', '?', '#']) {
        return Err(unusable(
            "write s3://BUCKET/PREFIX; the rest comes from AWS_* variables".to_owned(),
        ));
    }
    let plain_text = |component: &str| {
        component
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
    };
    if !prefix.split('/').all(plain_text)
        || prefix.split('/').any(|component| matches!(component, "." | ".."))
    {
        return Err(unusable(
            "a prefix is made of letters, digits, '.', '_', '-' and '/'".to_owned(),
        ));
    }
    if options.limits.part_bytes < MIN_S3_PART_BYTES {
        return Err(unusable(
            "S3 takes no parts below 5 MiB: raise Limits::part_bytes".to_owned(),
        ));
    }
    if rustls::crypto::CryptoProvider::get_default().is_none() {
        return Err(unusable(
            "the program has not called install_crypto_provider()".to_owned(),
        ));
    }
    let setting = |wanted: &str| {
        let found = options.environment.iter().find(|(name, _)| name == wanted);
        found
            .map(|(_, value)| value.as_str())
            .filter(|value| !value.is_empty())
    };
    let mut builder = AmazonS3Builder::new();
    for (name, value) in options
        .environment
        .iter()
        .filter(|(name, _)| name.starts_with("AWS_"))
    {
        // Variables that mean nothing to this client are for other programs.
        if let Ok(key) = name.to_ascii_lowercase().parse::<AmazonS3ConfigKey>() {
            builder = builder.with_config(key, value);
        }
    }
    let endpoint = setting("AWS_ENDPOINT_URL_S3").or_else(|| setting("AWS_ENDPOINT_URL"));
    if let Some(endpoint) = endpoint {
        builder = builder.with_endpoint(endpoint);
    }
    let endpoint = endpoint.or_else(|| setting("AWS_ENDPOINT"));
    let plain = endpoint.is_some_and(|endpoint| endpoint.starts_with("http://"));
    let allowed = setting("AWS_ALLOW_HTTP").is_some_and(|value| matches!(value, "true" | "1"));
    if plain && !allowed && !endpoint.is_some_and(is_loopback) {
        let reason = "its endpoint has no TLS: use https://, or set AWS_ALLOW_HTTP=true";
        return Err(unusable(reason.to_owned()));
    }
    let limits = &options.limits;
    let client = ClientOptions::new()
        .with_allow_http(plain)
        .with_connect_timeout(limits.attempt_timeout.min(limits.timeout))
        .with_timeout(limits.attempt());
    let retry = RetryConfig {
        backoff: BackoffConfig::default(),
        max_retries: limits.retries,
        retry_timeout: limits.timeout,
    };
    let store = builder
        .with_bucket_name(bucket)
        .with_client_options(client)
        .with_retry(retry)
        .build()
        .map_err(|error| unusable(error.to_string()))?;
    let prefix = if prefix.is_empty() {
        String::new()
    } else {
        format!("{prefix}/")
    };
    Ok(Opened {
        store: Arc::new(store),
        prefix,
        local: None,
    })
}

/// Whether an `http://` endpoint is on this machine, where nobody listens in between.
#[cfg(feature = "s3")]
fn is_loopback(endpoint: &str) -> bool {
    let authority = endpoint
        .trim_start_matches("http://")
        .split(['/', '?', '#'])
        .next()
        .unwrap_or_default();
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let host = match host.strip_prefix('[') {
        Some(v6) => v6.split_once(']').map_or(v6, |(v6, _)| v6),
        None => host.rsplit_once(':').map_or(host, |(host, _)| host),
    };
    host == "localhost"
        || host
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reason(url: &str, environment: &[(&str, &str)]) -> String {
        let environment = environment
            .iter()
            .map(|&(name, value)| (name.into(), value.into()))
            .collect();
        let options = Options {
            environment,
            limits: Limits::default(),
        };
        match open(url, &options) {
            Ok(_) => "opened".to_owned(),
            Err(Error::InvalidStore { reason, .. }) => reason,
            Err(error) => panic!("{error}"),
        }
    }

    #[test]
    fn a_url_says_what_is_wrong_with_it() {
        assert_eq!(reason("memory:", &[]), "opened");
        for url in ["", "memory", "/data", "http://x/y", "gs://b", "S3://b"] {
            assert_eq!(reason(url, &[]), "write file:DIR, s3://BUCKET/PREFIX or memory:");
        }
        assert!(reason("file:", &[]).contains("missing"));
        assert!(reason("file://host/dir", &[]).contains("no host"));
    }

    #[test]
    fn a_password_in_a_url_is_not_repeated() {
        let error = open("s3://key:secret@host/bucket", &Options::default())
            .err()
            .unwrap();
        assert!(!error.to_string().contains("secret"), "{error}");
        let options = Options {
            environment: vec![("AWS_SECRET_ACCESS_KEY".into(), "hidden".into())],
            ..Options::default()
        };
        assert!(!format!("{options:?}").contains("hidden"));
    }

    #[cfg(feature = "s3")]
    #[test]
    fn plain_http_is_for_this_machine_or_on_request() {
        install_crypto_provider();
        let open = |endpoint, allow| {
            let environment = [
                ("AWS_ENDPOINT_URL", endpoint),
                ("AWS_ALLOW_HTTP", allow),
                ("AWS_REGION", "r"),
            ];
            reason("s3://bucket/pre/fix/", &environment)
        };
        for endpoint in [
            "http://127.0.0.1:9000",
            "http://localhost",
            "http://[::1]:9/x",
            "https://s3.example.org",
        ] {
            assert_eq!(open(endpoint, ""), "opened", "{endpoint}");
        }
        for endpoint in [
            "http://10.0.0.1:9000",
            "http://localhost.example.org",
            "http://127.0.0.1@example.org",
        ] {
            assert!(open(endpoint, "").contains("no TLS"), "{endpoint}");
            assert_eq!(open(endpoint, "true"), "opened", "{endpoint}");
        }
        assert!(reason("s3://", &[]).contains("BUCKET"));
        assert!(reason("s3:///x", &[]).contains("BUCKET"));
        for prefix in ["a b", "a/../b", "ä", "a%20b"] {
            assert!(
                reason(&format!("s3://bucket/{prefix}"), &[]).contains("letters"),
                "{prefix}"
            );
        }
    }
}
