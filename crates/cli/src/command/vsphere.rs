//! `ridethrough vsphere role`: which rights the account needs for what is configured, and, asked for it, which it has. Straight from this
//! machine; needs no running controller, and changes nothing.

use super::{Said, json};
use crate::config::Config;
use crate::config::section::Platform;
use crate::failure::{Failure, exit};
use crate::output::{Lean, Style, Table, Tone, printable};
use crate::wiring;
use clap::{Args, Subcommand};
use ridethrough_driver::Cx;
use ridethrough_model::Mono;
use ridethrough_model::policy::OnOutage;
use ridethrough_platforms::vsphere::{Account, Uses, Vsphere, needed};
use std::path::Path;
use std::time::Duration;

/// How long vCenter may take to answer.
const LIMIT: Duration = Duration::from_secs(20);
/// Rights too much that are named.
const NAMES_MAX: usize = 8;

/// What is needed in vSphere
#[derive(Clone, Debug, Args)]
pub(crate) struct VsphereArgs {
    #[command(subcommand)]
    what: VsphereWhat,
}

#[derive(Clone, Debug, Subcommand)]
enum VsphereWhat {
    /// The privileges that the configured plan needs, and with --connect whether the account has them
    ///
    /// Exit code 1 if the account lacks one.
    Role {
        /// The platform, where there are several
        platform: Option<String>,
        /// Log in and hold the account against it; changes nothing
        #[arg(long)]
        connect: bool,
    },
}

/// Prints the role, and what the account lacks.
pub(crate) fn run(args: &VsphereArgs, path: &Path, style: &Style, is_json: bool) -> Result<Said, Failure> {
    let VsphereWhat::Role { platform, connect } = &args.what;
    let config = wiring::configuration(path)?;
    let (name, uses) = chosen(&config, platform.as_deref())?;
    let account = if *connect { Some(ask(&config, &name, uses)?) } else { None };
    let text = if is_json { as_json(&name, uses, account.as_ref()) } else { as_text(uses, account.as_ref(), style) };
    let is_short = account.is_some_and(|account| !account.missing.is_empty());
    Ok(Said { text, exit: if is_short { exit::FAILED } else { exit::DONE } })
}

/// The platform meant, and what the plan does with it.
fn chosen(config: &Config, wanted: Option<&str>) -> Result<(String, Uses), Failure> {
    let all = config.platforms.iter().filter(|(_, entry)| matches!(entry.value, Platform::Vsphere(_)));
    let names: Vec<&str> = all.map(|(name, _)| name.as_str()).collect();
    let name = match (wanted, names.as_slice()) {
        (Some(wanted), names) if names.contains(&wanted) => wanted.to_owned(),
        (None, [only]) => (*only).to_owned(),
        (None, []) => {
            return Err(Failure::new("RT0235", "the configuration has no vSphere platform", "Add `[platform.NAME.vsphere]`."));
        }
        _ => {
            let message = "which vSphere platform is meant?";
            return Err(Failure::new("RT0235", message, format!("There are: {}.", names.join(", "))));
        }
    };
    let policy = crate::config::policy(config);
    let does = |rung| policy.tiers.iter().any(|tier| tier.on_outage.contains(&rung));
    let is_experimental = matches!(&config.platforms[&name].value, Platform::Vsphere(written) if written.is_experimental());
    let uses = Uses {
        moves: does(OnOutage::Move),
        suspends: does(OnOutage::Suspend),
        shuts_hosts_down: config.hosts.values().any(|entry| entry.value.by_vsphere().is_some()),
        autostart: is_experimental,
    };
    Ok((name, uses))
}

fn ask(config: &Config, name: &str, uses: Uses) -> Result<Account, Failure> {
    let Platform::Vsphere(written) = &config.platforms[name].value else {
        return Err(Failure::new("RT0235", format!("{name} is no vSphere platform"), "Name another."));
    };
    let settings = wiring::vsphere::config(name, written)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new("", "the system gives no runtime", "Raise its limits for this user.").because(&error))?;
    runtime.block_on(async {
        let failed = |error: &ridethrough_driver::Error| {
            let message = format!("{name}: {}", printable(&error.to_failure().message));
            Failure::new("RT0235", message, "`ridethrough check --connect` says what is wrong with the way to it.")
        };
        let driver = Vsphere::new(&settings).map_err(|error| failed(&error))?;
        driver.account(uses, &Cx::within(LIMIT, Mono(0))).await.map_err(|error| failed(&error))
    })
}

fn as_json(name: &str, uses: Uses, account: Option<&Account>) -> String {
    let rows: Vec<_> =
        needed(uses).iter().map(|one| serde_json::json!({ "privilege": one.id, "purpose": one.purpose })).collect();
    let account =
        account.map(|account| serde_json::json!({ "user": account.user, "missing": account.missing, "excess": account.excess }));
    json(&serde_json::json!({ "platform": name, "needed": rows, "account": account }))
}

fn as_text(uses: Uses, account: Option<&Account>, style: &Style) -> String {
    let mut table = Table::new(&[("PRIVILEGE", Lean::Left), ("", Lean::Left), ("WHAT FOR", Lean::Left)]);
    for one in needed(uses) {
        let state = match account {
            None => (Tone::Plain, String::new()),
            Some(account) if account.missing.contains(&one.id) => (Tone::Bad, "MISSING".to_owned()),
            Some(_) => (Tone::Good, "there".to_owned()),
        };
        table.row([(Tone::Plain, one.id.to_owned()), state, (Tone::Plain, one.purpose.to_owned())]);
    }
    let mut text = table.show(style);
    match account {
        None => text.push_str("\nGive these to a role of its own, at the top with `Propagate to children`. --connect holds the account against it.\n"),
        Some(account) => {
            let user = printable(&account.user);
            if account.missing.is_empty() {
                text.push_str(&format!("\n{user} has all of them.\n"));
            }
            if !account.excess.is_empty() {
                let names: Vec<String> = account.excess.iter().take(NAMES_MAX).map(|name| printable(name)).collect();
                let more = account.excess.len().saturating_sub(names.len());
                let rest = if more == 0 { String::new() } else { format!(" and {more} more") };
                text.push_str(&style.paragraph(0, &format!("{user} may do more than is needed: {}{rest}.", names.join(", "))));
            }
        }
    }
    text
}
