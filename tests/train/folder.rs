//! The folder that a run leaves, and runs that are refused or fail.

use super::{STATE, fails, ok, weights};

#[test]
fn a_loss_that_is_not_finite_ends_the_run_and_keeps_the_checkpoint() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let run = [
        "train",
        "--preset",
        "pico",
        "--digits",
        "2",
        "--batch-lines",
        "8",
        "--validation-lines",
        "8",
    ];
    let wild = [
        "--warmup",
        "6",
        "--lr",
        "1e38",
        "--checkpoint-every",
        "1",
        "-o",
        "wild",
    ];
    let message = fails(at, 1, &[&run[..], &wild].concat());
    assert!(
        message.contains("lower learning rate") && message.contains("at step"),
        "{message}"
    );
    let first = ["--steps", "1", "-o", "m"];
    ok(at, &[&run[..], &first].concat());
    ok(
        at,
        &["corpus", "--lines", "50", "--digits", "2", "-o", "sums.txt"],
    );
    ok(at, &["compress", "-q", "-m", "m", "sums.txt"]);
}

#[test]
fn what_makes_no_sense_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    std::fs::write(at.join("file"), "x").unwrap();
    for args in [
        &["train"][..],
        &["train", "-o", "m", "--resume", "m"],
        &["train", "--resume", "m", "--lr", "1"],
        &["train", "--resume", "m", "--reference"],
        &["train", "-o", "m", "--preset", "huge"],
        &["train", "-o", "m", "--epochs", "2"],
        &["train", "-o", "m", "--schedule", "round"],
        &["train", "-o", "m", "--digits", "19"],
    ] {
        fails(at, 2, args);
    }
    for (code, args, what) in [
        (2, &["--steps", "0"][..], "steps must be at least 1"),
        (2, &["--lr", "nan"], "learning rate must be positive"),
        (2, &["--dropout", "1"], "dropout must be"),
        (1, &["--device", "cuda"], "no CUDA"),
        (1, &["--init", "nowhere"], "nowhere"),
        (1, &["--corpus", "nowhere"], "nowhere"),
        (1, &["--corpus", "file"], "1 lines"),
    ] {
        let message = fails(at, code, &[&["train", "-o", "m"], args].concat());
        assert!(message.contains(what), "{message}");
    }
    assert!(fails(at, 1, &["train", "-o", "file"]).contains("file"));
    assert!(
        !at.join("m").exists(),
        "nothing is made before the settings are known to be good"
    );
}

#[test]
fn runs_and_models_are_not_overwritten_unasked() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let run = [
        "train", "-q", "--preset", "pico", "--digits", "1", "--steps", "2", "-o", "m",
    ];
    ok(at, &run);
    assert!(fails(at, 1, &run).contains("--resume to go on"));
    std::fs::remove_file(at.join("m").join(STATE)).unwrap();
    assert!(fails(at, 1, &run).contains("holds a model already"));
    ok(at, &[&run[..], &["-f"]].concat());
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
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    ok(
        at,
        &[
            "train", "-q", "--preset", "pico", "--digits", "2", "--steps", "1", "-o", "m",
        ],
    );
    let file = weights(&at.join("m"));
    let tensors = safetensors::SafeTensors::deserialize(&file).unwrap();
    let mut found: Vec<_> = tensors
        .iter()
        .map(|(name, view)| (name.to_owned(), view.shape().to_vec()))
        .collect();
    found.sort();
    assert_eq!(found, expected);
}

/// Hidden units that were not kept stay at zero whatever is learned, also in a run that goes on.
#[test]
fn hidden_units_that_are_not_kept_stay_zero() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let small = ["train", "-q", "--preset", "pico", "--digits", "1", "--steps", "6"];
    let message = fails(
        at,
        1,
        &[&small[..], &["--keep-hidden", "65", "-o", "no"]].concat(),
    );
    assert!(message.contains("64 hidden units"), "{message}");
    ok(at, &[&small[..], &["--keep-hidden", "20", "-o", "m"]].concat());
    let checkpoint = surprisal::model::Checkpoint::load(&at.join("m")).unwrap();
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
    ok(
        at,
        &["corpus", "-q", "--digits", "1", "--lines", "99", "-o", "a.txt"],
    );
    ok(at, &["compress", "-q", "-m", "m", "--verify", "a.txt"]);
}
