//! Messages to people, by SMTP. Off until an operator names a server: then nothing is sent, and whoever would
//! have sent something says so.
//!
//! ```
//! use pentad_mail::{Letter, Mailer};
//!
//! # tokio::runtime::Runtime::new().unwrap().block_on(async {
//! let mailer = Mailer::off("http://127.0.0.1:8080");
//! let letter = Letter { to: "ada@example.com", subject: "Hello", text: "…" };
//! assert!(!mailer.send(letter).await.unwrap(), "nothing was sent");
//! assert_eq!(mailer.link("/api/docs"), "http://127.0.0.1:8080/api/docs");
//! # });
//! ```

#[cfg(feature = "testing")]
pub mod testing;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use lettre::message::{Mailbox, header};
use lettre::{AsyncSmtpTransport, AsyncTransport as _, Message, Tokio1Executor};
use secrecy::{ExposeSecret as _, SecretString};

/// How long the server may take for one message.
const TIMEOUT: Duration = Duration::from_secs(20);

/// The SMTP server to send through.
#[derive(Clone, Debug)]
pub struct Smtp {
    /// `smtps://user:password@host` (TLS from the start), `smtp://host?tls=required` (TLS by STARTTLS), or
    /// `smtp://host:port` without TLS, for a server on the same machine.
    pub url: SecretString,
    /// Who the messages are from: `Pentad <pentad@example.com>`.
    pub from: String,
}

/// A message that was not sent.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The address of the server is none.
    #[error("the address of the SMTP server cannot be used: {0}")]
    Server(#[source] lettre::transport::smtp::Error),
    /// The address of a person is none.
    #[error("{0:?} is no address that mail can be sent to or from")]
    Address(String),
    /// The message cannot be written.
    #[error("the message cannot be written")]
    Message(#[source] lettre::error::Error),
    /// The server did not take it.
    #[error("the SMTP server did not take the message")]
    Refused(#[source] lettre::transport::smtp::Error),
}

/// A message.
#[derive(Clone, Copy, Debug)]
pub struct Letter<'a> {
    /// Whom it is for.
    pub to: &'a str,
    /// What it is about.
    pub subject: &'a str,
    /// What it says: plain text.
    pub text: &'a str,
}

/// Sends messages, or does not. Clones share their connections.
#[derive(Clone)]
pub struct Mailer {
    smtp: Option<Arc<(AsyncSmtpTransport<Tokio1Executor>, Mailbox)>>,
    public_url: Arc<str>,
}

impl fmt::Debug for Mailer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mailer")
            .field("is_on", &self.is_on())
            .field("public_url", &self.public_url)
            .finish_non_exhaustive()
    }
}

impl Mailer {
    /// Sends nothing. Links begin with `public_url`.
    pub fn off(public_url: &str) -> Self {
        Self {
            smtp: None,
            public_url: public_url.trim_end_matches('/').into(),
        }
    }

    /// Sends through a server. It is not connected to before there is something to send.
    ///
    /// # Errors
    /// [`Error::Server`], [`Error::Address`].
    pub fn smtp(public_url: &str, smtp: &Smtp) -> Result<Self, Error> {
        let transport = AsyncSmtpTransport::<Tokio1Executor>::from_url(smtp.url.expose_secret())
            .map_err(Error::Server)?
            .timeout(Some(TIMEOUT))
            .build();
        let from = mailbox(&smtp.from)?;
        Ok(Self {
            smtp: Some(Arc::new((transport, from))),
            ..Self::off(public_url)
        })
    }

    /// Whether messages are sent at all.
    pub const fn is_on(&self) -> bool {
        self.smtp.is_some()
    }

    /// The address under which people reach a path of the gateway: never what a request said its host was.
    pub fn link(&self, path: &str) -> String {
        format!("{}{path}", self.public_url)
    }

    /// Sends a message; false when messages are not sent at all.
    ///
    /// # Errors
    /// [`Error::Address`], [`Error::Message`], [`Error::Refused`].
    pub async fn send(&self, letter: Letter<'_>) -> Result<bool, Error> {
        let Some(smtp) = &self.smtp else {
            return Ok(false);
        };
        let (transport, from) = smtp.as_ref();
        let message = Message::builder()
            .from(from.clone())
            .to(mailbox(letter.to)?)
            .subject(letter.subject)
            .header(header::ContentType::TEXT_PLAIN)
            .body(letter.text.to_owned())
            .map_err(Error::Message)?;
        transport.send(message).await.map_err(Error::Refused)?;
        Ok(true)
    }
}

fn mailbox(address: &str) -> Result<Mailbox, Error> {
    address.parse().map_err(|_| Error::Address(address.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::testing::SmtpServer;
    use super::*;

    fn through(url: &str) -> Result<Mailer, Error> {
        let smtp = Smtp {
            url: url.to_owned().into(),
            from: "Pentad <pentad@example.com>".to_owned(),
        };
        Mailer::smtp("https://pentad.example.com/", &smtp)
    }

    #[tokio::test]
    async fn a_message_arrives_as_it_was_written() {
        let server = SmtpServer::start();
        let mailer = through(&server.url()).unwrap();
        let text = format!("Grüße,\n\n{}\n.\nend\n", mailer.link("/api/docs"));
        let letter = Letter {
            to: "ada@example.com",
            subject: "Schön\r\nBcc: eve@example.com",
            text: &text,
        };
        assert!(mailer.send(letter).await.unwrap());
        let mail = server.next().await;
        assert_eq!(
            mail.to,
            ["ada@example.com"],
            "a subject adds no header and no recipient"
        );
        assert_eq!(mail.from, "pentad@example.com");
        assert!(
            mail.text.contains("https://pentad.example.com/api/docs"),
            "{}",
            mail.text
        );
        assert!(mail.text.contains("end"), "{}", mail.text);
    }

    #[tokio::test]
    async fn what_cannot_be_sent_is_an_error() {
        assert!(matches!(through("https://example.com"), Err(Error::Server(_))));
        let server = SmtpServer::start();
        let mailer = through(&server.url()).unwrap();
        let to = |to| Letter {
            to,
            subject: "s",
            text: "t",
        };
        assert!(matches!(mailer.send(to("nobody")).await, Err(Error::Address(_))));
        assert!(matches!(
            mailer.send(to("refused@example.com")).await,
            Err(Error::Refused(_))
        ));
        let closed = std::net::TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap();
        let mailer = through(&format!("smtp://{closed}")).unwrap();
        assert!(matches!(
            mailer.send(to("ada@example.com")).await,
            Err(Error::Refused(_))
        ));
    }
}
