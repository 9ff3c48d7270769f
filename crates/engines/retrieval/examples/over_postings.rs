//! The search as a service does it whose postings lie in a database: here, in maps that stand for its tables.
//!
//! `cargo run -p pentad-retrieval --example over_postings`

use std::collections::{BTreeSet, HashMap};
use std::error::Error;
use std::io::Write;

use pentad_retrieval::{
    Analyzer, Bm25, Candidate, Embedder, Fusion, LexicalScores, QuantizedVector, ScopeStats, StaticEmbedder,
    VectorArena, coverage,
};

/// What a database keeps for one tenant.
#[derive(Default)]
struct Tables {
    facts: HashMap<i64, &'static str>,
    /// term → (document, frequency, length)
    postings: HashMap<String, Vec<(i64, f32, f32)>>,
    stats: ScopeStats,
}

fn main() -> Result<(), Box<dyn Error>> {
    let analyzer = Analyzer::default();
    let embedder = StaticEmbedder::english();
    let mut tables = Tables::default();
    let mut arena = VectorArena::new(embedder.dims());

    let facts = [
        "Nadia plays the oud in an amateur orchestra.",
        "The orchestra rehearses in a church hall on Mondays.",
        "Elias is allergic to peanuts.",
        "Nadia's car is a ten-year-old station wagon.",
    ];
    for (id, fact) in (1_i64..).zip(facts) {
        let terms = analyzer.document(fact);
        for (term, frequency) in terms.iter() {
            tables
                .postings
                .entry(term.to_owned())
                .or_default()
                .push((id, frequency, terms.length()));
        }
        tables.stats.documents += 1;
        tables.stats.tokens += f64::from(terms.length());
        tables.facts.insert(id, fact);
        arena.insert(id, &QuantizedVector::new(&embedder.embed_one(fact)));
    }

    let question = "Which instrument does Nadia play?";
    let terms = analyzer.query(question);
    let mut lexical = LexicalScores::new(Bm25::default(), tables.stats);
    for term in &terms {
        let rows = tables.postings.get(term).cloned().unwrap_or_default();
        lexical.add_term(rows.len() as u64, rows);
    }
    let lexical = lexical.finish();

    let query = QuantizedVector::new(&embedder.embed_one(question));
    let nearest = arena.nearest(&query, 200, |_| true);
    let chosen: BTreeSet<i64> = lexical
        .keys()
        .copied()
        .chain(nearest.iter().map(|near| near.key))
        .collect();
    let candidates = chosen.iter().map(|&key| Candidate {
        key,
        lexical: lexical.get(&key).copied().unwrap_or(0.0),
        similarity: arena.similarity(&query, &key).unwrap_or(0.0),
    });
    let fusion = Fusion::default();
    let mut ranked = fusion.rank(candidates, 50);
    if let Some(aligned) = embedder.align(question) {
        ranked = fusion.refine(ranked, |id| aligned.score(tables.facts[id]));
    }

    let mut out = std::io::stdout().lock();
    for scored in &ranked {
        let frequency = |term: &String| (term.clone(), tables.postings.get(term).map_or(0, Vec::len) as u64);
        let has = |term: &String| {
            tables
                .postings
                .get(term)
                .is_some_and(|rows| rows.iter().any(|row| row.0 == scored.key))
        };
        let covered = coverage(&tables.stats, terms.iter().map(frequency), has);
        writeln!(
            out,
            "{:.3}  covers {:.0} %  {}",
            scored.score,
            covered * 100.0,
            tables.facts[&scored.key]
        )?;
    }
    Ok(())
}
