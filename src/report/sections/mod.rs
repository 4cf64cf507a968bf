//! The sections of an account, a file each: what it says, its table and its figure.

mod chain;
mod code_length;
mod emergence;
mod learning_curve;
mod lines;
mod positions;
mod runs;
mod sizes;
mod training;
mod two_part;

use super::account::{Account, Coding};
use super::section::Section;
pub use lines::lines_section;

/// The names of all figures; no account has them all.
pub const NAMES: [&str; 11] = [
    "chain",
    "lines",
    "positions",
    "training",
    "code-length",
    "peers",
    "two-part",
    "learning-curve",
    "learning-archive",
    "learning-positions",
    "learning-sizes",
];

/// All sections that there is something to show in.
pub fn sections(account: &Account) -> Vec<Section> {
    let sections = match &account.coding {
        Coding::Model(run) => vec![
            chain::section(run),
            chain::sample(run),
            lines::section(run),
            positions::section(run),
            training::section(run),
            code_length::of_model(account, run),
            sizes::of_model(account, run),
            two_part::section(account, run),
        ],
        Coding::Learners(learners) => vec![
            learning_curve::section(account, learners),
            code_length::of_learners(account, learners),
            emergence::section(learners),
            runs::section(learners),
            sizes::of_learners(account, learners),
        ],
    };
    sections.into_iter().flatten().collect()
}
