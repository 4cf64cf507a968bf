//! Runs: they learn, log, start and end as asked, and neither parts nor threads change a bit.

use std::ops::ControlFlow;
use std::path::Path;

use super::*;
use crate::learner::{Backprop, PartGradient, lines_of_part};
use crate::model::training_log::{Evaluation, Event, EventKind, LoggedPath, TrainSettings, TrainingLog};
use crate::model::{Checkpoint, LOG_FILE, Preset};
use crate::text::{Distribution, LineBatch, Operands};

fn settings(steps: u64) -> TrainSettings {
    TrainSettings {
        preset: Preset::Pico,
        distribution: Distribution::new(2, Operands::Natural).ok(),
        steps,
        batch_lines: 32,
        learning_rate: 5e-3,
        warmup: 5,
        final_share: 0.1,
        eval_every: 20,
        validation_lines: 64,
        ..TrainSettings::default()
    }
}

fn records(settings: &TrainSettings, folder: &Path) -> Vec<Evaluation> {
    let mut records = Vec::new();
    let report = |progress: Progress| {
        if let Progress::Evaluation(record) = progress {
            records.push(record.clone());
        }
        ControlFlow::Continue(())
    };
    assert_eq!(train(settings, folder, report).unwrap(), End::Finished);
    records
}

fn log(folder: &Path) -> TrainingLog {
    TrainingLog::parse(&std::fs::read_to_string(folder.join(LOG_FILE)).unwrap()).unwrap()
}

#[test]
fn a_short_run_learns_and_logs() {
    let folder = tempfile::tempdir().unwrap();
    let records = records(&settings(60), folder.path());
    assert_eq!(records.len(), 3);
    assert!(records[2].validation_loss < records[0].validation_loss - 0.1, "{records:?}");
    let total: f64 = records[2].loss_by_position.iter().sum();
    let distribution = Distribution::new(2, Operands::Natural).unwrap();
    assert!((total / distribution.mean_tokens() - records[2].validation_loss).abs() < 0.03);
    // Nats a line above the entropy, over the tokens that a line of the validation set has.
    let tokens = total / records[2].validation_loss;
    let excess = (total - distribution.entropy_nats()) / tokens;
    assert!((records[2].excess.unwrap() - excess).abs() < 1e-9, "{records:?}");
    let log = log(folder.path());
    assert_eq!((log.settings, log.records), (settings(60), records));
}

#[test]
fn a_run_starts_from_other_weights() {
    let [first, second] = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let before = records(&settings(40), first.path());
    let init = first.path().to_str().unwrap().to_owned();
    let still = TrainSettings { init: Some(LoggedPath::new(&init)), learning_rate: 1e-12, ..settings(1) };
    let after = records(&still, second.path());
    let drift = after[0].validation_loss - before[1].validation_loss;
    assert!(drift.abs() < 1e-6, "{drift}");
    let wider = TrainSettings { preset: Preset::Tiny, ..still };
    let error = train(&wider, second.path(), |_| ControlFlow::Continue(())).unwrap_err().to_string();
    assert!(error.contains(&init) && error.contains("width 16"), "{error}");
}

/// On the CPU the gradient does not depend on the number of threads, nor does anything else.
#[test]
fn threads_change_nothing() {
    let [one, three] = [1, 3].map(|threads| {
        let folder = tempfile::tempdir().unwrap();
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
        pool.unwrap().install(|| records(&settings(20), folder.path()));
        Checkpoint::load(folder.path()).unwrap()
    });
    assert!(one == three);
}

/// A quantization-aware run is measured as it is rounded, and learns to lose less by that.
#[test]
fn a_run_can_learn_to_be_rounded() {
    let [first, second, third] = [(); 3].map(|()| tempfile::tempdir().unwrap());
    let plain = records(&settings(60), first.path());
    let rounded = |steps, learning_rate| TrainSettings {
        init: Some(LoggedPath::new(first.path())),
        quantization_aware: true,
        learning_rate,
        ..settings(steps)
    };
    let before = &records(&rounded(1, 1e-12), second.path())[0];
    let after = records(&rounded(60, 5e-3), third.path());
    let cost = before.validation_loss - plain[2].validation_loss;
    assert!(cost != 0.0 && cost.abs() < 0.1, "rounding costs {cost}");
    assert!(after[2].validation_loss < before.validation_loss, "{after:?}");
    let dropping = TrainSettings { dropout: 0.1, ..rounded(1, 1e-3) };
    let error = train(&dropping, third.path(), |_| ControlFlow::Continue(())).unwrap_err();
    assert!(error.to_string().contains("dropout"), "{error}");
}

#[test]
fn a_run_ends_at_its_target() {
    let folder = tempfile::tempdir().unwrap();
    let easy = TrainSettings { target_excess: Some(100.0), ..settings(60) };
    assert_eq!(records(&easy, folder.path()).len(), 1);
    let reached = Event { kind: EventKind::TargetReached, step: 20, lines: 640 };
    assert_eq!(log(folder.path()).events.last(), Some(&reached));
}

/// A batch's parts, whoever differentiates them, give the weights and the log of a run on one machine. Batches of 300 lines are
/// two waves of which the second has two full groups and one that is not; those at the ends of an epoch are shorter.
#[test]
fn parts_of_batches_give_the_bits_of_a_run() {
    let text = tempfile::NamedTempFile::new().unwrap();
    let lines: String = (0..900).map(|i| format!("{}+{i}\n", i * i)).collect();
    std::fs::write(text.path(), lines).unwrap();
    for quantization_aware in [false, true] {
        let mut settings =
            TrainSettings { distribution: None, quantization_aware, batch_lines: 300, ..settings(1) };
        learn_from_file(&mut settings, text.path(), 4).unwrap();
        assert_eq!(settings.steps, 12);
        settings.eval_every = 5;
        let folder = tempfile::tempdir().unwrap();
        records(&settings, folder.path());
        let expected = (Checkpoint::load(folder.path()).unwrap(), without_seconds(log(folder.path())));
        for workers in [1, 2, 3, 4, 16, 1000] {
            let folder = tempfile::tempdir().unwrap();
            in_parts(&settings, folder.path(), workers);
            let found = (Checkpoint::load(folder.path()).unwrap(), without_seconds(log(folder.path())));
            assert!(found == expected, "{workers} workers, rounded: {quantization_aware}");
        }
    }
}

/// A run whose batches are cut into parts, of which the last are differentiated first. It is resumed half-way.
fn in_parts(settings: &TrainSettings, folder: &Path, workers: usize) {
    let mut session = Session::begin(settings, folder).unwrap();
    let new = if settings.quantization_aware { Backprop::rounded } else { Backprop::new };
    let mut kernels = [(); 2].map(|()| new(session.config()).unwrap());
    while !session.is_finished() {
        let batch = session.next_batch().unwrap();
        let (lines, tokens) = (batch.lines.lines(), batch.lines.tokens());
        let parts = batch.lines.split(lines_of_part(lines, workers));
        assert!(parts.len() >= workers.min(lines.div_ceil(16)));
        kernels.iter_mut().for_each(|kernel| kernel.load_parameters(session.parameters()));
        let differentiate = |(i, part): (usize, &LineBatch)| kernels[i % 2].differentiate_part(part, tokens);
        let mut gradients: Vec<_> = parts.iter().enumerate().rev().map(differentiate).collect();
        gradients.reverse();
        session.step(&batch, &mut gradients, |_| ()).unwrap();
        if session.steps() == 5 {
            drop(session);
            session = Session::resume(folder).unwrap().unwrap();
        }
    }
    assert!(Session::resume(folder).is_err(), "the folder is this session's");
}

fn without_seconds(log: TrainingLog) -> Vec<Evaluation> {
    log.records.into_iter().map(|record| Evaluation { seconds: 0.0, ..record }).collect()
}

#[test]
fn what_is_no_part_of_the_batch_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let settings = TrainSettings { batch_lines: 300, ..settings(1) };
    let mut session = Session::begin(&settings, folder.path()).unwrap();
    let mut kernel = Backprop::new(session.config()).unwrap();
    let batch = session.next_batch().unwrap();
    let parts = batch.lines.split(64);
    let parts: Vec<_> =
        parts.iter().map(|part| kernel.differentiate_part(part, batch.lines.tokens())).collect();
    let mut refused = |change: fn(&mut Vec<PartGradient>)| {
        let mut parts = parts.clone();
        change(&mut parts);
        assert!(matches!(session.step(&batch, &mut parts, |_| ()), Err(crate::Error::Training(_))));
    };
    refused(Vec::clear);
    refused(|parts| parts.truncate(4));
    refused(|parts| parts.swap(0, 4));
    refused(|parts| parts[0].nats.truncate(3));
    refused(|parts| parts[2].gradient.truncate(16));
    session.step(&batch, &mut parts.clone(), |_| ()).unwrap();
}
