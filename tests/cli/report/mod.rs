//! `report`: the account of bits, by a model ([`modelled`]) and by a learner ([`learned`]).

mod learned;
mod modelled;

use serde_json::Value;

use crate::common::place::{Args, Place};

impl Place {
    /// The JSON of a report.
    #[track_caller]
    fn report(&self, args: impl Args) -> Value {
        self.json(&[&["report", "--json"], &args.list()[..]].concat())
    }
}
