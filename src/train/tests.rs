//! The network learns, every variable of it.

use candle_core::Device;

use super::*;
use crate::corpus::Operands;
use crate::model::Preset;

fn settings(steps: u64) -> Settings {
    Settings {
        preset: Preset::Pico,
        digits: 2,
        operands: Operands::Natural,
        steps,
        batch_lines: 32,
        seed: 1,
        learning_rate: 5e-3,
        warmup: 5,
        final_share: 0.1,
        beta1: 0.9,
        beta2: 0.98,
        weight_decay: 0.01,
        clip: 1.0,
        eval_every: 20,
        validation_lines: 64,
    }
}

#[test]
fn a_short_run_learns_and_logs() {
    let folder = tempfile::tempdir().unwrap();
    let mut records = Vec::new();
    train(&settings(60), folder.path(), |r| records.push(r.clone())).unwrap();
    assert_eq!(records.len(), 3);
    assert!(
        records[2].validation_loss < records[0].validation_loss - 0.1,
        "{records:?}"
    );
    let total: f64 = records[2].loss_by_position.iter().sum();
    let tokens = Distribution::new(2, Operands::Natural).unwrap().mean_tokens();
    assert!((total / tokens - records[2].validation_loss).abs() < 0.02);
    let log = std::fs::read_to_string(folder.path().join(LOG_FILE)).unwrap();
    assert_eq!(log.lines().count(), 4);
    let saved = crate::model::Checkpoint::load(folder.path()).unwrap();
    let gpt = Gpt::from_checkpoint(&saved, &Device::Cpu).unwrap();
    assert_eq!(gpt.to_checkpoint().unwrap(), saved);
}

/// Every variable has a gradient, and it is not zero.
#[test]
fn every_variable_gets_a_gradient() {
    for preset in Preset::ALL {
        let distribution = Distribution::new(3, Operands::Uniform).unwrap();
        let config = GptConfig::addition(preset, distribution.max_line_len() + 1);
        let gpt = Gpt::init(&config, 1, &Device::Cpu).unwrap();
        let mut lines = LineSource::new(&config, distribution, 1, 1).unwrap();
        let batch = lines.next_batch(4, &Device::Cpu).unwrap();
        let grads = gpt.loss(&batch).unwrap().backward().unwrap();
        for (name, var) in gpt.vars() {
            let grad = grads.get(var).unwrap_or_else(|| panic!("{name} has no gradient"));
            let size = grad.abs().unwrap().sum_all().unwrap().to_scalar::<f32>().unwrap();
            assert!(size > 0.0, "{preset:?}: the gradient of {name} is zero");
        }
    }
}
