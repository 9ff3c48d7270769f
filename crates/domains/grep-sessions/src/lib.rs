//! Grep sessions: upload a tree, search it, extend it, stop and restart it (seed 000).
