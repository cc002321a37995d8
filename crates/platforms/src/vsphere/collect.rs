//! The property collector: what is asked of which objects, what comes back, and tasks. Reads only.

use super::fault::CallError;
use super::session::{Endpoint, Live};
use super::soap::{self, Call, Fault, MoRef};
use super::xml::Element;
use std::time::Duration;
use tokio::time::Instant;

/// Objects in one answer.
const PAGE_MAX: &str = "500";
/// Pages of one question.
const PAGES_MAX: usize = 1000;

/// One wait of the other side.
const WAIT_SECONDS_MAX: u64 = 20;
/// What giving something up may take.
const GIVE_UP_TIME_MAX: Duration = Duration::from_secs(5);

/// What is asked of one kind of object.
pub(super) type Wanted = (&'static str, &'static [&'static str]);

/// An object and what was asked of it.
#[derive(Clone, Debug)]
pub(super) struct Object {
    pub(super) object: MoRef,
    pub(super) properties: Vec<(String, Element)>,
}

impl Object {
    pub(super) fn get(&self, path: &str) -> Option<&Element> {
        self.properties.iter().find(|(name, _)| name == path).map(|(_, value)| value)
    }
    pub(super) fn text(&self, path: &str) -> Option<&str> {
        self.get(path)?.value()
    }
    pub(super) fn reference(&self, path: &str) -> Option<MoRef> {
        self.get(path).and_then(MoRef::of)
    }

    fn of(content: &Element) -> Option<Self> {
        let object = MoRef::of(content.child("obj")?)?;
        let property = |one: &Element| Some((one.text_at(&["name"])?.to_owned(), one.child("val")?.clone()));
        let properties = content.all("propSet").filter_map(property).collect();
        Some(Self { object, properties })
    }
}

/// The `PropertyFilterSpec` for everything in a view.
pub(super) fn of_view(view: &MoRef, wanted: &[Wanted]) -> String {
    let mut spec = properties(wanted);
    spec.push_str("<objectSet>");
    soap::reference(&mut spec, "obj", view);
    spec.push_str("<skip>true</skip><selectSet xsi:type=\"TraversalSpec\"><name>view</name>");
    soap::text(&mut spec, "type", &view.kind);
    spec.push_str("<path>view</path><skip>false</skip></selectSet></objectSet>");
    spec
}

/// The `PropertyFilterSpec` for single objects.
fn of_objects(objects: &[MoRef], wanted: &[Wanted]) -> String {
    let mut spec = properties(wanted);
    for object in objects {
        spec.push_str("<objectSet>");
        soap::reference(&mut spec, "obj", object);
        spec.push_str("<skip>false</skip></objectSet>");
    }
    spec
}

fn properties(wanted: &[Wanted]) -> String {
    let mut spec = String::new();
    for (kind, paths) in wanted {
        spec.push_str("<propSet>");
        soap::text(&mut spec, "type", kind);
        spec.push_str("<all>false</all>");
        paths.iter().for_each(|path| soap::text(&mut spec, "pathSet", path));
        spec.push_str("</propSet>");
    }
    spec
}

/// A view of everything of these kinds, as long as the login lasts.
pub(super) async fn view(endpoint: &Endpoint, live: &Live, kinds: &[&str], deadline: Instant) -> Result<MoRef, CallError> {
    let mut call =
        Call::new(live.object("viewManager")?, "CreateContainerView").reference("container", live.object("rootFolder")?);
    for kind in kinds {
        call = call.text("type", kind);
    }
    let answer = endpoint.call_on(live, &call.text("recursive", "true"), deadline).await?;
    answer.child("returnval").and_then(MoRef::of).ok_or_else(|| CallError::Garbage("it made no view".to_owned()))
}

/// Gives up a view: the other side keeps it otherwise until the login ends.
pub(super) async fn destroy_view(endpoint: &Endpoint, live: &Live, view: &MoRef, deadline: Instant) -> Result<(), CallError> {
    endpoint.call_on(live, &Call::new(view, "DestroyView"), deadline).await.map(drop)
}

/// Asks single objects, all of one kind. What is not there any more is missing in the answer, or a fault where it is the only one.
pub(super) async fn read(
    endpoint: &Endpoint,
    objects: &[MoRef],
    wanted: &[Wanted],
    deadline: Instant,
) -> Result<Vec<Object>, CallError> {
    let spec = of_objects(objects, wanted);
    let first = endpoint.call(|live| retrieve(live, &spec), deadline).await?;
    pages(endpoint, first, deadline).await
}

/// Asks one object.
pub(super) async fn read_one(
    endpoint: &Endpoint,
    object: &MoRef,
    wanted: &[Wanted],
    deadline: Instant,
) -> Result<Object, CallError> {
    let gone = || CallError::Fault(Fault::new("ManagedObjectNotFound", &format!("there is no {object}")));
    read(endpoint, std::slice::from_ref(object), wanted, deadline).await?.into_iter().next().ok_or_else(gone)
}

fn retrieve(live: &Live, spec: &str) -> Result<Call, CallError> {
    Ok(Call::new(live.object("propertyCollector")?, "RetrievePropertiesEx")
        .raw(&format!("<specSet>{spec}</specSet><options><maxObjects>{PAGE_MAX}</maxObjects></options>")))
}

async fn pages(endpoint: &Endpoint, first: Element, deadline: Instant) -> Result<Vec<Object>, CallError> {
    let mut found = Vec::new();
    let mut page = first;
    for _ in 0..PAGES_MAX {
        // Nothing at all: nothing was found.
        let Some(result) = page.child("returnval") else { return Ok(found) };
        found.extend(result.all("objects").filter_map(Object::of));
        let Some(token) = result.text_at(&["token"]).map(str::to_owned) else { return Ok(found) };
        let next =
            |live: &Live| Ok(Call::new(live.object("propertyCollector")?, "ContinueRetrievePropertiesEx").text("token", &token));
        page = endpoint.call(next, deadline).await?;
    }
    Err(CallError::Garbage("its answer has no end".to_owned()))
}

/// How a task stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct TaskInfo {
    pub(super) task: MoRef,
    /// `VirtualMachine.powerOn` and the like.
    pub(super) what: String,
    pub(super) state: TaskState,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum TaskState {
    /// Queued or under way; percent where it is told.
    Running(Option<u32>),
    Done,
    Failed(Fault),
}

impl TaskInfo {
    pub(super) fn is_running(&self) -> bool {
        matches!(self.state, TaskState::Running(_))
    }

    fn of(object: &Object) -> Option<Self> {
        let info = object.get("info")?;
        let what = info.text_at(&["descriptionId"]).or_else(|| info.text_at(&["name"])).unwrap_or_default().to_owned();
        let state = match info.text_at(&["state"])? {
            "success" => TaskState::Done,
            "error" => {
                let unsaid = || Fault::new("", "the task failed and does not say why");
                TaskState::Failed(info.child("error").map_or_else(unsaid, Fault::localized))
            }
            _ => TaskState::Running(info.text_at(&["progress"]).and_then(|text| text.parse().ok())),
        };
        Some(Self { task: object.object.clone(), what, state })
    }
}

/// How a task stands; `None`: it is not known any more. vCenter forgets tasks when it restarts, and some minutes after their end.
pub(super) async fn task(endpoint: &Endpoint, task: &MoRef, deadline: Instant) -> Result<Option<TaskInfo>, CallError> {
    match read_one(endpoint, task, &[("Task", &["info"])], deadline).await {
        Ok(object) => Ok(TaskInfo::of(&object)),
        Err(error) if error.is("ManagedObjectNotFound") => Ok(None),
        Err(error) => Err(error),
    }
}

/// Those of some tasks that are under way.
pub(super) async fn running(endpoint: &Endpoint, tasks: &[MoRef], deadline: Instant) -> Result<Vec<TaskInfo>, CallError> {
    if tasks.is_empty() {
        return Ok(Vec::new());
    }
    match read(endpoint, tasks, &[("Task", &["info"])], deadline).await {
        Ok(objects) => Ok(objects.iter().filter_map(TaskInfo::of).filter(TaskInfo::is_running).collect()),
        // One of them has been forgotten between the two questions.
        Err(error) if error.is("ManagedObjectNotFound") => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

/// Waits for a task's end: whether it did what it was to; `None`: not in time, or nobody knows it any more.
pub(super) async fn wait(endpoint: &Endpoint, task: &MoRef, until: Instant) -> Result<Option<bool>, CallError> {
    let live = endpoint.live(until).await?;
    let create = Call::new(live.object("propertyCollector")?, "CreatePropertyCollector");
    let collector = begun(&endpoint.call_on(&live, &create, until).await?)?;
    let spec = of_objects(std::slice::from_ref(task), &[("Task", &["info.state"])]);
    let filter = Call::new(&collector, "CreateFilter").raw(&format!("<spec>{spec}</spec>")).text("partialUpdates", "false");
    let ended = match endpoint.call_on(&live, &filter, until).await {
        Ok(_) => end_of(endpoint, &live, &collector, until).await,
        Err(error) if error.is("ManagedObjectNotFound") => Ok(None),
        Err(error) => Err(error),
    };
    let _ = endpoint.call_on(&live, &Call::new(&collector, "DestroyPropertyCollector"), Instant::now() + GIVE_UP_TIME_MAX).await;
    ended
}

async fn end_of(endpoint: &Endpoint, live: &Live, collector: &MoRef, until: Instant) -> Result<Option<bool>, CallError> {
    let mut version = String::new();
    loop {
        let left = until.saturating_duration_since(Instant::now());
        if left < Duration::from_secs(1) {
            return Ok(None);
        }
        let seconds = left.as_secs().clamp(1, WAIT_SECONDS_MAX);
        let call = Call::new(collector, "WaitForUpdatesEx")
            .text("version", &version)
            .raw(&format!("<options><maxWaitSeconds>{seconds}</maxWaitSeconds></options>"));
        let answer = endpoint.call_on(live, &call, until + GIVE_UP_TIME_MAX).await?;
        let Some(set) = answer.child("returnval") else { continue };
        set.text_at(&["version"]).unwrap_or_default().clone_into(&mut version);
        let changes = set.all("filterSet").flat_map(|filter| filter.all("objectSet")).flat_map(|object| object.all("changeSet"));
        for change in changes.filter(|change| change.text_at(&["name"]) == Some("info.state")) {
            match change.text_at(&["val"]) {
                Some("success") => return Ok(Some(true)),
                Some("error") => return Ok(Some(false)),
                _ => {}
            }
        }
    }
}

/// The task that a method with `_Task` in its name answers with.
pub(super) fn begun(answer: &Element) -> Result<MoRef, CallError> {
    answer.child("returnval").and_then(MoRef::of).ok_or_else(|| CallError::Garbage("it names no task".to_owned()))
}
