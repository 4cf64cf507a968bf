//! `compress --learn`: what the program makes of it; `archive::learned` tests the bytes.

use serde_json::{Value::Null, json};
use surprisal::report::grouped;

use crate::common::corpora::{noise_bytes, repetitive_files};
use crate::common::place::{Place, stderr};

#[test]
fn learning_needs_no_model_and_keeps_what_it_learned() {
    let place = Place::with_corpus();
    place.ok("corpus --lines 2000 --digits 2 -o two.txt");
    place.ok("compress -q --learn=pico --batch-lines 8 --lr 0.01 --save-model model --log log.jsonl --verify two.txt");
    let text = place.read("two.txt");
    assert_eq!(place.ok("decompress -c -T2 two.txt.sur"), text);
    place.ok("verify two.txt.sur --against two.txt");
    let lines: Vec<_> = text.split_inclusive(|&b| b == b'\n').collect();
    assert_eq!(place.ok("decompress --lines 7..8 two.txt.sur"), lines[6..8].concat());
    let listed = place.text("list -v two.txt.sur");
    assert!(listed.contains("learning pico") && listed.contains("batches of 8 lines"), "{listed}");
    let log = place.read_text("log.jsonl");
    assert_eq!(log.lines().count(), 2);
    place.ok("compress -q -m model -o with.sur two.txt");
    assert!(place.read("with.sur").len() < place.read("two.txt.sur").len());

    let error = place.fails(2, "compress --learn --embed-model a.txt");
    assert!(error.contains("--embed-model"), "{error}");
    let error = place.fails(2, "compress --replay 2 a.txt");
    assert!(error.contains("--learn"), "{error}");
    place.fails(2, "compress --learn=huge a.txt");
    let error = place.fails(1, "compress --learn --lr 7 a.txt");
    assert!(error.contains("learning rate"), "{error}");
    let error = place.fails(2, "compress --learn --log l a.txt two.txt");
    assert!(error.contains("--log"), "{error}");
}

/// `compress` says what the learner coded and what the archive would be without.
#[test]
fn compress_says_what_learning_brought() {
    let place = Place::with_lines(5000, "uniform");
    let plain = place.json("compress --json -o plain.sur a.txt");
    assert_eq!((&plain["learned_lines"], &plain["bytes_without_learning"]), (&Null, &Null));
    let without = place.len("plain.sur");
    let learned = place.json("compress --json --learn=pico a.txt");
    assert_eq!((&learned["learned_lines"], &learned["identity"]), (&json!(5000), &Null));
    assert_eq!(learned["bytes_without_learning"], without);
    let line = stderr(&place.run("compress --learn=pico -f a.txt"));
    let expected = format!("5,000 lines by the learner, {} bytes without --learn", grouped(without));
    assert!(line.contains(&expected), "{line}");

    for (name, text) in repetitive_files(5000) {
        place.write(name, &text);
        place.ok(&["compress", "-qo", "plain.sur", "-f", name]);
        let plain = place.read("plain.sur");
        let line = stderr(&place.run(&["compress", "--learn=pico", "--verify", name]));
        assert!(line.contains("0 lines by the learner, so this is the archive without --learn"), "{line}");
        assert!(place.read(&format!("{name}.sur")) == plain, "{name}");
        let object = place.json(&["compress", "--json", "--learn=pico", "-f", name]);
        assert_eq!((&object["learned_lines"], &object["model"]), (&json!(0), &json!("tiny-uniform")));
        assert_eq!(object["bytes_without_learning"], plain.len());
        assert!(place.pipe("compress -q --learn=pico", text) == plain, "{name} from a pipe");
    }
}

/// Peak memory while a learner reads the longest lines that it takes, in MiB, either way.
#[cfg(target_os = "linux")]
#[test]
#[ignore = "slow: a learner over long lines"]
fn learning_memory_is_bounded() {
    let place = Place::with_corpus();
    let line = |i: usize| (0..255).map(move |j| b"0123456789abcdef"[(i * j * j + 7 * j + i) % 16]);
    let text: Vec<u8> = (0..700).flat_map(|i| line(i).chain([b'\n'])).collect();
    place.write("long.txt", &text);
    place.write("noise", noise_bytes(9_000_000));
    let peak = |args: &str| {
        let mut child = place.process(args).spawn().unwrap();
        let mut peak = 0;
        while child.try_wait().unwrap().is_none() {
            let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
            let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
            let kib = line.and_then(|line| line.trim().strip_suffix("kB")?.trim().parse().ok());
            peak = peak.max(kib.unwrap_or(0) / 1024);
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        assert!(child.wait().unwrap().success(), "{args}");
        peak
    };
    for args in [
        "compress -q --learn=nano -T2 long.txt",
        "decompress -q -f -T2 long.txt.sur",
        "compress -q --learn=mini -T2 a.txt",
        "compress -q --learn=nano -T2 noise",
    ] {
        let peak = peak(args);
        println!("{args}: {peak} MiB");
        // Noise is the worst: zstd has whole blocks of it at work for both archives.
        assert!(peak <= 448, "{args}: {peak} MiB");
    }
}
