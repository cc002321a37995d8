//! One controller on one journal: an advisory lock on a file beside it. Not the fencing (that is the epoch): this only makes
//! the usual mistake, a second controller started by hand, a clear error.

use crate::error::{Error, ErrorKind};
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{ErrorKind as Io, Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Held for as long as the journal is open; the kernel lets go when the process ends, however it ends.
#[derive(Debug)]
pub(crate) struct Lock {
    _file: File,
}

/// The lock file of a journal: `<path>.lock`.
pub(crate) fn path_of(journal: &Path) -> PathBuf {
    let mut name = journal.as_os_str().to_owned();
    name.push(".lock");
    PathBuf::from(name)
}

impl Lock {
    /// Takes the lock.
    ///
    /// # Errors
    /// `Held` names the process that has it; `Open` where the file cannot be made.
    pub(crate) fn take(journal: &Path) -> Result<Self, Error> {
        let path = path_of(journal);
        let failed = |e| Error::new(ErrorKind::Open, "lock the journal").with("file", path.display()).because(e);
        let mut writable = OpenOptions::new();
        writable.read(true).write(true).create(true).truncate(false);
        let opened = match writable.mode(0o600).open(&path) {
            Err(e) if e.kind() == Io::ReadOnlyFilesystem => File::open(&path),
            other => other,
        };
        let mut file = opened.map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                // Who it is only makes the message better.
                let _ = (&file).take(32).read_to_string(&mut holder);
                return Err(Error::new(ErrorKind::Held, "lock the journal")
                    .with("file", path.display())
                    .with("process", holder.trim()));
            }
            Err(TryLockError::Error(e)) => return Err(failed(e)),
        }
        // A full disk must not keep us from opening: the lock is what counts, not the note in it.
        let _ = file.set_len(0).and_then(|()| file.rewind()).and_then(|()| writeln!(file, "{}", std::process::id()));
        Ok(Self { _file: file })
    }
}
