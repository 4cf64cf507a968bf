//! `train`: runs that are killed and go on ([`resume`]), text files ([`text`]),
//! model folders and what is refused ([`folder`]).

mod folder;
mod resume;
mod text;

use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::common::place::{Args, Place};

const STATE: &str = "training-state.safetensors";

/// A run's log without the one field that differs from run to run.
fn log(place: &Place, run: &str) -> Vec<Value> {
    let text = place.read_text(&format!("{run}/training.jsonl"));
    let parse = |line: &str| {
        let mut value: Value = serde_json::from_str(line).unwrap();
        value.as_object_mut().unwrap().remove("seconds");
        value
    };
    text.lines().map(parse).collect()
}

fn weights(place: &Place, run: &str) -> Vec<u8> {
    place.read(&format!("{run}/model.safetensors"))
}

/// The same bits in weights and log, and nothing unfinished left.
fn assert_same(place: &Place, run: &str, expected: &str, when: &str) {
    assert_eq!(log(place, run), log(place, expected), "{when}");
    assert!(weights(place, run) == weights(place, expected), "{when}: the weights differ");
    let whole = ["config.json", "model.safetensors", STATE, "training.jsonl"];
    assert_eq!(place.names_in(run), whole, "{when}");
}

/// Waits until a run's log has so many lines.
fn wait_for_log(child: &mut Child, place: &Place, run: &str, lines: usize) {
    let path = place.path(run).join("training.jsonl");
    let begun = Instant::now();
    while !std::fs::read_to_string(&path).is_ok_and(|log| log.lines().count() >= lines) {
        assert!(begun.elapsed() < Duration::from_secs(60), "the run does not get on");
        assert!(child.try_wait().unwrap().is_none(), "the run is over already");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Starts a run in the folder `run` and kills it (SIGKILL) when its log has so many lines.
fn kill_at(place: &Place, args: impl Args, run: &str, lines: usize) {
    let mut child = place.process(args).stdout(Stdio::null()).spawn().unwrap();
    wait_for_log(&mut child, place, run, lines);
    child.kill().unwrap();
    child.wait().unwrap();
}
