//! Runs on the lines of a text file.

use serde_json::Value;

use super::{assert_same, fails, kill_at, log, ok};

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
    kill_at(at, &[&run[..], &["killed"]].concat(), "killed", 5);
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
    kill_at(at, &[&run[..], &["other"]].concat(), "other", 3);
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
