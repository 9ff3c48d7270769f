//! What goes wrong.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};

use crate::door::{Door, Mode};
use crate::gateways::{COUNT, Gateways};

/// Lets faults happen until an instant, one after the other, and makes all of them good. What they were.
pub fn rage(
    seed: u64,
    end: Instant,
    gateways: &Arc<Gateways>,
    database: &Arc<Door>,
    objects: &Arc<Door>,
) -> String {
    let mut random = StdRng::seed_from_u64(seed);
    let mut done = BTreeMap::<&str, u32>::new();
    while Instant::now() < end {
        let moment = Duration::from_millis(random.random_range(500..3_000));
        let away = |door: &Door, mode| {
            door.set(mode);
            std::thread::sleep(moment);
            door.set(Mode::Pass);
        };
        let fault = match random.random_range(0..10) {
            0..=2 => {
                let number = random.random_range(0..COUNT);
                gateways.kill(number);
                std::thread::sleep(moment);
                gateways.start_again(number);
                "gateway killed"
            }
            3 => {
                let number = random.random_range(0..COUNT);
                let other = (number + 1) % COUNT;
                gateways.kill(number);
                gateways.kill(other);
                std::thread::sleep(moment);
                gateways.start_again(number);
                gateways.start_again(other);
                "two gateways killed"
            }
            4 | 5 => {
                database.cut();
                "PostgreSQL connections cut"
            }
            6 => {
                away(database, Mode::Refuse);
                "PostgreSQL refuses"
            }
            7 => {
                away(database, Mode::Stall);
                "PostgreSQL silent"
            }
            8 => {
                away(objects, Mode::Errors);
                "bucket answers errors"
            }
            _ => {
                away(objects, Mode::Stall);
                "bucket silent"
            }
        };
        *done.entry(fault).or_default() += 1;
        // Load has to get through between faults.
        std::thread::sleep(Duration::from_millis(random.random_range(500..4_000)));
    }
    let done: Vec<String> = done
        .into_iter()
        .map(|(fault, times)| format!("{fault} {times}x"))
        .collect();
    done.join(", ")
}
