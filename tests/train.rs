//! Training as its users see it: runs that are killed and go on, text files, what is refused.

#![cfg(feature = "train")]

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use assert_cmd::cargo::CommandCargoExt;
use serde_json::Value;
use tempfile::TempDir;

const STATE: &str = "training-state.safetensors";

/// A run with checkpoints between evaluations, and dropout. Its folder is to follow.
const RUN: &[&str] = &[
    "train",
    "--preset",
    "pico",
    "--digits",
    "2",
    "--batch-lines",
    "16",
    "--steps",
    "140",
    "--eval-every",
    "7",
    "--checkpoint-every",
    "5",
    "--validation-lines",
    "40",
    "--dropout",
    "0.1",
    "--warmup",
    "5",
    "--seed",
    "3",
    "-o",
];

fn command(folder: &Path, args: &[&str]) -> Command {
    let mut command = Command::cargo_bin("surprisal").unwrap();
    command.current_dir(folder).args(args);
    command
}

fn run(folder: &Path, args: &[&str]) -> Output {
    command(folder, args).output().unwrap()
}

fn ok(folder: &Path, args: &[&str]) -> String {
    let output = run(folder, args);
    assert!(output.status.success(), "{args:?}: {}", stderr(&output));
    String::from_utf8(output.stdout).unwrap()
}

/// Runs with a failure of this code and gives stderr, which is one line unless it is of usage.
fn fails(folder: &Path, code: i32, args: &[&str]) -> String {
    let output = run(folder, args);
    let message = stderr(&output);
    assert_eq!(output.status.code(), Some(code), "{args:?}: {message}");
    assert!(code == 2 || message.lines().count() == 1, "{message}");
    assert!(!message.contains("panicked"), "{message}");
    message
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// The folder's log without the one field that differs from run to run.
fn log(folder: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(folder.join("training.jsonl")).unwrap();
    let parse = |line: &str| {
        let mut value: Value = serde_json::from_str(line).unwrap();
        value.as_object_mut().unwrap().remove("seconds");
        value
    };
    text.lines().map(parse).collect()
}

fn weights(folder: &Path) -> Vec<u8> {
    std::fs::read(folder.join("model.safetensors")).unwrap()
}

/// The same bits in weights and log, and nothing unfinished left.
fn assert_same(folder: &Path, expected: &Path, when: &str) {
    assert_eq!(log(folder), log(expected), "{when}");
    assert!(weights(folder) == weights(expected), "{when}: the weights differ");
    let mut names: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    let whole = ["config.json", "model.safetensors", STATE, "training.jsonl"];
    assert_eq!(names, whole, "{when}");
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

/// Starts a run and waits until its log has so many lines.
fn start_until(place: &Path, args: &[&str], name: &str, lines: usize) -> Child {
    let mut child = command(place, args).stdout(Stdio::null()).spawn().unwrap();
    let path = place.join(name).join("training.jsonl");
    let begun = Instant::now();
    let far_enough = || std::fs::read_to_string(&path).is_ok_and(|log| log.lines().count() >= lines);
    while !far_enough() {
        assert!(
            begun.elapsed() < Duration::from_secs(60),
            "the run does not get on"
        );
        assert!(child.try_wait().unwrap().is_none(), "the run is over already");
        std::thread::sleep(Duration::from_millis(1));
    }
    child
}

/// A finished run in `whole`, and the arguments for another.
struct Place {
    folder: TempDir,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        ok(folder.path(), &[RUN, &["whole"]].concat());
        Self { folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

#[test]
fn a_killed_run_ends_as_if_it_had_not_been_killed() {
    let place = Place::new();
    for (name, kills) in [("once", &[3][..]), ("again", &[2, 9, 15])] {
        let mut args = [RUN, &[name]].concat();
        for &lines in kills {
            let mut child = start_until(place.folder.path(), &args, name, lines);
            child.kill().unwrap(); // SIGKILL
            child.wait().unwrap();
            args = vec!["train", "-q", "--resume", name];
        }
        ok(place.folder.path(), &args);
        assert_same(&place.path(name), &place.path("whole"), name);
    }
}

/// What a kill between any two writes of a checkpoint leaves, made by hand.
#[test]
fn a_kill_within_a_checkpoint_does_no_harm() {
    let place = Place::new();
    let folder = place.path("half");
    let mut child = start_until(place.folder.path(), &[RUN, &["half"]].concat(), "half", 9);
    child.kill().unwrap();
    child.wait().unwrap();
    let file = |name: &str| std::fs::read(folder.join(name)).unwrap();
    let (state, model) = (file(STATE), file("model.safetensors"));
    type Damage = fn(&Path, &[u8], &[u8]);
    let moments: [(&str, Damage); 5] = [
        ("the log is ahead", |f, _, _| {
            let mut log = std::fs::read(f.join("training.jsonl")).unwrap();
            log.extend_from_slice(b"{\"event\":\"emergence_beg");
            std::fs::write(f.join("training.jsonl"), log).unwrap();
        }),
        ("the model is half written", |f, _, model| {
            std::fs::write(f.join(".surprisal-abc.tmp"), &model[..model.len() / 2]).unwrap();
        }),
        ("the state is half written", |f, state, _| {
            std::fs::write(f.join(".surprisal-abc.tmp"), &state[..state.len() / 2]).unwrap();
        }),
        ("the model is from another step", |f, _, _| {
            let other = f.with_file_name("whole").join("model.safetensors");
            std::fs::copy(other, f.join("model.safetensors")).unwrap();
        }),
        ("there is no model yet", |f, _, _| {
            std::fs::remove_file(f.join("model.safetensors")).unwrap();
            std::fs::remove_file(f.join("config.json")).unwrap();
        }),
    ];
    for (when, damage) in moments {
        let resumed = place.path("resumed");
        copy(&folder, &resumed);
        damage(&resumed, &state, &model);
        ok(place.folder.path(), &["train", "-q", "--resume", "resumed"]);
        assert_same(&resumed, &place.path("whole"), when);
        std::fs::remove_dir_all(&resumed).unwrap();
    }
}

#[test]
fn a_finished_run_says_so_and_a_damaged_one_cannot_go_on() {
    let place = Place::new();
    let at = place.folder.path();
    let output = run(at, &["train", "--resume", "whole"]);
    assert!(output.status.success() && stderr(&output).contains("at its end already"));

    let good = weights(&place.path("whole"));
    let state = place.path("whole").join(STATE);
    let mut bytes = std::fs::read(&state).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 4;
    std::fs::write(&state, bytes).unwrap();
    let message = fails(at, 1, &["train", "--resume", "whole"]);
    assert!(
        message.contains(STATE) && message.contains("damaged"),
        "{message}"
    );
    assert!(weights(&place.path("whole")) == good);

    std::fs::remove_file(&state).unwrap();
    assert!(fails(at, 1, &["train", "--resume", "whole"]).contains("no run to resume"));
    assert!(fails(at, 1, &["train", "--resume", "nowhere"]).contains("no run to resume"));
}

#[test]
fn a_log_that_was_changed_is_noticed() {
    let place = Place::new();
    let path = place.path("whole").join("training.jsonl");
    let log = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, log.replacen("\"seed\":3", "\"seed\":4", 1)).unwrap();
    let message = fails(place.folder.path(), 1, &["train", "--resume", "whole"]);
    assert!(
        message.contains("training.jsonl is not as the run left it"),
        "{message}"
    );
}

#[cfg(unix)]
#[test]
fn an_interrupted_run_can_be_resumed() {
    let place = Place::new();
    let at = place.folder.path();
    let args = [RUN, &["stopped"]].concat();
    let mut child = command(at, &args);
    let child = child
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let path = place.path("stopped").join("training.jsonl");
    while !std::fs::read_to_string(&path).is_ok_and(|log| log.lines().count() >= 4) {
        std::thread::sleep(Duration::from_millis(1));
    }
    let pid = child.id().to_string();
    assert!(
        Command::new("kill")
            .args(["-INT", &pid])
            .status()
            .unwrap()
            .success()
    );
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130));
    let message = stderr(&output);
    assert!(
        message.contains("to go on: surprisal train --resume stopped"),
        "{message}"
    );
    ok(at, &["train", "--resume", "stopped"]);
    assert_same(&place.path("stopped"), &place.path("whole"), "after Ctrl-C");
}

/// A run on a text file of two epochs, killed in the second.
#[test]
fn a_run_on_a_text_file_goes_on_too() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let text: String = (0..400)
        .map(|i| format!("line {} of the text, {i}\n", i * i % 97))
        .collect();
    std::fs::write(at.join("text.txt"), text).unwrap();
    let run = [
        "train",
        "--preset",
        "pico",
        "--corpus",
        "text.txt",
        "--epochs",
        "12",
        "--batch-lines",
        "16",
        "--eval-every",
        "9",
        "-o",
    ];
    let rows = ok(at, &[&run[..], &["whole"]].concat());
    assert!(
        rows.lines().last().unwrap().contains("         -           -"),
        "{rows}"
    );
    let mut child = start_until(at, &[&run[..], &["killed"]].concat(), "killed", 5);
    child.kill().unwrap();
    child.wait().unwrap();
    ok(at, &["train", "--resume", "killed"]);
    assert_same(&at.join("killed"), &at.join("whole"), "a text file");

    let log = log(&at.join("whole"));
    assert_eq!(
        (&log[0]["corpus"]["lines"], &log[0]["steps"]),
        (&360.into(), &276.into())
    );
    let last = log.last().unwrap();
    assert_eq!(
        (&last["lines"], &last["excess"]),
        (&(12 * 360).into(), &Value::Null)
    );
    // Later epochs add nothing to the code length: their lines are not new.
    let lengths: Vec<f64> = log[1..]
        .iter()
        .map(|r| r["code_length_bits"].as_f64().unwrap())
        .collect();
    assert_eq!(
        lengths[2],
        lengths[lengths.len() - 1],
        "step 27 is beyond the first epoch's 23"
    );
    assert!(lengths[1] < lengths[2]);

    // The model compresses the text, and a changed text is no longer the run's.
    ok(at, &["compress", "-q", "-m", "whole", "text.txt"]);
    ok(
        at,
        &[
            "decompress",
            "-q",
            "-m",
            "whole",
            "text.txt.sur",
            "-o",
            "back.txt",
        ],
    );
    let read = |name: &str| std::fs::read(at.join(name)).unwrap();
    assert_eq!(read("back.txt"), read("text.txt"));
    let mut child = start_until(at, &[&run[..], &["other"]].concat(), "other", 3);
    child.kill().unwrap();
    child.wait().unwrap();
    std::fs::write(at.join("text.txt"), "x\n".repeat(500)).unwrap();
    assert!(fails(at, 1, &["train", "--resume", "other"]).contains("text.txt has changed"));
}

#[test]
fn sums_in_a_file_have_a_known_floor_if_one_says_what_they_are() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    ok(
        at,
        &["corpus", "--lines", "200", "--digits", "2", "-o", "sums.txt"],
    );
    let run = [
        "train", "-f", "--preset", "pico", "--corpus", "sums.txt", "-o", "m",
    ];
    ok(at, &run);
    let unsaid = log(&at.join("m"));
    assert_eq!(unsaid[1]["excess"], Value::Null);
    assert!(unsaid[1]["sum_accuracy"].is_f64());
    ok(at, &[&run[..], &["--digits", "2"]].concat());
    assert!(log(&at.join("m"))[1]["excess"].is_f64());
    let message = fails(
        at,
        1,
        &[&run[..], &["--operands", "natural", "--digits", "2"]].concat(),
    );
    assert!(
        message.contains("sums.txt, line 1 is not one of 2 digits natural"),
        "{message}"
    );
}

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
    for (args, what) in [
        (&["--steps", "0"][..], "steps must be at least 1"),
        (&["--lr", "nan"], "learning rate must be positive"),
        (&["--dropout", "1"], "dropout must be"),
        (&["--device", "cuda"], "no CUDA"),
        (&["--init", "nowhere"], "nowhere"),
        (&["--corpus", "nowhere"], "nowhere"),
        (&["--corpus", "file"], "1 lines"),
    ] {
        let message = fails(at, 1, &[&["train", "-o", "m"], args].concat());
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
