//! The network learns, every variable of it.

use std::ops::ControlFlow;
use std::path::Path;

use candle_core::Device;

use super::*;
use crate::gpt::{Dropout, Gpt, initial_weights};
use crate::model::training_log::{Evaluation, Event, EventKind, LoggedPath, TrainSettings, TrainingLog};
use crate::model::{Checkpoint, GptConfig, LOG_FILE, Preset};
use crate::text::{Distribution, Operands};

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
    let saved = Checkpoint::load(folder.path()).unwrap();
    let gpt = Gpt::from_checkpoint(&saved, &Device::Cpu).unwrap();
    assert_eq!(gpt.to_checkpoint().unwrap(), saved);
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

/// Every variable has a gradient, and it is not zero: with dropout too.
#[test]
fn every_variable_gets_a_gradient() {
    for preset in Preset::ALL {
        let distribution = Distribution::new(3, Operands::Uniform).unwrap();
        let config = GptConfig::addition(preset, distribution.max_line_len() + 1);
        let gpt = Gpt::from_checkpoint(&initial_weights(&config, 1), &Device::Cpu).unwrap();
        let mut lines = LineSource::new(&config, distribution, 1).unwrap();
        let batch = lines.next_batch(4).unwrap();
        for mut dropout in [Dropout::none(), Dropout::new(0.2, 1)] {
            let loss = gpt.loss(&batch, &mut dropout).unwrap();
            let grads = loss.backward().unwrap();
            for (name, var) in gpt.vars() {
                let grad = grads.get(var).unwrap_or_else(|| panic!("{name} has no gradient"));
                let size = grad.abs().unwrap().sum_all().unwrap().to_scalar::<f32>().unwrap();
                assert!(size > 0.0, "{preset:?}: the gradient of {name} is zero");
            }
        }
    }
}
