//! `corpus`: the lines of a seed.

use crate::common::place::Place;

#[test]
fn the_same_seed_gives_the_same_corpus() {
    let place = Place::with_corpus();
    let corpus = |seed| place.ok(&["corpus", "--lines", "300", "--seed", seed]);
    assert_eq!(corpus("1"), place.read("a.txt"));
    assert_ne!(corpus("2"), place.read("a.txt"));
    let natural = place.ok("corpus --lines 5 --digits 3 --operands natural");
    assert_eq!(String::from_utf8(natural).unwrap().lines().count(), 5);
    assert!(place.ok("corpus --lines 0").is_empty());
}
