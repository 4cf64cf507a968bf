//! No verb harms a file: outputs are no inputs, nothing is overwritten or removed that should not be,
//! nothing half-written stays, and names are shown and opened as they are.

use std::io::Write;
use std::process::Stdio;

use crate::common::place::{Place, json, stderr};

/// A folder with a corpus and ways to name it.
#[cfg(unix)]
fn with_links() -> Place {
    let place = Place::with_corpus();
    std::fs::hard_link(place.path("a.txt"), place.path("hard")).unwrap();
    std::os::unix::fs::symlink("a.txt", place.path("soft")).unwrap();
    place
}

#[cfg(unix)]
#[test]
fn no_output_is_an_input() {
    let place = with_links();
    let (text, names) = (place.read("a.txt"), place.names());
    for name in ["a.txt", "./a.txt", "hard", "soft"] {
        for args in [
            "c -f a.txt -o".to_owned(),
            "c -f --learn=pico --verify --rm a.txt --log".into(),
            "report -f --no-peers a.txt --html".into(),
        ] {
            let message = place.fails(1, format!("{args} {name}"));
            assert!(message.contains("input and output at once"), "{message}");
        }
        let script = format!("\"$0\" c -c a.txt >> {name}");
        let output = place.shell(&script);
        assert!(stderr(&output).contains("stdout goes to the file that is read"));
        let piped = place.shell(&format!("\"$0\" c -f -o {name} < a.txt"));
        assert!(stderr(&piped).contains("input and output at once"));
        assert!(place.read("a.txt") == text, "{args}", args = name);
    }
    assert_eq!(place.names(), names);
    std::fs::create_dir(place.path("svg")).unwrap();
    std::fs::rename(place.path("hard"), place.path("svg/chain.svg")).unwrap();
    place.fails(1, "report -f --no-peers a.txt --svg svg");
    std::fs::create_dir(place.path("run")).unwrap();
    std::fs::rename(place.path("a.txt"), place.path("run/training.jsonl")).unwrap();
    #[cfg(feature = "train")]
    place.fails(1, "train -f -o run --corpus run/training.jsonl --steps 1");
    place.fails(1, "c -f --learn=pico run/training.jsonl --save-model run");
    assert!(place.read("run/training.jsonl") == text);
}

#[test]
fn no_output_is_another_output() {
    let place = Place::with_corpus();
    let message = place.fails(1, "c -f --learn=pico a.txt -o x --log x");
    assert!(message.contains("written already by the same command"), "{message}");
    for log in ["-", "/dev/stdout"] {
        let message = place.fails(1, format!("c --learn=pico a.txt -c --log {log}"));
        assert!(message.contains("stdout"), "{message}");
    }
    let message = place.fails(1, "c -f --learn=pico a.txt -o m/model.safetensors --save-model m");
    assert!(message.contains("m/model.safetensors"), "{message}");
    assert_eq!(place.names(), ["a.txt"]);
}

/// Neither where a shell leads stdout to, nor a pipe twice.
#[cfg(unix)]
#[test]
fn no_output_is_where_stdout_goes() {
    let place = Place::with_corpus();
    for args in
        ["c -f -c --learn=pico a.txt --log x", "report -f --no-peers a.txt --html x", "c -f a.txt -o x"]
    {
        let output = place.shell(&format!("\"$0\" {args} > x"));
        assert!(stderr(&output).contains("written already by the same command"), "{args}");
        assert_eq!(place.len("x"), 0, "{args}");
    }
    let output = place.shell("\"$0\" c -q -o /dev/stdout a.txt > x && \"$0\" d -c x | cmp - a.txt");
    assert!(output.status.success(), "{}", stderr(&output));
    let output = place.shell("\"$0\" c -q -f --learn=pico --log /dev/stderr -o y a.txt 2> log; cat log >&2");
    assert!(stderr(&output).contains("a file that is open already"), "{}", stderr(&output));
    place.make_pipe("pipe");
    let output = place.shell("cat pipe > got & \"$0\" c -q --learn=pico -o pipe --log pipe a.txt; wait");
    assert!(stderr(&output).contains("written already"), "{}", stderr(&output));
}

/// A model that is read is an input, too.
#[test]
fn no_output_is_of_the_model() {
    let place = Place::with_archive();
    let (model, names) = (place.other_model(), place.names());
    let weights = place.read("other/model.safetensors");
    for args in ["c -f a.txt -o", "d -f a.txt.sur -o", "report -f --no-peers a.txt --html"] {
        let message = place.fails(1, format!("{args} {model}/model.safetensors -m {model}"));
        assert!(message.contains("input and output at once"), "{message}");
    }
    assert!(place.read("other/model.safetensors") == weights && place.names() == names);
}

/// A link that leads nowhere is a name that exists, and that is known before the work.
#[cfg(unix)]
#[test]
fn links_that_lead_nowhere_are_not_overwritten() {
    let place = Place::with_corpus();
    std::os::unix::fs::symlink("nowhere", place.path("link")).unwrap();
    let output = place.run("c -v a.txt -o link");
    let said = stderr(&output);
    assert!(said.contains("exists already") && said.lines().count() == 1, "nothing was begun: {said}");
}

#[test]
fn stdout_is_no_folder() {
    let place = Place::with_corpus();
    let mut verbs = vec!["report --no-peers a.txt --svg -", "c --learn=pico a.txt --save-model -"];
    if cfg!(feature = "train") {
        verbs.push("train --preset pico --steps 1 -o -");
    }
    for args in verbs {
        assert!(place.fails(2, args).contains("a folder cannot be stdout"), "{args}");
    }
    assert_eq!(place.names(), ["a.txt"]);
}

#[test]
fn logs_and_models_are_overwritten_with_force_only_and_whole() {
    let place = Place::with_corpus();
    let learn = "c -q --learn=pico a.txt -o b.sur";
    place.ok(format!("{learn} --log log --save-model model"));
    place.write("model/training.jsonl", "of another network");
    place.write("log", "precious");
    std::fs::remove_file(place.path("b.sur")).unwrap();
    for option in ["--log log", "--save-model model"] {
        let message = place.fails(1, format!("{learn} {option}"));
        assert!(message.contains("exists already: use -f"), "{message}");
    }
    assert_eq!(place.names(), ["a.txt", "log", "model"]);
    assert_eq!(place.read("log"), b"precious");
    place.ok(format!("{learn} -f --log log --save-model model"));
    assert_eq!(place.names_in("model"), ["config.json", "model.safetensors"]);
    place.write("model/thesis.tex", "mine");
    let message = place.fails(1, format!("{learn} -f --save-model model"));
    assert!(message.contains("holds other files"), "{message}");
    assert_eq!(place.read("model/thesis.tex"), b"mine");
}

#[test]
fn a_log_may_go_to_stdout() {
    let place = Place::with_corpus();
    let log = place.text("c -q --learn=pico a.txt --log -");
    assert!(log.starts_with('{') && log.ends_with("}\n"), "{log}");
    assert_eq!(place.names(), ["a.txt", "a.txt.sur"]);
}

#[cfg(unix)]
#[test]
fn only_the_file_that_was_read_is_removed() {
    let change = |change: &dyn Fn(&Place)| {
        let place = Place::with_lines(5000, "uniform");
        place.make_pipe("pipe");
        let args = "c -q --rm --learn=pico -T1 --log pipe a.txt";
        let child = place.process(args).stderr(Stdio::piped()).spawn().unwrap();
        // Its log can be opened once it has opened the corpus.
        let log = std::fs::File::open(place.path("pipe")).unwrap();
        change(&place);
        std::io::copy(&mut &log, &mut std::io::sink()).unwrap();
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(1));
        assert!(stderr(&output).contains("not removed"), "{}", stderr(&output));
        assert!(place.path("a.txt.sur").exists());
        place.read_text("a.txt")
    };
    let replaced = change(&|place| {
        place.write("new", "new");
        std::fs::rename(place.path("new"), place.path("a.txt")).unwrap();
    });
    assert_eq!(replaced, "new");
    let longer = change(&|place| {
        let mut file = std::fs::File::options().append(true).open(place.path("a.txt")).unwrap();
        file.write_all(b"appended").unwrap();
    });
    assert!(longer.ends_with("appended"));
}

#[cfg(unix)]
#[test]
fn nothing_is_removed_unless_a_file_got_its_name() {
    let place = Place::with_archive();
    place.make_pipe("pipe");
    // That of the pipe without waiting for a reader.
    for args in ["c --rm -o /dev/null a.txt", "d --rm -o /dev/null a.txt.sur", "c --rm -o pipe a.txt"] {
        assert!(place.fails(1, args).contains("--rm needs a regular file"));
    }
    place.fails(2, "c --rm -o - a.txt");
    std::fs::rename(place.path("a.txt"), place.path("b.txt")).unwrap();
    std::os::unix::fs::symlink("b.txt", place.path("a.txt")).unwrap();
    assert!(place.fails(1, "c -f -q --rm a.txt").contains("not removed"));
    assert_eq!(place.names(), ["a.txt", "a.txt.sur", "b.txt", "pipe"]);
}

#[cfg(target_os = "linux")]
#[test]
fn a_killed_run_leaves_nothing() {
    let place = Place::with_corpus();
    let mut child = place.process("c -o b.sur").stdin(Stdio::piped()).spawn().unwrap();
    // More than a pipe holds: it has opened its output and reads.
    child.stdin.as_mut().unwrap().write_all(&[b'x'; 1 << 18]).unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(place.names(), ["a.txt"]);
}

#[cfg(unix)]
#[test]
fn a_file_that_outgrows_its_limit_is_an_error() {
    let place = Place::with_corpus();
    place.write("noise", crate::common::corpora::noise_bytes(1 << 20));
    place.ok("c -q noise");
    let output = place.shell("ulimit -f 8; exec \"$0\" d noise.sur -o b");
    assert!(stderr(&output).contains("cannot write b: File too large"), "{}", stderr(&output));
    for args in [
        "c -f noise",
        "corpus -n 10000 -o b",
        "c --learn=pico a.txt --save-model m",
        "report --learn=pico < noise",
    ] {
        let output = place.shell(&format!("ulimit -f 8; exec \"$0\" {args}"));
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(1), "{args}");
        assert!(said.contains("File too large") && !said.contains(".surprisal"), "{said}");
    }
    assert_eq!(place.names(), ["a.txt", "noise", "noise.sur"]);
}

#[test]
fn what_a_killed_run_left_elsewhere_is_mentioned() {
    let place = Place::with_corpus();
    place.write(".surprisal-unfinished-x.tmp", "a part");
    let said = stderr(&place.run("c a.txt"));
    assert!(said.contains(".surprisal-unfinished-x.tmp: left by a run"), "{said}");
    assert_eq!(stderr(&place.run("c -q -f a.txt")), "");
    std::fs::create_dir(place.path("models")).unwrap();
    place.write("models/.surprisal-unfinished-y.tmp", "a part");
    let said = stderr(&place.run("c -f --learn=pico a.txt --save-model models/m"));
    assert!(said.contains(".surprisal-unfinished-y.tmp: left by a run"), "{said}");
}

#[test]
fn names_that_cannot_be_made_are_refused_before_the_work() {
    let place = Place::with_corpus();
    let long = "x".repeat(252);
    place.write(&long, "text");
    let message = place.fails(1, format!("c -v {long}"));
    assert!(message.contains(&format!("{long}.sur: ")), "{message}");
    for args in ["c a.txt -o nowhere/b", "corpus -n 1 -o nowhere/b", "c --learn=pico a.txt --log nowhere/b"] {
        let message = place.fails(1, args);
        assert!(message.contains("nowhere/b") && !message.contains(".surprisal"), "{message}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn names_need_not_be_unicode() {
    use std::os::unix::ffi::OsStrExt;
    let name = |bytes: &'static [u8]| std::ffi::OsStr::from_bytes(bytes);
    let place = Place::with_corpus();
    let run = |args: &str, file: &[u8]| {
        let mut command = place.command(args);
        let output = command.arg(std::ffi::OsStr::from_bytes(file)).output().unwrap();
        assert!(output.status.success(), "{args}: {}", stderr(&output));
        output.stdout
    };
    let text = place.read("a.txt");
    std::fs::rename(place.path("a.txt"), place.folder().join(name(b"\xff.txt"))).unwrap();
    let said = json(&run("c --json --rm", b"\xff.txt"));
    assert_eq!((&said["file"], &said["file_renamed"]), (&"\u{fffd}.txt".into(), &true.into()));
    assert_eq!((&said["output"], &said["output_renamed"]), (&"\u{fffd}.txt.sur".into(), &true.into()));
    for args in ["verify --json", "list --json"] {
        let said = json(&run(args, b"\xff.txt.sur"));
        assert_eq!(said["files"][0]["file_renamed"], true, "{args}");
    }
    run("d", b"\xff.txt.sur");
    assert!(std::fs::read(place.folder().join(name(b"\xff.txt"))).unwrap() == text);
    let other = place.other_model();
    std::fs::rename(place.path(other), place.folder().join(name(b"m\xff"))).unwrap();
    let mut command = place.command("c -q -f -m");
    let output = command.arg(name(b"m\xff")).arg(name(b"\xff.txt")).output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
}

#[test]
fn what_a_user_may_not_have_meant_is_said() {
    let place = Place::with_archive();
    let said = stderr(&place.run("c a.txt.sur"));
    assert!(said.contains("it is an archive already"), "{said}");
    let said = stderr(&place.shell("\"$0\" c < a.txt.sur > again.sur"));
    assert!(said.contains("stdin: it is an archive already"), "{said}");
    let other = place.other_model();
    let said = stderr(&place.run(format!("c -f a.txt -m {other}")));
    assert!(said.contains("only with the model in other"), "{said}");
    for quiet in ["c -f a.txt -m other -q", "c -f a.txt.sur -q", "c -f -q a.txt -m other --embed-model"] {
        assert_eq!(stderr(&place.run(quiet)), "");
    }
    let copy = concat!(env!("CARGO_MANIFEST_DIR"), "/models/tiny-uniform");
    for bundled in ["tiny-uniform", copy] {
        let said = stderr(&place.run(&["c", "-f", "a.txt", "-m", bundled]));
        assert_eq!(said.lines().count(), 1, "{said}");
    }
}

/// Of file names, of a model's name in an archive and of symbols.
#[cfg(unix)]
#[test]
fn control_characters_are_shown() {
    let place = Place::with_corpus();
    let evil = "e\u{1b}[2J\nb.sur";
    let other = place.other_model();
    std::fs::rename(place.path(other), place.path("m\u{1b}[31m\nx")).unwrap();
    let model = "m\u{1b}[31m\nx";
    let said = stderr(&place.run(&["c", "-v", "a.txt", "-m", model, "-o", evil]));
    let listed = place.text(&["list", "-v", evil]);
    let verified = place.text(&["verify", "-m", model, evil]);
    let failed = stderr(&place.run(&["verify", evil]));
    let report = place.text(&["report", "--no-peers", "-m", model, evil]);
    for text in [&said, &listed, &verified, &failed, &report] {
        assert!(!text.contains('\u{1b}') && text.contains("\\u{1b}"), "{text}");
    }
    assert_eq!(listed.lines().filter(|line| line.starts_with("e\\u{1b}")).count(), 2);
    assert_eq!(verified.lines().count(), 1);
}
