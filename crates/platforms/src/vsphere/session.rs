//! A login at one vCenter or ESXi host: version, cookie, the service's own objects. A session that has ended is made anew by the
//! call that finds out.

use super::config::Login;
use super::fault::CallError;
use super::http::Http;
use super::soap::{Answer, Call, Fault, MoRef};
use super::xml::{self, Element};
use ridethrough_driver::{Result, Secret};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Mutex, MutexGuard, Semaphore};
use tokio::time::{Instant, timeout_at};

/// Calls at one endpoint at once.
pub(super) const IN_FLIGHT_MAX: usize = 16;
/// The version of the interface this driver was written for. A newer server speaks it too.
const VERSION: [u32; 4] = [8, 0, 3, 0];
const PATH: &str = "/sdk";
pub(super) const NAMESPACE: &str = "urn:vim25";
/// After a refused login none is tried for so long: five within three minutes lock an account by default.
const LOGIN_PAUSE: Duration = Duration::from_secs(60);
/// The service's own objects and texts that are kept.
const CONTENT_MAX: usize = 200;

/// One place to log in at, and the login there, if there is one.
#[derive(Debug)]
pub(super) struct Endpoint {
    http: Http,
    /// For messages.
    pub(super) name: String,
    user: String,
    password: Secret,
    state: Mutex<State>,
    places: Semaphore,
}

#[derive(Debug, Default)]
struct State {
    live: Option<Arc<Live>>,
    logins: u64,
    refused: Option<(Instant, CallError)>,
}

/// A login.
#[derive(Debug)]
pub(super) struct Live {
    /// Counts the logins of this process: what belongs to a session is lost with it.
    pub(super) number: u64,
    cookie: Option<String>,
    action: String,
    /// The service's own objects, by the names of `ServiceContent`.
    objects: BTreeMap<String, MoRef>,
    /// As whom, in the server's own spelling: what events name.
    pub(super) user: String,
    about: BTreeMap<String, String>,
}

impl Live {
    /// One of the service's own objects.
    pub(super) fn object(&self, name: &str) -> Result<&MoRef, CallError> {
        self.objects.get(name).ok_or_else(|| CallError::Fault(Fault::new("NotSupported", &format!("it has no {name}"))))
    }
    pub(super) fn about(&self, name: &str) -> &str {
        self.about.get(name).map_or("", String::as_str)
    }
    /// Whether it is a vCenter, not an ESXi host.
    pub(super) fn is_vcenter(&self) -> bool {
        self.about("apiType") == "VirtualCenter"
    }
}

impl Endpoint {
    /// Connects to nothing.
    ///
    /// # Errors
    /// `Config` where TLS cannot be set up.
    pub(super) fn new(login: &Login) -> Result<Self> {
        Ok(Self {
            http: Http::new(&login.url, &login.trust)?,
            name: login.url.authority(),
            user: login.user.clone(),
            password: login.password.clone(),
            state: Mutex::new(State::default()),
            places: Semaphore::new(IN_FLIGHT_MAX),
        })
    }

    pub(super) fn http(&self) -> &Http {
        &self.http
    }

    pub(super) fn credentials(&self) -> (&str, &Secret) {
        (&self.user, &self.password)
    }

    /// The present login, or a new one.
    pub(super) async fn live(&self, deadline: Instant) -> Result<Arc<Live>, CallError> {
        let mut state = self.state(deadline).await?;
        if let Some(live) = &state.live {
            return Ok(live.clone());
        }
        if let Some((until, refusal)) = &state.refused
            && Instant::now() < *until
        {
            return Err(refusal.clone());
        }
        match self.log_in(state.logins + 1, deadline).await {
            Ok(live) => {
                let live = Arc::new(live);
                state.logins += 1;
                (state.live, state.refused) = (Some(live.clone()), None);
                Ok(live)
            }
            Err(error) => {
                if error.is("InvalidLogin") || error.is("NoPermission") {
                    state.refused = Some((Instant::now() + LOGIN_PAUSE, error.clone()));
                }
                Err(error)
            }
        }
    }

    /// That login has ended.
    pub(super) async fn forget(&self, number: u64, deadline: Instant) -> Result<(), CallError> {
        let mut state = self.state(deadline).await?;
        if state.live.as_ref().is_some_and(|live| live.number == number) {
            state.live = None;
        }
        Ok(())
    }

    /// Calls a method. `make` gets the service's own objects. A session that has ended is replaced, and the call made again: the
    /// first one was refused before anything was looked at.
    pub(super) async fn call(
        &self,
        make: impl Fn(&Live) -> Result<Call, CallError> + Send + Sync,
        deadline: Instant,
    ) -> Result<Element, CallError> {
        let live = self.live(deadline).await?;
        match self.call_on(&live, &make(&live)?, deadline).await {
            Err(error) if error.is("NotAuthenticated") => {
                self.forget(live.number, deadline).await?;
                let live = self.live(deadline).await?;
                self.call_on(&live, &make(&live)?, deadline).await
            }
            other => other,
        }
    }

    /// Calls a method of an object whose id is known.
    pub(super) async fn ask(&self, call: &Call, deadline: Instant) -> Result<Element, CallError> {
        self.call(|_| Ok(call.clone()), deadline).await
    }

    /// Calls a method within that login; without one, only what everybody may.
    pub(super) async fn call_on(&self, live: &Live, call: &Call, deadline: Instant) -> Result<Element, CallError> {
        self.post(PATH, &live.action, live.cookie.as_deref(), call, NAMESPACE, deadline).await.map(|(element, _)| element)
    }

    async fn post(
        &self,
        path: &str,
        action: &str,
        cookie: Option<&str>,
        call: &Call,
        namespace: &str,
        deadline: Instant,
    ) -> Result<(Element, Option<String>), CallError> {
        let place = timeout_at(deadline, self.places.acquire()).await;
        let Ok(Ok(_place)) = place else { return Err(CallError::TooLate { sent: false }) };
        let request = self.http.soap(path, action, cookie, call.envelope(namespace));
        let reply = self.http.send(request, deadline).await?;
        match reply.status {
            200 | 500 => {}
            401 | 403 => return Err(CallError::Unauthorized(format!("it refuses us (HTTP {})", reply.status))),
            // Of the proxy in front, while the service itself starts or stops.
            404 | 502 | 503 | 504 => return Err(CallError::NoService(reply.status)),
            status => return Err(CallError::Garbage(format!("HTTP {status}"))),
        }
        let answer = Answer::read(&reply.body, call.method).map_err(|error| CallError::Garbage(error.to_string()))?;
        match answer {
            Answer::Good(element) => {
                Ok((element, reply.cookies.into_iter().find(|cookie| cookie.starts_with("vmware_soap_session"))))
            }
            Answer::Fault(fault) => Err(CallError::Fault(fault)),
        }
    }

    async fn log_in(&self, number: u64, deadline: Instant) -> Result<Live, CallError> {
        let action = format!("{NAMESPACE}/{}", self.version(deadline).await?);
        let instance = MoRef::new("ServiceInstance", "ServiceInstance");
        let call = Call::new(&instance, "RetrieveServiceContent");
        let (content, first) = self.post(PATH, &action, None, &call, NAMESPACE, deadline).await?;
        let content = content.child("returnval").ok_or_else(|| CallError::Garbage("it has no content".to_owned()))?;
        let object = |element: &Element| Some((element.name.clone(), MoRef::of(element)?));
        let text = |element: &Element| Some((element.name.clone(), element.value()?.to_owned()));
        let objects: BTreeMap<String, MoRef> = content.children.iter().take(CONTENT_MAX).filter_map(object).collect();
        let about = content.child("about").map(|about| about.children.iter().take(CONTENT_MAX).filter_map(text).collect());
        let no_manager = || CallError::Garbage("it has no session manager".to_owned());
        let manager = objects.get("sessionManager").ok_or_else(no_manager)?;
        let login = Call::new(manager, "Login").text("userName", &self.user).text("password", self.password.reveal());
        let (session, cookie) = self.post(PATH, &action, first.as_deref(), &login, NAMESPACE, deadline).await?;
        let user = session.text_at(&["returnval", "userName"]).unwrap_or_default().to_owned();
        Ok(Live { number, cookie: cookie.or(first), action, objects, user, about: about.unwrap_or_default() })
    }

    /// The newest version that both sides speak.
    async fn version(&self, deadline: Instant) -> Result<String, CallError> {
        let reply = self.http.send(self.http.get("/sdk/vimServiceVersions.xml"), deadline).await?;
        match reply.status {
            200 => spoken(&reply.body).ok_or_else(|| CallError::Garbage("what answers there is no vSphere".to_owned())),
            404 => Err(CallError::Garbage("what answers there is no vSphere (HTTP 404)".to_owned())),
            502..=504 => Err(CallError::NoService(reply.status)),
            status => Err(CallError::Garbage(format!("HTTP {status} instead of the versions it speaks"))),
        }
    }

    async fn state(&self, deadline: Instant) -> Result<MutexGuard<'_, State>, CallError> {
        timeout_at(deadline, self.state.lock()).await.map_err(|_| CallError::TooLate { sent: false })
    }
}

/// Of what a server lists, the newest that we know; where it is newer altogether, the newest of the older ones it still speaks.
fn spoken(body: &str) -> Option<String> {
    let root = xml::parse(body).ok()?;
    let ours = root.all("namespace").find(|namespace| namespace.text_at(&["name"]) == Some(NAMESPACE))?;
    let newest = ours.text_at(&["version"])?;
    let older = ours.child("priorVersions").into_iter().flat_map(|prior| prior.all("version")).filter_map(Element::value);
    let known = std::iter::once(newest).chain(older).filter(|version| numbers(version).is_some_and(|one| one <= VERSION));
    known.max_by_key(|version| numbers(version)).or(Some(newest)).map(str::to_owned)
}

fn numbers(version: &str) -> Option<[u32; 4]> {
    let mut numbers = [0; 4];
    for (index, part) in version.split('.').enumerate() {
        *numbers.get_mut(index)? = part.parse().ok()?;
    }
    Some(numbers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_version_that_both_speak_is_taken() {
        let list = |newest: &str, older: &[&str]| {
            let older: String = older.iter().map(|version| format!("<version>{version}</version>")).collect();
            let of = |name: &str| {
                format!(
                    "<namespace><name>{name}</name><version>{newest}</version><priorVersions>{older}</priorVersions></namespace>"
                )
            };
            format!("<?xml version=\"1.0\"?><namespaces version=\"1.0\">{}{}</namespaces>", of("urn:vim25Service"), of(NAMESPACE))
        };
        assert_eq!(spoken(&list("7.0.3.0", &["6.7.3"])).as_deref(), Some("7.0.3.0"));
        assert_eq!(spoken(&list("9.1.0.0", &["9.0.0.0", "8.0.3.0", "8.0.2.0"])).as_deref(), Some("8.0.3.0"));
        assert_eq!(spoken(&list("9.1.0.0", &["9.0.0.0", "8.0.2.0", "6.7"])).as_deref(), Some("8.0.2.0"));
        assert_eq!(spoken(&list("10.0.0.0", &[])).as_deref(), Some("10.0.0.0"));
        assert_eq!(spoken("<html/>"), None);
    }
}
