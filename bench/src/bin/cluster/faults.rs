//! What goes wrong.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};

use crate::door::{Door, Mode};
use crate::gateways::{COUNT, Gateways};

/// Everything that can be taken away, and the order in which it is.
pub struct Faults {
    random: StdRng,
    gateways: Arc<Gateways>,
    database: Arc<Door>,
    objects: Arc<Door>,
}

impl Faults {
    pub fn new(seed: u64, gateways: &Arc<Gateways>, [database, objects]: [&Arc<Door>; 2]) -> Self {
        Self {
            random: StdRng::seed_from_u64(seed),
            gateways: Arc::clone(gateways),
            database: Arc::clone(database),
            objects: Arc::clone(objects),
        }
    }

    /// Lets faults happen until it is over, one after the other, and makes all of them good. What they were.
    pub fn rage(&mut self, is_over: impl Fn() -> bool) -> String {
        let mut done = BTreeMap::<&str, u32>::new();
        while !is_over() {
            *done.entry(self.strike()).or_default() += 1;
            // Load has to get through between faults.
            std::thread::sleep(Duration::from_millis(self.random.random_range(500..4_000)));
        }
        let done: Vec<String> = done
            .into_iter()
            .map(|(fault, times)| format!("{fault} {times}x"))
            .collect();
        done.join(", ")
    }

    /// One fault, from its begin to its end; what it was.
    fn strike(&mut self) -> &'static str {
        let moment = Duration::from_millis(self.random.random_range(500..3_000));
        let away = |door: &Door, mode| {
            door.set(mode);
            std::thread::sleep(moment);
            door.set(Mode::Pass);
        };
        match self.random.random_range(0..10) {
            0..=2 => {
                let number = self.random.random_range(0..COUNT);
                self.gateways.kill(number);
                std::thread::sleep(moment);
                self.gateways.start_again(number);
                "gateway killed"
            }
            3 => {
                let number = self.random.random_range(0..COUNT);
                let other = (number + 1) % COUNT;
                self.gateways.kill(number);
                self.gateways.kill(other);
                std::thread::sleep(moment);
                self.gateways.start_again(number);
                self.gateways.start_again(other);
                "two gateways killed"
            }
            4 | 5 => {
                self.database.cut();
                "PostgreSQL connections cut"
            }
            6 => {
                away(&self.database, Mode::Refuse);
                "PostgreSQL refuses"
            }
            7 => {
                away(&self.database, Mode::Stall);
                "PostgreSQL silent"
            }
            8 => {
                away(&self.objects, Mode::Errors);
                "bucket answers errors"
            }
            _ => {
                away(&self.objects, Mode::Stall);
                "bucket silent"
            }
        }
    }
}
