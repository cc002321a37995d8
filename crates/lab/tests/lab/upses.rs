//! upsd and the scripted UPSes behind it, asked by `upsc` and `upscmd`.

use crate::SOON;
use ridethrough_lab::{Lab, Upsd, User, until};

fn number(upsd: &Upsd, ups: &str, var: &str) -> f64 {
    upsd.asked(ups, var).expect("upsc").parse().expect("a number")
}

fn wait_for(upsd: &Upsd, ups: &str, var: &str, value: &str) {
    let is_so = || upsd.asked(ups, var).is_ok_and(|said| said == value);
    if let Err(error) = until(&format!("{ups} says {var} {value}"), SOON, is_so) {
        panic!("{error}; it says {:?}", upsd.asked(ups, var));
    }
}

fn wait_for_error(upsd: &Upsd, ups: &str, words: &str) {
    let says = || upsd.asked(ups, "ups.status").is_err_and(|error| error.to_string().contains(words));
    until(words, SOON, says).expect("upsd notices");
}

pub(crate) fn upsd_says_what_the_script_says(lab: &Lab) {
    let upsd = Upsd::start(lab, &["rack-a", "rack-b"]).expect("upsd");
    assert_eq!(upsd.asked("rack-a", "ups.status").expect("upsc"), "OL");
    upsd.lose_mains("rack-a", 100.0);
    wait_for(&upsd, "rack-a", "ups.status", "OB DISCHRG");
    let first = number(&upsd, "rack-a", "battery.runtime");
    assert!(first <= 100.0 && first > 80.0, "{first}");
    until("it runs down", SOON, || number(&upsd, "rack-a", "battery.runtime") < first).expect("in real time");
    upsd.set_load("rack-a", 200.0);
    wait_for(&upsd, "rack-a", "ups.realpower", "200");
    assert!(number(&upsd, "rack-a", "battery.runtime") > 150.0, "half the load, twice the runtime");
    assert_eq!(upsd.asked("rack-b", "ups.status").expect("upsc"), "OL", "the other one is not concerned");

    upsd.set_tokens("rack-a", "LB");
    wait_for(&upsd, "rack-a", "ups.status", "OB DISCHRG LB");
    upsd.set_tokens("rack-a", "");
    upsd.mains_back("rack-a", 50.0);
    wait_for(&upsd, "rack-a", "battery.charge", "100");
    wait_for(&upsd, "rack-a", "ups.status", "OL");

    upsd.set_many("rack-b", &[("ups.status", "OL BYPASS"), ("ups.model", "a \"quoted\" \\ name")]);
    wait_for(&upsd, "rack-b", "ups.model", "a \"quoted\" \\ name");
    assert_eq!(upsd.asked("rack-b", "ups.status").expect("upsc"), "OL BYPASS");
    upsd.unset("rack-b", "ups.status");
    wait_for(&upsd, "rack-b", "ups.status", "OL");
    upsd.hide("rack-b", "battery.runtime");
    let is_hidden = || upsd.asked("rack-b", "battery.runtime").is_err_and(|error| error.to_string().contains("not supported"));
    until("it knows no runtime", SOON, is_hidden).expect("a UPS may not know");
}

pub(crate) fn stale_lost_and_disconnected(lab: &Lab) {
    let upsd = Upsd::start(lab, &["rack-a"]).expect("upsd");
    upsd.set_stale("rack-a", true);
    assert_eq!(upsd.asked("rack-a", "ups.status").expect("upsd still trusts it"), "OL");
    wait_for_error(&upsd, "rack-a", "Data stale");
    upsd.set_stale("rack-a", false);
    wait_for(&upsd, "rack-a", "ups.status", "OL");
    upsd.set_lost("rack-a", true);
    wait_for_error(&upsd, "rack-a", "Data stale");
    upsd.set_lost("rack-a", false);
    wait_for(&upsd, "rack-a", "ups.status", "OL");
    upsd.set_connected("rack-a", false);
    wait_for_error(&upsd, "rack-a", "not connected");
    upsd.set_connected("rack-a", true);
    wait_for(&upsd, "rack-a", "ups.status", "OL");
}

pub(crate) fn commands_and_other_masters(lab: &Lab) {
    let names: Vec<String> = (0..40).map(|number| format!("ups-{number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let upsd = Upsd::start(lab, &names).expect("upsd with many");
    let command = |user: User, name: &str| {
        let password = std::fs::read_to_string(upsd.password_of(user)).expect("a password");
        let ups = format!("ups-7@{}", upsd.address());
        let args = ["-w", "-t", "5", "-u", user.name(), "-p", &password, &ups, name].map(str::to_owned);
        let told = lab.command("upscmd", &args).expect("upscmd runs");
        (told.status.success(), String::from_utf8_lossy(&[told.stdout, told.stderr].concat()).into_owned())
    };
    assert_eq!(upsd.commands("ups-7"), Vec::<String>::new());
    let (is_ok, words) = command(User::Admin, "shutdown.return");
    assert!(is_ok && words.contains("SUCCESS"), "{words}");
    let heard = upsd.commands("ups-7");
    assert!(heard.len() == 1 && heard[0].starts_with("INSTCMD shutdown.return TRACKING "), "{heard:?}");
    assert!(!command(User::Monitor, "shutdown.return").0, "a monitor may not");
    upsd.set_refusing("ups-7", true);
    let (is_ok, words) = command(User::Admin, "load.off");
    assert!(!is_ok || !words.contains("SUCCESS"), "{words}");
    upsd.set_refusing("ups-7", false);

    let mut admin = upsd.client(User::Admin).expect("a client");
    assert_eq!(admin.ask("SET VAR ups-7 ups.delay.shutdown \"90\"").expect("an answer"), "OK");
    wait_for(&upsd, "ups-7", "ups.delay.shutdown", "90");
    assert_eq!(admin.ask("LOGIN ups-7").expect("an answer"), "ERR ACCESS-DENIED");

    let mut other = upsd.client(User::Primary).expect("a client");
    assert_eq!(other.ask("LOGIN ups-7").expect("an answer"), "OK");
    assert_eq!(admin.list("CLIENT ups-7").expect("a list"), [format!("CLIENT ups-7 {}", upsd.address())]);
    assert!(other.ask("PRIMARY ups-7").expect("an answer").starts_with("OK"));
    assert_eq!(other.ask("FSD ups-7").expect("an answer"), "OK FSD-SET");
    wait_for(&upsd, "ups-7", "ups.status", "FSD OL");
    drop(other);
    until("the login ends with its connection", SOON, || admin.list("CLIENT ups-7").is_ok_and(|rows| rows.is_empty()))
        .expect("it does");
}
