//! `ridethrough hold`, `abort` and `return`: what a person holds back, with its price said first, in English or German.

use super::arm::{who, with_findings};
use super::ask::{confirm, declined};
use super::demo::Lang;
use super::json;
use crate::failure::Failure;
use crate::output::{Style, Tone, printable, span};
use clap::Args;
use ridethrough_api::{Client, Commanded, Status};
use ridethrough_model::Millis;

/// Start nothing more for a time: no stop, no move, no start. It lifts itself at the last safe moment
#[derive(Clone, Debug, Args)]
pub(crate) struct HoldArgs {
    /// For how long at most, e.g. 5m
    #[arg(long = "for", value_name = "TIME", value_parser = super::maintenance::length, default_value = "5m")]
    length: Millis,
    /// Do not lift it at the last safe moment: what runs then may lose its power uncleanly
    #[arg(long)]
    even_if_lost: bool,
    /// End the hold now
    #[arg(long, conflicts_with_all = ["length", "even_if_lost"])]
    release: bool,
    /// Do not ask
    #[arg(long)]
    yes: bool,
}

/// Start nothing more in the open run; says first what stays stopped, and asks
#[derive(Clone, Debug, Args)]
pub(crate) struct AbortArgs {
    /// Do not ask
    #[arg(long)]
    yes: bool,
}

pub(crate) async fn hold(client: &Client, args: &HoldArgs, style: &Style, is_json: bool) -> Result<String, Failure> {
    let lang = Lang::of_environment();
    if args.release {
        let done = client.release_hold(&who()).await?;
        let text = match lang {
            Lang::En => "The hold has ended: the run goes on.\n",
            Lang::De => "Das Anhalten ist beendet: der Lauf geht weiter.\n",
        };
        return Ok(said(style, text.to_owned(), &done, is_json));
    }
    if args.even_if_lost && !args.yes {
        let status = client.status().await?;
        if !confirm(&price_of_hold(style, &status, args.length, lang), lang)? {
            return Err(declined(lang));
        }
    }
    let done = client.hold(args.length.0, args.even_if_lost, &who()).await?;
    let length = args.length;
    let text = match (lang, args.even_if_lost) {
        (Lang::En, false) => format!("Held for {length}: nothing more is started. It lifts itself at the last safe moment."),
        (Lang::De, false) => {
            format!("Angehalten für {length}: nichts mehr wird begonnen. Zum letzten sicheren Zeitpunkt löst es sich selbst.")
        }
        (Lang::En, true) => format!("Held for {length}, even if VMs are lost. Only a forced shutdown goes through."),
        (Lang::De, true) => {
            format!("Angehalten für {length}, auch wenn VMs verloren gehen. Nur ein erzwungenes Herunterfahren geht durch.")
        }
    };
    Ok(said(style, style.paragraph(0, &text), &done, is_json))
}

pub(crate) async fn abort(client: &Client, args: &AbortArgs, style: &Style, is_json: bool) -> Result<String, Failure> {
    let lang = Lang::of_environment();
    if !args.yes {
        let status = client.status().await?;
        // Without a run there is nothing to ask about: the controller refuses.
        if status.run.is_some() && !confirm(&price_of_abort(style, &status, lang), lang)? {
            return Err(declined(lang));
        }
    }
    let done = client.abort(&who()).await?;
    let text = match lang {
        Lang::En => "The run is aborted: it starts nothing more. `ridethrough return` lets it go on.",
        Lang::De => "Der Lauf ist abgebrochen: er beginnt nichts mehr. `ridethrough return` lässt ihn weitergehen.",
    };
    Ok(said(style, style.paragraph(0, text), &done, is_json))
}

pub(crate) async fn bring_back(client: &Client, style: &Style, is_json: bool) -> Result<String, Failure> {
    let done = client.bring_back(&who()).await?;
    let text = match Lang::of_environment() {
        Lang::En => "The run goes on: what is missing comes back once mains is stable and the charge is enough.",
        Lang::De => "Der Lauf geht weiter: was fehlt, kommt zurück, sobald das Netz stabil ist und die Ladung reicht.",
    };
    Ok(said(style, style.paragraph(0, text), &done, is_json))
}

fn said(style: &Style, text: String, done: &Commanded, is_json: bool) -> String {
    if is_json { json(done) } else { with_findings(style, text, "Note", done) }
}

/// Who runs on a host whose power ends: they are what a hold or an abort may cost.
fn at_stake(status: &Status) -> Vec<String> {
    let is_ending = |name: &str| status.hosts.iter().any(|host| host.name == name && host.power_ends_in_s.is_some());
    let active = status.vms.iter().filter(|vm| !matches!(vm.state.as_str(), "off" | "suspended" | "crashed"));
    active.filter(|vm| is_ending(&vm.host)).map(|vm| printable(&vm.name)).collect()
}

fn price_of_hold(style: &Style, status: &Status, length: Millis, lang: Lang) -> String {
    let stake = at_stake(status);
    let safe = status.domains.iter().filter_map(|domain| domain.must_act_in_s).min();
    let price = match (lang, safe) {
        (Lang::En, Some(safe)) => format!(
            "WARNING: the last safe moment {}. With --even-if-lost nothing is stopped then either, for {length}; \
             these run on battery and may lose their power uncleanly: {}.",
            style.due(safe, &status.at).replacen("in ", "comes in ", 1),
            list(&stake, "none now")
        ),
        (Lang::De, Some(safe)) => format!(
            "WARNUNG: der letzte sichere Zeitpunkt ist in {}. Mit --even-if-lost wird auch dann {length} lang nichts \
             heruntergefahren; diese laufen auf Batterie und können hart ausgehen: {}.",
            span(safe),
            list(&stake, "zur Zeit keine")
        ),
        (Lang::En, None) => format!(
            "WARNING: nothing is on battery now. If mains fails within {length}, nothing is stopped, even where VMs then lose \
             their power uncleanly."
        ),
        (Lang::De, None) => format!(
            "WARNUNG: zur Zeit ist nichts auf Batterie. Fällt das Netz in den nächsten {length} aus, wird nichts heruntergefahren, \
             auch wenn VMs dann hart ausgehen."
        ),
    };
    style.paint(Tone::Bad, &style.paragraph(0, &price))
}

fn price_of_abort(style: &Style, status: &Status, lang: Lang) -> String {
    let Some(run) = &status.run else { return String::new() };
    let none = match lang {
        Lang::En => "none",
        Lang::De => "keine",
    };
    let in_flight = run.actions.iter().filter(|action| matches!(action.phase.as_str(), "intended" | "accepted"));
    let in_flight: Vec<String> = in_flight.map(|action| printable(&action.text)).collect();
    let names = |of: &[String]| list(&of.iter().map(|name| printable(name)).collect::<Vec<_>>(), none);
    let heads = match lang {
        Lang::En => [
            "VMs that stay stopped",
            "VMs that stay where they were moved to",
            "Hosts that stay down",
            "Under way, will still end",
            "On battery and stopped by nobody (the timers on hosts are cancelled), but at low battery or by their host's own last resort",
        ],
        Lang::De => [
            "VMs, die aus bleiben",
            "VMs, die bleiben, wohin sie verschoben wurden",
            "Hosts, die aus bleiben",
            "Im Gang, läuft noch zu Ende",
            "Auf Batterie und von niemandem heruntergefahren, außer bei schwacher Batterie oder durch eine eigene letzte Rettung ihres Hosts (die Zeitgeber dort sind aufgehoben)",
        ],
    };
    let rest = match lang {
        Lang::En => {
            "While the mains is not stable yet: once it is, everything comes back by itself. Where it is stable already: \
             nothing more comes back before `ridethrough return`. A forced shutdown or a low battery ends the abort."
        }
        Lang::De => {
            "Solange das Netz noch nicht stabil ist: sobald es das ist, kommt alles von selbst zurück. Ist es schon stabil: \
             nichts mehr kommt zurück vor `ridethrough return`. Erzwungenes Herunterfahren oder schwache Batterie beenden den Abbruch."
        }
    };
    let title = match lang {
        Lang::En => format!("Abort run {}?", run.id),
        Lang::De => format!("Lauf {} abbrechen?", run.id),
    };
    let facts =
        [names(&run.stopped), names(&run.moved), names(&run.hosts_down), list(&in_flight, none), list(&at_stake(status), none)];
    let mut text = format!("{}\n", style.paint(Tone::Bad, &title));
    for (head, fact) in heads.iter().zip(facts) {
        text.push_str(&style.paragraph(2, &format!("{head}: {fact}.")));
    }
    text.push_str(&style.paragraph(2, rest));
    text
}

fn list(names: &[String], none: &str) -> String {
    if names.is_empty() { none.to_owned() } else { names.join(", ") }
}
