//! `list`: archives, their blocks and totals.

use crate::common::place::{Place, json};

#[test]
fn listings() {
    let place = Place::with_archive();
    let archive = place.read("a.txt.sur");
    place.write("two.sur", archive.repeat(2));
    let listed = place.json("list --json two.sur");
    let file = &listed["files"][0];
    assert_eq!(file["archives"].as_array().unwrap().len(), 2);
    assert_eq!(file["archives"][1]["offset"], archive.len());
    assert_eq!(file["archives"][1]["blocks"][0]["kind"], "modelled");
    assert_eq!(file["totals"]["lines"], 600);
    assert_eq!(file["totals"]["bytes_out"], 2 * archive.len());
    let piped = place.pipe("l --json", archive.repeat(2));
    assert_eq!(json(&piped)["files"][0]["archives"], file["archives"]);
    let text = place.text("l -v a.txt.sur");
    assert!(text.contains("tiny-uniform") && text.contains("modelled"), "{text}");
}
