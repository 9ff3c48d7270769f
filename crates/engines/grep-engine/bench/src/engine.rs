//! The engine itself.

use std::time::Duration;

use pentad_grep_engine::{Batch, Cancel, Corpus, Decoded, Options, Query, Threads, decode_text};

use crate::peers::Peer;
use crate::queries::Asked;
use crate::timing::{once, repeat, show};

/// The tree in one corpus, live and compressed, for one core and for all.
pub struct Engine {
    one_core: Corpus,
    all_cores: Corpus,
    compressed: Corpus,
}

impl Engine {
    /// Takes the files in, and tells what each step costs.
    pub fn build(files: Vec<(String, Vec<u8>)>) -> Self {
        let input_bytes: usize = files.iter().map(|(_, bytes)| bytes.len()).sum();
        let (batch, decoding) = once(|| {
            let mut batch = Batch::new();
            for (path, bytes) in files {
                if let Decoded::Text(text) = decode_text(bytes) {
                    batch.insert(path, text);
                }
            }
            batch
        });
        let text_bytes = batch.text_bytes();
        let speed = |time: Duration| text_bytes as f64 / 1e6 / time.as_secs_f64();
        let share = |bytes: usize| bytes as f64 * 100.0 / text_bytes as f64;
        println!("\n## Taking the tree in\n");
        println!(
            "{} text files of {:.1} MB ({:.1} MB with binaries)\n",
            batch.len(),
            text_bytes as f64 / 1e6,
            input_bytes as f64 / 1e6
        );
        println!("| step | time | MB/s | memory, share of text |\n|---|---|---|---|");
        println!("| decode | {} | {:.0} | |", show(decoding), speed(decoding));

        let one_core = corpus(Threads::One);
        let copy = batch.clone();
        let (_, time) = once(|| one_core.apply(copy));
        println!(
            "| apply, one core: searchable | {} | {:.0} | {:.2} % |",
            show(time),
            speed(time),
            share(one_core.memory_bytes())
        );
        let before = one_core.memory_bytes();
        let (_, time) = once(|| one_core.index_pending(&Cancel::never()));
        let live = one_core.memory_bytes();
        println!(
            "| index, one core | {} | {:.0} | + {:.2} % = {:.2} % |",
            show(time),
            speed(time),
            share(live - before),
            share(live)
        );

        let all_cores = corpus(Threads::Rayon);
        let copy = batch.clone();
        let (_, time) = once(|| all_cores.apply(copy));
        println!(
            "| apply, all cores: searchable | {} | {:.0} | |",
            show(time),
            speed(time)
        );
        let (_, time) = once(|| all_cores.index_pending(&Cancel::never()));
        println!("| index, all cores | {} | {:.0} | |", show(time), speed(time));

        let compressed = corpus(Threads::One);
        compressed.apply(batch);
        compressed.index_pending(&Cancel::never());
        let (_, time) = once(|| compressed.compress());
        println!(
            "| compress, one core | {} | {:.0} | {:.2} % |",
            show(time),
            speed(time),
            share(compressed.memory_bytes())
        );

        append(&one_core);
        Self {
            one_core,
            all_cores,
            compressed,
        }
    }

    /// Asks every query of the engine and of its peers.
    pub fn measure(&self, queries: &[Asked], peers: &[Peer], seconds: f64) {
        println!("\n## Queries\n");
        let names: String = peers
            .iter()
            .map(|peer| format!(" {} | CPU | ratio |", peer.name))
            .collect();
        println!(
            "| query | files | compile | first page p50 | p99 | exact total p50 | p99 | CPU | all cores p50 | compressed p50 |{names}"
        );
        println!(
            "|---|---|---|---|---|---|---|---|---|---|{}",
            "---|---|---|".repeat(peers.len())
        );
        let mut logs = vec![Vec::new(); peers.len()];
        for asked in queries {
            let compile = repeat(seconds / 10.0, || drop(asked.query()));
            let page = asked.builder().exact_total(false).build().expect("valid");
            let page = self.ask(&self.one_core, &page, seconds);
            let query = asked.query();
            let total = self.ask(&self.one_core, &query, seconds);
            let all = self.ask(&self.all_cores, &query, seconds);
            let idle = self.ask(&self.compressed, &query, seconds);
            print!(
                "| {:?} `{}` | {} | {} | {} | {} | {} | {} | {} | {} | {} |",
                asked.mode,
                asked.pattern.replace('|', "\\|"),
                total.0,
                show(compile.p50),
                show(page.1.p50),
                show(page.1.p99),
                show(total.1.p50),
                show(total.1.p99),
                show(total.1.cpu),
                show(all.1.p50),
                show(idle.1.p50),
            );
            for (peer, logs) in peers.iter().zip(&mut logs) {
                let Some(files) = peer.count(asked) else {
                    print!(" – | – | – |");
                    continue;
                };
                let time = repeat(seconds.min(2.0), || {
                    peer.count(asked);
                });
                let ratio = time.best.as_secs_f64() / total.1.best.as_secs_f64();
                logs.push(ratio.ln());
                let differs = if files == total.0 {
                    String::new()
                } else {
                    format!(" ({files} files)")
                };
                print!(
                    " {}{differs} | {} | {ratio:.1} × |",
                    show(time.best),
                    show(time.cpu)
                );
            }
            println!();
        }
        for (peer, logs) in peers.iter().zip(&logs) {
            let mean = (logs.iter().sum::<f64>() / logs.len() as f64).exp();
            println!(
                "\nGeometric mean of {} exact totals: {mean:.0} × {}",
                logs.len(),
                peer.name
            );
        }
    }

    /// Total and times of a query. Nothing is remembered from one run to the next.
    fn ask(&self, corpus: &Corpus, query: &Query, seconds: f64) -> (usize, crate::timing::Times) {
        let mut total = 0;
        let times = repeat(seconds, || {
            let page = corpus.grep(query, &Cancel::never()).expect("not cancelled");
            total = page.total;
        });
        (total, times)
    }
}

fn corpus(threads: Threads) -> Corpus {
    let mut options = Options::default();
    options.threads = threads;
    options.cached_queries = 0;
    Corpus::new(options)
}

/// Appends ten files of 10 KB, over and over.
fn append(corpus: &Corpus) {
    let text = "fn appended() { let value = 1; }\n".repeat(300);
    let mut round = 0;
    let times = repeat(0.2, || {
        let mut batch = Batch::new();
        for n in 0..10 {
            batch.insert(format!("appended/{round}/{n}"), text.as_str());
        }
        round += 1;
        corpus.apply(batch);
        if round % 16 == 0 {
            corpus.index_pending(&Cancel::never());
        }
    });
    println!(
        "| append 10 files, 100 KB | {} (p99 {}, with merging) | | |",
        show(times.p50),
        show(times.p99)
    );
    let mut batch = Batch::new();
    for file in corpus
        .snapshot()
        .files(&pentad_grep_engine::PathFilter::new("appended/", &[], &[]).expect("valid"))
    {
        batch.remove(file.path);
    }
    corpus.apply(batch);
    corpus.index_pending(&Cancel::never());
}
