//! Outgoing requests to addresses that strangers name: no way into the server's own network (SSRF).

use std::net::{IpAddr, SocketAddr};
use std::sync::LazyLock;

use futures_util::StreamExt as _;
use pentad_kernel::is_public;
use reqwest::Url;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use crate::Fault;

/// The largest answer that is read.
const BODY_LIMIT: usize = 4 << 20;
/// The longest address.
const URL_BYTES: usize = 2_048;

static GUARDED: LazyLock<reqwest::Client> = LazyLock::new(|| build(UrlPolicy { allow_private: false }));
static TRUSTED: LazyLock<reqwest::Client> = LazyLock::new(|| build(UrlPolicy { allow_private: true }));

/// Which addresses may be called.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UrlPolicy {
    /// Also addresses of this machine and of private networks, and without TLS. For a gateway of one's own
    /// with a language model beside it. Not those of one link, where clouds tell machines their credentials.
    pub allow_private: bool,
}

/// An address that may not be called. Shown as what would be allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{allowed}")]
pub struct UrlRefused {
    allowed: &'static str,
}

impl UrlRefused {
    pub(crate) const fn new(allowed: &'static str) -> Self {
        Self { allowed }
    }

    /// What would be allowed.
    pub const fn allowed(&self) -> &'static str {
        self.allowed
    }
}

impl UrlPolicy {
    /// Refuses an address for what it says: its scheme, its credentials, a private machine by its number or
    /// name. Where a name leads is checked when the connection is made, so that it cannot change in between.
    ///
    /// # Errors
    /// [`UrlRefused`].
    pub fn check(self, url: &str) -> Result<(), UrlRefused> {
        self.parsed(url).map(|_| ())
    }

    /// The same, and looks up where a name leads now.
    ///
    /// # Errors
    /// [`UrlRefused`].
    pub async fn check_and_look_up(self, url: &str) -> Result<(), UrlRefused> {
        let url = self.parsed(url)?;
        let (Some(host), false) = (url.host_str(), self.allow_private) else {
            return Ok(());
        };
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let port = url.port_or_known_default().unwrap_or(443);
        let found = tokio::net::lookup_host((host, port)).await;
        let mut found = found.map_err(|_| UrlRefused::new("a host that can be found"))?;
        if found.all(|address| !is_public(address.ip())) {
            return Err(UrlRefused::new("a public address"));
        }
        Ok(())
    }

    fn parsed(self, url: &str) -> Result<Url, UrlRefused> {
        if url.len() > URL_BYTES {
            return Err(UrlRefused::new("a URL of at most 2048 bytes"));
        }
        let url = Url::parse(url).map_err(|_| UrlRefused::new("a URL"))?;
        if url.scheme() != "https" && !(self.allow_private && url.scheme() == "http") {
            return Err(UrlRefused::new("an https URL"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(UrlRefused::new("a URL without credentials"));
        }
        let host = url.host_str().ok_or(UrlRefused::new("a URL with a host"))?;
        let number = host
            .trim_start_matches('[')
            .trim_end_matches(']')
            .parse::<IpAddr>();
        let allowed = match number {
            Ok(address) => self.allows(address),
            Err(_) => {
                let host = host.trim_end_matches('.').to_ascii_lowercase();
                self.allow_private || (host.contains('.') && !host.ends_with(".localhost"))
            }
        };
        if !allowed {
            return Err(UrlRefused::new("a public address"));
        }
        Ok(url)
    }

    fn allows(self, address: IpAddr) -> bool {
        if self.allow_private {
            !is_of_one_link(address.to_canonical())
        } else {
            is_public(address)
        }
    }
}

/// Whether an address is one of a link only: 169.254.0.0/16 and fe80::/10, and the one of version 6 that a cloud
/// answers at for the same purpose.
fn is_of_one_link(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.is_link_local(),
        IpAddr::V6(address) => {
            address.is_unicast_link_local() || address.segments() == [0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254]
        }
    }
}

/// A client that keeps to a policy; by default it connects to public addresses only. It follows no redirects,
/// which would lead past every check, and uses no proxy, which would resolve names for itself.
pub fn client(urls: UrlPolicy) -> reqwest::Client {
    if urls.allow_private {
        TRUSTED.clone()
    } else {
        GUARDED.clone()
    }
}

fn build(urls: UrlPolicy) -> reqwest::Client {
    // Only the first provider chosen in a process counts; the program may have chosen already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let builder = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy();
    builder
        .https_only(!urls.allow_private)
        .dns_resolver(Allowed(urls))
        .build()
        .expect("a client with a chosen TLS provider and no files to read can be built")
}

/// Looks names up and keeps only the addresses that a policy allows.
#[derive(Clone, Copy, Debug)]
struct Allowed(UrlPolicy);

impl Resolve for Allowed {
    fn resolve(&self, name: Name) -> Resolving {
        let Self(urls) = *self;
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let allowed: Vec<SocketAddr> = found.filter(|address| urls.allows(address.ip())).collect();
            if allowed.is_empty() {
                return Err("the name has no public address".into());
            }
            Ok(Box::new(allowed.into_iter()) as Addrs)
        })
    }
}

/// The body of an answer, as far as it is not absurdly long.
pub(crate) async fn body(response: reqwest::Response) -> Result<Vec<u8>, (String, Fault)> {
    let mut body = Vec::new();
    let mut stream = response.bytes_stream();
    while let Some(chunk) = stream.next().await {
        let chunk = chunk.map_err(|error| {
            if error.is_timeout() {
                ("the provider did not answer in time".to_owned(), Fault::TimedOut)
            } else {
                ("the provider's answer broke off".to_owned(), Fault::Failed)
            }
        })?;
        if body.len() + chunk.len() > BODY_LIMIT {
            let reason = format!("the provider's answer is longer than {BODY_LIMIT} bytes");
            return Err((reason, Fault::Failed));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_refused_for_its_scheme_its_credentials_or_its_number() {
        let strict = UrlPolicy::default();
        for url in [
            "http://api.example.com/v1",
            "https://127.0.0.1/v1",
            "https://0x7f.1/v1",
            "https://2130706433/",
            "https://017700000001/",
            "https://10.1.2.3/",
            "https://169.254.169.254/latest",
            "https://[::1]/v1",
            "https://[::ffff:10.0.0.1]/",
            "https://[fd00::1]/",
            "https://[2002:a00:1::]/",
            "https://localhost:8080",
            "https://localhost.",
            "https://metadata.localhost",
            "https://metadata",
            "https://user:password@api.example.com",
            "ftp://api.example.com/",
            "file:///etc/passwd",
            "api.example.com",
        ] {
            assert!(strict.check(url).is_err(), "{url}");
        }
        for url in [
            "https://api.example.com/v1",
            "https://1.1.1.1",
            "https://[2606:4700::1111]/",
        ] {
            assert!(strict.check(url).is_ok(), "{url}");
        }
        let open = UrlPolicy { allow_private: true };
        assert!(open.check("http://127.0.0.1:11434/v1").is_ok());
        for metadata in [
            "http://169.254.169.254/latest",
            "http://0xa9fea9fe/",
            "http://[::ffff:169.254.169.254]/",
            "http://[fe80::1]/",
            "http://[fd00:ec2::254]/latest",
        ] {
            assert!(open.check(metadata).is_err(), "{metadata}");
        }
        assert!(open.check("file:///etc/passwd").is_err());
        assert!(
            open.check(&format!("https://x.org/{}", "x".repeat(URL_BYTES)))
                .is_err()
        );
    }

    #[tokio::test]
    async fn a_name_that_leads_to_this_machine_is_not_connected_to() {
        let error = client(UrlPolicy::default())
            .get("https://localhost:9/")
            .send()
            .await
            .unwrap_err();
        assert!(error.is_connect(), "{error:?}");
        let looked_up = UrlPolicy::default()
            .check_and_look_up("https://localhost.localdomain/")
            .await;
        assert!(looked_up.is_err());
    }
}
