//! `report` with a model: the chain, the floor, positions, files.

use std::path::Path;

use serde_json::Value;

use crate::common::corpora::noise_bytes;
use crate::common::place::{Place, json, number};

/// The first entry of a link.
fn link(report: &Value, number: u64) -> &Value {
    let links = report["links"].as_array().unwrap();
    links.iter().find(|link| link["link"] == number).unwrap()
}

/// The floor's reason, where there is no floor.
fn no_floor(report: &Value) -> String {
    let floor = &report["floor"];
    assert!(floor["bits_per_line"].is_null() && floor["distribution"].is_null(), "{floor}");
    assert!(link(report, 1)["bits"].is_null());
    for position in report["positions"].as_array().unwrap() {
        assert!(position["aleatoric_bits"].is_null() && position["epistemic_bits"].is_null());
    }
    floor["reason"].as_str().unwrap().to_owned()
}

/// The whole chain on one file: every figure, its difference, and that the sizes are those of what
/// `compress` writes and `list` counts.
#[test]
fn the_chain_closes() {
    let place = Place::with_lines(80_000, "uniform");
    let report = place.report("a.txt");
    place.ok("compress -q a.txt");
    let archive = place.len("a.txt.sur") as f64;
    let listed = place.json("list --json a.txt.sur");
    let totals = &listed["files"][0]["totals"];

    let numbers: Vec<_> = report["links"].as_array().unwrap().iter().map(|l| &l["link"]).collect();
    assert_eq!(numbers, [1, 2, 2, 3, 4, 5, 6, 7, 8]);
    let bytes = |n| number(&link(&report, n)["bytes"]);
    assert_eq!(bytes(7), archive);
    assert_eq!(bytes(6), number(&totals["modelled_len"]));
    assert_eq!(bytes(7) - bytes(6), number(&totals["framing"]));
    assert_eq!(number(&link(&report, 7)["difference_bits"]), 8.0 * number(&totals["framing"]));
    let apart = bytes(6) / bytes(5) - 1.0;
    assert!(apart.abs() < 1e-4, "{apart}");

    let floor = 80_000.0 * 16.0 * 10f64.log2();
    assert!((number(&link(&report, 1)["bits"]) / floor - 1.0).abs() < 1e-12);
    for n in 1..=7 {
        let link = link(&report, n);
        let bits = number(&link["bits"]);
        assert!((bits / floor - 1.0).abs() < 0.002, "{link}");
        assert!((number(&link["bits_per_line"]) - bits / 80_000.0).abs() < 1e-9, "{link}");
        assert!((number(&link["bytes"]) - bits / 8.0).abs() < 1e-6, "{link}");
        let tokens = 80_000.0 * 28.0;
        let nats = bits / tokens * std::f64::consts::LN_2;
        assert!((number(&link["nats_per_token"]) - nats).abs() < 1e-12, "{link}");
    }
    let claim = &report["claim"];
    assert_eq!(claim["holds"], true);
    assert!((number(&claim["percent"]) - 100.0 * apart.abs()).abs() < 1e-9);
    let sentence = claim["sentence"].as_str().unwrap();
    assert!(sentence.starts_with("The claim holds on this file to 0.00"), "{sentence}");
}

/// Links 3 and 4 are estimates: what a sample differs by from the integers on the same lines.
#[test]
fn the_sample_says_what_rounding_costs() {
    let place = Place::with_lines(10_000, "uniform");
    let report = place.report("a.txt");
    let sample = &report["sample"];
    let per_line = |n| number(&link(&report, n)["bits_per_line"]);
    let check = |network: &Value, n: u64, lines: u64, stride: u64| {
        assert_eq!((&network["lines"], &network["stride"]), (&lines.into(), &stride.into()));
        let difference = number(&network["above_integer"]);
        assert!((number(&network["bits"]) - number(&network["integer_bits"]) - difference).abs() < 1e-9);
        assert!((per_line(n) - per_line(5) - difference).abs() < 1e-9);
        let error = number(&link(&report, n)["standard_error_bits"]);
        assert!((error - 10_000.0 * number(&network["standard_error"])).abs() < 1e-6);
        difference
    };
    // Twenty binary places cost next to nothing, and gain nothing.
    let unrounded = check(&sample["unrounded"], 4, 625, 16);
    assert!((-0.01..0.0).contains(&unrounded), "{unrounded}");
    let floating = check(&sample["floating"], 3, 2500, 4);
    assert!((-0.02..0.0).contains(&floating), "{floating}");
}

#[test]
fn the_training_log_is_the_models_own() {
    let place = Place::with_lines(200, "uniform");
    let log = include_str!("../../../models/tiny-uniform/training.jsonl");
    let last: Value = serde_json::from_str(log.lines().last().unwrap()).unwrap();
    let losses = |report: &Value| -> Vec<Value> {
        let links = report["links"].as_array().unwrap().iter().filter(|l| l["link"] == 2);
        links.map(|link| link["nats_per_token"].clone()).collect()
    };
    let bundled = losses(&place.report("a.txt -m tiny-uniform"));
    for (found, wanted) in bundled.iter().zip(["train_loss", "validation_loss"]) {
        assert!((number(found) - number(&last[wanted])).abs() < 1e-12);
    }
    // A folder's, too; and none is no failure.
    let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/tiny-uniform");
    std::fs::create_dir(place.path("m")).unwrap();
    for file in ["config.json", "model.safetensors", "training.jsonl"] {
        std::fs::copy(models.join(file), place.path("m").join(file)).unwrap();
    }
    assert_eq!(losses(&place.report("a.txt -m m")), bundled);
    std::fs::remove_file(place.path("m/training.jsonl")).unwrap();
    let without = place.report("a.txt -m m");
    assert_eq!(losses(&without), [Value::Null, Value::Null]);
    let why = link(&without, 2)["why"].as_str().unwrap();
    assert!(why.contains("training.jsonl"), "{why}");
}

#[test]
fn the_floor_is_that_of_the_distribution_or_absent() {
    for (operands, entropy) in [
        ("uniform", 16.0 * 10f64.log2()),
        ("leading", 2.0 * 9f64.log2() + 14.0 * 10f64.log2()),
        ("natural", 2.0 * 9f64.log2() + 14.0 * 10f64.log2()),
    ] {
        let place = Place::with_lines(1000, operands);
        let report = place.report("a.txt");
        let floor = &report["floor"];
        assert_eq!(floor["distribution"]["operands"], operands);
        assert!((number(&floor["bits_per_line"]) - entropy).abs() < 1e-9);
        let parts = floor["bits_by_position"].as_array().unwrap();
        let sum: f64 = parts.iter().map(number).sum();
        assert!((sum - entropy).abs() < 1e-9, "{operands}: {sum}");
        for (p, part) in report["positions"].as_array().unwrap().iter().zip(parts) {
            assert_eq!(&p["aleatoric_bits"], part);
            let parts = number(&p["aleatoric_bits"]) + number(&p["epistemic_bits"]);
            assert!((parts - number(&p["bits"])).abs() < 1e-9);
        }
    }
}

/// Operands below 1000 have far less entropy than eight uniform digits: the floor must not be
/// claimed.
#[test]
fn skewed_operands_have_no_floor() {
    let place = Place::new();
    let line = |i: u32| {
        let (a, b) = (i * 7919 % 1000, i * 104_729 % 997);
        format!("{a:08}+{b:08}={:09}\n", a + b)
    };
    place.write("a.txt", (1..3000).map(line).collect::<String>());
    let reason = no_floor(&place.report("a.txt"));
    assert!(reason.contains("is 0 in 100.00 % of the lines"), "{reason}");
    place.write("a.txt", (1..50).map(line).collect::<String>());
    let reason = no_floor(&place.report("a.txt"));
    assert!(reason.contains("too few"), "{reason}");
    assert!(place.text("report a.txt").contains("1 entropy of the lines: not known"));
}

/// One wrong digit among good lines costs many bits and is named first.
#[test]
fn a_wrong_sum_is_the_worst_line() {
    let place = Place::with_lines(2000, "uniform");
    let mut text = place.read("a.txt");
    let at = 28 * 1233 + 23;
    text[at] = if text[at] == b'9' { b'0' } else { text[at] + 1 };
    place.write("a.txt", &text);
    let report = place.report("a.txt");
    let worst = &report["worst_lines"][0];
    assert_eq!(worst["line"], 1234);
    assert!(number(&worst["bits"]) > 60.0);
    let tokens = worst["tokens"].as_array().unwrap();
    assert_eq!(tokens.len(), 28);
    let sum: f64 = tokens.iter().map(|token| number(&token["bits"])).sum();
    assert!((sum - number(&worst["bits"])).abs() < 1e-9);
    assert!(number(&tokens[23]["bits"]) > 8.0, "{}", tokens[23]["bits"]);
    let position = &report["positions"][23];
    assert_eq!((&position["label"], &position["worst_line"]), (&"c6".into(), &1234.into()));
    assert_eq!(position["worst_bits"], tokens[23]["bits"]);
    assert!(no_floor(&report).starts_with("line 1234 is no right sum"));
    let text = place.text("report a.txt");
    assert!(text.contains("line 1,234, "), "{text}");
}

#[test]
fn a_corpus_that_no_model_fits_has_a_true_account() {
    let place = Place::new();
    let word = |i: u32| {
        ["best", "of", "times", "worst", "age", "wisdom"][(i.wrapping_mul(i * 7919) >> 5) as usize % 6]
    };
    let prose: String = (0..9000).map(|i| word(i).to_owned() + if i % 7 == 0 { "\n" } else { " " }).collect();
    for content in [prose.as_bytes(), &noise_bytes(5000), b"no newline", b"\n\n", b""] {
        place.write("a.txt", content);
        place.ok("compress -qf a.txt");
        let archive = place.len("a.txt.sur");
        let report = place.report("a.txt");
        let parts = &report["archive"];
        assert_eq!(parts["bytes"], archive);
        let sum = ["coded_bytes", "beside_bytes", "fallback_bytes", "framing_bytes"]
            .iter()
            .map(|part| parts[part].as_u64().unwrap());
        assert_eq!(sum.sum::<u64>(), archive);
        no_floor(&report);
        place.text("report a.txt");
        if content.len() > 100 {
            assert!(report["claim"]["holds"].is_null());
            let sentence = report["claim"]["sentence"].as_str().unwrap();
            assert!(sentence.contains("the model coded none"), "{sentence}");
            assert!(parts["fallback_bytes"].as_u64().unwrap() * 10 > archive * 7, "{parts}");
        }
    }
}

#[test]
fn lines_outside_the_model_are_accounted_for() {
    let place = Place::with_lines(500, "uniform");
    let text = place.read_text("a.txt") + "an odd line\nwithout an end";
    place.write("a.txt", &text);
    let report = place.report("a.txt");
    assert_eq!(report["corpus"]["lines"], 502);
    assert_eq!(report["corpus"]["modelled_lines"], 500);
    let parts = &report["archive"];
    assert!(number(&parts["beside_bytes"]) > 20.0);
    let difference = number(&link(&report, 7)["difference_bits"]) / 8.0;
    assert_eq!(difference, number(&parts["beside_bytes"]) + number(&parts["framing_bytes"]));
    assert!(link(&report, 7)["why"].as_str().unwrap().contains("that the model cannot code"));
    assert!(link(&report, 7)["bits_per_token"].is_null());
}

#[test]
fn text_archive_and_stream_have_the_same_account() {
    let place = Place::with_lines(700, "natural");
    place.ok("compress -q a.txt");
    let timeless = |mut report: Value| {
        for field in ["file", "seconds", "threads"] {
            report.as_object_mut().unwrap().remove(field).expect("a field");
        }
        report
    };
    let text = timeless(place.report("a.txt -T1"));
    assert_eq!(timeless(place.report("a.txt.sur -T3")), text);
    let piped = place.pipe("report --json", place.read("a.txt"));
    assert_eq!(timeless(json(&piped)), text);
    // A damaged archive is one, not a text.
    let mut archive = place.read("a.txt.sur");
    archive[300] ^= 1;
    place.write("a.txt.sur", &archive);
    assert!(place.fails(1, "report a.txt.sur").contains("damaged archive"));
}

#[test]
fn the_code_length_ends_at_the_payload() {
    let place = Place::with_lines(70_000, "uniform");
    let report = place.report("a.txt");
    let points = report["code_length"].as_array().unwrap();
    assert!((100..=600).contains(&points.len()), "{}", points.len());
    let mut before = (-1.0, -1.0);
    for point in points {
        let now = (number(&point["lines"]), number(&point["bits"]));
        assert!(now.0 > before.0 && now.1 > before.1);
        assert!((now.1 - 53.155 * now.0).abs() < 0.001 * now.1 + 20.0, "{point}");
        before = now;
    }
    let parts = &report["archive"];
    assert_eq!(before.0, 70_000.0);
    let inner = before.1 / 8.0 - number(&parts["coded_bytes"]);
    assert!((0.0..40.0).contains(&inner), "{inner}");
}

#[cfg(feature = "cli")]
#[test]
fn peers_are_measured_when_asked_for() {
    let place = Place::with_lines(3000, "uniform");
    let report = place.report("a.txt");
    assert!(report["peers"].is_null());
    assert_eq!(report["two_part"]["xz"].as_array().unwrap().len(), 1);
    let break_even = number(&report["two_part"]["break_even_lines"]);
    assert!((10_000.0..40_000.0).contains(&break_even), "{break_even}");

    place.ok("compress -q a.txt");
    for file in ["a.txt", "a.txt.sur"] {
        let report = place.report(&[file, "--peers"]);
        let peers = report["peers"].as_array().unwrap();
        assert_eq!(peers.len(), 4);
        for peer in peers {
            let bytes = number(&peer["bytes"]);
            assert!((33_000.0..45_000.0).contains(&bytes), "{peer}");
            assert!(number(&peer["seconds"]) > 0.0);
        }
        assert!(report["two_part"]["xz"].as_array().unwrap().len() > 3);
    }
    assert!(place.text("report --peers a.txt").contains("brotli -q 11"));
    place.fails(2, "report a.txt --peers --no-peers");
}

#[test]
fn pages_and_figures_are_files_that_stay() {
    let place = Place::with_lines(300, "uniform");
    place.text("report a.txt --no-peers --html a.html --svg figures");
    let page = place.read_text("a.html");
    assert!(page.len() < 1_000_000 && page.ends_with("</html>\n"));
    for foreign in ["<script", "http://", "https://", "@import", "url("] {
        let found = page.replace("http://www.w3.org/2000/svg", "").contains(foreign);
        assert!(!found, "{foreign}");
    }
    let mut expected = vec!["chain.svg", "code-length.svg", "lines.svg", "positions.svg", "training.svg"];
    if cfg!(feature = "cli") {
        expected.push("two-part.svg");
    }
    assert_eq!(place.names_in("figures"), expected);
    assert!(place.read_text("figures/chain.svg").starts_with("<svg xmlns="));

    let message = place.fails(1, "report a.txt --no-peers --html a.html");
    assert!(message.contains("a.html exists") && message.contains("-f"), "{message}");
    let message = place.fails(1, "report a.txt --no-peers --svg figures");
    assert!(message.contains("chain.svg exists"), "{message}");
    place.text("report a.txt -f --no-peers --html a.html --svg figures");
    let message = place.fails(1, "report a.txt -f --no-peers --html ./a.txt");
    assert!(message.contains("input and output at once"), "{message}");
    place.fails(1, "report missing --html b.html");
    assert!(!place.path("b.html").exists());
}
