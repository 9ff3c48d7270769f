//! The bi-temporal algebra: what is visible at an instant of each axis.

use pentad_kernel::Timestamp;

/// The instants that a read asks about. Either may be absent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Axes {
    /// `as_of`: what was true at this instant.
    pub valid: Option<Timestamp>,
    /// `transaction_as_of`: what was known at this instant.
    pub transaction: Option<Timestamp>,
}

/// One thing that was believed of a memory, for as long as it was believed. Intervals are half-open, and
/// [`Timestamp::MAX`] is their open end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Belief {
    pub(crate) valid_from: Timestamp,
    pub(crate) valid_to: Timestamp,
    pub(crate) tx_from: Timestamp,
    pub(crate) tx_to: Timestamp,
    pub(crate) superseded: bool,
}

impl Belief {
    /// Whether it was believed at the instant.
    pub(crate) fn believed_at(&self, instant: Timestamp) -> bool {
        self.tx_from <= instant && instant < self.tx_to
    }

    /// Whether it says that the memory held at the instant.
    pub(crate) fn holds_at(&self, instant: Timestamp) -> bool {
        self.valid_from <= instant && instant < self.valid_to
    }
}

/// The order of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// Latest stored first.
    Created,
    /// Latest valid first.
    ValidFrom,
}

/// What a read shows: contract of memories, section 4.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum View {
    /// What is true now.
    Current { now: Timestamp },
    /// Everything stored, with what is believed of it now.
    History,
    /// What is now believed to have been true at an instant.
    AsOf { valid: Timestamp },
    /// What was believed at an instant, whenever true, but for what was superseded by then.
    Known { transaction: Timestamp },
    /// The same with what was superseded.
    KnownHistory { transaction: Timestamp },
    /// What was believed at one instant to be true at another.
    Both {
        valid: Timestamp,
        transaction: Timestamp,
    },
}

impl View {
    /// The view that a read asks for. `include_superseded` has no meaning once a valid instant is given:
    /// the interval alone decides.
    pub(crate) fn of(axes: Axes, include_superseded: bool, now: Timestamp) -> Self {
        match (axes.valid, axes.transaction) {
            (None, None) if include_superseded => Self::History,
            (None, None) => Self::Current { now },
            (Some(valid), None) => Self::AsOf { valid },
            (None, Some(transaction)) if include_superseded => Self::KnownHistory { transaction },
            (None, Some(transaction)) => Self::Known { transaction },
            (Some(valid), Some(transaction)) => Self::Both { valid, transaction },
        }
    }

    /// Whether the view shows the belief, as known at the clock reading `clock`.
    pub(crate) fn shows(&self, belief: &Belief, clock: Timestamp) -> bool {
        match *self {
            Self::Current { now } => belief.believed_at(clock) && !belief.superseded && belief.holds_at(now),
            Self::History => belief.believed_at(clock),
            Self::AsOf { valid } => belief.believed_at(clock) && belief.holds_at(valid),
            Self::Known { transaction } => belief.believed_at(transaction.min(clock)) && !belief.superseded,
            Self::KnownHistory { transaction } => belief.believed_at(transaction.min(clock)),
            Self::Both { valid, transaction } => {
                belief.believed_at(transaction.min(clock)) && belief.holds_at(valid)
            }
        }
    }

    /// In which order a list shows it. With both axes it is the order of the index that finds it soonest.
    pub(crate) fn order(&self) -> Order {
        match *self {
            Self::AsOf { .. } => Order::ValidFrom,
            Self::Both { valid, transaction } if transaction > valid => Order::ValidFrom,
            _ => Order::Created,
        }
    }

    /// The transaction instant, when the view has one.
    pub(crate) fn transaction(&self) -> Option<Timestamp> {
        match *self {
            Self::Known { transaction }
            | Self::KnownHistory { transaction }
            | Self::Both { transaction, .. } => Some(transaction),
            Self::Current { .. } | Self::History | Self::AsOf { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(micros: i64) -> Timestamp {
        Timestamp::from_micros(micros)
    }

    fn belief(valid: (i64, i64), tx: (i64, i64), superseded: bool) -> Belief {
        Belief {
            valid_from: at(valid.0),
            valid_to: at(valid.1),
            tx_from: at(tx.0),
            tx_to: at(tx.1),
            superseded,
        }
    }

    #[test]
    fn intervals_hold_at_their_first_instant_and_not_at_their_last() {
        let belief = belief((10, 20), (10, 30), false);
        assert!(belief.holds_at(at(10)) && belief.holds_at(at(19)) && !belief.holds_at(at(20)));
        assert!(belief.believed_at(at(10)) && belief.believed_at(at(29)) && !belief.believed_at(at(30)));
    }

    #[test]
    fn an_empty_interval_holds_nowhere() {
        let belief = belief((10, 10), (10, 30), false);
        assert!((0..40).all(|instant| !belief.holds_at(at(instant))));
    }

    #[test]
    fn superseded_rows_are_shown_by_interval_when_a_valid_instant_is_given() {
        let old = belief((10, 20), (20, i64::MAX), true);
        let clock = at(100);
        let shows = |view: View| view.shows(&old, clock);
        assert!(!shows(View::Current { now: at(15) }));
        assert!(shows(View::History));
        assert!(shows(View::AsOf { valid: at(15) }));
        assert!(!shows(View::Known { transaction: at(25) }));
        assert!(shows(View::KnownHistory { transaction: at(25) }));
        assert!(shows(View::Both {
            valid: at(15),
            transaction: at(25)
        }));
        assert!(
            !shows(View::Both {
                valid: at(15),
                transaction: at(19)
            }),
            "this was not yet believed"
        );
    }

    #[test]
    fn both_axes_take_the_order_of_the_nearer_bound() {
        let order = |valid, transaction| {
            View::Both {
                valid: at(valid),
                transaction: at(transaction),
            }
            .order()
        };
        assert_eq!(order(9, 5), Order::Created);
        assert_eq!(order(5, 5), Order::Created);
        assert_eq!(order(5, 9), Order::ValidFrom);
    }
}
