//! Which rights the account needs for what is configured, and which it has.

use super::Vsphere;
use super::inner_deadline;
use super::soap::Call;
use super::xml::Element;
use ridethrough_driver::{Cx, FailureKind, Result};
use std::collections::BTreeSet;

/// What a plan may do, as far as it needs rights.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Uses {
    /// VMs are moved.
    pub moves: bool,
    /// VMs are saved to disk.
    pub suspends: bool,
    /// ESXi hosts are shut down by vSphere.
    pub shuts_hosts_down: bool,
    /// Autostart is switched.
    pub autostart: bool,
}

/// A privilege by vSphere's id, and what it is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Privilege {
    /// As `Roles` and PowerCLI name it.
    pub id: &'static str,
    /// For a person.
    pub purpose: &'static str,
}

/// The rights that nobody has to be given.
const IMPLICIT: &str = "System.";

/// All that is needed, least first, beyond what everybody who logs in has.
#[must_use]
pub fn needed(uses: Uses) -> Vec<Privilege> {
    let of = |id, purpose| Privilege { id, purpose };
    let mut all = vec![
        of("VirtualMachine.Interact.PowerOff", "shut guests down; power off at the last moment"),
        of("VirtualMachine.Interact.PowerOn", "start VMs when the mains is back"),
    ];
    if uses.suspends {
        all.push(of("VirtualMachine.Interact.Suspend", "save VMs to disk"));
    }
    if uses.moves {
        all.push(of("Resource.HotMigrate", "move VMs while they run"));
        all.push(of("Resource.ColdMigrate", "vSphere asks for it with every move"));
        all.push(of("Resource.AssignVMToPool", "move VMs to another cluster"));
    }
    all.push(of("Host.Inventory.EditCluster", "lower DRS and HA for the time of a run, and put them back"));
    if uses.shuts_hosts_down {
        all.push(of("Host.Config.Maintenance", "shut ESXi hosts down, maintenance mode"));
    }
    if uses.autostart {
        all.push(of("Host.Config.AutoStart", "pause autostart for the time of a run"));
    }
    all
}

/// An account's rights held against those needed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// In the server's own spelling.
    pub user: String,
    /// Needed and not had.
    pub missing: Vec<&'static str>,
    /// Had and not needed.
    pub excess: Vec<String>,
}

impl Vsphere {
    /// Asks which rights we have on everything there.
    ///
    /// # Errors
    /// Where nothing could be learned; `Unsupported` by an ESXi host that does not tell.
    pub async fn account(&self, uses: Uses, cx: &Cx) -> Result<Account> {
        const ASK: &str = "ask for our rights";
        let deadline = inner_deadline(cx);
        let endpoint = &self.main.endpoint;
        let failed = |error: super::CallError| self.with_place(error.into_error(ASK).no_effect(), &self.main);
        let user = endpoint.live(deadline).await.map_err(failed)?.user.clone();
        let call = |live: &super::session::Live| {
            let call = Call::new(live.object("authorizationManager")?, "FetchUserPrivilegeOnEntities");
            Ok(call.reference("entities", live.object("rootFolder")?).text("userName", &live.user))
        };
        let answer = endpoint.call(call, deadline).await.map_err(failed)?;
        let had: BTreeSet<&str> =
            answer.all("returnval").flat_map(|result| result.all("privileges")).filter_map(Element::value).collect();
        if had.is_empty() {
            let message = "it tells of no rights at all: is the role given with `Propagate to children`, at the top?";
            return Err(self.with_place(super::declined(FailureKind::Unauthorized, ASK, message), &self.main));
        }
        let needed = needed(uses);
        let is_needed = |id: &&str| needed.iter().any(|one| one.id == *id);
        Ok(Account {
            user,
            missing: needed.iter().map(|one| one.id).filter(|id| !had.contains(id)).collect(),
            excess: had.iter().filter(|id| !id.starts_with(IMPLICIT) && !is_needed(id)).map(|id| (*id).to_owned()).collect(),
        })
    }
}
