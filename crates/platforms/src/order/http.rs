//! A request to a web service. No redirects, no proxies; headers may be secrets and are never shown.

use async_trait::async_trait;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use ridethrough_driver::own_words::KEY;
use ridethrough_driver::tls::{self, Trust};
use ridethrough_driver::{Answer, Cx, Error, Facts, FailureKind, Order, Result, Secret};
use std::time::Duration;
use tokio::time::Instant;

/// Bytes of an answer that are looked at.
const BODY_MAX: usize = 64 << 10;
/// Characters of an answer that are shown.
const SHOWN_MAX: usize = 200;
const ASK: &str = "ask a web service";

/// What is asked, and what the answer means.
#[derive(Clone, Debug)]
pub struct Config {
    /// `http://...` or `https://...`. Shown in errors without its query, which may hold a key.
    pub url: String,
    /// `GET`, `POST`, ...
    pub method: String,
    /// Headers; their values are secrets.
    pub headers: Vec<(String, Secret)>,
    /// What is sent.
    pub body: Option<String>,
    /// Whose certificates are believed.
    pub trust: Trust,
    /// Statuses that say yes. Empty: any from 200 to 299.
    pub expect_status: Vec<u16>,
    /// What must be in the answer besides, for a yes.
    pub expect_body: Option<String>,
    /// What must be in an answer of such a status for a no ("it is off"); without it no answer says so.
    pub off_body: Option<String>,
    /// Statuses that say no.
    pub off_status: Vec<u16>,
}

/// A web service that is asked the same every time.
#[derive(Debug)]
pub struct Http {
    config: Config,
    url: reqwest::Url,
    method: reqwest::Method,
    headers: HeaderMap,
    client: reqwest::Client,
}

impl Http {
    /// Checks all of it; connects to nothing.
    ///
    /// # Errors
    /// `Config` for what a person must mend.
    pub fn new(config: Config) -> Result<Self> {
        let wrong = |message: String| Error::new(FailureKind::Config, ASK, message).no_effect();
        let url: reqwest::Url =
            config.url.parse().map_err(|cause| wrong("the url cannot be read".to_owned()).caused_by(cause))?;
        if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
            return Err(wrong("the url is neither http:// nor https://".to_owned()));
        }
        let method = reqwest::Method::from_bytes(config.method.as_bytes())
            .map_err(|_| wrong(format!("`{}` is no method", config.method)))?;
        let mut headers = HeaderMap::new();
        for (name, value) in &config.headers {
            let key: HeaderName = name.parse().map_err(|_| wrong(format!("`{name}` is no name of a header")))?;
            let mut value = HeaderValue::from_str(value.reveal())
                .map_err(|_| wrong(format!("the value of the header {name} cannot be sent")))?;
            value.set_sensitive(true);
            headers.append(key, value);
        }
        let setup =
            tls::client(&config.trust, None).map_err(|cause| wrong("TLS cannot be set up".to_owned()).caused_by(cause))?;
        let client = reqwest::Client::builder()
            .tls_backend_preconfigured((*setup).clone())
            // A redirect would carry the headers to somebody nobody named.
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            // A kept connection may have died unseen; what is asked must not be sent twice by itself.
            .pool_max_idle_per_host(0)
            .retry(reqwest::retry::never())
            .user_agent(concat!("ridethrough/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|cause| wrong("HTTPS cannot be set up".to_owned()).caused_by(cause.without_url()))?;
        Ok(Self { config, url, method, headers, client })
    }

    fn placed(&self, error: Error) -> Error {
        let place =
            format!("{}://{}{}", self.url.scheme(), self.url.authority().rsplit('@').next().unwrap_or(""), self.url.path());
        error.with("url", place)
    }

    fn judged(&self, status: u16, body: &str) -> Answer {
        let Config { expect_status, expect_body, off_status, off_body, .. } = &self.config;
        let says = |wanted: &Option<String>| wanted.as_ref().is_none_or(|wanted| body.contains(wanted.as_str()));
        let is_good = if expect_status.is_empty() { (200..300).contains(&status) } else { expect_status.contains(&status) };
        let shown: String = body.chars().map(|c| if c.is_control() { ' ' } else { c }).take(SHOWN_MAX).collect();
        let words = format!("it answered {status}: {}", shown.trim());
        let names_off = !off_status.is_empty() || off_body.is_some();
        let is_off = names_off && says(off_body) && if off_status.is_empty() { is_good } else { off_status.contains(&status) };
        let is_yes = is_good && says(expect_body);
        match (is_yes, is_off) {
            (true, false) => Answer::Yes,
            (false, true) => Answer::No(words),
            // Both at once is no statement.
            _ => Answer::Other(words),
        }
    }
}

#[async_trait]
impl Order for Http {
    fn name(&self) -> &'static str {
        "http"
    }

    /// Facts are sent as a JSON object, if there are any and no body is configured; as headers (`Ridethrough-Run: 3`) in any case, as
    /// far as they can be. The key comes as `Idempotency-Key` too, which some services know.
    async fn give(&self, facts: &Facts, cx: &Cx) -> Result<Answer> {
        let left = cx.deadline.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
        let mut request = self.client.request(self.method.clone(), self.url.clone()).headers(self.headers.clone()).timeout(left);
        for (name, value) in headers_of(facts) {
            request = request.header(name, value);
        }
        if let Some(body) = &self.config.body {
            request = request.body(body.clone());
        } else if !facts.is_empty() {
            request = request.json(facts);
        }
        let mut answer = request.send().await.map_err(|cause| {
            let is_unsent = cause.is_connect() || cause.is_builder();
            let error = Error::new(FailureKind::Unreachable, ASK, "no answer").caused_by(cause.without_url());
            self.placed(if is_unsent { error.no_effect() } else { error })
        })?;
        let status = answer.status().as_u16();
        if matches!(status, 401 | 403)
            && !self.config.expect_status.contains(&status)
            && !self.config.off_status.contains(&status)
        {
            let message = format!("it refuses our credentials ({status})");
            return Err(self.placed(Error::new(FailureKind::Unauthorized, ASK, message).no_effect()));
        }
        let mut body = Vec::new();
        while body.len() < BODY_MAX {
            let broken = |cause: reqwest::Error| {
                Error::new(FailureKind::Unreachable, ASK, "the answer broke off").caused_by(cause.without_url())
            };
            let Some(more) = answer.chunk().await.map_err(|cause| self.placed(broken(cause)))? else { break };
            let room = BODY_MAX - body.len();
            body.extend(more.iter().take(room));
        }
        Ok(self.judged(status, &String::from_utf8_lossy(&body)))
    }
}

/// Facts as headers; one whose value is no text of plain letters is left out.
fn headers_of(facts: &Facts) -> impl Iterator<Item = (HeaderName, HeaderValue)> {
    let key = facts.get(KEY).map(|key| ("Idempotency-Key".to_owned(), key));
    let all = facts.iter().map(|(name, value)| (name.replace('_', "-"), value)).chain(key);
    all.filter_map(|(name, value)| Some((name.parse().ok()?, HeaderValue::from_str(value).ok()?)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use ridethrough_driver::tls::Thumbprint;

    fn config() -> Config {
        Config {
            url: "http://nas.example/power?key=geheim".to_owned(),
            method: "GET".to_owned(),
            headers: vec![("X-Token".to_owned(), Secret::new("geheim".to_owned()))],
            body: None,
            trust: Trust::Pinned(Thumbprint::parse(&"00".repeat(32)).expect("a thumbprint")),
            expect_status: Vec::new(),
            expect_body: None,
            off_body: None,
            off_status: Vec::new(),
        }
    }

    #[test]
    fn point_5_loads_what_an_answer_over_http_says() {
        let plain = Http::new(config()).expect("a request");
        assert_eq!(plain.judged(204, ""), Answer::Yes);
        assert!(matches!(plain.judged(404, "gone"), Answer::Other(_)), "that it is off must be named");
        let power = Config { expect_body: Some("\"on\"".into()), off_body: Some("\"off\"".into()), ..config() };
        let power = Http::new(power).expect("a request");
        assert_eq!(power.judged(200, "{\"power\": \"on\"}"), Answer::Yes);
        assert!(matches!(power.judged(200, "{\"power\": \"off\"}"), Answer::No(_)));
        assert!(matches!(power.judged(500, "{\"power\": \"off\"}"), Answer::Other(_)), "an error proves nothing");
        assert!(matches!(power.judged(200, "\"on\" \"off\""), Answer::Other(_)), "both at once is no statement");
        let gone = Http::new(Config { off_status: vec![404], ..config() }).expect("a request");
        assert!(matches!(gone.judged(404, ""), Answer::No(_)));
    }

    #[test]
    fn point_5_loads_a_request_that_cannot_be_is_refused_and_shows_no_secret() {
        for (wrong, says) in [
            (Config { url: "ftp://x".into(), ..config() }, "neither"),
            (Config { method: "G T".into(), ..config() }, "method"),
            (Config { headers: vec![("a b".into(), Secret::new("x".into()))], ..config() }, "header"),
            (Config { headers: vec![("a".into(), Secret::new("geheim\n".into()))], ..config() }, "header"),
        ] {
            let said = Http::new(wrong).expect_err("it cannot be").to_failure().message;
            assert!(said.contains(says) && !said.contains("geheim"), "{said}");
        }
        let http = Http::new(config()).expect("a request");
        let shown = http.placed(Error::new(FailureKind::Unreachable, ASK, "x")).to_failure().message;
        assert!(shown.contains("http://nas.example/power") && !shown.contains("geheim"), "{shown}");
    }
}
