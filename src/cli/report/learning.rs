//! `surprisal report --learn`: a corpus, coded while it is learned, once with each preset.

use std::io::{self, Read, Write};
use std::path::Path;
use std::str::FromStr;

use anyhow::Result;
use surprisal::Models;
use surprisal::learner::BatchRecord;
use surprisal::model::Preset;
use surprisal::report::learning::{
    BundledCode, Corpus as CorpusFacts, LearningAccount, LearningReporter, LearningRun,
};
use surprisal::text::Survey;

use super::Args;
use super::input::{Corpus, Rereadable};
use crate::cli::input::{self, for_each_chunk};
use crate::cli::model::LOOK_AT;
use crate::cli::progress::Progress;

/// Presets as they are named on the command line, with commas between them.
#[derive(Clone)]
pub struct Presets(Vec<Preset>);

impl FromStr for Presets {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut presets = Vec::new();
        for name in text.split(',') {
            let preset: Preset = name.trim().parse().map_err(|error| format!("{error}"))?;
            if presets.contains(&preset) {
                return Err(format!("{preset} is named twice", preset = preset.name()));
            }
            presets.push(preset);
        }
        Ok(Self(presets))
    }
}

impl Args {
    /// Reads the corpus to its end, then codes it with each preset; an archive that was coded while
    /// learning was accounted for by reading it.
    pub(super) fn learning(&self, file: &Path, mut corpus: Corpus) -> Result<LearningAccount> {
        let threads = self.running.threads();
        if self.learn.is_none() {
            self.running
                .announce(file, "decoding what was coded while learning")?;
        }
        let mut survey = Survey::recognising();
        for_each_chunk(&mut corpus, "cannot read it", |data| {
            survey.update(data);
            Ok(())
        })?;
        let facts = CorpusFacts::from(&survey);
        let survey = corpus.is_whole().then_some(survey);
        let (rereadable, learned) = corpus.into_learned()?;
        let runs = match (&self.learn, learned) {
            (None, Some(learned)) => vec![learned.watch.finish(learned.bytes, &facts)],
            (presets, _) => {
                let presets = presets.iter().flat_map(|presets| &presets.0);
                let runs =
                    presets.map(|&preset| self.learn_with(preset, file, survey.clone(), &rereadable, &facts));
                runs.collect::<Result<_>>()?
            }
        };
        let mut beginning = Vec::new();
        rereadable.open()?.take(LOOK_AT).read_to_end(&mut beginning)?;
        let models = Models::bundled();
        let bundled = BundledCode::measure(
            models.choose(surprisal::Level::default(), &beginning),
            threads,
            &mut rereadable.open()?,
        )?;
        let peers = self.peer_results(&rereadable)?;
        Ok(LearningAccount::new(facts, runs, bundled, peers, threads))
    }

    /// Codes the corpus with one preset, into nothing.
    fn learn_with(
        &self,
        preset: Preset,
        file: &Path,
        survey: Option<Survey>,
        corpus: &Rereadable,
        facts: &CorpusFacts,
    ) -> Result<LearningRun> {
        let name = format!("learning {}", preset.name());
        self.running.announce(file, &name)?;
        let label = format!("{}, {}", input::name(file), preset.name());
        let progress = Progress::new(&label, Some(corpus.len), self.running.progress());
        let watched = progress.learning();
        let observer = Box::new(move |record: &BatchRecord| watched.batch(record));
        let threads = self.running.threads();
        let options = self.learner.options(preset, survey, threads, observer);
        let mut reporter = LearningReporter::new(io::sink(), options);
        for_each_chunk(corpus.open()?, "cannot read it again", |data| {
            reporter.write_all(data).map_err(surprisal::Error::from_io)?;
            progress.at_least(reporter.bytes_coded());
            Ok(())
        })?;
        let (_, run) = reporter.finish(facts)?;
        Ok(run)
    }
}
