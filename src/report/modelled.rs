//! How a model codes a corpus.

use std::sync::Arc;

use serde::{Serialize, Serializer};
use serde_json::json;

use super::chain::{Claim, Link};
use super::code_length::CodeLength;
use super::explain::LineAccount;
use super::facts::archive_json;
use super::sample::Sample;
use super::two_part::TwoPart;
use crate::Model;
use crate::archive::ArchiveStats;
use crate::model::training_log::TrainingLog;

/// How a model did.
#[derive(Clone, Debug, Serialize)]
pub struct ModelRun {
    /// The model.
    #[serde(serialize_with = "model_json")]
    pub model: Arc<Model>,
    /// The chain.
    pub links: Vec<Link>,
    /// What the chain says of the claim.
    pub claim: Claim,
    /// What links 3 and 4 are estimated from; none if the model coded nothing.
    pub sample: Option<Sample>,
    /// What the archive is made of.
    #[serde(serialize_with = "archive_json")]
    pub archive: ArchiveStats,
    /// Weights and data together.
    pub two_part: TwoPart,
    /// The positions of a line, first to last.
    pub positions: Vec<Position>,
    /// The lines that cost most, worst first.
    pub worst_lines: Vec<LineAccount>,
    /// Lines from all over the corpus.
    pub sample_lines: Vec<LineAccount>,
    /// Payload bits of the lines so far.
    pub code_length: Vec<CodeLength>,
    /// Seconds that coding took, reading the corpus among them.
    pub seconds: f64,
    /// How the model came to be; none if it brought no log.
    #[serde(skip)]
    pub training: Option<TrainingLog>,
}

/// The model of an account, as JSON.
fn model_json<S: Serializer>(model: &Model, serializer: S) -> Result<S::Ok, S::Error> {
    let (identity, parameters) = (model.identity().to_string(), model.config().parameters());
    json!({ "name": model.name(), "identity": identity, "parameters": parameters }).serialize(serializer)
}

/// A position of a line, from 0.
#[derive(Clone, Debug, Serialize)]
pub struct Position {
    /// Its number.
    pub position: usize,
    /// Its place in an addition: `a1` … `a8`, `+`, `b1` …, `=`, `c1` …, `end` (of a `natural` line with
    /// a short sum the end is where others have their last digit); the number where the lines are none.
    pub label: String,
    /// Tokens there: lines that reach it.
    pub tokens: u64,
    /// Mean surprisal of those tokens, in bits.
    pub bits: f64,
    /// The part that no model can take away, in bits; none where the floor is not known.
    pub aleatoric_bits: Option<f64>,
    /// The rest.
    pub epistemic_bits: Option<f64>,
    /// The token that cost most here, in bits.
    pub worst_bits: f64,
    /// The line that it is in, from 1.
    pub worst_line: u64,
    /// That line.
    pub worst_text: String,
}
