//! Training as its users see it: runs that are killed and go on ([`resume`]), text files ([`text`]),
//! model folders and what is refused ([`folder`]).

#![cfg(feature = "train")]

mod folder;
mod resume;
mod text;

use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use assert_cmd::cargo::CommandCargoExt;
use serde_json::Value;

const STATE: &str = "training-state.safetensors";

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

/// Waits until a run's log has so many lines.
fn wait_for_log(child: &mut Child, folder: &Path, lines: usize) {
    let path = folder.join("training.jsonl");
    let begun = Instant::now();
    while !std::fs::read_to_string(&path).is_ok_and(|log| log.lines().count() >= lines) {
        assert!(
            begun.elapsed() < Duration::from_secs(60),
            "the run does not get on"
        );
        assert!(child.try_wait().unwrap().is_none(), "the run is over already");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Starts a run in the folder `name` and kills it (SIGKILL) when its log has so many lines.
fn kill_at(place: &Path, args: &[&str], name: &str, lines: usize) {
    let mut child = command(place, args).stdout(Stdio::null()).spawn().unwrap();
    wait_for_log(&mut child, &place.join(name), lines);
    child.kill().unwrap();
    child.wait().unwrap();
}
