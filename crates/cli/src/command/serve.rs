//! `ridethrough serve`: runs the controller in the foreground and says what happens.

mod systemd;

use crate::failure::{Failure, exit};
use crate::output::{Style, Tone, printable};
use crate::printer::Printer;
use crate::wiring::reload::{Alerts, Files, open_outbox};
use ridethrough_api::{TOKEN_FILE, code};
use ridethrough_controller::alert::{Exchange, Route};
use ridethrough_controller::{
    Clock, Endpoints, Line, Pace, Parts, Prints, Reloading, ServerParts, StartError, Storage, Token, Voice, listen, run,
};
use ridethrough_decide::SiteConfig;
use ridethrough_model::Severity;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{mpsc, oneshot};

/// The name of the journal in the data directory.
pub(crate) const JOURNAL_FILE: &str = "journal.db";
/// How long the end waits for whoever reads our output.
const OUTPUT_WAIT_MAX: Duration = Duration::from_secs(1);
/// How long the end waits for alerts; what is left is delivered after the next start.
const ALERTS_WAIT_MAX: Duration = Duration::from_secs(5);
/// The name of the outbox of alerts in the data directory.
const OUTBOX_FILE: &str = "outbox.db";
/// The environment variable that sets what is logged.
const LOG_VARIABLE: &str = "RIDETHROUGH_LOG";
/// Notices are lines of their own already.
const LOG_DEFAULT: &str = "warn,ridethrough::notice=off";

/// What the configuration gives.
#[derive(Debug)]
pub(crate) struct Setup {
    pub(crate) endpoints: Endpoints,
    pub(crate) config: SiteConfig,
    pub(crate) pace: Pace,
    pub(crate) alerts: Vec<Route>,
    pub(crate) data_dir: PathBuf,
    pub(crate) listen: SocketAddr,
    /// What it was read from; none where it cannot be read again.
    pub(crate) files: Option<ConfigFiles>,
}

/// The files of a configuration as they were at the start.
#[derive(Debug)]
pub(crate) struct ConfigFiles {
    pub(crate) path: PathBuf,
    pub(crate) prints: Prints,
    pub(crate) alerts_print: String,
    pub(crate) digest: String,
}

/// Sets up logging to stderr, through a thread, so that a log nobody reads holds nothing up.
pub(crate) fn log() -> Result<Printer, Failure> {
    let printer = Printer::start("log", std::io::stderr()).map_err(|error| no_thread(&error))?;
    let wanted = std::env::var(LOG_VARIABLE).unwrap_or_else(|_| LOG_DEFAULT.to_owned());
    let filter = tracing_subscriber::EnvFilter::builder().parse_lossy(wanted);
    let is_terminal = std::io::IsTerminal::is_terminal(&std::io::stderr());
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(printer.clone()).with_ansi(is_terminal).init();
    Ok(printer)
}

fn no_thread(error: &std::io::Error) -> Failure {
    Failure::new("", "the system gives no thread", "Raise its limits for this user.").because(error)
}

/// Runs until SIGTERM or SIGINT; a second one ends the process where it stands.
pub(crate) async fn until_signal(setup: Setup) -> Result<(), Failure> {
    let out = Printer::start("stdout", std::io::stdout()).map_err(|error| no_thread(&error))?;
    let mut ends = Ends::new().map_err(|error| Failure::new("", "signals cannot be received", "").because(&error))?;
    let (stop, stopped) = oneshot::channel();
    let signals = async {
        ends.next().await;
        // Gone: it has ended by itself meanwhile.
        let _gone = stop.send(());
        ends.next().await
    };
    let stopped = async {
        if stopped.await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    // A clean end first, where both are ready.
    tokio::select! { biased;
        result = serve(setup, out, Style::of_stdout(), stopped) => result,
        code = signals => at_once(code),
    }
}

/// Ends without waiting for the journal, alerts or readers of our output. What was durable before is there at the next start.
fn at_once(code: i32) -> ! {
    std::process::exit(code)
}

/// Runs until `stop`.
async fn serve(setup: Setup, out: Printer, style: Style, stop: impl Future<Output = ()> + Send + 'static) -> Result<(), Failure> {
    let Setup { endpoints, config, pace, alerts, data_dir, listen: address, files } = setup;
    make_data_dir(&data_dir)?;
    let token_path = data_dir.join(TOKEN_FILE);
    let token = Token::read_or_make(&token_path).map_err(|error| {
        let message = format!("the API's token file {} cannot be read or made", token_path.display());
        Failure::new(code::TOKEN_FILE, message, "Check the data directory's owner and free space.").because(&error)
    })?;
    let listener = listen(address).await.map_err(|error| {
        let failure = Failure { exit: exit::FAILED, error: Box::new(error.to_api()), cause: None };
        match std::error::Error::source(&error) {
            Some(source) => failure.because(source),
            None => failure,
        }
    })?;
    let bound = listener.local_addr().map_or_else(|_| address.to_string(), |bound| bound.to_string());
    let clock = Clock::system().map_err(|error| {
        Failure::new("", "the kernel does not tell its boot id", "Mount /proc where the controller runs.").because(&error)
    })?;
    let voice = Stdout { printer: out.clone(), style };
    greet(&voice, &config, &data_dir, &bound);
    let exchange = Arc::new(Exchange::new(Arc::new(voice.clone()), clock.clone()));
    let outbox_path = data_dir.join(OUTBOX_FILE);
    let outbox = if alerts.is_empty() { None } else { Some(open_outbox(&outbox_path)?) };
    exchange.put(alerts, outbox.clone());
    let (wish, wishes) = mpsc::channel(1);
    let reload = files.map(|files| {
        let alerts = Arc::new(Alerts::new(exchange.clone(), outbox_path, files.alerts_print, outbox));
        let source = Arc::new(Files { path: files.path, data_dir: data_dir.clone(), listen: address, alerts });
        Reloading { source, prints: files.prints, digest: files.digest, wishes }
    });
    let parts = Parts {
        endpoints,
        storage: Storage::File(data_dir.join(JOURNAL_FILE)),
        config,
        pace,
        clock,
        server: Some(ServerParts { listener, token, alerts: Some(exchange.clone()) }),
        voice: exchange.clone(),
        pulse: Arc::new(systemd::Systemd::default()),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        reload,
    };
    let ending = voice.clone();
    let stop = async move {
        stop.await;
        ending.plain("Ending; what is under way stays open in the journal. A second signal ends at once.");
        systemd::tell("STOPPING=1");
    };
    // The controller first: a wish to reload is never so urgent as what it does.
    let result = tokio::select! { biased;
        result = run(parts, stop) => result,
        () = hangups(wish) => unreachable!("it waits for signals for ever"),
    };
    exchange.end(ALERTS_WAIT_MAX).await;
    if result.is_ok() {
        voice.plain("Ended.");
    }
    out.flush(OUTPUT_WAIT_MAX);
    result.map_err(|error| start_failure(&error))
}

/// Hands on each SIGHUP as a wish to reload; several in a row are one.
async fn hangups(wish: mpsc::Sender<()>) {
    match signal(SignalKind::hangup()) {
        Ok(mut hangup) => {
            while hangup.recv().await.is_some() {
                // Full: a wish waits already.
                let _waits = wish.try_send(());
            }
        }
        Err(error) => tracing::warn!(%error, "SIGHUP cannot be received; use `ridethrough reload`"),
    }
    std::future::pending().await
}

fn make_data_dir(path: &Path) -> Result<(), Failure> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(|error| {
        let message = format!("the data directory {} cannot be made", path.display());
        Failure::new(code::TOKEN_FILE, message, "Make it, owned by the user the controller runs as.").because(&error)
    })
}

fn start_failure(error: &StartError) -> Failure {
    match error {
        StartError::Journal(cause) => {
            let remedy = cause.kind().remedy();
            Failure::new(cause.code().unwrap_or(""), error.to_string(), remedy).because(cause)
        }
        StartError::Run(cause) => {
            let remedy = "Keep the journal aside for a look, then start with a new one.";
            Failure::new("RT0304", error.to_string(), remedy).because(cause)
        }
    }
}

/// The signals that end us.
struct Ends {
    terminate: Signal,
    interrupt: Signal,
}

impl Ends {
    fn new() -> std::io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    /// The exit code of a process that the next one of them ended.
    async fn next(&mut self) -> i32 {
        // Either ends us; which one is looked at first does not matter.
        tokio::select! { biased;
            _ = self.terminate.recv() => 143,
            _ = self.interrupt.recv() => 130,
        }
    }
}

fn greet(voice: &Stdout, config: &SiteConfig, data_dir: &Path, bound: &str) {
    let topology = &config.topology;
    voice.plain(&format!(
        "Ridethrough {} watches {} UPSes, {} hosts, {} domains.",
        env!("CARGO_PKG_VERSION"),
        topology.upses.len(),
        topology.hosts.len(),
        topology.domains.len(),
    ));
    voice.plain(&format!("Journal and token in {}; API on http://{bound}.", data_dir.display()));
    voice.plain("A domain only observes until `ridethrough arm DOMAIN`. What it would do is said here.");
}

/// Lines on stdout: time, what, why.
#[derive(Clone, Debug)]
struct Stdout {
    printer: Printer,
    style: Style,
}

impl Stdout {
    fn plain(&self, text: &str) {
        self.printer.write(format!("{text}\n").into_bytes());
    }
}

impl Voice for Stdout {
    fn say(&self, line: Line) {
        self.printer.write(line_text(&self.style, &line).into_bytes());
    }
}

fn line_text(style: &Style, line: &Line) -> String {
    let (mark, tone) = match line.severity {
        Severity::Info => (' ', Tone::Plain),
        Severity::Warning => ('*', Tone::Warn),
        Severity::Alarm => ('!', Tone::Bad),
    };
    let why = line.why.as_ref().map_or_else(String::new, |why| style.paint(Tone::Dim, &format!(" ({})", printable(why))));
    let code = line.code.as_ref().map_or_else(String::new, |code| style.paint(Tone::Dim, &format!(" [{code}]")));
    format!("{} {mark} {}{why}{code}\n", style.clock_time(line.at), style.paint(tone, &printable(&line.text)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;
    use ridethrough_api::Client;
    use std::io::{BufRead, BufReader};

    fn setup(data_dir: &Path, listen: &str) -> Setup {
        Setup {
            endpoints: Endpoints::default(),
            config: SiteConfig::default(),
            pace: Pace::default(),
            alerts: Vec::new(),
            data_dir: data_dir.to_owned(),
            listen: listen.parse().expect("an address"),
            files: None,
        }
    }

    #[tokio::test]
    async fn it_serves_with_a_token_made_on_first_start_and_ends_when_asked() {
        let dir = tempfile::tempdir().expect("a directory");
        let data_dir = dir.path().join("new").join("data");
        let (reader, writer) = std::io::pipe().expect("a pipe");
        let out = Printer::start("test", writer).expect("a thread");
        let (stop, stopped) = oneshot::channel::<()>();
        let style = Style::plain(80, "2025-01-01T12:00:00Z");
        let serving = serve(setup(&data_dir, "127.0.0.1:0"), out, style, async move { drop(stopped.await) });
        let asking = async {
            let lines = tokio::task::spawn_blocking(move || BufReader::new(reader).lines().nth(1)).await;
            let line = lines.expect("it reads").expect("a second line").expect("text");
            let url = line.rsplit(' ').next().expect("words").trim_end_matches('.').to_owned();
            let token = std::fs::read_to_string(data_dir.join(TOKEN_FILE)).expect("made");
            let client = Client::new(&url, &token).expect("a client");
            let status = client.status().await.expect("it answers");
            stop.send(()).expect("it still runs");
            status.version
        };
        let (served, version) = tokio::join!(serving, asking);
        served.expect("a clean end");
        assert_eq!(version, env!("CARGO_PKG_VERSION"));
        assert!(data_dir.join(JOURNAL_FILE).exists());
    }

    #[tokio::test]
    async fn what_keeps_it_from_starting_is_said_with_a_remedy() {
        let dir = tempfile::tempdir().expect("a directory");
        let style = || Style::plain(80, "2025-01-01T12:00:00Z");
        let out = || Printer::start("test", std::io::sink()).expect("a thread");
        let failure = serve(setup(dir.path(), "0.0.0.0:0"), out(), style(), async {}).await.expect_err("not loopback");
        assert_eq!(failure.error.code, code::LISTEN);
        std::fs::write(dir.path().join(JOURNAL_FILE), "this is no database at all, and long enough to be told apart")
            .expect("written");
        let failure = serve(setup(dir.path(), "127.0.0.1:0"), out(), style(), async {}).await.expect_err("no journal");
        assert!(failure.error.code.starts_with("RT03") && !failure.error.remedy.is_empty(), "{}", failure.text());
    }

    #[test]
    fn a_line_says_when_what_and_why() {
        let style = Style::plain(80, "2025-01-01T12:00:00Z");
        let line = Line {
            at: "2025-01-01T12:00:00Z".parse().expect("a moment"),
            severity: Severity::Alarm,
            text: "The journal\ncannot be written.".to_owned(),
            why: Some("no space left".to_owned()),
            code: Some("RT0404".to_owned()),
            is_milestone: false,
        };
        expect!["2025-01-01 12:00:00 ! The journal?cannot be written. (no space left) [RT0404]\n"]
            .assert_eq(&line_text(&style, &line));
    }
}
