//! Drills (issue 4, point 7): on paper.

use crate::stage::Stage;
use ridethrough_decide::rehearse;
use ridethrough_model::*;

const VMS: [(&str, &str, &str); 4] =
    [("db", "critical", "kvm1"), ("web", "normal", "kvm1"), ("ci-1", "batch", "kvm1"), ("app", "normal", "kvm2")];

fn stage() -> Stage {
    Stage::new(&VMS)
}

#[test]
fn point_7_drills_on_paper_the_whole_course_is_played_against_the_battery() {
    let stage = stage();
    let paper = |stage: &Stage| rehearse(&stage.site, &stage.now(), &DomainId::new("rack-a"));
    let part = paper(&stage);
    assert!(part.failures.is_empty(), "{part:?}");
    // 60 s of ride-through, then batch and normal one after the other with 60 s each, and the host's 30 s.
    let took = part.duration.expect("everything is off");
    assert!((Millis::from_secs(180)..Millis::from_secs(300)).contains(&took), "{part:?}");
    assert_eq!(part.margin, Some(Millis::from_secs(1200) - took), "{part:?}");
    assert!(part.notes.iter().any(|note| note.contains("1 VM moved, 2 VMs shut down")), "{part:?}");
    assert!(part.notes.iter().any(|note| note.contains("back as before")), "{part:?}");

    let mut weak = self::stage();
    weak.ups("rack-a", "OL CHRG", Some(70), Some(100));
    weak.play(3);
    let part = paper(&weak);
    assert!(!part.failures.is_empty(), "70 s are too few: {part:?}");
    assert_eq!(weak.count("start "), 0, "nothing is touched");
}
