//! Output of `serve` that never holds anything up: a thread writes, and if nobody reads what it writes, lines are dropped and
//! counted. An outage is handled the same whether or not somebody looks.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

/// Lines that may wait for a slow terminal.
const LINES_MAX: usize = 2048;

enum Message {
    Text(Vec<u8>),
    Flush(SyncSender<()>),
}

/// A handle to the thread. Clones write to the same place.
#[derive(Clone, Debug)]
pub(crate) struct Printer {
    queue: SyncSender<Message>,
    dropped: Arc<AtomicU64>,
}

impl std::fmt::Debug for Message {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Message")
    }
}

impl Printer {
    /// Starts the thread.
    ///
    /// # Errors
    /// Where the system gives no thread.
    pub(crate) fn start(name: &str, out: impl Write + Send + 'static) -> io::Result<Self> {
        let (queue, messages) = sync_channel(LINES_MAX);
        let dropped = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&dropped);
        std::thread::Builder::new().name(name.to_owned()).spawn(move || write_all(out, &messages, &counter))?;
        Ok(Self { queue, dropped })
    }

    /// Writes, sooner or later or never.
    pub(crate) fn write(&self, text: Vec<u8>) {
        if self.queue.try_send(Message::Text(text)).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Waits until everything is written, at most so long.
    pub(crate) fn flush(&self, wait_max: Duration) {
        let (done, written) = sync_channel(1);
        if self.queue.try_send(Message::Flush(done)).is_ok() {
            // A reader that does not read is no reason to stay.
            let _late = written.recv_timeout(wait_max);
        }
    }
}

fn write_all(mut out: impl Write, messages: &Receiver<Message>, dropped: &AtomicU64) {
    while let Ok(message) = messages.recv() {
        let result = match message {
            Message::Text(text) => {
                let lost = dropped.swap(0, Ordering::Relaxed);
                let note =
                    if lost > 0 { format!("... {lost} lines were not written: nobody read them ...\n") } else { String::new() };
                out.write_all(note.as_bytes()).and_then(|()| out.write_all(&text)).and_then(|()| out.flush())
            }
            Message::Flush(done) => {
                // Who has given up waiting is not told.
                let _late = done.try_send(());
                Ok(())
            }
        };
        // A closed pipe takes nothing more; what the controller does goes on and is in the journal.
        drop(result);
    }
}

/// For `tracing`: one event is one write.
impl<'a> tracing_subscriber::fmt::MakeWriter<'a> for Printer {
    type Writer = Handle;
    fn make_writer(&'a self) -> Handle {
        Handle(self.clone())
    }
}

/// One event on its way.
#[derive(Debug)]
pub(crate) struct Handle(Printer);

impl Write for Handle {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes.to_vec());
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    /// A terminal that stands still until it is let go.
    #[derive(Clone, Default)]
    struct Stuck(Arc<Mutex<Vec<u8>>>);

    impl Write for Stuck {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().expect("not poisoned").extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_terminal_that_hangs_holds_nobody_up_and_what_it_missed_is_counted() {
        let terminal = Stuck::default();
        let hold = terminal.0.lock().expect("not poisoned");
        let printer = Printer::start("test", terminal.clone()).expect("a thread");
        for _ in 0..LINES_MAX + 100 {
            printer.write(b"x\n".to_vec());
        }
        printer.flush(Duration::ZERO);
        drop(hold);
        let wait = Duration::from_secs(30);
        let (done, written) = sync_channel(1);
        printer.queue.send(Message::Flush(done)).expect("it runs");
        written.recv_timeout(wait).expect("it catches up");
        let text = String::from_utf8(terminal.0.lock().expect("not poisoned").clone()).expect("text");
        assert!(text.contains("lines were not written"), "{}", text.len());
        assert!(text.lines().count() <= LINES_MAX + 3);
    }
}
