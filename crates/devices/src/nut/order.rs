//! Orders to a UPS behind upsd: what it can be told, INSTCMD and SET, and what became of them (TRACKING). Each call has a connection
//! of its own; nothing is decided here, and nothing is sent twice.

use super::Nut;
use super::connection::{Answer, Connection};
use super::wire::{self, Refusal};
use ridethrough_driver::{Accepted, Cx, Error, FailureKind, Progress, Result, UpsCommand, UpsOrder, UpsVariable};
use std::collections::BTreeSet;

const ORDER: &str = "give an order to the UPS";
/// Descriptions asked for at most: each is a question of its own.
const DESCRIPTIONS_MAX: usize = 200;

/// Commands that neither end the output nor empty the battery: `*` stands for one part of a name.
const HARMLESS_COMMANDS: [&str; 15] = [
    "test.battery.start",
    "test.battery.start.quick",
    "test.battery.stop",
    "test.panel.start",
    "test.panel.stop",
    "calibrate.stop",
    "beeper.enable",
    "beeper.disable",
    "beeper.mute",
    "beeper.toggle",
    "shutdown.stop",
    "load.on",
    "outlet.*.load.on",
    "outlet.group.*.load.on",
    "reset.input.minmax",
];
/// Settings that change nothing before the next outage.
const HARMLESS_VARIABLES: [&str; 18] = [
    "battery.charge.low",
    "battery.charge.restart",
    "battery.charge.warning",
    "battery.date",
    "battery.mfr.date",
    "battery.runtime.low",
    "battery.runtime.restart",
    "device.description",
    "device.location",
    "device.contact",
    "outlet.*.delay.shutdown",
    "outlet.*.delay.start",
    "outlet.*.desc",
    "ups.beeper.status",
    "ups.delay.shutdown",
    "ups.delay.start",
    "ups.id",
    "ups.test.interval",
];

pub(super) fn is_harmless(order: &UpsOrder) -> bool {
    let (name, known) = match order {
        UpsOrder::Run { command, .. } => (command, &HARMLESS_COMMANDS[..]),
        UpsOrder::Set { variable, .. } => (variable, &HARMLESS_VARIABLES[..]),
    };
    let fits = |pattern: &str| {
        let (parts, wanted) = (name.split('.'), pattern.split('.'));
        parts.clone().count() == wanted.clone().count() && parts.zip(wanted).all(|(a, b)| b == "*" || a.eq_ignore_ascii_case(b))
    };
    known.iter().any(|pattern| fits(pattern))
}

impl Nut {
    pub(super) async fn list_commands(&self, cx: &Cx) -> Result<Vec<UpsCommand>> {
        let mut connection = self.dial(cx).await?;
        let rows = cx.bound("list the commands", connection.list(&["CMD", &self.config.ups])).await?;
        let rows = rows.map_err(|refusal| self.refusal("list the commands", &refusal).no_effect())?;
        let mut commands: Vec<UpsCommand> = rows.into_iter().filter_map(|row| row.into_iter().next()).map(command).collect();
        commands.sort();
        commands.dedup();
        // Nice to have: whatever goes wrong with them, the names stand.
        let _ = tokio::time::timeout_at(super::half(cx), self.describe(&mut connection, &mut commands)).await;
        Ok(commands)
    }

    async fn describe(&self, connection: &mut Connection, commands: &mut [UpsCommand]) -> Result<()> {
        for command in commands.iter_mut().take(DESCRIPTIONS_MAX) {
            let Ok(words) = connection.ask(&["GET", "CMDDESC", &self.config.ups, &command.name]).await? else { return Ok(()) };
            command.description = match words.as_slice() {
                [what, _, name, text]
                    if what == "CMDDESC" && name.eq_ignore_ascii_case(&command.name) && text != "Description unavailable" =>
                {
                    Some(text.clone())
                }
                _ => None,
            };
        }
        Ok(())
    }

    pub(super) async fn list_variables(&self, cx: &Cx) -> Result<Vec<UpsVariable>> {
        let mut connection = self.dial(cx).await?;
        let vars = cx.bound("list the variables", connection.vars(&self.config.ups)).await?;
        let vars = vars.map_err(|refusal| self.refusal("list the variables", &refusal).no_effect())?;
        let writable = tokio::time::timeout_at(super::half(cx), connection.list(&["RW", &self.config.ups])).await;
        let writable: Option<BTreeSet<String>> = match writable {
            Ok(Ok(Ok(rows))) => Some(rows.into_iter().filter_map(|row| Some(row.first()?.to_lowercase())).collect()),
            _ => None,
        };
        let variable = |(name, value): (String, String)| {
            let is_writable = writable.as_ref().map(|writable| writable.contains(&name));
            UpsVariable { is_writable, name, value }
        };
        Ok(vars.into_iter().map(variable).collect())
    }

    pub(super) async fn give(&self, order: &UpsOrder, cx: &Cx) -> Result<Accepted> {
        let ups = self.config.ups.as_str();
        let (words, value): (Vec<&str>, _) = match order {
            UpsOrder::Run { command, value: None } => (vec!["INSTCMD", ups, command], None),
            UpsOrder::Run { command, value: Some(value) } => (vec!["INSTCMD", ups, command, value], Some(value)),
            UpsOrder::Set { variable, value } => (vec!["SET", "VAR", ups, variable, value], None),
        };
        let is_empty_setting = |word: &str| word.is_empty() && matches!(order, UpsOrder::Set { value, .. } if value == word);
        if let Some(word) = words.iter().find(|word| !wire::is_sendable(word) && !is_empty_setting(word)) {
            let message =
                format!("`{}` cannot be sent: too long, empty, or with a line end in it", wire::shown(&[(*word).to_owned()]));
            return Err(Error::new(FailureKind::Config, ORDER, message).no_effect());
        }
        // Up to here nothing was ordered, whatever goes wrong.
        let mut connection = self.introduced(cx).await.map_err(Error::no_effect)?;
        if value.is_some() {
            cx.bound(ORDER, takes_values(&mut connection)).await.map_err(Error::no_effect)?;
        }
        // An older upsd knows no tracking, and then nobody tells what becomes of the order.
        let _untracked = cx.bound(ORDER, connection.ask(&["SET", "TRACKING", "ON"])).await.map_err(Error::no_effect)?;
        let answer = cx.bound(ORDER, connection.ask_for_ok(&words)).await?;
        let answer = answer.map_err(|refusal| self.refusal(ORDER, &refusal))?;
        let task = match answer.as_slice() {
            [tracking, id, ..] if tracking == "TRACKING" => Some(id.clone()).filter(|id| wire::is_sendable(id)),
            _ => None,
        };
        Ok(Accepted { task })
    }

    pub(super) async fn ask_about(&self, task: &str, cx: &Cx) -> Result<Progress> {
        let operation = "ask about an order";
        let mut connection = self.introduced(cx).await?;
        let on = cx.bound(operation, connection.ask(&["SET", "TRACKING", "ON"])).await?;
        on.map_err(|refusal| Error::new(FailureKind::Unsupported, operation, format!("upsd says {}", refusal.code)))?;
        let answer = cx.bound(operation, connection.ask(&["GET", "TRACKING", task])).await?;
        tracked(answer)
    }

    /// A new connection over which upsd knows who we are.
    async fn introduced(&self, cx: &Cx) -> Result<Connection> {
        let (Some(user), Some(password)) = (&self.config.user, &self.config.password) else {
            let message = "upsd takes orders from a known user only: give this UPS a `user` and `password`";
            return Err(Error::new(FailureKind::Unauthorized, ORDER, message).no_effect().with("ups", self.place()));
        };
        let mut connection = self.dial(cx).await?;
        let answer = cx.bound(ORDER, connection.introduce(user, password)).await?;
        answer.map_err(|refusal| self.refusal(ORDER, &refusal))?;
        Ok(connection)
    }

    /// What upsd's "no" means. It says most of them before it gives anything to the driver (NUT, `server/netinstcmd.c`, `netset.c`).
    fn refusal(&self, operation: &'static str, refusal: &Refusal) -> Error {
        use FailureKind::{NotFound, Refused, Unauthorized, Unreachable, Unsupported};
        let (kind, is_over, meaning) = match refusal.code.as_str() {
            "ACCESS-DENIED" => (
                Unauthorized,
                true,
                "the user needs `instcmds = ...` for commands and `actions = SET` for settings in upsd.users",
            ),
            "USERNAME-REQUIRED" | "PASSWORD-REQUIRED" => (Unauthorized, true, "it has not taken user and password"),
            "UNKNOWN-UPS" => (NotFound, true, "it does not know this UPS"),
            "CMD-NOT-SUPPORTED" => (Unsupported, true, "the UPS knows no such command"),
            "VAR-NOT-SUPPORTED" => (Unsupported, true, "the UPS knows no such variable"),
            "READONLY" => (Unsupported, true, "this variable cannot be set"),
            "UNKNOWN-COMMAND" => (Unsupported, true, "this upsd cannot do that"),
            "TOO-LONG" | "INVALID-VALUE" | "INVALID-ARGUMENT" => (Refused, true, "it does not take that value"),
            "DATA-STALE" => (Unreachable, true, "the UPS's driver hangs"),
            "DRIVER-NOT-CONNECTED" => (Unreachable, true, "it has lost the UPS's driver"),
            _ => (Refused, false, "it could not be done"),
        };
        let error = Error::new(kind, operation, format!("upsd says {}: {meaning}", refusal.code)).with("ups", self.place());
        if is_over { error.no_effect() } else { error }
    }
}

fn command(name: String) -> UpsCommand {
    let is_harmless = is_harmless(&UpsOrder::Run { command: name.clone(), value: None });
    UpsCommand { name, description: None, is_harmless }
}

/// Before protocol 1.3, upsd drops the value of a command and passes on the rest: `load.off.delay` at once.
async fn takes_values(connection: &mut Connection) -> Result<()> {
    let said = connection.ask(&["NETVER"]).await?;
    let version = said.ok().and_then(|words| {
        let (major, minor) = words.first()?.split_once('.')?;
        Some((major.parse::<u32>().ok()?, minor.parse::<u32>().ok()?))
    });
    if version.is_some_and(|version| version >= (1, 3)) {
        return Ok(());
    }
    let message = "this upsd would leave the value out: it does not speak protocol 1.3 (NUT 2.8.0)";
    Err(Error::new(FailureKind::Unsupported, ORDER, message))
}

fn tracked(answer: Answer<Vec<String>>) -> Result<Progress> {
    let failed = |kind, message: &str| Error::new(kind, ORDER, message);
    match answer {
        Ok(words) => match words.first().map(String::as_str) {
            Some("PENDING") => Ok(Progress::Pending),
            Some("SUCCESS") => Ok(Progress::Done),
            _ => Err(failed(FailureKind::Protocol, &format!("`{}` instead of what became of it", wire::shown(&words)))),
        },
        Err(refusal) => Err(match refusal.code.as_str() {
            "INVALID-ARGUMENT" => failed(FailureKind::Refused, "the UPS's driver does not take that value").no_effect(),
            "FAILED" => failed(FailureKind::Refused, "the UPS's driver says that it failed"),
            "UNKNOWN" => failed(FailureKind::Unsupported, "the UPS's driver cannot do it, or upsd knows no more about it"),
            code => failed(FailureKind::Protocol, &format!("upsd says {code} when asked what became of it")),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn point_2_nut_what_may_cut_power_is_never_taken_for_harmless() {
        let run = |command: &str| is_harmless(&UpsOrder::Run { command: command.into(), value: None });
        let set = |variable: &str| is_harmless(&UpsOrder::Set { variable: variable.into(), value: "1".into() });
        for command in ["test.battery.start.quick", "TEST.BATTERY.STOP", "beeper.mute", "shutdown.stop", "outlet.2.load.on"] {
            assert!(run(command), "{command}");
        }
        for command in [
            "load.off",
            "load.off.delay",
            "shutdown.return",
            "shutdown.stayoff",
            "shutdown.reboot",
            "shutdown.default",
            "outlet.1.load.off",
            "outlet.1.load.cycle",
            "outlet.1.shutdown.return",
            "outlet.group.1.load.off",
            "bypass.start",
            "test.failure.start",
            "test.battery.start.deep",
            "calibrate.start",
            "driver.killpower",
            "load.on.delay",
            "something.new",
            "beeper.enable.load.off",
            "",
        ] {
            assert!(!run(command), "{command}");
        }
        assert!(set("battery.charge.low") && set("outlet.3.delay.shutdown"));
        for variable in ["outlet.1.switch", "ups.timer.shutdown", "output.voltage.nominal", "input.transfer.high", "load.on", "x"]
        {
            assert!(!set(variable), "{variable}");
        }
    }

    #[test]
    fn point_2_nut_what_became_of_an_order_is_never_better_than_it_is_said() {
        let words = |text: &str| wire::words(text).expect("plain words");
        assert_eq!(tracked(Ok(words("PENDING"))).expect("known"), Progress::Pending);
        assert_eq!(tracked(Ok(words("SUCCESS"))).expect("known"), Progress::Done);
        for odd in ["OK", "", "SUCCESSFUL", "ON"] {
            assert_eq!(tracked(Ok(words(odd))).expect_err(odd).kind(), FailureKind::Protocol);
        }
        for (code, took_effect) in [("FAILED", false), ("UNKNOWN", false), ("INVALID-ARGUMENT", true)] {
            let error = tracked(Err(Refusal { code: code.into() })).expect_err(code);
            assert_eq!(error.took_effect() == ridethrough_driver::TookEffect::No, took_effect, "{code}");
        }
    }
}
