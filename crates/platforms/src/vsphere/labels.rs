//! vSphere's tags over REST, and the names of custom attributes. What cannot be read keeps its last good state: a VM does not lose
//! its tier because a service is down.

use super::fault::CallError;
use super::map::Labels;
use super::session::Endpoint;
use super::xml::Element;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use tokio::time::Instant;

/// How old tags may be. Reading them costs a request each, and they change by hand.
const AGE_MAX: Duration = Duration::from_secs(120);
/// Tags that are read.
const TAGS_MAX: usize = 2_000;
/// Kept of the caller's time for what comes after.
const SHARE: u32 = 2;

/// What was read last, and when.
#[derive(Debug, Default)]
pub(super) struct Reader {
    labels: Labels,
    read_at: Option<Instant>,
    /// The newer interface answers here (vCenter 7.0 update 2 and later).
    is_new: Option<bool>,
}

impl Reader {
    pub(super) fn labels(&self) -> &Labels {
        &self.labels
    }

    /// Reads anew what is too old. A failure changes nothing, but where nothing is known yet, it is one.
    pub(super) async fn look(&mut self, endpoint: &Endpoint, reads_tags: bool, deadline: Instant) -> Result<(), CallError> {
        if self.read_at.is_some_and(|at| at.elapsed() < AGE_MAX) {
            return Ok(());
        }
        let left = deadline.saturating_duration_since(Instant::now());
        let until = Instant::now() + left / SHARE;
        match self.read(endpoint, reads_tags, until).await {
            Err(error) if self.read_at.is_none() => Err(error),
            // Not again at once: each try costs time that an outage may need.
            Err(_) => {
                self.read_at = Some(Instant::now());
                Ok(())
            }
            Ok(labels) => {
                (self.labels, self.read_at) = (labels, Some(Instant::now()));
                Ok(())
            }
        }
    }

    async fn read(&mut self, endpoint: &Endpoint, reads_tags: bool, deadline: Instant) -> Result<Labels, CallError> {
        let live = endpoint.live(deadline).await?;
        let mut labels = Labels::default();
        if let Ok(fields) = live.object("customFieldsManager") {
            labels.attributes = attributes(endpoint, fields, deadline).await?;
        }
        if reads_tags && live.is_vcenter() {
            labels.tags = self.tags(endpoint, deadline).await?;
        }
        Ok(labels)
    }

    async fn tags(&mut self, endpoint: &Endpoint, deadline: Instant) -> Result<BTreeMap<String, BTreeSet<String>>, CallError> {
        let rest = self.rest(endpoint, deadline).await?;
        let found = rest.tags(deadline).await;
        rest.log_out(deadline).await;
        found
    }

    /// A login at the newer interface, or at the older one where that is not there.
    async fn rest<'a>(&mut self, endpoint: &'a Endpoint, deadline: Instant) -> Result<Rest<'a>, CallError> {
        if self.is_new != Some(false) {
            match Rest::log_in(endpoint, true, deadline).await {
                Err(CallError::NoService(404)) => self.is_new = Some(false),
                other => {
                    self.is_new = other.is_ok().then_some(true);
                    return other;
                }
            }
        }
        Rest::log_in(endpoint, false, deadline).await
    }
}

/// Names of custom attributes by their keys.
async fn attributes(
    endpoint: &Endpoint,
    fields: &super::soap::MoRef,
    deadline: Instant,
) -> Result<BTreeMap<String, String>, CallError> {
    let object = super::collect::read_one(endpoint, fields, &[("CustomFieldsManager", &["field"])], deadline).await?;
    let pair = |field: &Element| Some((field.text_at(&["key"])?.to_owned(), field.text_at(&["name"])?.to_owned()));
    Ok(object.get("field").into_iter().flat_map(|array| &array.children).filter_map(pair).collect())
}

/// A session of the REST interface.
struct Rest<'a> {
    endpoint: &'a Endpoint,
    is_new: bool,
    session: String,
}

impl<'a> Rest<'a> {
    async fn log_in(endpoint: &'a Endpoint, is_new: bool, deadline: Instant) -> Result<Self, CallError> {
        let (user, password) = endpoint.credentials();
        let path = if is_new { "/api/session" } else { "/rest/com/vmware/cis/session" };
        let request = endpoint.http().post(path).basic_auth(user, Some(password.reveal()));
        let answer = answered(endpoint, request, deadline).await?;
        let session = if is_new { answer.as_str() } else { answer["value"].as_str() };
        let session = session.ok_or_else(|| CallError::Garbage("its REST login names no session".to_owned()))?.to_owned();
        Ok(Self { endpoint, is_new, session })
    }

    async fn log_out(&self, deadline: Instant) {
        let path = if self.is_new { "/api/session" } else { "/rest/com/vmware/cis/session" };
        let request = self.endpoint.http().delete(path).header("vmware-api-session-id", &self.session);
        // Where it fails, the session ends by itself.
        let _ = self.endpoint.http().send(request, deadline).await;
    }

    async fn get(&self, path: &str, deadline: Instant) -> Result<Value, CallError> {
        let request = self.endpoint.http().get(&self.path(path)).header("vmware-api-session-id", &self.session);
        answered(self.endpoint, request, deadline).await.map(|answer| self.bare(answer))
    }

    async fn post(&self, path: &str, body: &Value, deadline: Instant) -> Result<Value, CallError> {
        let request = self.endpoint.http().post(&self.path(path)).header("vmware-api-session-id", &self.session).json(body);
        answered(self.endpoint, request, deadline).await.map(|answer| self.bare(answer))
    }

    fn path(&self, path: &str) -> String {
        if self.is_new {
            format!("/api/cis/tagging/{path}")
        } else {
            format!("/rest/com/vmware/cis/tagging/{path}").replace("?action", "?~action")
        }
    }

    fn one(&self, kind: &str, id: &str) -> String {
        let id = encoded(id);
        if self.is_new { format!("{kind}/{id}") } else { format!("{kind}/id:{id}") }
    }

    fn bare(&self, mut answer: Value) -> Value {
        if self.is_new { answer } else { answer["value"].take() }
    }

    /// Tags of VMs: `name`, and `category:name`.
    async fn tags(&self, deadline: Instant) -> Result<BTreeMap<String, BTreeSet<String>>, CallError> {
        let list = self.get("tag", deadline).await?;
        let ids: Vec<String> = texts(&list).take(TAGS_MAX).collect();
        if ids.is_empty() {
            return Ok(BTreeMap::new());
        }
        let mut categories: BTreeMap<String, String> = BTreeMap::new();
        let mut names: BTreeMap<String, [String; 2]> = BTreeMap::new();
        for id in &ids {
            let tag = self.get(&self.one("tag", id), deadline).await?;
            let (Some(name), Some(category)) = (tag["name"].as_str(), tag["category_id"].as_str()) else { continue };
            if !categories.contains_key(category) {
                let found = self.get(&self.one("category", category), deadline).await?;
                categories.insert(category.to_owned(), found["name"].as_str().unwrap_or_default().to_owned());
            }
            names.insert(id.clone(), [name.to_owned(), format!("{}:{name}", categories[category])]);
        }
        let path = "tag-association?action=list-attached-objects-on-tags";
        let attached = self.post(path, &json!({ "tag_ids": ids }), deadline).await?;
        let mut tags: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for one in attached.as_array().into_iter().flatten() {
            let Some(words) = one["tag_id"].as_str().and_then(|id| names.get(id)) else { continue };
            for object in one["object_ids"].as_array().into_iter().flatten() {
                if object["type"] == "VirtualMachine"
                    && let Some(id) = object["id"].as_str()
                {
                    tags.entry(id.to_owned()).or_default().extend(words.iter().cloned());
                }
            }
        }
        Ok(tags)
    }
}

fn texts(list: &Value) -> impl Iterator<Item = String> {
    list.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned)
}

/// Ids of tags have colons in them.
fn encoded(id: &str) -> String {
    id.bytes()
        .map(|byte| {
            if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
                char::from(byte).to_string()
            } else {
                format!("%{byte:02X}")
            }
        })
        .collect()
}

async fn answered(endpoint: &Endpoint, request: reqwest::RequestBuilder, deadline: Instant) -> Result<Value, CallError> {
    let reply = endpoint.http().send(request, deadline).await?;
    match reply.status {
        200 | 201 => serde_json::from_str(&reply.body).map_err(|error| CallError::Garbage(error.to_string())),
        401 | 403 => Err(CallError::Unauthorized(format!("its REST interface refuses us (HTTP {})", reply.status))),
        404 | 502..=504 => Err(CallError::NoService(reply.status)),
        status => Err(CallError::Garbage(format!("HTTP {status} of its REST interface"))),
    }
}
