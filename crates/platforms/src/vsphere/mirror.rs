//! The inventory as a mirror that vSphere's own changes feed: each look asks once what has changed since the last one, and gets only
//! that. It has no age of its own: after a look it is as new as the look.
//!
//! A mirror belongs to one login. When that ends, or an answer was lost on the way (nobody knows then which changes were in it), it
//! is made anew. A first look at thousands of VMs that runs out of time goes on where it was at the next one.

use super::collect;
use super::facts::{HOST_STATE, KINDS, WANTED, World};
use super::fault::CallError;
use super::session::{Endpoint, Live};
use super::soap::{Call, MoRef};
use super::xml::Element;
use std::time::Duration;
use tokio::time::Instant;

/// Objects in one answer.
const PAGE_MAX: &str = "500";
/// So much time must be left for another page.
const PAGE_TIME_MIN: Duration = Duration::from_millis(200);
/// Pages of one look.
const PAGES_MAX: usize = 2_000;

/// What is known of one endpoint, and since which answer.
#[derive(Debug, Default)]
pub(super) struct Mirror {
    source: Option<Source>,
    world: World,
    /// Objects of the first look so far.
    seen: usize,
}

#[derive(Debug)]
struct Source {
    login: u64,
    collector: MoRef,
    version: String,
    /// Something was asked, and what came of it is not known.
    is_asking: bool,
    has_all: bool,
}

impl Mirror {
    pub(super) fn world(&self) -> &World {
        &self.world
    }

    /// Brings it up to date.
    pub(super) async fn look(&mut self, endpoint: &Endpoint, deadline: Instant) -> Result<(), CallError> {
        let live = endpoint.live(deadline).await?;
        match self.changes(endpoint, &live, deadline).await {
            Err(error) if has_ended(&error) => {
                self.source = None;
                if error.is("NotAuthenticated") {
                    endpoint.forget(live.number, deadline).await?;
                }
                let live = endpoint.live(deadline).await?;
                self.changes(endpoint, &live, deadline).await?;
            }
            other => other?,
        }
        self.host_states(endpoint, deadline).await
    }

    async fn changes(&mut self, endpoint: &Endpoint, live: &Live, deadline: Instant) -> Result<(), CallError> {
        if self.source.as_ref().is_none_or(|source| source.login != live.number || source.is_asking) {
            self.begin(endpoint, live, deadline).await?;
        }
        for _ in 0..PAGES_MAX {
            let Some(source) = &mut self.source else { break };
            if deadline.saturating_duration_since(Instant::now()) < PAGE_TIME_MIN && self.seen > 0 {
                return Err(CallError::Lost(format!("{} objects were read so far, the next look goes on", self.seen)));
            }
            let call = Call::new(&source.collector, "WaitForUpdatesEx").text("version", &source.version).raw(&format!(
                "<options><maxWaitSeconds>0</maxWaitSeconds><maxObjectUpdates>{PAGE_MAX}</maxObjectUpdates></options>"
            ));
            source.is_asking = true;
            let answer = endpoint.call_on(live, &call, deadline).await?;
            source.is_asking = false;
            // Nothing at all: nothing has changed.
            let Some(set) = answer.child("returnval") else {
                source.has_all = true;
                return Ok(());
            };
            if let Some(version) = set.text_at(&["version"]) {
                version.clone_into(&mut source.version);
            }
            let is_part = set.bool_at(&["truncated"]) == Some(true);
            source.has_all |= !is_part;
            for update in set.all("filterSet").flat_map(|filter| filter.all("objectSet")) {
                take(&mut self.world, update);
                self.seen += 1;
            }
            if !is_part {
                return Ok(());
            }
        }
        Err(CallError::Garbage("its list of changes has no end".to_owned()))
    }

    async fn begin(&mut self, endpoint: &Endpoint, live: &Live, deadline: Instant) -> Result<(), CallError> {
        if let Some(old) = self.source.take()
            && old.login == live.number
        {
            // Given up; where that fails, it ends with the login.
            let _ = endpoint.call_on(live, &Call::new(&old.collector, "DestroyPropertyCollector"), deadline).await;
        }
        (self.world, self.seen) = (World::default(), 0);
        let view = collect::view(endpoint, live, KINDS, deadline).await?;
        let create = Call::new(live.object("propertyCollector")?, "CreatePropertyCollector");
        let collector = collect::begun(&endpoint.call_on(live, &create, deadline).await?)?;
        let spec = collect::of_view(&view, WANTED);
        let filter = Call::new(&collector, "CreateFilter").raw(&format!("<spec>{spec}</spec>")).text("partialUpdates", "false");
        endpoint.call_on(live, &filter, deadline).await?;
        self.source = Some(Source { login: live.number, collector, version: String::new(), is_asking: false, has_all: false });
        Ok(())
    }

    /// Hosts are few, and whether they answer matters most: asked each time.
    async fn host_states(&mut self, endpoint: &Endpoint, deadline: Instant) -> Result<(), CallError> {
        let hosts: Vec<MoRef> = self.world.hosts.keys().map(|id| MoRef::new("HostSystem", id)).collect();
        if hosts.is_empty() {
            return Ok(());
        }
        let states = match collect::read(endpoint, &hosts, &[("HostSystem", HOST_STATE)], deadline).await {
            // One of them was removed in between: the next changes say which.
            Err(error) if error.is("ManagedObjectNotFound") => return Ok(()),
            other => other?,
        };
        for state in states {
            for (path, value) in &state.properties {
                self.world.set(&state.object, path, Some(value));
            }
        }
        Ok(())
    }
}

/// The login, or what belongs to it, is gone.
fn has_ended(error: &CallError) -> bool {
    ["NotAuthenticated", "InvalidCollectorVersion", "ManagedObjectNotFound", "RequestCanceled"].iter().any(|kind| error.is(kind))
}

/// Takes one `ObjectUpdate` into a world.
pub(super) fn take(world: &mut World, update: &Element) {
    let Some(object) = update.child("obj").and_then(MoRef::of) else { return };
    if update.text_at(&["kind"]) == Some("leave") {
        return world.remove(&object);
    }
    world.add(&object);
    for change in update.all("changeSet") {
        let Some(path) = change.text_at(&["name"]) else { continue };
        world.set(&object, path, change.child("val"));
    }
}
