//! Who is told what happens, and how.

use crate::config::secret::SecretSource;
use crate::config::value::{At, Time};
use schemars::JsonSchema;
use serde::Deserialize;
use std::path::{Path, PathBuf};

/// Somebody who is told what happens. The key below its name says how.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Alert {
    /// By mail.
    Email(Email),
    /// By a request to a web service.
    Webhook(Webhook),
    /// By a program of your own.
    Command(Command),
}

/// From which severity on somebody is told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Severity {
    /// Everything the controller says. In an outage that is much.
    Info,
    /// What may need somebody.
    #[default]
    Warning,
    /// What needs somebody now.
    Alarm,
}

/// The reader's language.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Language {
    /// English.
    #[default]
    En,
    /// German. What others have said, such as a server's own error, stays as it is.
    De,
}

/// How the way to the mail server is protected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum MailTls {
    /// Plain at first, then TLS; if the server cannot, nothing is sent.
    #[default]
    Starttls,
    /// TLS from the first byte.
    Tls,
    /// None. A password is then refused, but to this machine itself.
    Off,
}

/// Mail over SMTP.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Email {
    /// From which severity on. That the power has changed and that a run is over is told in any case. Default: `"warning"`.
    #[serde(default)]
    pub(crate) severity: Severity,
    /// In which language: `"en"` or `"de"`. Default: `"en"`.
    #[serde(default)]
    pub(crate) language: Language,
    /// The mail server: name or address. One that hangs on the same UPS takes the mail with it; what was not delivered is
    /// delivered later.
    pub(crate) server: At<String>,
    /// Its port. Default: that of `tls`, which is 587, 465 or 25.
    pub(crate) port: Option<At<u16>>,
    /// How the way there is protected. Default: `"starttls"`.
    pub(crate) tls: Option<At<MailTls>>,
    /// The certificate authority of the mail server as a PEM file, where it is a private one. Default: those of the system.
    pub(crate) ca: Option<At<PathBuf>>,
    /// A user of the mail server, where it wants one.
    pub(crate) user: Option<At<String>>,
    /// That user's password.
    pub(crate) password: Option<At<SecretSource>>,
    /// The sender, e.g. `"ridethrough@example.org"`.
    pub(crate) from: At<String>,
    /// The recipients.
    pub(crate) to: Vec<At<String>>,
}

/// A `POST` request with JSON: `subject` and `text` for people, `messages` for programs.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Webhook {
    /// From which severity on. That the power has changed and that a run is over is told in any case. Default: `"warning"`.
    #[serde(default)]
    pub(crate) severity: Severity,
    /// In which language: `"en"` or `"de"`. Default: `"en"`.
    #[serde(default)]
    pub(crate) language: Language,
    /// The address, `https://...`. If it holds a key of its own, give the file of the configuration mode 0600.
    pub(crate) url: At<String>,
    /// Sent as `Authorization: Bearer ...`, where the service wants it.
    pub(crate) token: Option<At<SecretSource>>,
    /// The service's certificate authority as a PEM file, where it is a private one. Default: those of the system.
    pub(crate) ca: Option<At<PathBuf>>,
}

/// A program. It gets the text on its standard input, and the variables `RIDETHROUGH_SUBJECT` and `RIDETHROUGH_SEVERITY`; it says
/// with exit code 0 that the message was delivered. Anything else: it is run again later.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Command {
    /// From which severity on. That the power has changed and that a run is over is told in any case. Default: `"warning"`.
    #[serde(default)]
    pub(crate) severity: Severity,
    /// In which language: `"en"` or `"de"`. Default: `"en"`.
    #[serde(default)]
    pub(crate) language: Language,
    /// The program and its arguments, e.g. `["/usr/local/bin/send-sms", "+49..."]`. No shell is between.
    pub(crate) run: At<Vec<String>>,
    /// How long it may take; then it is killed. Default: `"30s"`.
    pub(crate) time_limit: Option<Time>,
}

impl Alert {
    /// From which severity on.
    pub(crate) fn severity(&self) -> Severity {
        match self {
            Self::Email(email) => email.severity,
            Self::Webhook(webhook) => webhook.severity,
            Self::Command(command) => command.severity,
        }
    }

    /// Takes relative paths from that folder.
    pub(in crate::config) fn resolve(&mut self, folder: &Path) {
        let (ca, secret) = match self {
            Self::Email(email) => (&mut email.ca, &mut email.password),
            Self::Webhook(webhook) => (&mut webhook.ca, &mut webhook.token),
            Self::Command(_) => return,
        };
        if let Some(ca) = ca {
            **ca = folder.join(&**ca);
        }
        if let Some(secret) = secret {
            secret.resolve(folder);
        }
    }
}
