//! What is known of a corpus and its archive, by a model or by a learner.

use serde::{Serialize, Serializer};
use serde_json::json;

use super::explain::END;
use super::numbers::grouped;
use crate::archive::ArchiveStats;
use crate::text::{Distribution, Recogniser, Survey};

/// The corpus of an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct CorpusFacts {
    /// Its bytes.
    pub bytes: u64,
    /// Its lines; a last one without a newline counts.
    pub lines: u64,
    /// Digits of an operand, if the first line is a right sum.
    pub digits: Option<u32>,
    /// Lines that the model coded; none where learners did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub modelled_lines: Option<u64>,
    /// Tokens that the model coded: characters of those lines and their ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tokens: Option<u64>,
}

/// What an archive is made of, as JSON: the first sum is that of the other four.
pub(super) fn archive_json<S: Serializer>(stats: &ArchiveStats, serializer: S) -> Result<S::Ok, S::Error> {
    let parts = json!({
        "bytes": stats.bytes_out,
        "coded_bytes": stats.coded_len,
        "beside_bytes": stats.beside_len,
        "fallback_bytes": stats.fallback_len,
        "framing_bytes": stats.framing(),
        "modelled_blocks": stats.modelled_blocks,
        "zstd_blocks": stats.zstd_blocks,
        "raw_blocks": stats.raw_blocks,
    });
    parts.serialize(serializer)
}

/// The entropy of the lines.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Floor {
    /// What they look drawn from; none if that is not known.
    pub distribution: Option<Distribution>,
    /// Its entropy, bits a line.
    pub bits_per_line: Option<f64>,
    /// The parts of it at each position of a line, bits: they add up to it.
    pub bits_by_position: Option<Vec<f64>>,
    /// What a departure from it would be worth that went unnoticed, at most, bits a line.
    pub resolution_bits_per_line: Option<f64>,
    /// Why it is recognised, or why not.
    pub reason: String,
}

impl CorpusFacts {
    /// What a survey that looked for the distribution tells, and the entropy of the lines.
    pub(super) fn of(survey: &Survey) -> (Self, Floor) {
        let (recogniser, lines) = (survey.recogniser(), survey.lines_and_rest());
        (Self::new(survey.bytes(), lines, &recogniser), Floor::new(&recogniser, lines))
    }

    pub(super) fn new(bytes: u64, lines: u64, recogniser: &Recogniser) -> Self {
        Self { bytes, lines, digits: recogniser.digits(), modelled_lines: None, tokens: None }
    }
}

impl Floor {
    pub(super) fn new(recogniser: &Recogniser, lines: u64) -> Self {
        let found = match recogniser.conclude() {
            Ok(found) => found,
            Err(reason) => {
                return Self { reason, ..Self::default() };
            }
        };
        let [digits, pairs, lags] = found.deviations;
        let d = found.distribution;
        Self {
            distribution: Some(d),
            bits_per_line: Some(d.entropy_bits()),
            bits_by_position: Some(d.entropy_by_position()),
            resolution_bits_per_line: Some(found.resolution),
            reason: format!(
                "all {} lines are right sums of {}-digit {} operands; their digits, pairs of digits and neighbouring \
                 lines depart from chance by {digits:+.1}, {pairs:+.1} and {lags:+.1} standard deviations of chi-square",
                grouped(lines),
                d.digits(),
                d.operands()
            ),
        }
    }

    /// The entropy of so many lines, in bytes.
    pub(super) fn bytes(&self, lines: u64) -> Option<f64> {
        Some(self.bits_per_line? * lines as f64 / 8.0)
    }

    /// The part at a position of a line, in bits: nothing behind the end of all lines.
    pub(super) fn at(&self, position: usize) -> Option<f64> {
        let parts = self.bits_by_position.as_ref()?;
        Some(parts.get(position).copied().unwrap_or(0.0))
    }
}

/// The name of a position of an addition with operands of so many digits.
pub(super) fn label(position: usize, digits: Option<u32>) -> String {
    let Some(digits) = digits else {
        return position.to_string();
    };
    let d = digits as usize;
    match position {
        p if p < d => format!("a{}", p + 1),
        p if p == d => "+".into(),
        p if p <= 2 * d => format!("b{}", p - d),
        p if p == 2 * d + 1 => "=".into(),
        p if p == 3 * d + 3 => END.into(),
        p => format!("c{}", p - 2 * d - 1),
    }
}
