//! The only way from a sandbox to the internet: a proxy that looks where each connection goes.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use pentad_kernel::is_public;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::TcpStream;

/// Longest head of a request.
const HEAD_BYTES: usize = 16 << 10;
/// How long a program may take for that head, and a host for its connection.
const PATIENCE: Duration = Duration::from_secs(20);

/// Where sandboxes may connect to.
#[derive(Clone, Debug, Default)]
pub(crate) struct Egress {
    /// Names, and parents of names; empty for all.
    hosts: Arc<[String]>,
    /// Whether they may have addresses that are not public.
    private: bool,
}

/// What a program asks the proxy for.
#[derive(Debug, PartialEq, Eq)]
struct Asked {
    host: String,
    port: u16,
    /// What to send on to the host; `None` for a tunnel.
    head: Option<Vec<u8>>,
}

impl Egress {
    pub(crate) fn new(hosts: &[String]) -> Self {
        Self {
            hosts: hosts.iter().map(|host| host.to_ascii_lowercase()).collect(),
            private: false,
        }
    }

    /// The same for hosts that the operator vouches for, wherever they are.
    pub(crate) fn trusted(hosts: &[String]) -> Self {
        Self {
            private: true,
            ..Self::new(hosts)
        }
    }

    /// Serves one connection of a program.
    pub(crate) async fn serve(&self, connection: std::net::TcpStream) {
        let Ok(mut inside) = connection
            .set_nonblocking(true)
            .and_then(|()| TcpStream::from_std(connection))
        else {
            return;
        };
        match tokio::time::timeout(PATIENCE, self.open(&mut inside)).await {
            Ok(Ok(mut outside)) => {
                // Either end may hang up as it likes.
                let _ = copy_bidirectional(&mut inside, &mut outside).await;
            }
            Ok(Err(refused)) => refuse(&mut inside, &refused).await,
            Err(_) => refuse(&mut inside, "504 the host does not answer").await,
        }
    }

    /// Connects to where the request wants to go and says so; the error is status and reason.
    async fn open(&self, inside: &mut TcpStream) -> Result<TcpStream, String> {
        let (head, rest) = read_head(inside).await?;
        let asked = parse(&head)?;
        let host = asked.host.to_ascii_lowercase();
        if !self.permits(&host) {
            tracing::info!(%host, "a sandbox was refused a host");
            return Err(format!(
                "403 {host} is not among the hosts that sandboxes may reach"
            ));
        }
        let addresses: Vec<SocketAddr> = tokio::net::lookup_host((host.as_str(), asked.port))
            .await
            .map_err(|error| format!("502 {host} is not found: {error}"))?
            .collect();
        // The address that was looked at is the one that is connected to.
        let Some(address) = addresses
            .into_iter()
            .find(|address| self.private || is_public(address.ip()) && !is_own(address.ip()))
        else {
            tracing::info!(%host, "a sandbox was refused a private address");
            return Err(format!("403 {host} is no public address"));
        };
        let mut outside = TcpStream::connect(address)
            .await
            .map_err(|error| format!("502 {host} does not answer: {error}"))?;
        tracing::debug!(%host, port = asked.port, "a sandbox connects");
        let sent = match asked.head {
            Some(head) => {
                let sent = outside.write_all(&head).await;
                sent.and(outside.write_all(&rest).await)
            }
            None => {
                inside
                    .write_all(b"HTTP/1.1 200 Connection established\r\n\r\n")
                    .await
            }
        };
        sent.map_err(|error| format!("502 {host} hung up: {error}"))?;
        Ok(outside)
    }

    fn permits(&self, host: &str) -> bool {
        self.hosts.is_empty()
            || self.hosts.iter().any(|known| {
                host == known
                    || host
                        .strip_suffix(known.as_str())
                        .is_some_and(|front| front.ends_with('.'))
            })
    }
}

async fn refuse(inside: &mut TcpStream, refusal: &str) {
    let (status, reason) = refusal.split_once(' ').unwrap_or(("502", refusal));
    let answer = format!(
        "HTTP/1.1 {status} Refused\r\nContent-Type: text/plain\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{reason}\n",
        reason.len() + 1
    );
    // The program may have gone away.
    let _ = inside.write_all(answer.as_bytes()).await;
}

/// The head of a request, and what was read beyond it.
async fn read_head(stream: &mut TcpStream) -> Result<(Vec<u8>, Vec<u8>), String> {
    let mut read = Vec::new();
    loop {
        if let Some(end) = read.windows(4).position(|four| four == b"\r\n\r\n") {
            let rest = read.split_off(end + 4);
            return Ok((read, rest));
        }
        if read.len() > HEAD_BYTES {
            return Err("431 the head of the request is too long".to_owned());
        }
        match stream.read_buf(&mut read).await {
            Ok(0) | Err(_) => return Err("400 the request broke off".to_owned()),
            Ok(_) => {}
        }
    }
}

/// Reads `CONNECT host:port` and `GET http://host[:port]/path`.
fn parse(head: &[u8]) -> Result<Asked, String> {
    let wrong = || "400 this is a proxy: use CONNECT, or an http:// address".to_owned();
    let text = std::str::from_utf8(head).map_err(|_| wrong())?;
    let (line, headers) = text.split_once("\r\n").ok_or_else(wrong)?;
    let mut words = line.split(' ');
    let (Some(method), Some(target), Some(version)) = (words.next(), words.next(), words.next()) else {
        return Err(wrong());
    };
    if method == "CONNECT" {
        let (host, port) = authority(target, None).ok_or_else(wrong)?;
        return Ok(Asked {
            host,
            port,
            head: None,
        });
    }
    let rest = target.strip_prefix("http://").ok_or_else(wrong)?;
    let (place, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    let root = if path.starts_with('/') { "" } else { "/" };
    let (host, port) = authority(place, Some(80)).ok_or_else(wrong)?;
    // One request a connection: the next one may be for another host.
    let kept = headers.split("\r\n").filter(|header| {
        let name = header.split(':').next().unwrap_or_default();
        !name.to_ascii_lowercase().starts_with("proxy-") && !name.eq_ignore_ascii_case("connection")
    });
    let mut head = format!("{method} {root}{path} {version}\r\nConnection: close\r\n");
    for header in kept.filter(|header| !header.is_empty()) {
        head.push_str(header);
        head.push_str("\r\n");
    }
    head.push_str("\r\n");
    Ok(Asked {
        host,
        port,
        head: Some(head.into_bytes()),
    })
}

/// `host:port`, `[address]:port`, or without port where there is a usual one.
fn authority(text: &str, usual: Option<u16>) -> Option<(String, u16)> {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (host, after) = rest.split_once(']')?;
            (host, after.strip_prefix(':'))
        }
        None => match text.rsplit_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        },
    };
    let port = match port {
        Some(port) => port.parse().ok()?,
        None => usual?,
    };
    (!host.is_empty()).then(|| (host.to_owned(), port))
}

/// Whether an address is one of this machine's: from here it leads past whatever guards it from the internet.
fn is_own(address: IpAddr) -> bool {
    std::net::UdpSocket::bind((address, 0)).is_ok()
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    #[test]
    fn the_machine_knows_its_own_addresses() {
        assert!(is_own(Ipv4Addr::LOCALHOST.into()));
        assert!(!is_own(Ipv4Addr::new(1, 1, 1, 1).into()));
    }

    #[test]
    fn hosts_are_matched_whole() {
        let egress = Egress::new(&["pypi.org".to_owned()]);
        assert!(egress.permits("pypi.org") && egress.permits("files.pypi.org"));
        assert!(!egress.permits("evilpypi.org") && !egress.permits("pypi.org.evil.example"));
        assert!(Egress::default().permits("anything.example"));
    }

    #[test]
    fn tunnels_and_plain_requests_are_read() {
        let asked = parse(b"CONNECT [::1]:443 HTTP/1.1\r\n\r\n").unwrap();
        assert_eq!((asked.host.as_str(), asked.port, asked.head), ("::1", 443, None));
        let asked =
            parse(b"GET http://a.example/x?y HTTP/1.1\r\nHost: a.example\r\nProxy-Auth: 1\r\n\r\n").unwrap();
        assert_eq!((asked.host.as_str(), asked.port), ("a.example", 80));
        let head = String::from_utf8(asked.head.unwrap()).unwrap();
        assert_eq!(
            head,
            "GET /x?y HTTP/1.1\r\nConnection: close\r\nHost: a.example\r\n\r\n"
        );
        let asked = parse(b"GET http://a.example?y HTTP/1.1\r\n\r\n").unwrap();
        assert_eq!(asked.host, "a.example");
        assert!(asked.head.unwrap().starts_with(b"GET /?y HTTP/1.1\r\n"));
        for wrong in [
            "GET / HTTP/1.1\r\n\r\n",
            "CONNECT x HTTP/1.1\r\n\r\n",
            "\r\n\r\n",
            "GET http:// HTTP/1.1\r\n\r\n",
        ] {
            assert!(parse(wrong.as_bytes()).is_err(), "{wrong}");
        }
    }
}
