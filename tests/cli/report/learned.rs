//! `report --learn`: the account of coding while learning.

use serde_json::Value;

use crate::common::place::{Place, json, number};

/// The sizes are those of what `compress` writes with the same options, and the losses add up to them.
#[test]
fn the_losses_add_up_to_the_archive() {
    let place = Place::with_lines(6000, "uniform");
    let options = "--learn=pico a.txt --batch-lines 8 --lr 0.01 --seed 4 --replay 1 --stride 2";
    place.ok(format!("compress {options} -q -o a.sur"));
    let report = place.report(options);
    let run = &report["runs"][0];
    let archive = &run["archive"];
    assert_eq!(archive["bytes"], place.len("a.sur"));
    assert_eq!(run["preset"], "pico");
    let settings = &run["settings"];
    assert_eq!((number(&settings["replay"]), number(&settings["stride"])), (1.0, 2.0));
    let (loss, coded) = (number(&run["loss_bytes"]), number(&archive["coded_bytes"]));
    // A block's end takes up to 8 bytes; there are two.
    assert!((coded - loss).abs() <= 0.0002 * loss + 16.0, "{loss} {coded}");
    assert_eq!(run["holds"], true);
    assert_eq!(
        number(&archive["bytes"]),
        coded + number(&archive["beside_bytes"]) + number(&archive["framing_bytes"])
    );
    let percent = number(&run["coded_above_loss_percent"]);
    assert!((percent - 100.0 * (coded / loss - 1.0)).abs() < 1e-9);
    let floor = 6000.0 * 2.0 * 10f64.log2();
    assert!((number(&report["floor_bytes"]) - floor).abs() < 1e-6);
    assert!((number(&run["above_floor_bytes"]) - number(&archive["bytes"]) + floor).abs() < 1e-6);

    let windows = run["windows"].as_array().unwrap();
    let sum = |of: &str| windows.iter().map(|window| number(&window[of])).sum::<f64>();
    assert!((sum("bits") / 8.0 - loss).abs() < 1e-6 * loss);
    assert_eq!((sum("window_lines"), windows.len()), (6000.0, 5));
    assert_eq!(windows[4]["lines"], 6000);
    let per_line = |window: &Value| number(&window["bits"]) / number(&window["window_lines"]);
    assert!(per_line(&windows[0]) > 70.0 + per_line(&windows[4]) / 10.0);
    let end = run["code_length"].as_array().unwrap().last().unwrap().clone();
    assert_eq!(end["lines"], 6000);
    assert!(number(&end["bits"]) / 8.0 >= coded);
}

/// Positions have the floor's parts, and the plus emerges at once.
#[test]
fn what_is_certain_emerges() {
    let place = Place::with_lines(6000, "uniform");
    let report = place.report("--learn=pico a.txt");
    let positions = report["runs"][0]["positions"].as_array().unwrap();
    let labels: Vec<&str> = positions.iter().map(|p| p["label"].as_str().unwrap()).collect();
    assert_eq!((labels.len(), labels[8], labels[18]), (28, "+", "c1"));
    let at = |label: &str| &positions[labels.iter().position(|l| *l == label).unwrap()];
    for label in ["+", "=", "end"] {
        let line = at(label)["emerges_at"].as_u64().unwrap();
        assert!(line <= 3 * 1024 + 1 && (line - 1).is_multiple_of(1024), "{label} {line}");
        assert_eq!(number(&at(label)["aleatoric_bits"]), 0.0);
    }
    assert!(at("c5")["emerges_at"].is_null());
    assert!((number(&at("a3")["aleatoric_bits"]) - 10f64.log2()).abs() < 1e-12);
}

/// Decoding takes the same steps, and so tells the same.
#[test]
fn an_archive_tells_what_its_text_tells() {
    let place = Place::with_lines(5000, "uniform");
    place.ok("compress -q --learn=pico a.txt");
    let mut of_text = place.report("--learn=pico a.txt");
    let mut of_archive = place.report("a.txt.sur");
    for report in [&mut of_text, &mut of_archive] {
        for place in ["/file", "/bundled/seconds"] {
            *report.pointer_mut(place).unwrap() = Value::Null;
        }
        for time in ["seconds", "megabytes_per_second"] {
            report["runs"][0][time] = Value::Null;
        }
    }
    assert_eq!(of_text, of_archive);
    // Learned again from what it holds, and by a model that is named.
    let again = place.report("--learn=pico a.txt.sur");
    assert_eq!(again["runs"][0]["archive"], of_text["runs"][0]["archive"]);
    let modelled = place.report("-m tiny-uniform a.txt.sur");
    assert_eq!(modelled["model"]["name"], "tiny-uniform");

    let archive = place.read("a.txt.sur");
    place.write("both.sur", archive.repeat(2));
    let error = place.fails(1, "report both.sur");
    assert!(error.contains("2 archives") && error.contains("report --learn"), "{error}");
}

/// How much comes from a pipe is unknown beforehand, for `compress` as for `report`.
#[test]
fn a_pipe_has_its_own_archive() {
    let place = Place::with_lines(2000, "uniform");
    let text = place.read("a.txt");
    let archive = place.pipe("compress --learn=pico -c", text.clone());
    let report = json(&place.pipe("report --learn=pico --json", text));
    assert_eq!(report["runs"][0]["archive"]["bytes"], archive.len());
    assert_eq!(report["file"], "-");
}

/// Several presets, others beside them, and all of it as text and files.
#[test]
fn several_presets_side_by_side() {
    let place = Place::with_lines(1500, "uniform");
    let args = "report --learn=pico,tiny a.txt --html a.html --svg f";
    let text = place.text(args);
    for part in [
        "to line",
        "pico: emerges at line",
        "tiny: emerges at line",
        "two-part code",
        "learning tiny",
        "losses",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let page = place.read_text("a.html");
    for name in ["learning-curve", "learning-archive", "learning-positions", "learning-sizes"] {
        assert!(page.contains(&format!("<section id=\"{name}\">")), "{name}");
        assert!(place.path("f").join(format!("{name}.svg")).exists(), "{name}");
    }
    let again = place.fails(1, args);
    assert!(again.contains("-f"), "{again}");

    let report = place.report("--learn=pico,tiny a.txt");
    let runs = report["runs"].as_array().unwrap();
    let presets: Vec<&str> = runs.iter().map(|run| run["preset"].as_str().unwrap()).collect();
    assert_eq!(presets, ["pico", "tiny"]);
    assert!(number(&runs[0]["parameters"]) < number(&runs[1]["parameters"]));
    assert!(report["peers"].is_null());
    assert_eq!(report["bundled"]["model"], "tiny-uniform");
}

/// Lines of another kind have no floor and no model; learning goes on as ever.
#[test]
fn other_lines_have_no_floor() {
    let place = Place::with_lines(1, "uniform");
    let dates: String = (0..1500).map(|i| format!("2024-{:02}-{:02} ok\n", 1 + i % 12, 1 + i % 28)).collect();
    place.write("dates.txt", dates);
    let report = place.report("--learn=pico dates.txt");
    for unknown in ["floor_bytes", "bundled"] {
        assert!(report[unknown].is_null(), "{unknown}");
    }
    let run = &report["runs"][0];
    assert!(run["above_floor_bytes"].is_null());
}

/// Where no line was coded, because there is none or because zstd stores them shorter, nothing is said of
/// the claim but why.
#[test]
fn without_a_coded_line_there_is_nothing_to_weigh() {
    let place = Place::new();
    place.write("empty.txt", "");
    place.write("same.txt", "2024-01-01 ok\n".repeat(1500));
    for file in ["empty.txt", "same.txt"] {
        let report = place.report(format!("--learn=pico {file}"));
        let run = &report["runs"][0];
        assert_eq!(run["modelled_lines"], 0);
        assert!(run["holds"].is_null() && run["coded_above_loss_percent"].is_null());
        let reason = run["sentence"].as_str().unwrap();
        assert!(reason.contains("nothing to weigh"), "{reason}");
    }
    let text = place.text("report --learn empty.txt --html e.html");
    assert!(text.contains("nothing to weigh"), "{text}");
}

#[test]
fn what_makes_no_sense_is_a_clear_error() {
    let place = Place::with_lines(10, "uniform");
    for (args, part) in [
        ("--learn -m tiny-uniform", "cannot be used with"),
        ("--learn=giant", "giant"),
        ("--learn=pico,pico", "twice"),
        ("--learn --device cuda", "runs on the CPU"),
        ("--seed 3", "--learn"),
        ("--learn --batch-lines 0", "--batch-lines"),
        ("--learn --stride 3", "--stride"),
    ] {
        let error = place.fails(2, format!("report a.txt {args}"));
        assert!(error.contains(part), "{args}: {error}");
    }
    let help = place.text("report --help");
    for key in ["runs", "loss_bytes", "emerges_at", "bundled"] {
        assert!(help.contains(key), "{key}");
    }
}
