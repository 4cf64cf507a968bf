//! The folder that a run leaves, and runs that are refused or fail.

use serde_json::Value;

use super::{STATE, log, weights};
use crate::common::place::Place;

#[test]
fn a_loss_that_is_not_finite_ends_the_run_and_keeps_the_checkpoint() {
    let place = Place::new();
    let run =
        |more: &str| format!("train --preset pico --digits 2 --batch-lines 8 --validation-lines 8 {more}");
    let message = place.fails(1, run("--warmup 6 --lr 1e38 --checkpoint-every 1 -o wild"));
    assert!(message.contains("lower learning rate") && message.contains("at step"), "{message}");
    place.ok(run("--steps 1 -o m"));
    place.ok("corpus --lines 50 --digits 2 -o sums.txt");
    place.ok("compress -q -m m sums.txt");
}

#[test]
fn what_makes_no_sense_is_refused() {
    let place = Place::new();
    place.write("file", "x");
    for args in [
        "",
        "-o m --resume m",
        "--resume m --lr 1",
        "--resume m --reference",
        "-o m --preset huge",
        "-o m --epochs 2",
        "-o m --schedule round",
        "-o m --digits 19",
    ] {
        place.fails(2, format!("train {args}"));
    }
    for (code, args, what) in [
        (2, "--steps 0", "steps must be at least 1"),
        (2, "--lr nan", "learning rate must be positive"),
        (2, "--dropout 1", "dropout must be"),
        (1, "--device cuda", "no CUDA"),
        (1, "--init nowhere", "nowhere"),
        (1, "--corpus nowhere", "nowhere"),
        (1, "--corpus file", "1 lines"),
    ] {
        let message = place.fails(code, format!("train -o m {args}"));
        assert!(message.contains(what), "{message}");
    }
    assert!(place.fails(1, "train -o file").contains("file"));
    assert!(!place.path("m").exists(), "nothing is made before the settings are known to be good");
}

#[test]
fn runs_and_models_are_not_overwritten_unasked() {
    let place = Place::new();
    let run = "train -q --preset pico --digits 1 --steps 2 -o m";
    place.ok(run);
    assert!(place.fails(1, run).contains("--resume to go on"));
    std::fs::remove_file(place.path("m").join(STATE)).unwrap();
    assert!(place.fails(1, run).contains("holds a model already"));
    // Nor is the log of a network alone.
    for file in ["config.json", "model.safetensors"] {
        std::fs::remove_file(place.path("m").join(file)).unwrap();
    }
    let log = place.read("m/training.jsonl");
    assert!(place.fails(1, run).contains("holds a model already"));
    assert!(place.read("m/training.jsonl") == log);
    place.ok(format!("{run} -f"));
}

/// minGPT's `GPT.state_dict()` for two layers, written down from its source: what a model trained
/// here must have, so that `load_state_dict` takes it. The causal masks (`*.attn.bias`) are buffers
/// that it makes itself.
#[test]
fn tensors_are_those_of_mingpt() {
    let (vocab, block, c) = (14, 10, 16);
    let mut expected = vec![
        ("transformer.wte.weight".to_owned(), vec![vocab, c]),
        ("transformer.wpe.weight".to_owned(), vec![block, c]),
        ("transformer.ln_f.weight".to_owned(), vec![c]),
        ("transformer.ln_f.bias".to_owned(), vec![c]),
        ("lm_head.weight".to_owned(), vec![vocab, c]),
    ];
    for layer in ["transformer.h.0", "transformer.h.1"] {
        for (name, shape) in [
            ("ln_1.weight", vec![c]),
            ("ln_1.bias", vec![c]),
            ("attn.c_attn.weight", vec![3 * c, c]),
            ("attn.c_attn.bias", vec![3 * c]),
            ("attn.c_proj.weight", vec![c, c]),
            ("attn.c_proj.bias", vec![c]),
            ("ln_2.weight", vec![c]),
            ("ln_2.bias", vec![c]),
            ("mlp.c_fc.weight", vec![4 * c, c]),
            ("mlp.c_fc.bias", vec![4 * c]),
            ("mlp.c_proj.weight", vec![c, 4 * c]),
            ("mlp.c_proj.bias", vec![c]),
        ] {
            expected.push((format!("{layer}.{name}"), shape));
        }
    }
    expected.sort();
    let place = Place::new();
    place.ok("train -q --preset pico --digits 2 --steps 1 -o m");
    let file = weights(&place, "m");
    let tensors = safetensors::SafeTensors::deserialize(&file).unwrap();
    let mut found: Vec<_> =
        tensors.iter().map(|(name, view)| (name.to_owned(), view.shape().to_vec())).collect();
    found.sort();
    assert_eq!(found, expected);
}

/// Hidden units that were not kept stay at zero whatever is learned, also in a run that goes on.
#[test]
fn hidden_units_that_are_not_kept_stay_zero() {
    let place = Place::new();
    let run = |more: &str| format!("train -q --preset pico --digits 1 --steps 6 {more}");
    let message = place.fails(1, run("--keep-hidden 65 -o no"));
    assert!(message.contains("64 hidden units"), "{message}");
    place.ok(run("--keep-hidden 20 -o m"));
    let checkpoint = surprisal::model::Checkpoint::load(&place.path("m")).unwrap();
    for layer in 0..2 {
        let values = |part: &str| checkpoint.values(&format!("transformer.h.{layer}.mlp.{part}.weight"));
        let (first, second) = (values("c_fc"), values("c_proj"));
        let lives = |unit: usize| {
            let inward = first[unit * 16..][..16].iter().any(|&w| w != 0.0);
            let outward = second.iter().skip(unit).step_by(64).any(|&w| w != 0.0);
            assert_eq!(inward, outward);
            inward
        };
        assert_eq!((0..64).filter(|&unit| lives(unit)).count(), 20);
    }
    place.ok("corpus -q --digits 1 --lines 99 -o a.txt");
    place.ok("compress -q -m m --verify a.txt");
}

/// Of each line of a log its type and its run, the runs before `--init` among them; after a kill, too.
#[test]
fn lines_of_a_log_say_what_they_are() {
    let place = Place::new();
    let train = "train -q --preset pico --digits 1 --batch-lines 8 --eval-every 1 --steps 2";
    place.ok(format!("{train} -o a"));
    // As an older program wrote it.
    let old = place
        .read_text("a/training.jsonl")
        .replace("\"type\":", "\"old\":")
        .replace("\"run\":", "\"older\":");
    place.write("a/training.jsonl", old);
    place.ok(format!("{train} -o b --init a"));
    let said: Vec<(Value, Value)> =
        log(&place, "b").iter().map(|line| (line["type"].clone(), line["run"].clone())).collect();
    let run =
        |run: u64| ["settings", "evaluation", "evaluation"].map(|kind| (Value::from(kind), Value::from(run)));
    assert_eq!(said, [run(1), run(2)].concat());
}

/// python/tests/test_training_log.py has TensorBoard itself read it.
#[test]
fn tensorboard_gets_a_file_for_each_session() {
    let place = Place::new();
    place.ok("train -q --preset pico --digits 1 --batch-lines 8 --eval-every 1 --steps 2 -o run --tensorboard events");
    let names = place.names_in("events");
    assert!(names.len() == 1 && names[0].starts_with("events.out.tfevents."), "{names:?}");
    let events = place.read(&format!("events/{}", names[0]));
    let mut at = 0;
    let mut records = Vec::new();
    while at < events.len() {
        let length = u64::from_le_bytes(events[at..at + 8].try_into().unwrap()) as usize;
        records.push(&events[at + 12..at + 12 + length]);
        at += 12 + length + 4;
    }
    let holds =
        |record: &[u8], text: &str| record.windows(text.len()).any(|window| window == text.as_bytes());
    assert_eq!(records.len(), 4, "version, start, two evaluations");
    assert!(holds(records[0], "brain.Event:2"));
    assert!(
        records[2..]
            .iter()
            .all(|record| holds(record, "validation_loss") && holds(record, "loss_by_position/02"))
    );
    place.ok("train -q --resume run --tensorboard events");
    assert_eq!(place.names_in("events").len(), 2);
    place.write("file", "");
    assert!(
        place.fails(1, "train -q --preset pico --steps 1 -o x --tensorboard file").contains("--tensorboard")
    );
}
