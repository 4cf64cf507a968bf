//! `surprisal report --learn`: a corpus, coded while it is learned, once with each preset.

use std::io::{self, Read, Write};
use std::path::Path;

use anyhow::Result;
use surprisal::model::Preset;
use surprisal::report::{BundledCode, Learners, LearningRun, LearningWatch};
use surprisal::text::Survey;
use surprisal::{Compressor, Level, Models, Observer};

use super::input::{Corpus, Rereadable};
use crate::cli::Running;
use crate::cli::input::{self, for_each_chunk};
use crate::cli::learning::LearnerOptions;
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
    // `compress`, too, has the survey before it begins, unless the corpus comes from stdin.
    let beforehand = corpus.is_whole.then(|| survey.clone());
    let (rereadable, decoded) = corpus.into_learned(&survey)?;
    let learn = |&preset: &Preset| -> Result<LearningRun> {
        let name = preset.name();
        running.announce(file, &format!("learning {name}"))?;
        let label = format!("{}, {name}", input::name(file));
        let progress = Progress::new(&label, Some(rereadable.len), running.progress());
        let (watch, observer) = LearningWatch::new(Some(Observer::of_batches(progress.learning())));
        let options = options.options(preset, beforehand.clone(), None, running.threads(), observer);
        let mut compressor = Compressor::with_options(io::sink(), options)?;
        for_each_chunk(rereadable.open()?, "cannot read it again", |chunk| {
            compressor.write_all(chunk).map_err(surprisal::Error::from_io)?;
            progress.at_least(compressor.bytes_coded());
            Ok(())
        })?;
        let finished = compressor.finish()?;
        let learner = finished.learner.expect("the options named a learner");
        Ok(watch.finish(learner.settings(), finished.stats.bytes_out, &survey))
    };
    let runs = match presets {
        None => decoded.into_iter().collect(),
        Some(presets) => presets.iter().map(learn).collect::<Result<_>>()?,
    };
    let mut beginning = Vec::new();
    rereadable.open()?.take(Models::LOOK_AT).read_to_end(&mut beginning)?;
    let models = Models::bundled();
    let model = models.choose(Level::default(), &beginning);
    let bundled = BundledCode::measure(model, running.threads(), &mut rereadable.open()?)?;
    Ok((survey, Learners { runs, bundled }, rereadable))
}
