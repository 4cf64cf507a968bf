//! Runs that are killed or interrupted end as if they had not been.

use std::path::Path;
use std::process::Stdio;

use super::{STATE, assert_same, kill_at, wait_for_log, weights};
use crate::common::place::{Place, interrupt, stderr};

/// The arguments of a run with checkpoints between evaluations, and dropout if the build has it.
fn run_in(folder: &str) -> String {
    let dropout = if cfg!(feature = "candle") { 0.1 } else { 0.0 };
    format!(
        "train --preset pico --digits 2 --batch-lines 16 --steps 140 --eval-every 7 --checkpoint-every 5 \
         --validation-lines 40 --dropout {dropout} --warmup 5 --seed 3 -o {folder}"
    )
}

/// A finished run in `whole`, and room for others.
fn place_with_run() -> Place {
    let place = Place::new();
    place.ok(run_in("whole"));
    place
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

#[test]
fn a_killed_run_ends_as_if_it_had_not_been_killed() {
    let place = place_with_run();
    for (name, kills) in [("once", &[3][..]), ("again", &[2, 9, 15])] {
        let mut args = run_in(name);
        for &lines in kills {
            kill_at(&place, args, name, lines);
            args = format!("train -q --resume {name}");
        }
        place.ok(args);
        assert_same(&place, name, "whole", name);
    }
}

/// What a kill between any two writes of a checkpoint leaves, made by hand.
#[test]
fn a_kill_within_a_checkpoint_does_no_harm() {
    let place = place_with_run();
    let folder = place.path("half");
    kill_at(&place, run_in("half"), "half", 9);
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
        place.ok("train -q --resume resumed");
        assert_same(&place, "resumed", "whole", when);
        std::fs::remove_dir_all(&resumed).unwrap();
    }
}

#[test]
fn a_finished_run_says_so_and_a_damaged_one_cannot_go_on() {
    let place = place_with_run();
    let output = place.run("train --resume whole");
    assert!(output.status.success() && stderr(&output).contains("at its end already"));

    let good = weights(&place, "whole");
    let state = place.path("whole").join(STATE);
    let mut bytes = std::fs::read(&state).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 4;
    std::fs::write(&state, bytes).unwrap();
    let message = place.fails(1, "train --resume whole");
    assert!(message.contains(STATE) && message.contains("damaged"), "{message}");
    assert!(weights(&place, "whole") == good);

    std::fs::remove_file(&state).unwrap();
    assert!(place.fails(1, "train --resume whole").contains("no run to resume"));
    assert!(place.fails(1, "train --resume nowhere").contains("no run to resume"));
}

#[test]
fn a_log_that_was_changed_is_noticed() {
    let place = place_with_run();
    let path = place.path("whole").join("training.jsonl");
    let log = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, log.replacen("\"seed\":3", "\"seed\":4", 1)).unwrap();
    let message = place.fails(1, "train --resume whole");
    assert!(message.contains("training.jsonl is not as the run left it"), "{message}");
}

#[cfg(unix)]
#[test]
fn an_interrupted_run_can_be_resumed() {
    let place = place_with_run();
    let mut command = place.process(run_in("stopped"));
    command.stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    wait_for_log(&mut child, &place, "stopped", 4);
    interrupt(&child);
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130));
    let message = stderr(&output);
    assert!(message.contains("to go on: surprisal train --resume stopped"), "{message}");
    place.ok("train --resume stopped");
    assert_same(&place, "stopped", "whole", "after Ctrl-C");
}
