//! What the disk alone gives.

use std::io::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Files of this size written, flushed and put under their name, by so many threads.
pub fn files_per_second(threads: usize, size: usize, time: Duration) -> f64 {
    let folder = tempfile::tempdir_in(".").expect("a directory can be made here");
    let count = AtomicU64::new(0);
    let begun = Instant::now();
    std::thread::scope(|scope| {
        for thread in 0..threads {
            let (folder, count) = (folder.path(), &count);
            scope.spawn(move || {
                let content = vec![thread as u8; size];
                for number in 0.. {
                    if begun.elapsed() >= time {
                        break;
                    }
                    let staged = folder.join(format!("{thread}-{number}#"));
                    let mut file = std::fs::File::create(&staged).expect("a file can be made");
                    file.write_all(&content)
                        .and_then(|()| file.sync_all())
                        .expect("the disk takes it");
                    std::fs::rename(&staged, folder.join(format!("{thread}-{number}")))
                        .expect("it can be renamed");
                    count.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    });
    count.into_inner() as f64 / begun.elapsed().as_secs_f64()
}
