//! The typed client. Speaks plain HTTP and is meant for loopback; the token is its only secret.

use crate::BASE;
use crate::command::{Commanded, MaintenanceRequest, SetModeRequest};
use crate::drill::{Drill, Drills};
use crate::error::{ApiError, code};
use crate::hold::{ByRequest, HoldRequest};
use crate::plan::PlanAnswer;
use crate::run::{EventsPage, RunDetail, Runs};
use crate::status::Status;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fmt;
use std::time::Duration;

/// Bytes of an answer that are taken in.
const ANSWER_MAX: usize = 32 << 20;
/// How long a drill that touches nothing may take.
const DRILL_MAX: Duration = Duration::from_secs(600);

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Nothing answers there.
    #[error("{}: no controller answers at {url}", code::UNREACHABLE)]
    Unreachable {
        /// Where.
        url: String,
        /// Why.
        #[source]
        source: reqwest::Error,
    },
    /// Something answers, but not this API.
    #[error("{}: what answers at {url} is not this version of Ridethrough's API: {reason}", code::STRANGER)]
    Stranger {
        /// Where.
        url: String,
        /// What it said.
        reason: String,
    },
    /// The API said no.
    #[error("{0}")]
    Refused(ApiError),
}

/// Speaks with one controller.
pub struct Client {
    http: reqwest::Client,
    url: String,
    token: String,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("url", &self.url).finish_non_exhaustive()
    }
}

impl Client {
    /// For `http://127.0.0.1:PORT` and the token of its token file. Proxies of the environment are not used.
    ///
    /// # Errors
    /// When no HTTP client can be set up at all.
    pub fn new(url: &str, token: &str) -> Result<Self, ClientError> {
        let url = url.trim_end_matches('/').to_owned();
        let http = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(Duration::from_secs(3))
            .timeout(Duration::from_secs(20))
            .build()
            .map_err(|source| ClientError::Unreachable { url: url.clone(), source })?;
        Ok(Self { http, url, token: token.trim().to_owned() })
    }

    /// The address it speaks to.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The whole site now.
    ///
    /// # Errors
    /// As every call here: nobody answers, somebody else answers, or the API says no.
    pub async fn status(&self) -> Result<Status, ClientError> {
        self.get("/status", &[]).await
    }

    /// What would happen; with UPSes, if exactly those went on battery now.
    ///
    /// # Errors
    /// As for [`Self::status`]; `RT0252` for a UPS that is not configured.
    pub async fn plan(&self, upses: &[String]) -> Result<PlanAnswer, ClientError> {
        if upses.is_empty() {
            return self.get("/plan", &[]).await;
        }
        self.get("/plan", &[("if", format!("ups={}", upses.join(",")))]).await
    }

    /// What happened, oldest first; the last `limit` of it, or the first `limit` after `after` (`RUN:SEQ`).
    ///
    /// # Errors
    /// As for [`Self::status`].
    pub async fn events(&self, run: Option<u64>, after: Option<&str>, limit: usize) -> Result<EventsPage, ClientError> {
        let mut query = vec![("limit", limit.to_string())];
        query.extend(run.map(|run| ("run", run.to_string())));
        query.extend(after.map(|after| ("after", after.to_owned())));
        self.get("/events", &query).await
    }

    /// All runs, newest first.
    ///
    /// # Errors
    /// As for [`Self::status`].
    pub async fn runs(&self) -> Result<Runs, ClientError> {
        self.get("/runs", &[]).await
    }

    /// One run.
    ///
    /// # Errors
    /// As for [`Self::status`]; `RT0252` for a run that never was.
    pub async fn run(&self, id: u64) -> Result<RunDetail, ClientError> {
        self.get(&format!("/runs/{id}"), &[]).await
    }

    /// Lets a domain act.
    ///
    /// # Errors
    /// As for [`Self::status`]; `RT0254` with findings where it must not be armed.
    pub async fn arm(&self, domain: &str, by: &str) -> Result<Commanded, ClientError> {
        self.post(&format!("/domains/{}/arm", segment(domain)), &SetModeRequest { by: by.to_owned() }).await
    }

    /// Lets a domain only observe.
    ///
    /// # Errors
    /// As for [`Self::arm`].
    pub async fn disarm(&self, domain: &str, by: &str) -> Result<Commanded, ClientError> {
        self.post(&format!("/domains/{}/disarm", segment(domain)), &SetModeRequest { by: by.to_owned() }).await
    }

    /// Suspends acting for a UPS, or with `None` ends that.
    ///
    /// # Errors
    /// As for [`Self::arm`].
    pub async fn maintenance(&self, ups: &str, duration_ms: Option<u64>, by: &str) -> Result<Commanded, ClientError> {
        let body = MaintenanceRequest { duration_ms, by: by.to_owned() };
        self.post(&format!("/ups/{}/maintenance", segment(ups)), &body).await
    }

    /// Starts nothing more for a time, at most to the last safe moment unless `even_if_lost`.
    ///
    /// # Errors
    /// As for [`Self::arm`].
    pub async fn hold(&self, duration_ms: u64, even_if_lost: bool, by: &str) -> Result<Commanded, ClientError> {
        self.post("/hold", &HoldRequest { duration_ms, even_if_lost, by: by.to_owned() }).await
    }

    /// Ends the hold.
    ///
    /// # Errors
    /// As for [`Self::arm`].
    pub async fn release_hold(&self, by: &str) -> Result<Commanded, ClientError> {
        self.post("/hold/release", &ByRequest { by: by.to_owned() }).await
    }

    /// Aborts the open run: it starts nothing more.
    ///
    /// # Errors
    /// As for [`Self::arm`].
    pub async fn abort(&self, by: &str) -> Result<Commanded, ClientError> {
        self.post("/abort", &ByRequest { by: by.to_owned() }).await
    }

    /// Lets an aborted run go on.
    ///
    /// # Errors
    /// As for [`Self::arm`].
    pub async fn bring_back(&self, by: &str) -> Result<Commanded, ClientError> {
        self.post("/return", &ByRequest { by: by.to_owned() }).await
    }

    /// Reads the configuration's files anew and puts it in force, if it is sound.
    ///
    /// # Errors
    /// As for [`Self::arm`]; whatever it says, the configuration of before goes on.
    pub async fn reload(&self, by: &str) -> Result<Commanded, ClientError> {
        self.post("/reload", &ByRequest { by: by.to_owned() }).await
    }

    /// Drills that were held, newest first.
    ///
    /// # Errors
    /// As for [`Self::status`].
    pub async fn drills(&self) -> Result<Drills, ClientError> {
        self.get("/drills", &[]).await
    }

    /// One drill.
    ///
    /// # Errors
    /// As for [`Self::status`]; `RT0252` for one that never was.
    pub async fn drill(&self, id: u64) -> Result<Drill, ClientError> {
        self.get(&format!("/drills/{id}"), &[]).await
    }

    /// Holds a drill that touches nothing, `paper` or `preflight`, and waits for its report.
    ///
    /// # Errors
    /// As for [`Self::arm`].
    pub async fn hold_drill(&self, level: &str, by: &str) -> Result<Drill, ClientError> {
        let body = ByRequest { by: by.to_owned() };
        let request = self.http.post(format!("{}{BASE}/drills/{}", self.url, segment(level))).json(&body);
        self.send(request.timeout(DRILL_MAX)).await
    }

    async fn get<T: DeserializeOwned>(&self, path: &str, query: &[(&str, String)]) -> Result<T, ClientError> {
        self.send(self.http.get(format!("{}{BASE}{path}", self.url)).query(query)).await
    }

    async fn post<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> Result<T, ClientError> {
        self.send(self.http.post(format!("{}{BASE}{path}", self.url)).json(body)).await
    }

    async fn send<T: DeserializeOwned>(&self, request: reqwest::RequestBuilder) -> Result<T, ClientError> {
        let unreachable = |source| ClientError::Unreachable { url: self.url.clone(), source };
        let mut answer = request.bearer_auth(&self.token).send().await.map_err(unreachable)?;
        let status = answer.status();
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(unreachable)? {
            if body.len() + chunk.len() > ANSWER_MAX {
                return Err(self.stranger(format!("the answer is larger than {ANSWER_MAX} bytes")));
            }
            body.extend_from_slice(&chunk);
        }
        if status.is_success() {
            return serde_json::from_slice(&body).map_err(|error| self.stranger(error.to_string()));
        }
        match serde_json::from_slice(&body) {
            Ok(error) => Err(ClientError::Refused(error)),
            Err(_) => Err(self.stranger(format!("HTTP status {status}"))),
        }
    }

    fn stranger(&self, reason: String) -> ClientError {
        ClientError::Stranger { url: self.url.clone(), reason }
    }
}

/// A name as one segment of a path.
fn segment(name: &str) -> String {
    use fmt::Write as _;
    let mut text = String::with_capacity(name.len());
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~') {
            text.push(char::from(byte));
        } else {
            write!(text, "%{byte:02X}").expect("writing to a string never fails");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;

    #[test]
    fn names_with_odd_characters_stay_one_segment() {
        expect!["rack-a"].assert_eq(&segment("rack-a"));
        expect!["r%C3%A4ck%2F%3Fa%20%25"].assert_eq(&segment("räck/?a %"));
    }

    #[test]
    fn the_token_is_not_shown_by_accident() {
        let client = Client::new("http://127.0.0.1:1/", "s3cret\n").expect("a client can be made");
        assert!(!format!("{client:?}").contains("s3cret"));
        assert_eq!(client.url(), "http://127.0.0.1:1");
    }
}
