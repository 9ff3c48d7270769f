//! Read zip and tar archives under caps, with paths that cannot escape.
