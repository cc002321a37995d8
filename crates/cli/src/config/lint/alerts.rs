//! Alerts: addresses, certificates, passwords. Nobody is sent anything: that is for `ridethrough alert test`.

use super::secrets::secret;
use super::{Findings, Subject};
use crate::config::Config;
use crate::config::section::alert::{Alert, Email, MailTls};
use crate::wiring::alert::channel;
use ridethrough_driver::Secret;
use ridethrough_model::{Finding, FindingLevel};

pub(super) fn lint(config: &Config, findings: &mut Findings) {
    for (name, entry) in &config.alerts {
        let subject = Subject::new("alert", name, entry);
        match &entry.value {
            Alert::Email(email) => mail(email, &subject, findings),
            Alert::Webhook(webhook) => {
                if let Some(token) = &webhook.token {
                    secret(token, &subject, findings);
                    if webhook.url.starts_with("http://") {
                        let remedy = "Use `https://`, or take the token out.";
                        let message = "the token would go over the network in clear text.";
                        findings.error("RT0173", &subject, Some(webhook.url.span()), message, remedy);
                    }
                }
            }
            Alert::Command(_) => {}
        }
        if let Err(reason) = channel(&entry.value, Some(Secret::new("unknown here".to_owned()))) {
            let remedy = "Mend it; docs/alerts.md shows how alerts are written.";
            findings.error("RT0172", &subject, None, &format!("{reason}."), remedy);
        }
    }
    if config.alerts.is_empty() && !config.upses.is_empty() {
        let message = "nobody is told when the mains fails or a run needs somebody.";
        let remedy = "Add `[alert.NAME.email]`, `webhook` or `command`; docs/alerts.md shows how.";
        let finding = Finding::new(FindingLevel::Info, "RT0174", "alerts", message, remedy);
        findings.everywhere(finding);
    }
}

fn mail(email: &Email, subject: &Subject<'_>, findings: &mut Findings) {
    match (&email.user, &email.password) {
        (None, Some(password)) => {
            let remedy = "Add the `user` it belongs to, or take it out.";
            findings.error("RT0104", subject, Some(password.span()), "there is a password without a user.", remedy);
        }
        (Some(user), None) => {
            let remedy = "Add its `password = { file = \"...\" }`, or take it out.";
            findings.error("RT0104", subject, Some(user.span()), "there is a user without a password.", remedy);
        }
        (Some(_), Some(password)) => {
            secret(password, subject, findings);
            let is_here = matches!(email.server.as_str(), "localhost" | "127.0.0.1" | "::1");
            if let Some(tls) = email.tls.as_ref().filter(|tls| ***tls == MailTls::Off && !is_here) {
                let remedy = "Use `tls = \"starttls\"` or `\"tls\"`, or a mail server on this machine.";
                let message = "the password would go over the network in clear text.";
                findings.error("RT0173", subject, Some(tls.span()), message, remedy);
            }
        }
        (None, None) => {}
    }
}
