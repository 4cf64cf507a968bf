//! The closing sentence: whether "loss is compression rate" holds on a corpus.

use std::f64::consts::LN_2;

use serde::Serialize;

use super::CorpusFacts;
use super::chain::Facts;
use super::numbers::{grouped, percent, signed_percent};
use crate::model::training_log::TrainingLog;

/// Whether "loss is compression rate" holds on a corpus.
#[derive(Clone, Debug, Serialize)]
pub struct Claim {
    /// Whether what the range coder wrote is within 0.01 % of the cross-entropy; none if the model
    /// coded nothing.
    pub holds: Option<bool>,
    /// How far apart they are, in per cent.
    pub percent: Option<f64>,
    /// The verdict in words.
    pub sentence: String,
}

/// Links 5 and 6 agree this well where the claim holds, in per cent.
const CLAIMED_PERCENT: f64 = 0.01;

impl Facts<'_> {
    /// The closing sentences.
    pub fn claim(&self) -> Claim {
        if self.corpus.tokens == 0 {
            return Claim {
                holds: None,
                percent: None,
                sentence: self.nothing_to_weigh(),
            };
        }
        let written = 8.0 * self.archive.coded_bytes as f64;
        let apart = 100.0 * (written / self.integer_bits - 1.0).abs();
        let holds = apart <= CLAIMED_PERCENT;
        let mut sentence = format!(
            "The claim holds on this file to {} %{}: by the loss it has {} bits, and the coder wrote {}.",
            percent(apart),
            if holds { "" } else { " only, not to 0.01 %" },
            grouped(self.integer_bits.round() as u64),
            grouped(written as u64)
        );
        if !holds {
            sentence += " Ending a stream weighs that much in so short a file.";
        }
        sentence += &match self.corpus.lines == self.corpus.modelled_lines {
            true => self.whole_archive(),
            false => self.part_of_archive(),
        };
        Claim {
            holds: Some(holds),
            percent: Some(apart),
            sentence,
        }
    }

    fn nothing_to_weigh(&self) -> String {
        let (archive, lines) = (self.archive, self.corpus.lines);
        if lines == 0 {
            return "There is nothing to weigh the claim on: the file is empty.".into();
        }
        let others = archive.beside_bytes + archive.fallback_bytes;
        let share = 100.0 * others as f64 / archive.bytes as f64;
        format!(
            "The claim cannot be weighed on this file: the model coded none of its {} lines; {} % of the archive is what \
             zstd made of them, or they themselves.",
            grouped(lines),
            percent(share)
        )
    }

    /// How the archive compares with loss, entropy and the training's loss, where it holds nothing but
    /// modelled lines.
    fn whole_archive(&self) -> String {
        let CorpusFacts { lines, tokens, .. } = *self.corpus;
        let bits = 8.0 * self.archive.bytes as f64;
        let above = |of: f64| 100.0 * (bits / of - 1.0);
        let mut text = format!(
            " With all framing the archive is {} % larger than the loss",
            percent(above(self.integer_bits))
        );
        if let Some(entropy) = self.floor.bits_per_line {
            let above = above(entropy * lines as f64);
            let side = if above < 0.0 { "below" } else { "above" };
            text += &format!(", {} % {side} the entropy of the lines", percent(above.abs()));
        }
        text.push('.');
        let learned_it = |log: &&TrainingLog| {
            log.settings.distribution.is_some() && log.settings.distribution == self.floor.distribution
        };
        if let Some(last) = self.log.filter(learned_it).and_then(|log| log.records.last()) {
            let foretold = last.validation_loss * tokens as f64 / LN_2;
            text += &format!(
                " The training ended with a validation loss of {:.6} nats a token, which is {} bytes for these lines; the \
                 archive has {} ({}).",
                last.validation_loss,
                grouped((foretold / 8.0).round() as u64),
                grouped(self.archive.bytes),
                signed_percent(above(foretold))
            );
        }
        text
    }

    fn part_of_archive(&self) -> String {
        let CorpusFacts {
            lines,
            modelled_lines,
            ..
        } = *self.corpus;
        let others = self.archive.beside_bytes + self.archive.fallback_bytes;
        format!(
            " That is about {} of {} lines; what the model cannot code takes {} % of the archive.",
            grouped(modelled_lines),
            grouped(lines),
            percent(100.0 * others as f64 / self.archive.bytes as f64)
        )
    }
}
