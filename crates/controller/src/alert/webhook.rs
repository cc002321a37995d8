//! A request to a web service: `POST` with JSON.

use super::words::Words;
use super::{Channel, Language, Undelivered};
use async_trait::async_trait;
use ridethrough_driver::Secret;
use ridethrough_store::Letter;
use serde_json::json;
use std::time::Duration;

/// Longer, and the service counts as not there.
const DELIVERY_MAX: Duration = Duration::from_secs(20);

/// Where requests go.
#[derive(Clone, Debug)]
pub struct WebhookConfig {
    /// The whole address, `https://...`.
    pub url: String,
    /// Sent as `Authorization: Bearer ...`, if the service wants it.
    pub token: Option<Secret>,
    /// The service's certificate authority as PEM, if it is a private one.
    pub ca: Option<Vec<u8>>,
    /// What the messages call this site.
    pub site: String,
    /// The reader's language.
    pub language: Language,
}

/// A web service.
#[derive(Debug)]
pub struct Webhook {
    client: reqwest::Client,
    url: reqwest::Url,
    token: Option<Secret>,
    words: Words,
}

impl Webhook {
    /// Checks address and certificates; connects to nothing.
    ///
    /// # Errors
    /// What is wrong with them, for a person.
    pub fn new(config: WebhookConfig) -> Result<Self, String> {
        let url: reqwest::Url = config.url.parse().map_err(|error| format!("`{}` is no address: {error}", config.url))?;
        if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
            return Err(format!("`{}` is neither http:// nor https://", config.url));
        }
        // A redirect would carry what happens here to somebody nobody named.
        let mut builder = reqwest::Client::builder().timeout(DELIVERY_MAX).redirect(reqwest::redirect::Policy::none()).no_proxy();
        if let Some(pem) = &config.ca {
            let certificates = reqwest::Certificate::from_pem_bundle(pem)
                .map_err(|error| format!("the certificate authority cannot be read: {error}"))?;
            builder = builder.tls_certs_only(certificates);
        }
        let client = builder.build().map_err(|error| format!("HTTPS cannot be set up: {error}"))?;
        Ok(Self { client, url, token: config.token, words: Words { site: config.site, language: config.language } })
    }

    /// What is sent. `text` is what chat services show; the rest is for programs.
    fn content(&self, letters: &[Letter]) -> serde_json::Value {
        let messages: Vec<_> = letters
            .iter()
            .map(|letter| {
                json!({
                    "at_ms": letter.at_ms,
                    "severity": letter.severity,
                    "text": letter.text,
                    "why": letter.why,
                    "code": letter.code,
                })
            })
            .collect();
        json!({
            "program": "ridethrough",
            "site": self.words.site,
            "subject": self.words.subject(letters),
            "text": self.words.body(letters, jiff::Timestamp::now()),
            "messages": messages,
        })
    }
}

#[async_trait]
impl Channel for Webhook {
    async fn deliver(&self, letters: &[Letter]) -> Result<(), Undelivered> {
        let mut request = self.client.post(self.url.clone()).json(&self.content(letters));
        if let Some(token) = &self.token {
            request = request.bearer_auth(token.reveal());
        }
        // The address may hold a key, as those of chat services do: it is not repeated in the error.
        let answer =
            request.send().await.map_err(|error| Undelivered::of("the service was not reached", &error.without_url()))?;
        let status = answer.status();
        if status.is_success() {
            return Ok(());
        }
        Err(Undelivered(format!("the service answered {status}")))
    }

    /// Asks for the head of it, which changes nothing. Any answer shows that it is there and that its certificate is believed.
    async fn reach(&self) -> Result<&'static str, Undelivered> {
        let asked = self.client.head(self.url.clone()).send().await;
        asked.map_err(|error| Undelivered::of("the service was not reached", &error.without_url()))?;
        Ok("the service answers; whether it takes messages only one would show")
    }
}
