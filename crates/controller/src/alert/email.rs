//! Mail over SMTP, with TLS unless told otherwise.

use super::words::Words;
use super::{Channel, Language, Undelivered};
use async_trait::async_trait;
use lettre::message::header::ContentType;
use lettre::message::{Mailbox, Message};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, Tls, TlsParameters};
use lettre::{AsyncSmtpTransport, AsyncTransport, Tokio1Executor};
use ridethrough_driver::Secret;
use ridethrough_store::Letter;
use std::time::Duration;

/// Longer, and the mail server counts as not there.
const DELIVERY_MAX: Duration = Duration::from_secs(30);

/// How the way to the mail server is protected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EmailTls {
    /// Plain at first, then TLS; never without it. Port 587.
    #[default]
    StartTls,
    /// TLS from the first byte. Port 465.
    Tls,
    /// No protection. Port 25.
    Off,
}

/// Where mail goes, and from whom.
#[derive(Clone, Debug)]
pub struct EmailConfig {
    /// The mail server: name or address.
    pub server: String,
    /// Its port; by default that of the protection.
    pub port: Option<u16>,
    /// The protection.
    pub tls: EmailTls,
    /// The server's certificate authority as PEM, if it is a private one.
    pub ca: Option<Vec<u8>>,
    /// User and password, if the server wants them.
    pub login: Option<(String, Secret)>,
    /// The sender.
    pub from: String,
    /// The recipients.
    pub to: Vec<String>,
    /// What the mails call this site.
    pub site: String,
    /// The reader's language.
    pub language: Language,
}

/// Mail.
#[derive(Debug)]
pub struct Email {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
    to: Vec<Mailbox>,
    words: Words,
}

impl Email {
    /// Checks the addresses and certificates; connects to nothing.
    ///
    /// # Errors
    /// What is wrong with them, for a person.
    pub fn new(config: EmailConfig) -> Result<Self, String> {
        let mailbox = |text: &String| text.parse::<Mailbox>().map_err(|_| format!("`{text}` is not a mail address"));
        let from = mailbox(&config.from)?;
        let to = config.to.iter().map(mailbox).collect::<Result<Vec<_>, _>>()?;
        if to.is_empty() {
            return Err("there is no recipient".to_owned());
        }
        let port = config.port.unwrap_or(match config.tls {
            EmailTls::StartTls => 587,
            EmailTls::Tls => 465,
            EmailTls::Off => 25,
        });
        let tls = match config.tls {
            EmailTls::Off => Tls::None,
            EmailTls::StartTls => Tls::Required(parameters(&config)?),
            EmailTls::Tls => Tls::Wrapper(parameters(&config)?),
        };
        let mut builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(config.server.clone())
            .port(port)
            .tls(tls)
            .timeout(Some(DELIVERY_MAX));
        if let Some((user, password)) = config.login {
            builder = builder.credentials(Credentials::new(user, password.reveal().to_owned()));
        }
        Ok(Self { transport: builder.build(), from, to, words: Words { site: config.site, language: config.language } })
    }

    fn message(&self, letters: &[Letter]) -> Result<Message, lettre::error::Error> {
        let mut builder = Message::builder()
            .from(self.from.clone())
            .subject(self.words.subject(letters))
            .message_id(None)
            .header(ContentType::TEXT_PLAIN);
        for mailbox in &self.to {
            builder = builder.to(mailbox.clone());
        }
        builder.body(self.words.body(letters, jiff::Timestamp::now()))
    }
}

fn parameters(config: &EmailConfig) -> Result<TlsParameters, String> {
    let mut builder = TlsParameters::builder(config.server.clone());
    if let Some(pem) = &config.ca {
        let ca = Certificate::from_pem(pem).map_err(|error| format!("the certificate authority cannot be read: {error}"))?;
        builder = builder.add_root_certificate(ca);
    }
    builder.build().map_err(|error| format!("TLS cannot be set up: {error}"))
}

#[async_trait]
impl Channel for Email {
    async fn deliver(&self, letters: &[Letter]) -> Result<(), Undelivered> {
        let message = self.message(letters).map_err(|error| Undelivered::of("the mail cannot be written", &error))?;
        let sending = tokio::time::timeout(DELIVERY_MAX, self.transport.send(message));
        match sending.await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(Undelivered::of("the mail server did not take it", &error)),
            Err(_) => Err(Undelivered(format!("the mail server did not answer within {} s", DELIVERY_MAX.as_secs()))),
        }
    }

    /// Connects, with TLS and login as for a mail, and sends none.
    async fn reach(&self) -> Result<&'static str, Undelivered> {
        match tokio::time::timeout(DELIVERY_MAX, self.transport.test_connection()).await {
            Ok(Ok(true)) => Ok("the mail server takes our login"),
            Ok(Ok(false)) => Err(Undelivered("the mail server closes the connection".to_owned())),
            Ok(Err(error)) => Err(Undelivered::of("the mail server does not take us", &error)),
            Err(_) => Err(Undelivered(format!("the mail server did not answer within {} s", DELIVERY_MAX.as_secs()))),
        }
    }
}
