//! A UPS served by Network UPS Tools' upsd, over plain TCP or TLS. Reads everything with one `LIST VAR`; logs in so that a primary
//! waits for us; gives the UPS orders, when told to. Begin in [`Nut`].

mod connection;
mod dial;
pub mod map;
mod order;
pub mod wire;

use async_trait::async_trait;
use connection::{Answer, Connection};
pub use dial::TlsSetup;
use ridethrough_driver::tls::{Identity, Trust};
use ridethrough_driver::{
    Accepted, Client, Cx, Device, Error, FailureKind, Progress, Result, Secret, UpsCommand, UpsOrder, UpsVariable,
};
use ridethrough_model::{Reading, Silence, SilenceKind, UpsId};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use tokio::sync::Mutex;
use tokio::time::Instant;
use wire::Refusal;

/// How a UPS is reached.
#[derive(Clone, Debug)]
pub struct Config {
    /// Its name with us.
    pub ups_id: UpsId,
    /// The machine upsd runs on.
    pub host: String,
    /// Its port, usually 3493.
    pub port: u16,
    /// Its name with upsd.
    pub ups: String,
    /// A user of `upsd.users` with the role `upsmon secondary`; without one, nobody waits for us.
    pub user: Option<String>,
    /// That user's password.
    pub password: Option<Secret>,
    /// TLS, begun with STARTTLS; without, everything goes in clear text.
    pub tls: Option<Tls>,
}

impl Config {
    /// Where upsd is: `192.0.2.7:3493`, `[2001:db8::7]:3493`.
    fn authority(&self) -> String {
        let (host, port) = (self.host.as_str(), self.port);
        if host.contains(':') && !host.starts_with('[') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
    }
}

/// Whom to believe, and as whom to appear.
#[derive(Clone, Debug)]
pub struct Tls {
    /// Whose certificates are believed.
    pub trust: Trust,
    /// Our own certificate, where upsd asks for one.
    pub identity: Option<Identity>,
    /// The name that upsd's certificate must bear; without one, that of the host.
    pub name: Option<String>,
}

/// One UPS of one upsd.
#[derive(Debug)]
pub struct Nut {
    config: Config,
    /// Taken out while it is used: a call given up in the middle leaves nothing that could be mistaken for an answer.
    connection: Mutex<Option<Connection>>,
    /// How often upsd counts us, also while the connection is in use.
    logins: Arc<AtomicUsize>,
    /// Our hosts need its power: its primary is to wait for us.
    is_followed: AtomicBool,
    setup: TlsSetup,
}

/// Half of the time that is left.
fn half(cx: &Cx) -> Instant {
    let now = Instant::now();
    now + cx.deadline.saturating_duration_since(now) / 2
}

impl Nut {
    /// A UPS that is dialled at the first call.
    #[must_use]
    pub fn new(config: Config) -> Self {
        Self::sharing(config, TlsSetup::default())
    }

    /// The same, with a set-up of TLS that others with equal trust and identity have too.
    #[must_use]
    pub fn sharing(config: Config, setup: TlsSetup) -> Self {
        Self { config, connection: Mutex::new(None), logins: Arc::default(), is_followed: AtomicBool::new(true), setup }
    }

    /// A new connection, logged in if we have a login and upsd takes it. Without, it is good for reading all the same: `verify` is
    /// where a person hears of a login that is wrong.
    async fn connect(&self, cx: &Cx) -> Result<Connection> {
        let mut connection = self.dial(cx).await?;
        let is_followed = self.is_followed.load(Ordering::Relaxed);
        connection.is_of_a_follower = is_followed;
        let (true, Some(user), Some(password)) = (is_followed, &self.config.user, &self.config.password) else {
            return Ok(connection);
        };
        let login = tokio::time::timeout_at(half(cx), connection.log_in(&self.config.ups, user, password)).await;
        if !matches!(login, Ok(Ok(_))) {
            // It broke on the way: what comes over it now could be the answer to something else.
            connection = self.dial(cx).await?;
            connection.is_of_a_follower = is_followed;
        }
        Ok(connection)
    }

    async fn dial(&self, cx: &Cx) -> Result<Connection> {
        Ok(Connection::over(dial::dial(&self.config, &self.setup, cx).await?, self.logins.clone()))
    }

    /// Every variable: over the connection at hand, or over a new one if that was closed meanwhile (upsd does so after 60 s).
    async fn vars(&self, cx: &Cx) -> Result<(Answer<std::collections::BTreeMap<String, String>>, Connection)> {
        let kept = self.connection.lock().await.take();
        // One that is logged in and need not be is closed, which ends the login; one that is not and ought to be is made again.
        let kept = kept.filter(|connection| connection.is_of_a_follower == self.is_followed.load(Ordering::Relaxed));
        if let Some(mut connection) = kept
            // A connection that is dead without our knowing does not use up the time for a new one.
            && let Ok(Ok(answer)) = tokio::time::timeout_at(half(cx), connection.vars(&self.config.ups)).await
        {
            return Ok((answer, connection));
        }
        let mut connection = self.connect(cx).await?;
        let answer = cx.bound("read the UPS", connection.vars(&self.config.ups)).await?;
        Ok((answer, connection))
    }

    fn place(&self) -> String {
        format!("{}@{}", self.config.ups, self.config.authority())
    }

    fn silence(&self, cx: &Cx, kind: SilenceKind, message: String) -> Silence {
        Silence { ups: self.config.ups_id.clone(), at: cx.now, kind, message }
    }

    async fn refused(&self, cx: &Cx, connection: &mut Connection, refusal: &Refusal) -> Silence {
        let place = self.place();
        match refusal.code.as_str() {
            "DATA-STALE" => self.silence(cx, SilenceKind::Stale, format!("upsd has no fresh data of {place}: its driver hangs")),
            "DRIVER-NOT-CONNECTED" => self.silence(
                cx,
                SilenceKind::Disconnected,
                format!("upsd has lost the driver of {place}: start it on the machine of upsd"),
            ),
            "UNKNOWN-UPS" => {
                let message = self.unknown(connection, cx).await;
                self.silence(cx, SilenceKind::Refused, message)
            }
            code => self.silence(cx, SilenceKind::Refused, format!("upsd refuses to tell about {place}: {code}")),
        }
    }

    async fn unknown(&self, connection: &mut Connection, cx: &Cx) -> String {
        let names = cx.bound("list the UPSes", connection.names()).await.unwrap_or_default();
        let known = if names.is_empty() { "it names none".to_owned() } else { format!("it knows {}", names.join(", ")) };
        format!("upsd at {} knows no UPS `{}`: {known}", self.config.authority(), self.config.ups)
    }
}

#[async_trait]
impl Device for Nut {
    async fn read(&self, cx: &Cx) -> Result<std::result::Result<Reading, Silence>> {
        let (answer, mut connection) = match self.vars(cx).await {
            Ok(found) => found,
            Err(error) if error.kind() == FailureKind::Config => return Err(error),
            Err(error) => {
                let message = format!("no answer from upsd about {}: {}", self.place(), error.to_failure().message);
                let kind = match error.kind() {
                    FailureKind::Unauthorized | FailureKind::Unsupported => SilenceKind::Refused,
                    _ => SilenceKind::Unreachable,
                };
                return Ok(Err(self.silence(cx, kind, message)));
            }
        };
        let seen = match answer {
            Ok(vars) => Ok(map::reading(self.config.ups_id.clone(), cx.now, &vars)),
            Err(refusal) => Err(self.refused(cx, &mut connection, &refusal).await),
        };
        if !matches!(&seen, Err(Silence { kind: SilenceKind::Refused, .. })) {
            *self.connection.lock().await = Some(connection);
        }
        Ok(seen)
    }

    async fn clients(&self, cx: &Cx) -> Result<Vec<Client>> {
        let mut connection = self.dial(cx).await?;
        let own = connection.own_address.clone();
        let rows = cx.bound("list the clients", connection.list(&["CLIENT", &self.config.ups])).await?;
        let rows = rows.map_err(|refusal| {
            let kind = if refusal.code == "UNKNOWN-UPS" { FailureKind::NotFound } else { FailureKind::Unsupported };
            Error::new(kind, "list the clients", refusal.code).no_effect().with("ups", self.place())
        })?;
        let mut addresses: Vec<String> = rows.into_iter().filter_map(|row| row.into_iter().next()).collect();
        // Our own logins are among them.
        for _ in 0..self.logins.load(Ordering::Relaxed) {
            if let Some(ours) = addresses.iter().position(|address| *address == own) {
                addresses.remove(ours);
            }
        }
        Ok(addresses.into_iter().map(|address| Client { address }).collect())
    }

    fn follow(&self, is_needed: bool) {
        self.is_followed.store(is_needed, Ordering::Relaxed);
    }

    async fn commands(&self, cx: &Cx) -> Result<Vec<UpsCommand>> {
        self.list_commands(cx).await
    }

    async fn variables(&self, cx: &Cx) -> Result<Vec<UpsVariable>> {
        self.list_variables(cx).await
    }

    fn is_harmless(&self, order: &UpsOrder) -> bool {
        order::is_harmless(order)
    }

    async fn order(&self, order: &UpsOrder, cx: &Cx) -> Result<Accepted> {
        self.give(order, cx).await
    }

    async fn progress(&self, task: &str, cx: &Cx) -> Result<Progress> {
        self.ask_about(task, cx).await
    }

    async fn verify(&self, cx: &Cx) -> Result<()> {
        let mut connection = self.dial(cx).await?;
        let ups = self.config.ups.as_str();
        let known = cx.bound("look for the UPS", connection.ask(&["GET", "UPSDESC", ups])).await?;
        match known {
            Err(refusal) if refusal.code == "UNKNOWN-UPS" => {
                let message = self.unknown(&mut connection, cx).await;
                return Err(Error::new(FailureKind::NotFound, "look for the UPS", message).no_effect());
            }
            Ok(words) if words.first().is_none_or(|word| word != "UPSDESC") => {
                let said = format!("`{}` instead of its description", wire::shown(&words));
                return Err(Error::new(FailureKind::Protocol, "look for the UPS", said).with("ups", self.place()));
            }
            _ => {}
        }
        let (Some(user), Some(password)) = (&self.config.user, &self.config.password) else { return Ok(()) };
        let answer = cx.bound("log in to upsd", connection.log_in(ups, user, password)).await?;
        answer.map_err(|refusal| {
            let message = format!(
                "upsd says {}: user `{user}` needs this password and the role `upsmon secondary` in upsd.users",
                refusal.code
            );
            Error::new(FailureKind::Unauthorized, "log in to upsd", message).no_effect().with("ups", self.place())
        })
    }
}
