//! The chain from the entropy of a corpus to the bytes of its archive: eight links, each with its
//! figure and what makes it differ from the one before.

use serde::Serialize;

use super::numbers::grouped;
use super::sample::{Estimate, Sample};
use super::two_part::TwoPart;
use super::{ArchiveFacts, CorpusFacts, Floor};
use crate::model::training_log::TrainingLog;

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
pub(super) struct Facts<'a> {
    pub corpus: &'a CorpusFacts,
    pub archive: &'a ArchiveFacts,
    pub floor: &'a Floor,
    pub log: Option<&'a TrainingLog>,
    /// Why there is no log, if there is none.
    pub no_log: &'a str,
    pub sample: Option<&'a Sample>,
    /// Bits by the integer probabilities.
    pub integer_bits: f64,
    pub two_part: &'a TwoPart,
}

impl Facts<'_> {
    /// All links.
    pub fn chain(&self) -> Vec<Link> {
        let mut links = vec![self.floor_link()];
        links.extend(self.losses());
        links.extend(self.networks());
        links.extend(self.written());
        let mut before: Option<Link> = None;
        for link in &mut links {
            link.compare(before.as_ref());
            if link.bits.is_some() {
                before = Some(link.clone());
            }
        }
        links
    }

    /// A link about the lines that the model coded.
    fn of_modelled(&self, link: u8, name: &'static str, bits: Option<f64>, why: String) -> Link {
        let CorpusFacts {
            modelled_lines,
            tokens,
            ..
        } = *self.corpus;
        Link::new(
            link,
            name,
            bits.filter(|_| tokens > 0),
            (modelled_lines, tokens),
            why,
        )
    }

    fn floor_link(&self) -> Link {
        let CorpusFacts {
            lines,
            modelled_lines,
            ..
        } = *self.corpus;
        let Some(entropy) = self.floor.bits_per_line else {
            let why = format!("not known: {}", self.floor.reason);
            return Link::new(1, "entropy of the lines", None, (0, 0), why);
        };
        let why = format!("no model can do with less; {}", self.floor.reason);
        match modelled_lines {
            0 => Link::new(
                1,
                "entropy of the lines",
                Some(entropy * lines as f64),
                (lines, 0),
                why,
            ),
            n => self.of_modelled(1, "entropy of the lines", Some(entropy * n as f64), why),
        }
    }

    fn losses(&self) -> [Link; 2] {
        let bits = |nats: f64| nats * self.corpus.tokens as f64 / std::f64::consts::LN_2;
        let names = ["training loss", "validation loss"];
        let Some((log, last)) = self.log.and_then(|log| Some((log, log.records.last()?))) else {
            return names.map(|name| self.of_modelled(2, name, None, format!("not known: {}", self.no_log)));
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
            self.of_modelled(2, first, Some(bits(last.train_loss)), training),
            self.of_modelled(2, second, Some(bits(last.validation_loss)), validation),
        ]
    }

    /// Links 3 to 5.
    fn networks(&self) -> [Link; 3] {
        let floating = self.sample.and_then(|sample| sample.floating.as_ref());
        let unrounded = self.sample.map(|sample| &sample.unrounded);
        let missing = self.sample.and_then(|sample| sample.floating_missing);
        let integer = match self.corpus.tokens {
            0 => format!("not known: {NOTHING_CODED}"),
            _ => "every probability rounded to 20 binary places, at least 2^-20; over all lines".into(),
        };
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
            self.of_modelled(5, "integer probabilities", Some(self.integer_bits), integer),
        ]
    }

    /// A link that is known from a sample of the lines.
    fn estimated(
        &self,
        (link, name): (u8, &'static str),
        estimate: Result<&Estimate, &str>,
        what: &str,
    ) -> Link {
        let lines = self.corpus.modelled_lines as f64;
        match estimate {
            Err(missing) => self.of_modelled(link, name, None, format!("not known: {missing}")),
            Ok(estimate) => {
                let bits = self.integer_bits + lines * estimate.above_integer;
                let error = lines * estimate.standard_error;
                let why = format!(
                    "{what}; from a sample of {} lines, with a standard error of {:.1} bits",
                    grouped(estimate.lines),
                    error
                );
                Link {
                    standard_error_bits: Some(error),
                    ..self.of_modelled(link, name, Some(bits), why)
                }
            }
        }
    }

    /// Links 6 to 8.
    fn written(&self) -> [Link; 3] {
        let ArchiveFacts {
            bytes,
            coded_bytes,
            beside_bytes,
            fallback_bytes,
            framing_bytes,
            modelled_blocks,
            ..
        } = *self.archive;
        let CorpusFacts {
            lines,
            modelled_lines,
            tokens,
            ..
        } = *self.corpus;
        let coder = match tokens {
            0 => format!("not known: {NOTHING_CODED}"),
            _ => format!(
                "the coder's rounding, and up to 8 bytes to end each of its streams ({})",
                grouped(modelled_blocks)
            ),
        };
        let mut framing = format!("{} bytes of framing", grouped(framing_bytes));
        if beside_bytes > 0 {
            framing += &format!(", {} for lines that the model cannot code", grouped(beside_bytes));
        }
        if fallback_bytes > 0 {
            framing += &format!(", {} in blocks without the model", grouped(fallback_bytes));
        }
        let model_bytes = self.two_part.model_bytes;
        let mut two_part = format!("{} bytes of weights, packed", grouped(model_bytes));
        two_part += &match (self.two_part.break_even_lines, self.two_part.xz.last()) {
            (Some(n), _) => format!("; less than xz -9e takes from {} lines on", grouped(n)),
            (None, Some(_)) => "; never less than xz -9e takes".into(),
            (None, None) => String::new(),
        };
        let all_tokens = if modelled_lines == lines { tokens } else { 0 };
        let of_all = |link, name, bytes: u64, why| {
            Link::new(link, name, Some(8.0 * bytes as f64), (lines, all_tokens), why)
        };
        [
            self.of_modelled(6, "range coder", Some(8.0 * coded_bytes as f64), coder),
            of_all(7, "archive", bytes, framing),
            of_all(8, "archive and model", bytes + model_bytes, two_part),
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

    fn compare(&mut self, before: Option<&Self>) {
        let (Some(bits), Some(before)) = (self.bits, before.and_then(|link| link.bits)) else {
            return;
        };
        self.difference_bits = Some(bits - before);
        self.difference_percent = (before > 0.0).then(|| 100.0 * (bits / before - 1.0));
    }
}
