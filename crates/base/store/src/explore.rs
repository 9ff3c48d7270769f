//! Checking a protocol by looking at every state that it can reach.
//!
//! ```
//! use pentad_store::explore::{Model, explore};
//!
//! /// Somebody counts to three and must not reach four.
//! struct Counting;
//!
//! impl Model for Counting {
//!     type State = u8;
//!
//!     fn start(&self) -> u8 {
//!         0
//!     }
//!
//!     fn steps(&self, state: &u8) -> Vec<(String, u8)> {
//!         (*state < 3).then(|| ("count".to_owned(), state + 1)).into_iter().collect()
//!     }
//!
//!     fn wrong(&self, state: &u8) -> Option<String> {
//!         (*state > 3).then(|| format!("{state} is too many"))
//!     }
//! }
//!
//! assert_eq!(explore(&Counting), Ok(4));
//! ```

use std::collections::{HashMap, VecDeque};
use std::fmt::Debug;
use std::hash::Hash;

/// A protocol of several parties: its states, and the steps between them in any order that may come about.
pub trait Model {
    /// Everything that decides what may happen next.
    type State: Clone + Eq + Hash + Debug;

    /// The state in which it begins.
    fn start(&self) -> Self::State;

    /// The steps that are possible in a state, with their names and what they lead to.
    fn steps(&self, state: &Self::State) -> Vec<(String, Self::State)>;

    /// What must not be about a state.
    fn wrong(&self, state: &Self::State) -> Option<String>;
}

/// Looks at every state that the model can reach, the near ones first. How many there are.
///
/// # Errors
/// The shortest way to a state that must not be: the names of its steps, then what is wrong.
pub fn explore<M: Model>(model: &M) -> Result<usize, Vec<String>> {
    let start = model.start();
    let mut before = HashMap::from([(start.clone(), None)]);
    let mut waiting = VecDeque::from([start]);
    while let Some(state) = waiting.pop_front() {
        if let Some(wrong) = model.wrong(&state) {
            let mut way = vec![format!("{wrong}: {state:?}")];
            let mut at = &state;
            while let Some(Some((name, earlier))) = before.get(at) {
                way.push(String::clone(name));
                at = earlier;
            }
            way.reverse();
            return Err(way);
        }
        for (name, next) in model.steps(&state) {
            if !before.contains_key(&next) {
                before.insert(next.clone(), Some((name, state.clone())));
                waiting.push_back(next);
            }
        }
    }
    Ok(before.len())
}
