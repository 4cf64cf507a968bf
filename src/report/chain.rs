//! The chain from the entropy of a corpus to the bytes of its archive: eight links, each with its
//! figure and what makes it differ from the one before; and the verdict on the claim that loss is
//! compression rate.

use serde::Serialize;

use super::facts::Floor;
use super::numbers::{grouped, percent, signed_percent};
use super::sample::{Estimate, Sample};
use super::two_part::TwoPart;
use crate::archive::ArchiveStats;
use crate::model::training_log::{Evaluation, TrainingLog};

/// A link, or one of the two that are the second.
#[derive(Clone, Debug, Serialize)]
pub struct Link {
    /// Its number in the chain, 1 to 8.
    pub link: u8,
    /// What it is.
    pub name: &'static str,
    /// Bits of all lines that it is about: links 1 to 6 are about those that the model codes, 7 and 8
    /// about all. None where it is not known; then `why` says why.
    pub bits: Option<f64>,
    /// Bits a line.
    pub bits_per_line: Option<f64>,
    /// Bits a coded token; none of links 7 and 8 unless the model coded all lines.
    pub bits_per_token: Option<f64>,
    /// Nats a coded token: the unit of a loss.
    pub nats_per_token: Option<f64>,
    /// Bytes; whole ones of links 6 to 8.
    pub bytes: Option<f64>,
    /// Standard error of the bits, where they are estimated from a sample of the lines.
    pub standard_error_bits: Option<f64>,
    /// Bits more than the link before that is known, if both are about the same lines or this is 7 or 8.
    pub difference_bits: Option<f64>,
    /// The same in per cent of that link.
    pub difference_percent: Option<f64>,
    /// What the difference is made of.
    pub why: String,
}

/// Why most links are missing of a corpus that the model does not serve.
const NOTHING_CODED: &str = "the model coded no line";

/// What the chain is made of.
pub(super) struct Chain<'a> {
    /// What was coded.
    pub stats: &'a ArchiveStats,
    pub floor: &'a Floor,
    /// The training's log with its last record, or why there is none.
    pub log: Result<(&'a TrainingLog, &'a Evaluation), String>,
    pub sample: Option<&'a Sample>,
    /// Bits by the integer probabilities.
    pub integer_bits: f64,
    pub two_part: &'a TwoPart,
}

impl Chain<'_> {
    /// All links.
    pub fn links(&self) -> Vec<Link> {
        let mut links = vec![self.entropy()];
        links.extend(self.losses());
        links.extend(self.networks());
        links.extend(self.written());
        let mut before = None::<f64>;
        for link in &mut links {
            if let (Some(bits), Some(before)) = (link.bits, before) {
                link.difference_bits = Some(bits - before);
                link.difference_percent = (before > 0.0).then(|| 100.0 * (bits / before - 1.0));
            }
            before = link.bits.or(before);
        }
        links
    }

    /// A link about the lines that the model coded: its bits and what they differ by, or why they are not known.
    fn of_modelled(&self, link: u8, name: &'static str, known: Result<(f64, String), &str>) -> Link {
        let over = (self.stats.modelled_lines, self.stats.tokens);
        match known {
            Ok((bits, why)) => Link::new(link, name, Some(bits).filter(|_| over.1 > 0), over, why),
            Err(missing) => Link::new(link, name, None, over, format!("not known: {missing}")),
        }
    }

    /// Link 1: where the model coded nothing, of all lines.
    fn entropy(&self) -> Link {
        let (name, reason) = ("entropy of the lines", &self.floor.reason);
        let Some(entropy) = self.floor.bits_per_line else {
            return Link::new(1, name, None, (0, 0), format!("not known: {reason}"));
        };
        let over = match self.stats.modelled_lines {
            0 => (self.stats.lines, 0),
            modelled => (modelled, self.stats.tokens),
        };
        let why = format!("no model can do with less; {reason}");
        Link::new(1, name, Some(entropy * over.0 as f64), over, why)
    }

    /// Both of link 2.
    fn losses(&self) -> [Link; 2] {
        let names = ["training loss", "validation loss"];
        let (log, last) = match &self.log {
            Ok(log) => log,
            Err(missing) => return names.map(|name| self.of_modelled(2, name, Err(missing))),
        };
        let settings = &log.settings;
        let mut training = format!(
            "{:.6} nats a token on average over the last {} steps of the training, before each learned from its lines",
            last.train_loss,
            grouped(settings.eval_every)
        );
        if settings.dropout > 0.0 {
            training += &format!(", with dropout {}", settings.dropout);
        }
        if settings.distribution != self.floor.distribution {
            training += &format!("; it learned {}, not lines like these", settings.trained_on());
        }
        let validation = format!(
            "{:.6} nats a token at the end of the training, on lines held out of it",
            last.validation_loss
        );
        let [first, second] = names;
        [
            self.of_modelled(2, first, Ok((self.bits(last.train_loss), training))),
            self.of_modelled(2, second, Ok((self.bits(last.validation_loss), validation))),
        ]
    }

    /// Bits of all tokens by a loss in nats a token.
    fn bits(&self, loss: f64) -> f64 {
        loss * self.stats.tokens as f64 / std::f64::consts::LN_2
    }

    /// Links 3 to 5.
    fn networks(&self) -> [Link; 3] {
        let floating = self.sample.and_then(|sample| sample.floating.as_ref());
        let unrounded = self.sample.map(|sample| &sample.unrounded);
        let missing = self.sample.and_then(|sample| sample.floating_missing);
        let integer = "every probability rounded to 20 binary places, at least 2^-20; over all lines";
        [
            self.estimated(
                (3, "float network"),
                floating.ok_or(missing.unwrap_or(NOTHING_CODED)),
                "these lines instead of those of the training",
            ),
            self.estimated(
                (4, "exact network"),
                unrounded.ok_or(NOTHING_CODED),
                "weights and activations rounded to small integers",
            ),
            self.of_modelled(5, "integer probabilities", self.if_coded(self.integer_bits, integer.into())),
        ]
    }

    /// What is known only where the model coded something.
    fn if_coded(&self, bits: f64, why: String) -> Result<(f64, String), &'static str> {
        if self.stats.tokens == 0 { Err(NOTHING_CODED) } else { Ok((bits, why)) }
    }

    /// A link that is known from a sample of the lines.
    fn estimated(
        &self,
        (link, name): (u8, &'static str),
        estimate: Result<&Estimate, &str>,
        what: &str,
    ) -> Link {
        let lines = self.stats.modelled_lines as f64;
        let error = |estimate: &Estimate| lines * estimate.standard_error;
        let known = estimate.map(|estimate| {
            let why = format!(
                "{what}; from a sample of {} lines, with a standard error of {:.1} bits",
                grouped(estimate.lines),
                error(estimate)
            );
            (self.integer_bits + lines * estimate.above_integer, why)
        });
        Link { standard_error_bits: estimate.ok().map(error), ..self.of_modelled(link, name, known) }
    }

    /// Links 6 to 8.
    fn written(&self) -> [Link; 3] {
        let stats = self.stats;
        let coder = format!(
            "the coder's rounding, and up to 8 bytes to end each of its streams ({})",
            grouped(stats.modelled_blocks)
        );
        let mut framing = format!("{} bytes of framing", grouped(stats.framing()));
        if stats.beside_len > 0 {
            framing += &format!(", {} for lines that the model cannot code", grouped(stats.beside_len));
        }
        if stats.fallback_len > 0 {
            framing += &format!(", {} in blocks without the model", grouped(stats.fallback_len));
        }
        let model_bytes = self.two_part.model_bytes;
        let mut two_part = format!("{} bytes of weights, packed", grouped(model_bytes));
        two_part += &match (self.two_part.break_even_lines, self.two_part.xz.last()) {
            (Some(n), _) => format!("; less than xz -9e takes from {} lines on", grouped(n)),
            (None, Some(_)) => "; never less than xz -9e takes".into(),
            (None, None) => String::new(),
        };
        let all_tokens = if stats.modelled_lines == stats.lines { stats.tokens } else { 0 };
        let of_all = |link, name, bytes: u64, why| {
            Link::new(link, name, Some(8.0 * bytes as f64), (stats.lines, all_tokens), why)
        };
        [
            self.of_modelled(6, "range coder", self.if_coded(8.0 * stats.coded_len as f64, coder)),
            of_all(7, "archive", stats.bytes_out, framing),
            of_all(8, "archive and model", stats.bytes_out + model_bytes, two_part),
        ]
    }
}

impl Link {
    /// `over`: the lines and the tokens that the bits are of.
    fn new(link: u8, name: &'static str, bits: Option<f64>, over: (u64, u64), why: String) -> Self {
        let per = |count: u64| bits.filter(|_| count > 0).map(|bits| bits / count as f64);
        let (lines, tokens) = over;
        Self {
            link,
            name,
            bits,
            bits_per_line: per(lines),
            bits_per_token: per(tokens),
            nats_per_token: per(tokens).map(|bits| bits * std::f64::consts::LN_2),
            bytes: bits.map(|bits| bits / 8.0),
            standard_error_bits: None,
            difference_bits: None,
            difference_percent: None,
            why,
        }
    }
}

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

impl Chain<'_> {
    /// The closing sentences.
    pub fn claim(&self) -> Claim {
        if self.stats.tokens == 0 {
            return Claim { holds: None, percent: None, sentence: self.nothing_to_weigh() };
        }
        let written = 8.0 * self.stats.coded_len as f64;
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
        let (lines, modelled) = (self.stats.lines, self.stats.modelled_lines);
        sentence += &if lines == modelled {
            self.whole_archive()
        } else {
            format!(
                " That is about {} of {} lines; what the model cannot code takes {} % of the archive.",
                grouped(modelled),
                grouped(lines),
                self.share_of_others()
            )
        };
        Claim { holds: Some(holds), percent: Some(apart), sentence }
    }

    fn nothing_to_weigh(&self) -> String {
        match self.stats.lines {
            0 => "There is nothing to weigh the claim on: the file is empty.".into(),
            lines => format!(
                "The claim cannot be weighed on this file: the model coded none of its {} lines; {} % of the archive is what \
                 zstd made of them, or they themselves.",
                grouped(lines),
                self.share_of_others()
            ),
        }
    }

    /// What the archive has of lines that the model cannot code, in per cent.
    fn share_of_others(&self) -> String {
        let others = self.stats.beside_len + self.stats.fallback_len;
        percent(100.0 * others as f64 / self.stats.bytes_out as f64)
    }

    /// How the archive compares with loss, entropy and the training's loss, where it holds nothing but
    /// modelled lines.
    fn whole_archive(&self) -> String {
        let bits = 8.0 * self.stats.bytes_out as f64;
        let above = |of: f64| 100.0 * (bits / of - 1.0);
        let mut text = format!(
            " With all framing the archive is {} % larger than the loss",
            percent(above(self.integer_bits))
        );
        if let Some(entropy) = self.floor.bits_per_line {
            let above = above(entropy * self.stats.lines as f64);
            let side = if above < 0.0 { "below" } else { "above" };
            text += &format!(", {} % {side} the entropy of the lines", percent(above.abs()));
        }
        text.push('.');
        let learned = self.floor.distribution;
        if let Ok((log, last)) = self.log
            && learned.is_some()
            && log.settings.distribution == learned
        {
            let foretold = self.bits(last.validation_loss);
            text += &format!(
                " The training ended with a validation loss of {:.6} nats a token, which is {} bytes for these lines; the \
                 archive has {} ({}).",
                last.validation_loss,
                grouped((foretold / 8.0).round() as u64),
                grouped(self.stats.bytes_out),
                signed_percent(above(foretold))
            );
        }
        text
    }
}
