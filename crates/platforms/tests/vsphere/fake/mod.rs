//! An imitation of vCenter of our own: what vcsim does not do (maintenance mode that waits, hosts that go down, autostart), and
//! every fault that the conformance kit wants. VMware's own client, pyvmomi, is what it is held against.

mod methods;
mod wire;
mod world;

pub(crate) use world::World;

use ridethrough_driver::conformance::Fault;
use std::io::{BufReader, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

pub(crate) const USER: &str = "VSPHERE.LOCAL\\ridethrough";
pub(crate) const PASSWORD: &str = "richtig-4711";
pub(crate) const WRONG_PASSWORD: &str = "falsch-0815";
/// How long a request waits for something to happen.
const PATIENCE: Duration = Duration::from_secs(30);
const TICK: Duration = Duration::from_millis(20);

/// A vCenter. Ends when it is dropped.
#[derive(Debug)]
pub(crate) struct Fake {
    shared: Arc<Shared>,
    address: SocketAddr,
}

#[derive(Debug, Default)]
pub(crate) struct Shared {
    pub(crate) world: Mutex<World>,
    pub(crate) changed: Condvar,
    streams: Mutex<Vec<TcpStream>>,
    /// Counts the listeners: one that is not the latest ends.
    listener: Mutex<u64>,
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.close();
    }
}

impl Fake {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("bound");
        let fake = Self { shared: Arc::default(), address };
        fake.listen(listener);
        fake
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }

    pub(crate) fn world(&self) -> MutexGuard<'_, World> {
        self.shared.world.lock().expect("not poisoned")
    }

    /// Changes the world, and wakes who waits for a change.
    pub(crate) fn change(&self, change: impl FnOnce(&mut World)) {
        change(&mut self.world());
        self.shared.changed.notify_all();
    }

    /// Waits until the world is so.
    pub(crate) fn until(&self, holds: impl Fn(&World) -> bool) -> bool {
        let deadline = Instant::now() + PATIENCE;
        let mut world = self.world();
        while !holds(&world) {
            if Instant::now() > deadline {
                return false;
            }
            world = self.shared.changed.wait_timeout(world, TICK).expect("not poisoned").0;
        }
        true
    }

    /// Nobody listens any more, and all connections break.
    pub(crate) fn close(&self) {
        *self.shared.listener.lock().expect("not poisoned") += 1;
        // It is woken, sees that it is not the latest, and ends.
        let _ = TcpStream::connect(self.address);
        self.break_connections();
        let deadline = Instant::now() + PATIENCE;
        while TcpStream::connect(self.address).is_ok() && Instant::now() < deadline {
            std::thread::yield_now();
        }
        self.break_connections();
    }

    /// It listens again, where it did.
    pub(crate) fn open(&self) {
        if TcpStream::connect(self.address).is_err() {
            self.listen(TcpListener::bind(self.address).expect("the port is ours"));
        }
    }

    /// As a vCenter that was restarted: all connections and logins end.
    pub(crate) fn restart(&self) {
        self.change(|world| world.log_out_all());
        self.break_connections();
    }

    fn break_connections(&self) {
        for stream in self.shared.streams.lock().expect("not poisoned").drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
        self.shared.changed.notify_all();
    }

    fn listen(&self, listener: TcpListener) {
        let shared = self.shared.clone();
        let number = *shared.listener.lock().expect("not poisoned");
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if *shared.listener.lock().expect("not poisoned") != number {
                    return;
                }
                if let Ok(other) = stream.try_clone() {
                    shared.streams.lock().expect("not poisoned").push(other);
                }
                let shared = shared.clone();
                // Who hangs up in the middle is no matter here.
                std::thread::spawn(move || drop(serve(&shared, stream)));
            }
        });
    }
}

fn serve(shared: &Shared, stream: TcpStream) -> std::io::Result<()> {
    let mut out = stream.try_clone()?;
    let mut input = BufReader::new(stream);
    while let Some(request) = wire::read(&mut input)? {
        let fault = {
            let mut world = shared.world.lock().expect("not poisoned");
            world.in_flight += 1;
            world.in_flight_peak = world.in_flight_peak.max(world.in_flight);
            world.count(&request);
            world.fault
        };
        let kept = answer(shared, &request, fault, &mut out);
        shared.world.lock().expect("not poisoned").in_flight -= 1;
        if !kept? {
            return out.shutdown(Shutdown::Both);
        }
    }
    Ok(())
}

/// Answers as the fault wants. `false`: the connection ends.
fn answer(shared: &Shared, request: &wire::Request, fault: Option<Fault>, out: &mut TcpStream) -> std::io::Result<bool> {
    match fault {
        Some(Fault::Silent) => {
            let world = shared.world.lock().expect("not poisoned");
            let is_silent = |world: &mut World| world.fault == Some(Fault::Silent);
            drop(shared.changed.wait_timeout_while(world, PATIENCE, is_silent));
            Ok(false)
        }
        Some(Fault::Closing) => Ok(false),
        Some(Fault::Garbage) => out.write_all(b"220 mail.example ESMTP\r\n").map(|()| false),
        Some(Fault::HalfAnswer) => out
            .write_all(b"HTTP/1.1 200 OK\r\ncontent-type: text/xml\r\ncontent-length: 900\r\n\r\n<?xml version=\"1.0\"?><soap")
            .map(|()| false),
        Some(Fault::Endless) => {
            out.write_all(b"HTTP/1.1 200 OK\r\ncontent-type: text/xml\r\ntransfer-encoding: chunked\r\n\r\n")?;
            let chunk = format!("1000\r\n{}\r\n", " ".repeat(0x1000));
            while shared.world.lock().expect("not poisoned").fault == Some(Fault::Endless) {
                out.write_all(chunk.as_bytes())?;
            }
            Ok(false)
        }
        _ => {
            let reply = methods::reply(shared, request);
            if reply.is_lost {
                return Ok(false);
            }
            reply.send(out).map(|()| true)
        }
    }
}
