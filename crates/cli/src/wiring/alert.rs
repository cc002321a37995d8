//! From the configuration to the channels that alerts go through.

use super::read;
use crate::config::section::alert::{Alert, Command, Email, Language, MailTls, Severity, Webhook};
use crate::config::{Config, Entry};
use crate::failure::Failure;
use ridethrough_controller::alert::{self, Channel, Route};
use ridethrough_driver::Secret;
use std::sync::Arc;
use std::time::Duration;

/// How long a program may take if nobody says otherwise.
const TIME_LIMIT: Duration = Duration::from_secs(30);

/// Everybody who is to be told, connected to nothing yet.
pub(crate) fn routes(config: &Config) -> Result<Vec<Route>, Failure> {
    config.alerts.iter().map(|(name, entry)| route(name, entry)).collect()
}

fn route(name: &str, entry: &Entry<Alert>) -> Result<Route, Failure> {
    let secret = match &entry.value {
        Alert::Email(email) => &email.password,
        Alert::Webhook(webhook) => &webhook.token,
        Alert::Command(_) => &None,
    };
    let secret = secret.as_deref().map(read).transpose()?;
    let channel = channel(&entry.value, secret).map_err(|reason| {
        Failure::new("RT0172", format!("alert {name}: {reason}"), "Mend it; docs/alerts.md shows how alerts are written.")
    })?;
    Ok(Route { name: name.to_owned(), severity_min: severity(entry.value.severity()), channel })
}

/// The channel with that secret; connects to nothing.
///
/// # Errors
/// What is wrong with it, for a person.
pub(crate) fn channel(alert: &Alert, secret: Option<Secret>) -> Result<Arc<dyn Channel>, String> {
    Ok(match alert {
        Alert::Email(email) => Arc::new(alert::Email::new(email_config(email, secret)?)?),
        Alert::Webhook(webhook) => Arc::new(alert::Webhook::new(webhook_config(webhook, secret)?)?),
        Alert::Command(command) => Arc::new(alert::Command::new(command_config(command))?),
    })
}

fn severity(written: Severity) -> ridethrough_model::Severity {
    match written {
        Severity::Info => ridethrough_model::Severity::Info,
        Severity::Warning => ridethrough_model::Severity::Warning,
        Severity::Alarm => ridethrough_model::Severity::Alarm,
    }
}

fn language(written: Language) -> alert::Language {
    match written {
        Language::En => alert::Language::En,
        Language::De => alert::Language::De,
    }
}

fn email_config(email: &Email, secret: Option<Secret>) -> Result<alert::EmailConfig, String> {
    Ok(alert::EmailConfig {
        server: (*email.server).clone(),
        port: email.port.as_deref().copied(),
        tls: match email.tls.as_deref().copied().unwrap_or_default() {
            MailTls::Starttls => alert::EmailTls::StartTls,
            MailTls::Tls => alert::EmailTls::Tls,
            MailTls::Off => alert::EmailTls::Off,
        },
        ca: email.ca.as_ref().map(|ca| certificate(ca)).transpose()?,
        login: email.user.as_deref().cloned().zip(secret),
        from: (*email.from).clone(),
        to: email.to.iter().map(|to| (**to).clone()).collect(),
        site: site(),
        language: language(email.language),
    })
}

fn webhook_config(webhook: &Webhook, token: Option<Secret>) -> Result<alert::WebhookConfig, String> {
    let ca = webhook.ca.as_ref().map(|ca| certificate(ca)).transpose()?;
    Ok(alert::WebhookConfig { url: (*webhook.url).clone(), token, ca, site: site(), language: language(webhook.language) })
}

fn command_config(command: &Command) -> alert::CommandConfig {
    let time_max = command.time_limit.as_ref().map_or(TIME_LIMIT, |limit| Duration::from_millis(limit.0.0));
    alert::CommandConfig { run: (*command.run).clone(), time_max, site: site(), language: language(command.language) }
}

fn certificate(path: &std::path::Path) -> Result<Vec<u8>, String> {
    std::fs::read(path).map_err(|error| format!("the certificate authority {} cannot be read: {error}", path.display()))
}

/// What messages call us: the name of this machine.
fn site() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    if name.trim().is_empty() { "this machine".to_owned() } else { name.trim().to_owned() }
}
