//! Addresses that users name and the gateway calls: only where that harms nobody.

use std::net::{IpAddr, SocketAddr};

use url::{Host, Url};

use crate::{Error, Result};

/// Which addresses may be called.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UrlPolicy {
    /// Also addresses of this machine and of private networks, and without TLS. For a gateway of one's own
    /// with a language model beside it.
    pub allow_private: bool,
}

/// An address that may be called, with the socket addresses that were looked at.
#[derive(Clone, Debug)]
pub(crate) struct GuardedUrl {
    pub(crate) host: String,
    pub(crate) addresses: Vec<SocketAddr>,
}

fn not_allowed(reason: impl Into<String>) -> Error {
    Error::UrlNotAllowed(reason.into())
}

/// Whether an address is one of the public internet.
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            let [a, b, c, _] = v4.octets();
            !(v4.is_private()
                || v4.is_loopback()
                || v4.is_link_local()
                || v4.is_broadcast()
                || v4.is_documentation()
                || v4.is_multicast()
                || a == 0
                || a >= 240
                || (a == 100 && (64..128).contains(&b))
                || (a == 192 && b == 0 && c == 0)
                || (a == 198 && (18..20).contains(&b)))
        }
        IpAddr::V6(v6) => {
            if let Some(v4) = v6.to_ipv4_mapped() {
                return is_public(IpAddr::V4(v4));
            }
            let [first, second, ..] = v6.segments();
            let nat64 = first == 0x64 && second == 0xff9b;
            // Only 2000::/3 is handed out to the internet, and of that 2002::/16 and 2001::/32 embed IPv4.
            (first & 0xe000) == 0x2000
                && first != 0x2002
                && !(first == 0x2001 && (second == 0 || second == 0xdb8))
                && !nat64
        }
    }
}

impl UrlPolicy {
    /// Reads an address and looks its host up.
    ///
    /// # Errors
    /// [`Error::UrlNotAllowed`] when it is none, or leads where the policy does not allow.
    pub(crate) async fn check(self, text: &str) -> Result<GuardedUrl> {
        let url = self.parse(text)?;
        let host = url.host_str().unwrap_or_default().to_owned();
        let port = url.port_or_known_default().unwrap_or(443);
        let addresses: Vec<SocketAddr> = match url.host() {
            Some(Host::Ipv4(address)) => vec![(address, port).into()],
            Some(Host::Ipv6(address)) => vec![(address, port).into()],
            _ => tokio::net::lookup_host((host.as_str(), port))
                .await
                .map_err(|_| not_allowed(format!("the host {host} is not known")))?
                .collect(),
        };
        let forbidden = addresses
            .iter()
            .any(|address| !self.allow_private && !is_public(address.ip()));
        if addresses.is_empty() || forbidden {
            return Err(not_allowed(format!(
                "the host {host} is not on the public internet"
            )));
        }
        Ok(GuardedUrl { host, addresses })
    }

    /// What can be said of an address without looking its host up.
    pub(crate) fn parse(self, text: &str) -> Result<Url> {
        if text.len() > 2_048 {
            return Err(not_allowed("it is longer than 2048 bytes"));
        }
        let url = Url::parse(text).map_err(|error| not_allowed(error.to_string()))?;
        let scheme_ok = url.scheme() == "https" || (self.allow_private && url.scheme() == "http");
        if !scheme_ok {
            return Err(not_allowed("it does not begin with https://"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(not_allowed("it holds a user name or password"));
        }
        let public = |address: IpAddr| self.allow_private || is_public(address);
        let host_ok = match url.host() {
            Some(Host::Ipv4(address)) => public(address.into()),
            Some(Host::Ipv6(address)) => public(address.into()),
            Some(Host::Domain(name)) => {
                self.allow_private || (name.contains('.') && !name.ends_with(".localhost"))
            }
            None => false,
        };
        if !host_ok {
            return Err(not_allowed("its host is not on the public internet"));
        }
        Ok(url)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_public_hosts_by_tls_unless_private_ones_are_allowed() {
        let strict = UrlPolicy::default();
        for good in [
            "https://api.example.com/v1",
            "https://8.8.8.8/",
            "https://[2606:4700::1111]/",
        ] {
            assert!(strict.parse(good).is_ok(), "{good}");
        }
        for bad in [
            "http://api.example.com/",
            "https://127.0.0.1/",
            "https://localhost/",
            "https://x.localhost/",
            "https://10.1.2.3/",
            "https://169.254.169.254/latest",
            "https://100.64.0.1/",
            "https://[::1]/",
            "https://[::ffff:10.0.0.1]/",
            "https://[fd00::1]/",
            "https://[2002:a00:1::]/",
            "https://0x7f000001/",
            "https://017700000001/",
            "https://user:pw@api.example.com/",
            "ftp://api.example.com/",
            "file:///etc/passwd",
            "nonsense",
        ] {
            assert!(strict.parse(bad).is_err(), "{bad}");
        }
        let open = UrlPolicy { allow_private: true };
        assert!(open.parse("http://127.0.0.1:11434/v1").is_ok());
        assert!(open.parse("file:///etc/passwd").is_err());
    }

    #[tokio::test]
    async fn a_name_that_leads_home_is_refused_after_the_look_up() {
        assert!(matches!(
            UrlPolicy::default().check("https://localhost.localdomain/").await,
            Err(Error::UrlNotAllowed(_))
        ));
    }
}
