//! Random outages in closed loop: the same world, the same outages, under several rules of conduct. What is told apart: VMs whose power
//! was cut while they ran, critical VMs alive, minutes lost, and VMs stopped in outages that needed no stop at all.

pub mod rivals;
pub mod steered;
pub mod world;

use rivals::{AtLowBattery, Sequence};
use serde::Serialize;
use steered::Steered;
use world::{Conduct, Fate, Outage, Trouble, play};

/// Sums over outages.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Sums {
    /// Outages.
    pub outages: usize,
    /// VMs stopped uncleanly, and in how many outages.
    pub unclean: (usize, usize),
    /// Of these: guests that hang and can only be powered off.
    pub hung: usize,
    /// Critical VMs alive at the end, of all.
    pub alive: (usize, usize),
    /// The same in outages that a battery left alone does not outlast.
    pub alive_long: (usize, usize),
    /// Minutes lost per tier.
    pub lost_min: [f64; 3],
    /// VMs stopped although nothing had to be.
    pub needless: usize,
}

impl Sums {
    fn add(&mut self, fate: &Fate) {
        self.outages += 1;
        self.unclean.0 += fate.unclean;
        self.unclean.1 += usize::from(fate.unclean > 0);
        self.hung += fate.hung;
        self.alive.0 += fate.critical_alive;
        self.alive.1 += fate.critical;
        if fate.is_long {
            self.alive_long.0 += fate.critical_alive;
            self.alive_long.1 += fate.critical;
        }
        for (sum, lost) in self.lost_min.iter_mut().zip(fate.lost_min) {
            *sum += lost;
        }
        self.needless += fate.needless;
    }
}

/// A rule of conduct by name.
pub type Maker = (&'static str, fn() -> Box<dyn Conduct>);

/// Those in the table.
pub const CONDUCTS: [Maker; 7] = [
    ("NUT, all at low battery (120 s or 20 %)", || Box::new(AtLowBattery::new(120.0))),
    ("NUT, low battery at 300 s", || Box::new(AtLowBattery::new(300.0))),
    ("fixed sequence after 60 s", || Box::new(Sequence::after(60.0))),
    ("fixed sequence after 300 s", || Box::new(Sequence::after(300.0))),
    ("fixed sequence by runtime", || Box::new(Sequence::by_runtime())),
    ("Ridethrough, ride-through 60 s", || Box::new(Steered::new(2))),
    ("Ridethrough, ride-through 300 s", || Box::new(Steered::new(10))),
];

/// Plays so many outages from a seed on under one rule of conduct.
#[must_use]
pub fn campaign(count: u64, first: u64, trouble: Trouble, make: fn() -> Box<dyn Conduct>) -> Sums {
    let mut sums = Sums::default();
    for seed in first..first + count {
        let outage = Outage::draw(seed, trouble);
        sums.add(&play(&outage, &mut *make()));
    }
    sums
}

/// `outages [COUNT] [healthy|aged|faults] [--export FILE]`: prints the table.
///
/// # Errors
/// Words that make no sense; a file that cannot be written.
pub fn command(args: &[String]) -> Result<bool, String> {
    let count: u64 = args.first().map_or(Ok(1_000), |text| text.parse()).map_err(|_| "how many outages? a number".to_owned())?;
    let named = args.get(1).map(String::as_str);
    let troubles = [("healthy", Trouble::None), ("aged", Trouble::Aged), ("faults", Trouble::Faults)];
    for (name, trouble) in troubles.iter().filter(|(name, _)| named.is_none_or(|named| named == *name || named.starts_with("--")))
    {
        if let Some(file) = args.iter().position(|arg| arg == "--export").and_then(|at| args.get(at + 1)) {
            let all: Vec<Outage> = (1000..1000 + count).map(|seed| Outage::draw(seed, *trouble)).collect();
            let text = serde_json::to_string(&all).map_err(|error| error.to_string())?;
            std::fs::write(format!("{file}.{name}.json"), text).map_err(|error| format!("{file}: {error}"))?;
        }
        println!("{count} outages, {name}");
        println!(
            "| conduct | unclean stops (outages) | of these hung guests | critical alive, all / long outages | VM-minutes lost per outage: critical, normal, low | needless stops |"
        );
        println!("|---|---|---|---|---|---|");
        for (label, make) in CONDUCTS {
            println!("{}", row(label, &campaign(count, 1000, *trouble, make)));
        }
    }
    Ok(true)
}

fn row(label: &str, sums: &Sums) -> String {
    let percent = |(part, all): (usize, usize)| 100.0 * part as f64 / all.max(1) as f64;
    let per = |minutes: f64| minutes / sums.outages.max(1) as f64;
    format!(
        "| {label} | {} ({}) | {} | {:.1} / {:.1} % | {:.1}, {:.1}, {:.1} | {} |",
        sums.unclean.0,
        sums.unclean.1,
        sums.hung,
        percent(sums.alive),
        percent(sums.alive_long),
        per(sums.lost_min[0]),
        per(sums.lost_min[1]),
        per(sums.lost_min[2]),
        sums.needless
    )
}
