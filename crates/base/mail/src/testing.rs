//! A real SMTP server on a free port, which keeps what it is sent.

use std::io::{self, BufRead as _, BufReader, Write as _};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream};

use mailin::{Action, Handler, Response, SessionBuilder, response};
use tokio::sync::{Mutex, mpsc};

/// A message that arrived.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mail {
    /// Who sent it, as the envelope says.
    pub from: String,
    /// Whom it is for, as the envelope says.
    pub to: Vec<String>,
    /// Headers and text, with soft line breaks of quoted-printable taken out.
    pub text: String,
}

/// The server. It refuses whatever is for `refused@example.com`, and ends with the process.
#[derive(Debug)]
pub struct SmtpServer {
    address: SocketAddr,
    arrived: Mutex<mpsc::UnboundedReceiver<Mail>>,
}

#[derive(Clone)]
struct Postbox {
    arrived: mpsc::UnboundedSender<Mail>,
    mail: Mail,
    bytes: Vec<u8>,
}

impl Handler for Postbox {
    fn mail(&mut self, _ip: IpAddr, _domain: &str, from: &str) -> Response {
        self.mail = Mail {
            from: from.to_owned(),
            ..Mail::default()
        };
        self.bytes.clear();
        response::OK
    }

    fn rcpt(&mut self, to: &str) -> Response {
        if to == "refused@example.com" {
            return response::NO_MAILBOX;
        }
        self.mail.to.push(to.to_owned());
        response::OK
    }

    fn data(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }

    fn data_end(&mut self) -> Response {
        self.mail.text = String::from_utf8_lossy(&self.bytes).replace("=\r\n", "");
        // Nobody may be waiting any more.
        let _ = self.arrived.send(std::mem::take(&mut self.mail));
        response::OK
    }
}

impl SmtpServer {
    /// Starts one.
    ///
    /// # Panics
    /// When there is no free port.
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let address = listener.local_addr().expect("a bound socket has an address");
        let (sender, arrived) = mpsc::unbounded_channel();
        let postbox = Postbox {
            arrived: sender,
            mail: Mail::default(),
            bytes: Vec::new(),
        };
        std::thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                let postbox = postbox.clone();
                std::thread::spawn(move || converse(&connection, postbox));
            }
        });
        Self {
            address,
            arrived: Mutex::new(arrived),
        }
    }

    /// Its address, for [`Smtp::url`](crate::Smtp::url).
    pub fn url(&self) -> String {
        format!("smtp://{}", self.address)
    }

    /// The next message that arrived, or arrives.
    ///
    /// # Panics
    /// When the server ended.
    pub async fn next(&self) -> Mail {
        let mail = self.arrived.lock().await.recv().await;
        mail.expect("the server runs as long as the process")
    }
}

/// One connection, line by line, until either side ends it.
fn converse(mut connection: &TcpStream, postbox: Postbox) -> io::Result<()> {
    let mut session = SessionBuilder::new("localhost").build(Ipv4Addr::LOCALHOST.into(), postbox);
    session.greeting().write_to(&mut connection)?;
    let mut lines = BufReader::new(connection);
    let mut line = Vec::new();
    while lines.read_until(b'\n', &mut line)? > 0 {
        let response = session.process(&line);
        line.clear();
        match response.action {
            Action::NoReply => {}
            Action::Reply => response.write_to(&mut connection)?,
            Action::Close | Action::UpgradeTls => return response.write_to(&mut connection),
        }
        connection.flush()?;
    }
    Ok(())
}
