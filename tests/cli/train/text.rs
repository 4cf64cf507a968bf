//! Runs on the lines of a text file.

use serde_json::{Value, json};

use super::{assert_same, kill_at, log, wait_for_log, weights};
use crate::common::place::Place;

/// A run on a text file of two epochs, killed in the second.
#[test]
fn a_run_on_a_text_file_goes_on_too() {
    let place = Place::new();
    let text: String = (0..400).map(|i| format!("line {} of the text, {i}\n", i * i % 97)).collect();
    place.write("text.txt", text);
    let run = |folder: &str| {
        format!(
            "train --preset pico --corpus text.txt --epochs 12 --batch-lines 16 --eval-every 9 -o {folder}"
        )
    };
    let rows = place.text(run("whole"));
    assert!(rows.lines().last().unwrap().contains("         -           -"), "{rows}");
    kill_at(&place, run("killed"), "killed", 5);
    place.ok("train --resume killed");
    assert_same(&place, "killed", "whole", "a text file");

    let log = log(&place, "whole");
    assert_eq!((&log[0]["corpus"]["lines"], &log[0]["steps"]), (&360.into(), &276.into()));
    let last = log.last().unwrap();
    assert_eq!((&last["lines"], &last["excess"]), (&(12 * 360).into(), &Value::Null));
    // Later epochs add nothing to the code length: their lines are not new.
    let lengths: Vec<f64> = log[1..].iter().map(|r| r["code_length_bits"].as_f64().unwrap()).collect();
    assert_eq!(lengths[2], lengths[lengths.len() - 1], "step 27 is beyond the first epoch's 23");
    assert!(lengths[1] < lengths[2]);

    // The model compresses the text, and a changed text is no longer the run's.
    place.ok("compress -q -m whole text.txt");
    place.ok("decompress -q -m whole text.txt.sur -o back.txt");
    assert_eq!(place.read("back.txt"), place.read("text.txt"));
    kill_at(&place, run("other"), "other", 3);
    place.write("text.txt", "x\n".repeat(500));
    assert!(place.fails(1, "train --resume other").contains("text.txt has changed"));
}

#[test]
fn sums_in_a_file_have_a_known_floor_if_one_says_what_they_are() {
    let place = Place::new();
    place.ok("corpus --lines 200 --digits 2 -o sums.txt");
    let run = |more: &str| format!("train -f --preset pico --corpus sums.txt -o m {more}");
    place.ok(run(""));
    let unsaid = log(&place, "m");
    assert_eq!(unsaid[1]["excess"], Value::Null);
    assert!(unsaid[1]["sum_accuracy"].is_f64());
    place.ok(run("--digits 2"));
    assert!(log(&place, "m")[1]["excess"].is_f64());
    let message = place.fails(1, run("--operands natural --digits 2"));
    assert!(message.contains("sums.txt, line 1 is not one of 2 digits natural"), "{message}");
}

#[test]
fn lines_that_end_as_on_windows_are_the_same_lines() {
    let place = Place::new();
    place.ok("corpus --lines 200 --digits 2 -o unix.txt");
    place.write("windows.txt", place.read_text("unix.txt").replace('\n', "\r\n"));
    let of = |text: &str, more: &str| {
        place.ok(format!("train -q -f --preset pico --corpus {text}.txt {more} -o m"));
        (place.read_text("m/config.json"), weights(&place, "m"))
    };
    for more in ["", "--digits 2"] {
        assert!(of("unix", more) == of("windows", more), "{more}");
    }
}

/// A text file, a model folder to start from and what a killed run finds again.
#[cfg(target_os = "linux")]
#[test]
fn paths_need_not_be_unicode() {
    use std::os::unix::ffi::OsStrExt;
    let place = Place::new();
    place.write("a.txt", "some words\n".repeat(400));
    place.ok("train -q --preset pico --corpus a.txt --epochs 1 -o m");
    let name = |bytes: &'static [u8]| std::ffi::OsStr::from_bytes(bytes);
    let (text, model) = (name(b"\xff.txt"), name(b"m\xff"));
    std::fs::rename(place.path("a.txt"), place.folder().join(text)).unwrap();
    std::fs::rename(place.path("m"), place.folder().join(model)).unwrap();
    let run = |folder: &str| {
        let options = "--preset pico --epochs 20 --batch-lines 16 --eval-every 9";
        let mut command = place.process(format!("train {options} -o {folder} --corpus"));
        command.arg(text).arg("--init").arg(model).stdout(std::process::Stdio::null());
        command
    };
    assert!(run("whole").status().unwrap().success());
    let mut child = run("killed").spawn().unwrap();
    wait_for_log(&mut child, &place, "killed", 5);
    child.kill().unwrap();
    child.wait().unwrap();
    place.ok("train --resume killed");
    assert_same(&place, "killed", "whole", "names in bytes");
    let settings = log(&place, "whole").into_iter().find(|line| line.get("init").is_some()).unwrap();
    assert_eq!(
        (&settings["init"], &settings["corpus"]["path"]),
        (&json!([109, 255]), &json!([255, 46, 116, 120, 116]))
    );
}
