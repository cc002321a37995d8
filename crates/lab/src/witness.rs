//! Somebody who looks at every guest's console all the time and notes when a line appeared, by one clock outside of all guests.
//!
//! A guest's own clock stands still while it is moved, and each host has its own console file. So neither the order of two lines
//! on different hosts nor the length of a silence can be learned from the files; here they can. It is no judge: it only notes.

use crate::process::pause;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Instant;

/// One line on a guest's console.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// The host, counted from 1.
    pub host: usize,
    /// Seconds since the lab was made, to about 0.03 s on a quiet machine.
    pub seen_s: f64,
    /// The words, without the line's end.
    pub text: String,
}

#[derive(Debug)]
pub(crate) struct Witness {
    seen: Arc<Mutex<BTreeMap<String, Vec<Line>>>>,
    stop: Arc<AtomicBool>,
    since: Instant,
    thread: Option<JoinHandle<()>>,
}

impl Witness {
    /// Looks at the consoles in these directories, one per host.
    pub(crate) fn start(directories: Vec<PathBuf>) -> Self {
        let (seen, stop, since) = (Arc::new(Mutex::new(BTreeMap::new())), Arc::new(AtomicBool::new(false)), Instant::now());
        let thread = {
            let (seen, stop) = (seen.clone(), stop.clone());
            std::thread::spawn(move || look_on(&directories, &seen, &stop, since))
        };
        Self { seen, stop, since, thread: Some(thread) }
    }

    /// Seconds since the lab was made.
    pub(crate) fn now_s(&self) -> f64 {
        self.since.elapsed().as_secs_f64()
    }

    /// Every line of a guest on all hosts, in the order in which they appeared.
    pub(crate) fn lines(&self, guest: &str) -> Vec<Line> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).get(guest).cloned().unwrap_or_default()
    }
}

impl Drop for Witness {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

/// How far a console file has been read.
#[derive(Default)]
struct Place {
    offset: u64,
    /// The beginning of a line whose end is not there yet.
    begun: Vec<u8>,
}

fn look_on(directories: &[PathBuf], seen: &Mutex<BTreeMap<String, Vec<Line>>>, stop: &AtomicBool, since: Instant) {
    let mut places: BTreeMap<PathBuf, Place> = BTreeMap::new();
    while !stop.load(Ordering::Relaxed) {
        for (index, directory) in directories.iter().enumerate() {
            for path in consoles(directory) {
                let Some(guest) = path.file_stem().map(|name| name.to_string_lossy().into_owned()) else { continue };
                let texts = more(&path, places.entry(path.clone()).or_default());
                let seen_s = since.elapsed().as_secs_f64();
                let lines = texts.into_iter().map(|text| Line { host: index + 1, seen_s, text });
                seen.lock().unwrap_or_else(PoisonError::into_inner).entry(guest).or_default().extend(lines);
            }
        }
        pause();
    }
}

fn consoles(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).filter(|path| path.extension().is_some_and(|end| end == "serial")).collect()
}

/// The lines that have been finished since the last look.
fn more(path: &Path, place: &mut Place) -> Vec<String> {
    let Ok(mut file) = File::open(path) else { return Vec::new() };
    let length = file.metadata().map_or(0, |data| data.len());
    if length < place.offset {
        *place = Place::default();
    }
    if length == place.offset || file.seek(SeekFrom::Start(place.offset)).is_err() {
        return Vec::new();
    }
    let before = place.begun.len();
    if file.read_to_end(&mut place.begun).is_err() {
        place.begun.truncate(before);
        return Vec::new();
    }
    place.offset += (place.begun.len() - before) as u64;
    let Some(end) = place.begun.iter().rposition(|byte| *byte == b'\n') else { return Vec::new() };
    let rest = place.begun.split_off(end + 1);
    let finished = std::mem::replace(&mut place.begun, rest);
    String::from_utf8_lossy(&finished).replace('\r', "").lines().map(str::to_owned).collect()
}
