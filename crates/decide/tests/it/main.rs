//! The rules of DESIGN section 1, each shown by a test with its number, on a small site played by [`stage::Stage`].

#![expect(unreachable_pub, reason = "a test binary has no outside")]

mod arm;
mod attempts;
mod battery;
mod desired;
mod drills;
mod every_moment;
mod guards;
mod hold;
mod hooks;
mod journal;
mod last_resort;
mod loads;
mod masters;
mod optimum;
mod outage;
mod own_place;
mod ready;
mod reconfigure;
mod recover;
mod returning;
mod rules;
mod stage;
mod survivor;
mod suspend;
