//! `explain`: what each token of a line costs and what else was expected.

use crate::common::place::{Place, number};

#[test]
fn a_line_is_explained() {
    let place = Place::new();
    let line = "17282456+79546852=096829308";
    let text = place.text(&["explain", line]);
    assert!(!text.contains('\x1b'), "no colours outside a terminal");
    let rows: Vec<Vec<&str>> = text.lines().map(|row| row.split_whitespace().collect()).collect();
    assert_eq!(rows[0][..3], ["token", "probability", "bits"]);
    for (i, symbol) in line.chars().map(String::from).chain(["end".into()]).enumerate() {
        let row = &rows[i + 1];
        assert_eq!(row[0], symbol);
        let (probability, bits): (f64, f64) = (row[1].parse().unwrap(), row[2].parse().unwrap());
        let expected = if i < 17 && i != 8 { 10f64.log2() } else { 0.0 };
        assert!((bits - expected).abs() < 0.1, "{i}: {bits}");
        assert!((-probability.log2() - bits).abs() < 1e-3, "{row:?}");
        assert!(row.len() >= 10, "runners-up: {row:?}");
    }
    let value = place.json(&["explain", "--json", line]);
    assert_eq!(value["tokens"].as_array().unwrap().len(), 28);
    let distribution = value["tokens"][0]["distribution"].as_array().unwrap();
    let sum: f64 = distribution.iter().map(|pair| number(&pair[1])).sum();
    assert!(distribution.len() == 14 && (sum - 1.0).abs() < 1e-9);
    let total: f64 = value["tokens"].as_array().unwrap().iter().map(|t| number(&t["bits"])).sum();
    assert!((total - number(&value["bits"])).abs() < 1e-9);

    // The model is chosen as `compress` chooses it.
    let natural = "17282456+79546852=96829308";
    place.write("a.txt", natural.to_owned() + "\n");
    let compressed = place.json("compress --json a.txt");
    let explained = place.json(&["explain", "--json", natural]);
    assert_eq!(explained["model"], compressed["model"]);

    let message = place.fails(1, "explain 17x");
    assert!(message.contains("character 3") && message.contains("'x'"), "{message}");
    assert!(place.fails(1, &["explain", &"1".repeat(40)]).contains("at most"));
    place.fails(2, "explain");
}
