//! An account of a corpus: plain data. As JSON it is what `surprisal report --json` prints.

use serde::Serialize;

use super::facts::{CorpusFacts, Floor};
use super::learned::{BundledCode, LearningRun};
use super::modelled::ModelRun;
use super::numbers::{count, grouped};
use super::peers::PeerResult;
use crate::text::Survey;

/// Everything that is known of a corpus and of what codes it.
#[derive(Clone, Debug, Serialize)]
pub struct Account {
    /// The corpus.
    pub corpus: CorpusFacts,
    /// The entropy of the lines, if it is known.
    pub floor: Floor,
    /// The same of all lines, in bytes.
    pub floor_bytes: Option<f64>,
    /// What codes it.
    #[serde(flatten)]
    pub coding: Coding,
    /// What other compressors make of it; none if they were not asked.
    pub peers: Option<Vec<PeerResult>>,
    /// Threads that coded.
    pub threads: usize,
}

/// What codes a corpus.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
pub enum Coding {
    /// A model that was trained before.
    Model(Box<ModelRun>),
    /// Learners that begin with nothing.
    Learners(Learners),
}

/// How learners did, and who did not have to learn.
#[derive(Clone, Debug, Serialize)]
pub struct Learners {
    /// Each learner.
    pub runs: Vec<LearningRun>,
    /// The best bundled model; none where it does not suit most lines.
    pub bundled: Option<BundledCode>,
}

impl Account {
    /// The account of learners; `survey` is one of the corpus that looked for its distribution.
    pub fn of_learners(
        survey: &Survey,
        learners: Learners,
        peers: Option<Vec<PeerResult>>,
        threads: usize,
    ) -> Self {
        let (corpus, floor) = CorpusFacts::of(survey);
        let floor_bytes = floor.bytes(corpus.lines);
        Self { corpus, floor, floor_bytes, coding: Coding::Learners(learners), peers, threads }
    }

    /// What stands above the sections: the corpus, what codes it, and the entropy of the lines.
    pub(super) fn facts(&self) -> [String; 2] {
        let corpus = &self.corpus;
        let mut facts = format!("{}, {}", count(corpus.lines, "line"), count(corpus.bytes, "byte"));
        facts += &match &self.coding {
            Coding::Model(run) => format!(
                "; model {} ({}), {} parameters",
                run.model.name(),
                run.model.identity(),
                grouped(run.model.config().parameters() as u64)
            ),
            Coding::Learners(learners) => {
                let presets: Vec<&str> = learners.runs.iter().map(|run| run.preset.as_str()).collect();
                format!("; learners that begin with nothing: {}", presets.join(", "))
            }
        };
        if let Some(lines) = corpus.modelled_lines.filter(|&lines| lines < corpus.lines) {
            facts +=
                &format!("; the model codes {} of the lines: links 1 to 6 are about those", grouped(lines));
        }
        let floor = match self.floor.bits_per_line {
            Some(bits) => format!("The entropy of a line is {bits:.4} bits: {}.", self.floor.reason),
            None => format!("The entropy of the lines is not known: {}.", self.floor.reason),
        };
        [facts + ".", floor]
    }

    /// Whether loss is compression rate here, in words.
    pub(super) fn claims(&self) -> Vec<&str> {
        match &self.coding {
            Coding::Model(run) => vec![&run.claim.sentence],
            Coding::Learners(learners) => learners.runs.iter().map(|run| run.sentence.as_str()).collect(),
        }
    }
}
