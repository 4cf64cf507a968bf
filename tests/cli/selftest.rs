//! `selftest`: the right hash on every kernel that this processor has, the one that docs/platforms.md names.

use crate::common::place::Place;

const HASH: &str = "56296d9273488875";

#[test]
fn every_kernel_computes_the_hash_of_all_machines() {
    let result = Place::new().json("selftest --json");
    assert_eq!((&result["holds"], &result["hash"]), (&true.into(), &HASH.into()), "{result}");
    let targets = result["targets"].as_array().unwrap();
    assert!(targets.len() >= 2, "the definition and the portable kernel run everywhere");
    for target in targets {
        println!("{} in {} s", target["target"], target["seconds"]);
        assert_eq!(target["results"].as_array().unwrap().len(), 13);
    }
    let platforms = include_str!("../../docs/platforms.md");
    assert!(platforms.contains(&format!("**{HASH}**")));
}

#[test]
fn one_kernel_alone_has_a_table_of_its_own() {
    let place = Place::new();
    let output = place.command("selftest").env("SURPRISAL_ISA", "portable").output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success() && text.contains("portable") && !text.contains("scalar"), "{text}");
    assert!(text.lines().last().unwrap().ends_with(HASH), "{text}");
}
