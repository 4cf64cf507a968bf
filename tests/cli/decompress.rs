//! `decompress`: ranges of lines, other models, and what damage leaves.

use crate::common::place::{Place, stderr};

#[test]
fn damaged_archives_leave_no_file() {
    let place = Place::with_archive();
    std::fs::remove_file(place.path("a.txt")).unwrap();
    let archive = place.read("a.txt.sur");
    let mut flipped = archive.clone();
    flipped[archive.len() / 2] ^= 1;
    for (damaged, part) in [(&flipped[..], "block 0"), (&archive[..archive.len() / 2], "ends within block 0")]
    {
        place.write("a.txt.sur", damaged);
        let message = place.fails(1, "d a.txt.sur");
        assert!(message.contains(part) && message.contains("a.txt was not written"), "{message}");
        assert_eq!(place.names(), ["a.txt.sur"]);
        assert!(place.fails(1, "verify a.txt.sur").contains(part));
        assert!(place.fails(1, "d -c a.txt.sur").contains("what precedes"));
    }
}

#[test]
fn what_precedes_damage_reaches_stdout() {
    let place = Place::with_archive();
    let mut archives = place.read("a.txt.sur");
    archives.extend_from_within(..archives.len() / 2);
    place.write("a.txt.sur", &archives);
    let output = place.run("d -c a.txt.sur");
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(output.stdout, place.read("a.txt"));
}

#[test]
fn the_wrong_model_is_named() {
    let place = Place::with_corpus();
    let other = place.other_model();
    place.ok(&["c", "-q", "-m", other, "a.txt"]);
    let identity = |archive| {
        let listed = place.json(&["l", "--json", archive]);
        let identity = &listed["files"][0]["archives"][0]["identity"];
        identity.as_str().unwrap().to_owned()
    };
    place.ok("c -q -m tiny-uniform a.txt -o bundled.sur");
    let (wanted, at_hand) = (identity("a.txt.sur"), identity("bundled.sur"));
    assert_ne!(wanted, at_hand);
    let message = place.fails(1, "d -c a.txt.sur");
    assert!(message.contains(&wanted) && message.contains(&at_hand) && message.contains("-m"), "{message}");
    for archive in ["a.txt.sur", "bundled.sur"] {
        let text = place.ok(&["d", "-c", "-m", other, archive]);
        assert_eq!(text, place.read("a.txt"));
    }
    let message = place.fails(1, "c -m nowhere a.txt");
    assert!(message.contains("tiny-uniform") && message.contains("config.json"), "{message}");
}

#[test]
fn ranges_of_lines() {
    let place = Place::with_archive();
    let text = place.read("a.txt");
    let expected = |from: usize, to: usize| &text[28 * (from - 1)..28 * to];
    for (range, from, to) in
        [("7..9", 7, 9), ("290..", 290, 300), ("..1", 1, 1), ("5", 5, 5), ("299..999", 299, 300)]
    {
        let found = place.ok(&["d", "--lines", range, "a.txt.sur"]);
        assert_eq!(found, expected(from, to), "{range}");
        let piped =
            place.command(&["d", "--lines", range]).pipe_stdin(place.path("a.txt.sur")).unwrap().output();
        assert_eq!(piped.unwrap().stdout, expected(from, to), "{range}");
    }
    place.ok("d --lines 2..3 -o some a.txt.sur");
    assert_eq!(place.read("some"), expected(2, 3));
    for bad in ["0..3", "3..2", "x", ".."] {
        place.fails(2, &["d", "--lines", bad, "a.txt.sur"]);
    }
}

/// What is whole of a damaged archive is written, and the missing lines are named.
#[test]
fn salvage_writes_what_is_whole() {
    let place = Place::with_archive();
    let (text, archive) = (place.read("a.txt"), place.read("a.txt.sur"));
    let mut three = archive.repeat(3);
    place.write("three.sur", &three);
    place.ok("d --salvage three.sur");
    assert_eq!(place.read("three"), text.repeat(3));
    three[archive.len() + archive.len() / 2] ^= 1;
    place.write("three.sur", &three);
    let message = place.fails(1, "d -f --salvage three.sur");
    for part in ["salvaged 2 blocks", "archive 2 block 0 (lines 301 to 600)", "does not match its checksum"] {
        assert!(message.contains(part), "{message}");
    }
    assert_eq!(place.read("three"), text.repeat(2));
    let piped = place.command("d --salvage").write_stdin(three).output().unwrap();
    assert_eq!((piped.status.code(), &piped.stdout), (Some(1), &text.repeat(2)));
    assert!(stderr(&piped).contains("lines 301 to 600"), "{}", stderr(&piped));

    place.write("none.sur", "no archive");
    assert!(place.fails(1, "d --salvage none.sur").contains("not a surprisal archive"));
    assert!(!place.path("none").exists());
    for option in ["--rm", "--lines 1..2"] {
        let error = place.fails(2, format!("d --salvage {option} three.sur"));
        assert!(error.contains("cannot be used with"), "{error}");
    }
}

/// Lines before the place where an archive is cut come, from a file and from a pipe.
#[test]
fn lines_of_a_cut_archive() {
    let place = Place::with_archive();
    let (text, archive) = (place.read("a.txt"), place.read("a.txt.sur"));
    let cut = [&archive[..], &archive[..archive.len() / 2]].concat();
    place.write("cut.sur", &cut);
    assert_eq!(place.ok("d --lines 299..300 cut.sur"), text[28 * 298..]);
    assert_eq!(place.pipe("d --lines 299..300", cut), text[28 * 298..]);
    assert!(place.fails(1, "d --lines 301 cut.sur").contains("ends within block 0"));
    place.write("cut.sur", &archive[..archive.len() - 3]);
    assert_eq!(place.ok("d --lines 7..9 cut.sur"), text[28 * 6..28 * 9]);
}
