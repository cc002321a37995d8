//! What a lab leaves behind: looked for in /proc and in the list of namespaces, not asked of the lab.

use crate::SOON;
use ridethrough_lab::{Lab, until};
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Where to look for a lab's remains.
#[derive(Debug)]
pub(crate) struct Traces {
    dir: PathBuf,
    /// Of its network namespaces.
    inodes: BTreeSet<u64>,
}

fn namespaces_of(dir: &Path) -> Vec<PathBuf> {
    let unique = dir.to_string_lossy().rsplit_once("rtlab").expect("the lab's directory has its name").1.to_owned();
    let named = fs::read_dir("/run/netns").into_iter().flatten().flatten().map(|entry| entry.path());
    named.filter(|path| path.to_string_lossy().contains(&format!("/rt{unique}-"))).collect()
}

impl Traces {
    pub(crate) fn of(lab: &Lab) -> Self {
        let inodes: BTreeSet<u64> =
            namespaces_of(lab.dir()).iter().map(|path| fs::metadata(path).expect("a namespace").ino()).collect();
        assert_eq!(inodes.len(), lab.hosts() + 1, "a namespace per host and one for management");
        Self { dir: lab.dir().to_owned(), inodes }
    }

    pub(crate) fn write(&self, file: &Path) {
        let inodes: Vec<String> = self.inodes.iter().map(u64::to_string).collect();
        let text = format!("{}\n{}\nend", self.dir.display(), inodes.join(" "));
        fs::write(file, text).expect("it is written");
    }

    fn read(file: &Path) -> Option<Self> {
        let text = fs::read_to_string(file).ok()?;
        let mut lines = text.strip_suffix("\nend")?.lines();
        let dir = PathBuf::from(lines.next()?);
        Some(Self { dir, inodes: lines.next()?.split(' ').map(|number| number.parse().expect("an inode")).collect() })
    }

    /// Whoever lives in its namespaces.
    pub(crate) fn processes(&self) -> Vec<String> {
        let mut found = Vec::new();
        for entry in fs::read_dir("/proc").expect("proc").flatten() {
            let inode = fs::metadata(entry.path().join("ns/net")).map(|data| data.ino());
            if inode.is_ok_and(|inode| self.inodes.contains(&inode)) {
                found.push(fs::read_to_string(entry.path().join("comm")).unwrap_or_default().trim().to_owned());
            }
        }
        found
    }

    fn remains(&self) -> Vec<String> {
        let mut found = self.processes();
        found.extend(namespaces_of(&self.dir).iter().map(|path| path.display().to_string()));
        found.extend(self.dir.exists().then(|| self.dir.display().to_string()));
        let mounts = fs::read_to_string("/proc/self/mounts").expect("proc");
        found.extend(mounts.lines().filter(|line| line.contains(&*self.dir.to_string_lossy())).map(str::to_owned));
        found
    }

    pub(crate) fn assert_gone(&self) {
        let remains = self.remains();
        assert!(remains.is_empty(), "of {} remains {remains:?}", self.dir.display());
    }
}

/// Runs this very test in a process of its own, kills it when its lab stands, and gives it time to be cleaned up after.
pub(crate) fn of_a_killed_test(test: &str, variable: &str, file: &Path) -> Traces {
    let own = std::env::current_exe().expect("we run");
    let mut victim = Command::new(own)
        .args(["--exact", test, "--nocapture"])
        .env(variable, file)
        .stdin(Stdio::null())
        .spawn()
        .expect("it can be run again");
    let stands = until("the victim's lab stands", SOON * 3, || Traces::read(file).is_some());
    let living = Traces::read(file).map(|traces| traces.processes());
    victim.kill().expect("it is killed");
    victim.wait().expect("it is dead");
    stands.expect("it stood");
    assert!(living.is_some_and(|living| living.len() > 3), "its daemons ran");
    let traces = Traces::read(file).expect("it has written");
    until("everything is swept away", SOON, || traces.remains().is_empty()).unwrap_or_default();
    traces
}
