//! `compress`: any bytes come back, from files and streams, with the model that fits them best.

use crate::common::place::{Place, stderr};

#[test]
fn files_come_back() {
    let place = Place::with_corpus();
    let text = place.read("a.txt");
    let output = place.run("compress a.txt");
    let line = stderr(&output);
    assert!(output.status.success() && output.stdout.is_empty());
    for part in ["a.txt: 300 lines", "8,400 ->", "ratio", "bits per line", "bits per token", "MB/s"] {
        assert!(line.contains(part), "{line}");
    }
    assert!(place.read("a.txt.sur").len() < text.len() / 3);
    std::fs::remove_file(place.path("a.txt")).unwrap();
    place.ok("d a.txt.sur");
    assert_eq!(place.read("a.txt"), text);
    assert_eq!(place.names(), ["a.txt", "a.txt.sur"]);
}

#[test]
fn streams_come_back_and_are_the_same_archive() {
    let place = Place::with_archive();
    let (text, archive) = (place.read("a.txt"), place.read("a.txt.sur"));
    assert_eq!(place.pipe("c", text.clone()), archive);
    assert_eq!(place.pipe("d -", archive.clone()), text);
    assert_eq!(place.ok("c -qc a.txt"), archive);
    assert_eq!(place.ok("d -c a.txt.sur"), text);
    place.ok("d a.txt.sur -o b");
    assert_eq!(place.read("b"), text);
}

#[test]
fn any_bytes_come_back() {
    let place = Place::with_corpus();
    for content in [&b""[..], b"x", b"\n", b"no newline", "1+1=2\r\nümlaut\0\n".as_bytes()] {
        place.write("b", content);
        place.ok("c -qf --verify b");
        assert_eq!(place.ok("d -c b.sur"), content);
    }
}

#[test]
fn the_bytes_depend_on_neither_threads_nor_kernel() {
    let place = Place::with_corpus();
    place.ok("corpus --lines 33000 -o two-blocks");
    let archive = place.ok("c -qc -T1 two-blocks");
    for threads in ["-T0", "-T2", "-T8"] {
        let other = place.ok(&["c", "-qc", threads, "two-blocks"]);
        assert!(other == archive, "{threads}");
    }
    let archive = place.ok("c -qc a.txt");
    for isa in ["scalar", "portable"] {
        let mut command = place.command("c -qc a.txt");
        let other = command.env("SURPRISAL_ISA", isa).output().unwrap();
        assert!(other.stdout == archive, "{isa}");
    }
}

#[test]
fn an_embedded_model_needs_no_folder() {
    let place = Place::with_corpus();
    let other = place.other_model();
    place.ok(&["c", "-q", "-m", other, "--embed-model", "--verify", "a.txt"]);
    std::fs::remove_dir_all(place.path(other)).unwrap();
    assert_eq!(place.ok("d -c a.txt.sur"), place.read("a.txt"));
    let listed = place.json("l --json a.txt.sur");
    assert!(listed["files"][0]["totals"]["model_len"].as_u64().unwrap() > 1000);
}

#[test]
fn verifying_and_json_need_a_file() {
    let place = Place::with_corpus();
    for option in ["--verify", "--json"] {
        let message = place.fails(2, &["c", option, "-o", "-", "a.txt"]);
        assert!(message.contains("needs a file"), "{message}");
    }
    let account = place.json("c --json --verify a.txt");
    assert_eq!(account["lines"], 300);
    assert_eq!(account["tokens"], 8400);
    assert_eq!(account["verified"], true);
    assert_eq!(account["bytes_out"], place.read("a.txt.sur").len());
}

/// The model that codes the first lines best is chosen, for stdin too.
#[test]
fn compress_chooses_the_model() {
    let place = Place::with_corpus();
    let model = |options: &str, file: &str| {
        let account = place.json(format!("c --json -f {file} -o x.sur {options}"));
        assert_eq!(place.ok("d -c x.sur"), place.read(file));
        account["model"].as_str().unwrap().to_owned()
    };
    for operands in ["uniform", "leading", "natural"] {
        let file = format!("{operands}.txt");
        let expected = format!("tiny-{operands}");
        place.ok(format!("corpus -q --lines 300 --operands {operands} -o {file}"));
        assert_eq!(model("", &file), expected);
        assert_eq!(model("-m auto -q", &file), expected);
        place.write("piped.sur", place.pipe("c", place.read(&file)));
        let listed = place.json("l --json piped.sur");
        assert_eq!(listed["files"][0]["archives"][0]["model"], expected);
    }
    // Nothing that a model knows: the first.
    place.write("text.txt", b"no sums here\n");
    place.write("empty.txt", b"");
    assert_eq!(model("", "text.txt"), "tiny-uniform");
    assert_eq!(model("", "empty.txt"), "tiny-uniform");
}

/// A level says which models the lines choose from; every level comes back without being named.
#[test]
fn levels_choose_the_model() {
    let place = Place::with_corpus();
    let size = |level: &str, file: &str, expected: &str| {
        let account = place.json(format!("c --json -f {file} -o x.sur {level}"));
        assert_eq!(account["model"], expected, "{level}");
        assert_eq!(place.ok("d -c x.sur"), place.read(file), "{level}");
        account["bytes_out"].as_u64().unwrap()
    };
    for operands in ["uniform", "leading", "natural"] {
        let file = format!("{operands}.txt");
        place.ok(format!("corpus -q --lines 1000 --operands {operands} -o {file}"));
        let name = |size: &str| format!("{size}-{operands}");
        let tiny = name("tiny");
        let (lite, fastest) = match operands {
            "natural" => (tiny.clone(), tiny.clone()),
            _ => (name("lite"), name("pico")),
        };
        let smallest = size("", &file, &tiny);
        for level in ["-4", "-5", "-6", "-7", "-8"] {
            assert_eq!(size(level, &file, &tiny), smallest, "{level}");
        }
        let best = if operands == "uniform" { name("nano") } else { tiny };
        for level in ["-9", "--best"] {
            // On a thousand lines models may differ by more from chance than from what they know.
            assert!(size(level, &file, &best).abs_diff(smallest) <= 16, "{level}");
        }
        let levels = [("-1", &fastest), ("--fast", &fastest), ("-2", &lite), ("-3", &lite)];
        for (level, name) in levels {
            let fast = size(level, &file, name);
            assert!(smallest < fast + 16 && 100 * fast < 103 * smallest, "{level}: {fast}");
        }
    }
}

#[test]
fn a_bad_level_is_a_usage_error() {
    let place = Place::with_corpus();
    for levels in ["-0", "-1 -9", "-19", "--fast --best"] {
        let error = place.fails(2, format!("c {levels} a.txt"));
        assert!(error.contains("-1 (fastest) to -9 (smallest)"), "{error}");
    }
    for options in ["-1 -mtiny-uniform", "-9 --model=auto", "--fast --learn"] {
        let error = place.fails(2, format!("c {options} a.txt"));
        assert!(error.contains("cannot be used with"), "{error}");
    }
    assert_eq!(place.names(), ["a.txt"]);
}

/// What a worker needs that compresses a part: the parts' archives one behind the other are an archive of the whole.
#[test]
fn lines_of_an_input_are_compressed() {
    let place = Place::with_lines(100, "uniform");
    let text = place.read_text("a.txt");
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    for (range, expected) in
        [("1..40", &lines[..40]), ("41..", &lines[40..]), ("7", &lines[6..7]), ("101..", &[])]
    {
        place.ok(format!("c -q --verify --lines {range} -o part.sur -f a.txt"));
        assert_eq!(place.text("d -c part.sur"), expected.concat(), "{range}");
    }
    let pipe = place.pipe("c -q --lines ..40 -", text.clone());
    place.write("whole.sur", [pipe, place.ok("c -q --lines 41.. a.txt")].concat());
    assert_eq!(place.text("d -c whole.sur"), text);
    place.ok("c -q --learn=pico --lines ..40 -o part.sur -f a.txt");
    assert_eq!(place.text("d -c part.sur"), lines[..40].concat());
    assert!(place.path("a.txt").exists() && !place.path("a.txt.sur").exists());
    place.fails(2, "c --rm --lines 1 -o part.sur a.txt");
    place.fails(2, "c --lines 0..1 -o part.sur a.txt");
}
