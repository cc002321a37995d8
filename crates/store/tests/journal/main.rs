//! Tests of the journal as its users see it: the kit for every kind of disk, real faults in child processes, damaged files, and
//! the golden journals that must stay readable for ever. Not tests of SQLite.

mod child;
mod damage;
mod faults;
mod golden;
mod kit;
mod replay;
mod sample;
mod shapes;
mod words;
