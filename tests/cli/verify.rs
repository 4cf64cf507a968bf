//! `verify`: against a file, and as JSON.

use crate::common::place::{Place, json};

#[test]
fn verify_compares_with_a_file() {
    let place = Place::with_archive();
    let said = place.text("t a.txt.sur --against a.txt");
    assert_eq!(said, "a.txt.sur: ok, 300 lines, 8,400 bytes\n");
    let mut other = place.read("a.txt");
    other[28 * 41 + 3] ^= 1;
    place.write("b", &other);
    let message = place.fails(1, "t a.txt.sur --against b");
    assert!(message.contains("byte 1151") && message.contains("line 42"), "{message}");
    place.write("b", &place.read("a.txt")[..100]);
    let message = place.fails(1, "t a.txt.sur --against b");
    assert!(message.contains("b ends where"), "{message}");
    place.write("b", [&place.read("a.txt")[..], b"x"].concat());
    let message = place.fails(1, "t a.txt.sur --against b");
    assert!(message.contains("b goes on"), "{message}");
}

#[test]
fn json_of_verify_tells_of_every_file() {
    let place = Place::with_archive();
    place.write("bad.sur", b"no archive");
    let output = place.run("t --json a.txt.sur bad.sur");
    assert_eq!(output.status.code(), Some(1));
    let found = json(&output.stdout);
    assert_eq!((&found["ok"], &found["files"][0]["ok"]), (&false.into(), &true.into()));
    assert_eq!(found["files"][0]["lines"], 300);
    assert!(found["files"][1]["error"].as_str().unwrap().contains("bad.sur"));
}
