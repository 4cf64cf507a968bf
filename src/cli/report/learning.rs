//! `surprisal report --learn`: a corpus, coded while it is learned, once with each preset.

use std::io::{self, Read, Write};
use std::path::Path;

use anyhow::Result;
use surprisal::model::Preset;
use surprisal::report::{BundledCode, Learners, LearningReporter, LearningRun};
use surprisal::text::Survey;
use surprisal::{Level, Models, Observer};

use super::input::{Corpus, Rereadable};
use crate::cli::Running;
use crate::cli::input::{self, for_each_chunk};
use crate::cli::learning::LearnerOptions;
use crate::cli::model::LOOK_AT;
use crate::cli::progress::Progress;

/// Reads the corpus to its end, then codes it with each preset; an archive that was coded while learning
/// was accounted for by reading it. Gives the survey of the corpus and where it can be read again.
pub fn learners(
    file: &Path,
    mut corpus: Corpus,
    presets: Option<&[Preset]>,
    options: &LearnerOptions,
    running: &Running,
) -> Result<(Survey, Learners, Rereadable)> {
    if presets.is_none() {
        running.announce(file, "decoding what was coded while learning")?;
    }
    let mut survey = Survey::recognising();
    for_each_chunk(&mut corpus, "cannot read it", |chunk| {
        survey.update(chunk);
        Ok(())
    })?;
    let is_whole = corpus.is_whole();
    let (rereadable, learned) = corpus.into_learned()?;
    let runs = match (presets, learned) {
        (None, Some(learned)) => vec![learned.watch.finish(learned.bytes, &survey)],
        (presets, _) => {
            let learner = Learner { file, options, running, survey: &survey, is_whole };
            let presets = presets.into_iter().flatten();
            let runs = presets.map(|&preset| learner.learn(preset, &rereadable));
            runs.collect::<Result<_>>()?
        }
    };
    let mut beginning = Vec::new();
    rereadable.open()?.take(LOOK_AT).read_to_end(&mut beginning)?;
    let models = Models::bundled();
    let model = models.choose(Level::default(), &beginning);
    let bundled = BundledCode::measure(model, running.threads(), &mut rereadable.open()?)?;
    Ok((survey, Learners { runs, bundled }, rereadable))
}

/// What codes the corpus with one preset after the other.
struct Learner<'a> {
    file: &'a Path,
    options: &'a LearnerOptions,
    running: &'a Running,
    survey: &'a Survey,
    /// Whether `compress` would have this survey before it begins.
    is_whole: bool,
}

impl Learner<'_> {
    /// Codes the corpus with one preset, into nothing.
    fn learn(&self, preset: Preset, corpus: &Rereadable) -> Result<LearningRun> {
        let name = preset.name();
        self.running.announce(self.file, &format!("learning {name}"))?;
        let label = format!("{}, {name}", input::name(self.file));
        let progress = Progress::new(&label, Some(corpus.len), self.running.progress());
        let watched = progress.learning();
        let observer = Observer::of_batches(move |record| watched.batch(record));
        let survey = self.is_whole.then(|| self.survey.clone());
        let threads = self.running.threads();
        let options = self.options.options(preset, survey, threads, observer);
        let mut reporter = LearningReporter::new(io::sink(), options)?;
        for_each_chunk(corpus.open()?, "cannot read it again", |chunk| {
            reporter.write_all(chunk).map_err(surprisal::Error::from_io)?;
            progress.at_least(reporter.bytes_coded());
            Ok(())
        })?;
        let (_, run) = reporter.finish(self.survey)?;
        Ok(run)
    }
}
