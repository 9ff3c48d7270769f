//! Search text held in memory: plain, regex and fuzzy, with exact totals.
