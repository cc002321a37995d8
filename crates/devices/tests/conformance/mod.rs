//! The NUT driver held to the rules of `docs/drivers.md`, against a fake upsd.

mod fake;
mod fuzz;

use async_trait::async_trait;
use fake::{RIGHT, Server, USER, WRONG};
use ridethrough_devices::nut::{Config, Nut};
use ridethrough_driver::conformance::{DeviceFixture, Facts, Fault, Peer};
use ridethrough_driver::{Cx, Device, Secret, UpsOrder};
use ridethrough_model::{BatteryReading, Millis, Milliwatts, Mono, OutputLimits, Ppm, Reading, SilenceKind, UpsId};
use std::time::Duration;

ridethrough_driver::device_conformance!(nut, crate::conformance::NutFixture);

/// What a real upsd 2.8.0 sent for `LIST VAR alpha`.
const CAPTURED: &str = include_str!("upsd-2.8.0.txt");

pub(crate) struct NutFixture(Server);

impl NutFixture {
    fn is(&self, fault: Fault) -> bool {
        self.0.state().fault == Some(fault)
    }
}

fn pair(name: &str, value: String) -> (String, String) {
    (name.to_owned(), value)
}

/// A number of thousandths as NUT writes it.
fn decimal(thousandths: u64) -> String {
    format!("{}.{:03}", thousandths / 1000, thousandths % 1000)
}

#[async_trait]
impl Peer for NutFixture {
    fn facts() -> Facts {
        use Fault::*;
        Facts {
            driver: "nut",
            faults: &[Refusing, Silent, Slow, Garbage, HalfAnswer, Closing, Endless, WrongPassword, Missing, Newer],
            // A login that got no answer, and the look over a new connection after it.
            in_flight_max: |calls| 2 * calls,
            secrets: &[RIGHT, WRONG],
            patience: Duration::from_millis(600),
            gives_up: Duration::from_millis(600),
            exceptions: &[],
        }
    }
    async fn start() -> Option<Self> {
        let fixture = Self(Server::start().await);
        fixture.heal().await;
        Some(fixture)
    }
    async fn misbehave(&self, fault: Fault) {
        self.0.state().fault = Some(fault);
        if fault == Fault::Refusing {
            self.0.stop().await;
        }
    }
    async fn heal(&self) {
        {
            let mut state = self.0.state();
            (state.fault, state.error, state.captured) = (None, None, None);
            state.vars = vec![pair("ups.status", "OL".to_owned())];
        }
        self.0.resume().await;
    }
    async fn restart(&self) {
        self.0.stop().await;
        self.0.resume().await;
    }
    async fn change(&self) {
        self.0.state().vars = vec![pair("ups.status", "OB".to_owned())];
    }
    fn looks(&self) -> usize {
        self.0.state().looks
    }
    fn effects(&self) -> usize {
        self.0.state().effects
    }
    fn in_flight_peak(&self) -> usize {
        self.0.state().peak
    }
}

#[async_trait]
impl DeviceFixture for NutFixture {
    fn device(&self) -> Box<dyn Device> {
        let password = Secret::new(if self.is(Fault::WrongPassword) { WRONG } else { RIGHT }.to_owned());
        Box::new(Nut::new(Config {
            ups_id: UpsId::new("kit"),
            host: "127.0.0.1".to_owned(),
            port: self.0.port,
            ups: "alpha".to_owned(),
            user: Some(USER.to_owned()),
            password: Some(password),
            tls: None,
        }))
    }

    async fn tell(&self, told: &Reading) {
        let percent = |ppm: Ppm| decimal(u64::from(ppm.0) / 10);
        let seconds = |time: Millis| decimal(time.0);
        let watts = |power: Milliwatts| decimal(power.0);
        let vars = [
            Some(pair("ups.status", told.status.to_string())),
            told.charge.map(|charge| pair("battery.charge", percent(charge))),
            told.runtime.map(|runtime| pair("battery.runtime", seconds(runtime))),
            told.runtime_low.map(|runtime| pair("battery.runtime.low", seconds(runtime))),
            told.load.map(|load| pair("ups.load", percent(load))),
            told.realpower.map(|power| pair("ups.realpower", watts(power))),
            told.realpower_nominal.map(|power| pair("ups.realpower.nominal", watts(power))),
        ];
        self.0.state().vars = vars.into_iter().flatten().collect();
    }

    async fn play(&self) -> Reading {
        self.0.state().captured = Some(CAPTURED);
        // As the text reads to a person.
        Reading {
            charge: Some(Ppm(880_000)),
            runtime: Some(Millis::from_secs(1820)),
            runtime_low: Some(Millis::from_secs(120)),
            load: Some(Ppm(230_000)),
            realpower_nominal: Some(Milliwatts(900_000)),
            battery: BatteryReading { voltage_mv: Some(27_100), ..BatteryReading::default() },
            limits: OutputLimits { charge_low: Some(Ppm(100_000)), ..OutputLimits::default() },
            ..Reading::of_status(UpsId::new("kit"), Mono(0), "OL CHRG")
        }
    }

    async fn cut(&self, device: &dyn Device) -> Option<ridethrough_driver::Result<()>> {
        let order = UpsOrder::Run { command: "shutdown.return".to_owned(), value: None };
        Some(device.order(&order, &Cx::within(Duration::from_secs(10), Mono(0))).await.map(drop))
    }

    async fn lose(&self, how: SilenceKind) {
        match how {
            SilenceKind::Stale => self.0.state().error = Some("DATA-STALE"),
            SilenceKind::Disconnected => self.0.state().error = Some("DRIVER-NOT-CONNECTED"),
            SilenceKind::Unreachable | SilenceKind::Refused => self.0.stop().await,
        }
    }
}
