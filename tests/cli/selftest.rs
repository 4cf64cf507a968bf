//! `selftest`: the right hash on every kernel that this processor has, the one that docs/platforms.md names.

use crate::common::place::Place;

const HASH: &str = "56296d9273488875";
/// Of `--quick`.
const QUICK_HASH: &str = "6f857618455433bb";

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
    assert!(platforms.contains(&format!("**{QUICK_HASH}** with `--quick`")));
}

#[test]
fn the_short_form_leaves_out_learning() {
    let result = Place::new().json("selftest --quick --json");
    assert_eq!((&result["holds"], &result["hash"]), (&true.into(), &QUICK_HASH.into()), "{result}");
    assert_eq!(result["quick"], true);
    for target in result["targets"].as_array().unwrap() {
        let results = target["results"].as_array().unwrap();
        assert!(results.len() == 8 && results.iter().all(|result| result["case"] != "learning"), "{target}");
    }
}

#[test]
fn one_kernel_alone_has_a_table_of_its_own() {
    let place = Place::new();
    let output = place.command("selftest").env("SURPRISAL_ISA", "portable").output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success() && text.contains("portable") && !text.contains("scalar"), "{text}");
    assert!(text.lines().last().unwrap().ends_with(HASH), "{text}");
}
