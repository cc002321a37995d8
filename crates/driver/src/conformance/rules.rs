//! The rules by id and words. `docs/drivers.md` repeats the words; a test keeps the two the same.

/// What a driver drives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A UPS: [`crate::Device`].
    Device,
    /// What runs VMs: [`crate::Platform`].
    Platform,
    /// The power of one host: [`crate::HostPower`].
    HostPower,
}

impl Kind {
    /// The ids of its rules, in order.
    #[must_use]
    pub fn ids(self) -> Vec<&'static str> {
        let own = match self {
            Self::Device => 'D',
            Self::Platform => 'P',
            Self::HostPower => 'H',
        };
        RULES.iter().map(|rule| rule.id).filter(|id| id.starts_with(['C', own])).collect()
    }
}

/// One promise of every driver of a kind.
#[derive(Clone, Copy, Debug)]
pub struct Rule {
    /// `C1`: for all kinds; `D`, `P`, `H`: of a device, a platform, the power of a host.
    pub id: &'static str,
    /// What a driver must do, for who writes one.
    pub words: &'static str,
}

const fn rule(id: &'static str, words: &'static str) -> Rule {
    Rule { id, words }
}

/// All of them.
pub const RULES: &[Rule] = &[
    rule("C1", "A call MUST return within its deadline plus 1 s, also from a peer that is silent, slow or never stops talking."),
    rule(
        "C2",
        "Each fault of the peer MUST become the kind of error that it is; `TookEffect::No` MUST be said only where nothing happened, \
         and a reply that is lost after the effect MUST be `Possible`.",
    ),
    rule("C3", "Dropping a call at any await MUST leave the driver usable, and no later call takes its answer."),
    rule("C4", "Values and fields of a newer peer MUST be tolerated."),
    rule("C5", "No secret MUST show in `Debug`, in an error or in an answer."),
    rule("C6", "There MUST NOT be more requests in flight than declared."),
    rule("C7", "After a restart of the peer, the next call but one at the latest MUST succeed without help of the caller."),
    rule("C8", "n calls MUST make n requests: no retry of its own, no answer from memory."),
    rule("D1", "What the UPS does not say MUST be `None`."),
    rule("D2", "An unknown status token MUST be kept and MUST NOT hide the others."),
    rule("D3", "Numbers MUST arrive in our units, proven with a captured answer of a real peer."),
    rule("D4", "Old data, a lost device and a lost server MUST be told apart."),
    rule("D5", "A command that cuts power MUST be attempted also where the UPS could not be read."),
    rule("P1", "The ids of VMs MUST survive a restart of either side."),
    rule("P2", "`start` twice MUST have one effect."),
    rule("P3", "A `TaskRef` that was written down MUST be understood by a new client."),
    rule("P4", "`observe` MUST agree with reality in every power state, also after somebody else acted."),
    rule("P5", "A guest that cannot be asked to shut down MUST be `Refused`, at once."),
    rule("P6", "An inventory of 10,000 VMs MUST be complete, in time and in the same order each time."),
    rule("H1", "Off and on MUST be idempotent; what it cannot do MUST be `Unsupported` and without effect."),
    rule("H2", "Unknown, unreachable or contradictory MUST be `Unknown`, never `Off`, never `On`."),
    rule("H3", "A wrong login MUST be `Unauthorized` in every call, without effect."),
    rule("H4", "`observe` MUST agree with reality after somebody else acted; `Off` only where it is declared as proof."),
];
