//! `ridethrough serve`: runs the controller in the foreground and says what happens.

use crate::failure::{Failure, exit};
use crate::output::{Style, Tone, printable};
use crate::printer::Printer;
use ridethrough_api::{TOKEN_FILE, code};
use ridethrough_controller::alert::{Couriers, Route};
use ridethrough_controller::{
    Clock, Endpoints, Line, Pace, Parts, Pulse, ServerParts, StartError, Storage, Token, Voice, listen, run,
};
use ridethrough_decide::SiteConfig;
use ridethrough_model::Severity;
use ridethrough_store::Outbox;
use sd_notify::NotifyState;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};

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

/// Runs until SIGTERM or SIGINT.
pub(crate) async fn until_signal(setup: Setup) -> Result<(), Failure> {
    let out = Printer::start("stdout", std::io::stdout()).map_err(|error| no_thread(&error))?;
    let stop = stop_signal().map_err(|error| Failure::new("", "signals cannot be received", "").because(&error))?;
    serve(setup, out, Style::of_stdout(), stop).await
}

/// Runs until `stop`.
async fn serve(setup: Setup, out: Printer, style: Style, stop: impl Future<Output = ()> + Send + 'static) -> Result<(), Failure> {
    let Setup { endpoints, config, pace, alerts, data_dir, listen: address } = setup;
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
    let (couriers, teller) = couriers(alerts, &data_dir, &voice, &clock)?;
    let parts = Parts {
        endpoints,
        storage: Storage::File(data_dir.join(JOURNAL_FILE)),
        config,
        pace,
        clock,
        server: Some(ServerParts { listener, token }),
        voice: teller,
        pulse: Arc::new(Systemd::default()),
        version: env!("CARGO_PKG_VERSION").to_owned(),
    };
    let stop = async move {
        stop.await;
        tell_systemd(NotifyState::Stopping);
    };
    let result = run(parts, stop).await;
    if let Some(couriers) = couriers {
        couriers.end(ALERTS_WAIT_MAX).await;
    }
    if result.is_ok() {
        voice.plain("Ended.");
    }
    out.flush(OUTPUT_WAIT_MAX);
    result.map_err(|error| start_failure(&error))
}

/// The couriers of alerts and the voice that feeds them; without alerts only the voice.
fn couriers(
    alerts: Vec<Route>,
    data_dir: &Path,
    voice: &Stdout,
    clock: &Clock,
) -> Result<(Option<Couriers>, Arc<dyn Voice>), Failure> {
    let voice: Arc<dyn Voice> = Arc::new(voice.clone());
    if alerts.is_empty() {
        return Ok((None, voice));
    }
    let outbox = Outbox::open(&data_dir.join(OUTBOX_FILE)).map_err(|error| {
        let remedy =
            "Check the data directory's owner and free space; a damaged outbox may be moved away: only alerts are in it.";
        Failure::new("RT0170", error.to_string(), remedy).because(&error)
    })?;
    let (couriers, teller) = Couriers::start(outbox, alerts, voice, clock.clone());
    Ok((Some(couriers), teller))
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

/// Ready when we are asked to end.
fn stop_signal() -> std::io::Result<impl Future<Output = ()> + Send + 'static> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        // Either ends us; which one is looked at first does not matter.
        tokio::select! { biased;
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
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

/// Tells systemd, where it started us and asked: ready with the first tick, alive with each one.
#[derive(Debug, Default)]
struct Systemd {
    is_ready: AtomicBool,
}

impl Pulse for Systemd {
    fn beat(&self) {
        if !self.is_ready.swap(true, Ordering::Relaxed) {
            tell_systemd(NotifyState::Ready);
        }
        tell_systemd(NotifyState::Watchdog);
    }
}

/// Nobody there, or nobody who listens, is no fault of ours.
fn tell_systemd(state: NotifyState<'_>) {
    if let Err(error) = sd_notify::notify(&[state]) {
        tracing::debug!(%error, "systemd was not told");
    }
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
    use tokio::sync::oneshot;

    fn setup(data_dir: &Path, listen: &str) -> Setup {
        Setup {
            endpoints: Endpoints::default(),
            config: SiteConfig::default(),
            pace: Pace::default(),
            alerts: Vec::new(),
            data_dir: data_dir.to_owned(),
            listen: listen.parse().expect("an address"),
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
