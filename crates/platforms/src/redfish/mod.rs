//! A host's BMC over Redfish: is it on, wake it, ask its operating system to go down. Its "off" is proof. It never cuts power.
//!
//! Begin reading in [`Redfish`]; `wire.rs` knows what services say, `http.rs` how they are asked.

#[cfg(test)]
mod fuzz_tests;
mod http;
#[cfg(test)]
mod tests;
mod url;
mod wire;

pub use url::ServiceUrl;

use async_trait::async_trait;
use http::Answer;
use hyper::{Method, StatusCode};
use ridethrough_driver::tls::Trust;
use ridethrough_driver::{Cx, Error, FailureKind, HostPower, HostPowerCapability, Result, Secret};
use ridethrough_model::HostPowerState;
use wire::{Reset, System};

/// How a service is reached.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where.
    pub url: ServiceUrl,
    /// The system's name below `/redfish/v1/Systems`; `None` where there is only one.
    pub system: Option<String>,
    /// A user that may switch power (role Operator).
    pub user: String,
    /// That user's password.
    pub password: Secret,
    /// Whose certificate it must show.
    pub trust: Trust,
    /// Whether it may ask the operating system to go down.
    pub can_shut_down: bool,
}

/// Names listed in a message.
const NAMES_MAX: usize = 8;
const ASK: &str = "ask the BMC";

/// One system of one service.
#[derive(Debug)]
pub struct Redfish {
    config: Config,
}

impl Redfish {
    /// A service that is asked at each call.
    #[must_use]
    pub fn new(config: Config) -> Self {
        Self { config }
    }

    /// The system's path, and what it says.
    async fn look(&self) -> Result<System> {
        let path = match &self.config.system {
            Some(name) => format!("{}/{name}", wire::SYSTEMS),
            None => self.only_member().await?,
        };
        let answer = http::ask(&self.config, Method::GET, &path, None).await?;
        if answer.status == StatusCode::NOT_FOUND && self.config.system.is_some() {
            return Err(wrong(format!("there is no system {}: {}", wire::name(&path), listed(&self.members().await?))));
        }
        let answer = accepted(answer)?;
        wire::system(&answer.body, &path)
            .ok_or_else(|| Error::new(FailureKind::Protocol, ASK, "what it says of the system makes no sense"))
    }

    async fn only_member(&self) -> Result<String> {
        match self.members().await?.as_slice() {
            [path] => Ok(path.clone()),
            members => Err(wrong(format!("`system` must say which one is meant: {}", listed(members)))),
        }
    }

    async fn members(&self) -> Result<Vec<String>> {
        let answer = http::ask(&self.config, Method::GET, wire::SYSTEMS, None).await?;
        if answer.status == StatusCode::NOT_FOUND {
            return Err(wrong("what answers there is no Redfish service".to_owned()));
        }
        let answer = accepted(answer)?;
        wire::members(&answer.body).ok_or_else(|| Error::new(FailureKind::Protocol, ASK, "its list of systems makes no sense"))
    }

    /// What it takes, of those wanted; the first one wins. A service that does not say is asked for the first.
    async fn reset_type(&self, reset: &Reset, wanted: &[&'static str]) -> Result<&'static str> {
        let mut allowed = reset.allowed.clone();
        if let (None, Some(path)) = (&allowed, &reset.action_info) {
            allowed = wire::allowed(&accepted(http::ask(&self.config, Method::GET, path, None).await?)?.body);
        }
        let Some(allowed) = allowed else { return Ok(wanted[0]) };
        let found = wanted.iter().find(|wanted| allowed.iter().any(|one| one == *wanted));
        found.copied().ok_or_else(|| {
            let has: Vec<&str> = allowed.iter().take(NAMES_MAX).map(String::as_str).collect();
            let message = format!("it does not offer {}, only {}", wanted.join(" or "), has.join(", "));
            Error::new(FailureKind::Unsupported, ASK, message)
        })
    }

    /// Changes the power, unless it is so already. Only the last request can have any effect.
    async fn change(&self, done: HostPowerState, wanted: &[&'static str]) -> Result<()> {
        let system = self.look().await.map_err(Error::no_effect)?;
        if system.power == done {
            return Ok(());
        }
        let Some(reset) = system.reset else {
            return Err(Error::new(FailureKind::Unsupported, ASK, "it does not offer to change the power").no_effect());
        };
        let reset_type = self.reset_type(&reset, wanted).await.map_err(Error::no_effect)?;
        let body = serde_json::json!({ "ResetType": reset_type }).to_string();
        // 202 with a task is as good as 204: the power state is what counts, and it is observed.
        accepted(http::ask(&self.config, Method::POST, &reset.target, Some(body)).await?).map(drop)
    }

    fn about(&self, error: Error) -> Error {
        let error = error.with("bmc", self.config.url.authority()).with("user", &self.config.user);
        match &self.config.system {
            Some(system) => error.with("system", system),
            None => error,
        }
    }
}

fn wrong(message: String) -> Error {
    Error::new(FailureKind::Config, ASK, message).no_effect()
}

fn listed(members: &[String]) -> String {
    if members.is_empty() {
        return "it lists none".to_owned();
    }
    let names: Vec<&str> = members.iter().take(NAMES_MAX).map(|path| wire::name(path)).collect();
    format!("it lists {}", names.join(", "))
}

/// An answer that is none of a refusal. A request refused with 4xx was not carried out; after 5xx nobody knows.
fn accepted(answer: Answer) -> Result<Answer> {
    let status = answer.status;
    if status.is_success() {
        return Ok(answer);
    }
    let said = wire::said(&answer.body);
    let failed = |kind, what: &str| {
        let message = if said.is_empty() { format!("{what} (HTTP {status})") } else { format!("{what} (HTTP {status}): {said}") };
        Error::new(kind, ASK, message)
    };
    let error = match status {
        StatusCode::UNAUTHORIZED => failed(FailureKind::Unauthorized, "it does not accept this user and password"),
        StatusCode::FORBIDDEN => failed(FailureKind::Unauthorized, "it gives this user too few rights: Operator is needed"),
        StatusCode::NOT_FOUND => failed(FailureKind::NotFound, "it does not know the system"),
        StatusCode::METHOD_NOT_ALLOWED => failed(FailureKind::Unsupported, "it cannot do that"),
        StatusCode::CONFLICT | StatusCode::TOO_MANY_REQUESTS => failed(FailureKind::Busy, "it is busy with something else"),
        status if status.is_redirection() => failed(FailureKind::Config, "it sends us elsewhere: name that place instead"),
        status if status.is_client_error() => failed(FailureKind::Refused, "it refuses"),
        StatusCode::NOT_IMPLEMENTED => return Err(failed(FailureKind::Unsupported, "it cannot do that")),
        StatusCode::SERVICE_UNAVAILABLE => return Err(failed(FailureKind::Busy, "it is not ready yet")),
        _ => return Err(failed(FailureKind::Protocol, "it failed")),
    };
    Err(error.no_effect())
}

#[async_trait]
impl HostPower for Redfish {
    fn name(&self) -> &'static str {
        "redfish"
    }

    fn capability(&self) -> HostPowerCapability {
        HostPowerCapability { can_shut_down: self.config.can_shut_down, can_wake: true, can_prove_off: true }
    }

    async fn observe(&self, cx: &Cx) -> Result<HostPowerState> {
        match cx.bound(ASK, self.look()).await {
            Ok(system) => Ok(system.power),
            Err(error) if matches!(error.kind(), FailureKind::Unauthorized | FailureKind::Config) => Err(self.about(error)),
            Err(_) => Ok(HostPowerState::Unknown),
        }
    }

    /// A request to the operating system, like the power button. That it is followed, only the power state shows.
    async fn shut_down(&self, cx: &Cx) -> Result<()> {
        if !self.config.can_shut_down {
            let message = "the configuration does not let it";
            return Err(self.about(Error::new(FailureKind::Unsupported, "shut down over Redfish", message).no_effect()));
        }
        let work = self.change(HostPowerState::Off, &["GracefulShutdown"]);
        cx.bound("shut down over Redfish", work).await.map_err(|error| self.about(error))
    }

    /// `PushPowerButton` is never taken: on a host that is on it would be the opposite.
    async fn wake(&self, cx: &Cx) -> Result<()> {
        let work = self.change(HostPowerState::On, &["On", "ForceOn"]);
        cx.bound("wake over Redfish", work).await.map_err(|error| self.about(error))
    }
}
