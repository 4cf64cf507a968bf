//! How runs begin and end: signals, streams, terminals, threads, and what JSON says of failures.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::Stdio;
use std::time::Duration;

#[cfg(all(unix, feature = "train"))]
use crate::common::place::interrupt;
use crate::common::place::{Place, json, stderr};

#[cfg(unix)]
#[test]
fn signals_that_were_ignored_stay_ignored() {
    let place = Place::with_archive();
    let mut shell = place.shell_process("trap '' INT HUP; exec \"$0\" c -o b.sur");
    let mut child = shell.stdin(Stdio::piped()).spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    // More than a pipe holds: it has started and reads.
    input.write_all(&[b'x'; 1 << 18]).unwrap();
    // By their bits, as the system has them: a signal may be sent long before it is answered.
    #[cfg(target_os = "linux")]
    {
        let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
        let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:\t")).unwrap();
        assert_eq!(u64::from_str_radix(ignored, 16).unwrap() & 0b11, 0b11, "{status}");
    }
    for signal in ["-INT", "-HUP"] {
        let mut kill = std::process::Command::new("kill");
        assert!(kill.args([signal, &child.id().to_string()]).status().unwrap().success());
    }
    input.write_all(b"the end").unwrap();
    drop(input);
    assert!(child.wait().unwrap().success());
    assert!(place.text("d -c b.sur").ends_with("xthe end"));
}

#[cfg(all(unix, feature = "train"))]
#[test]
fn a_training_reads_pipes_once_and_every_wait_ends() {
    let place = Place::with_lines(100, "uniform");
    let text = place.read("a.txt");
    let train = "train -q --preset pico --batch-lines 8 --steps 2 --eval-every 1 -o";
    place.pipe(format!("{train} stdin --corpus -"), text.clone());
    place.make_pipe("pipe");
    let writer = std::thread::spawn({
        let (pipe, text) = (place.path("pipe"), text.clone());
        move || std::fs::write(pipe, text)
    });
    place.ok(format!("{train} fifo --corpus pipe"));
    writer.join().unwrap().unwrap();
    place.ok(format!("{train} file --corpus a.txt"));
    let weights = |folder| place.read(&format!("{folder}/model.safetensors"));
    assert!(weights("stdin") == weights("file") && weights("fifo") == weights("file"));
    assert!(place.read("stdin/corpus.txt") == text, "kept, so that --resume finds it");
    place.ok("train -q --resume stdin");

    let mut child = place.process(format!("{train} none --corpus pipe")).spawn().unwrap();
    // Open once the run has opened its end; then nothing comes.
    let writer = std::fs::OpenOptions::new().write(true).open(place.path("pipe")).unwrap();
    interrupt(&child);
    assert_eq!(child.wait().unwrap().code(), Some(130));
    drop(writer);
    let output = place.shell("printf '1+1=2\\n' | \"$0\" train -q --corpus - -o short");
    assert!(stderr(&output).starts_with("surprisal: stdin: "), "{}", stderr(&output));
    assert!(!place.path("short").exists(), "a corpus that no run was made of is not kept");
}

/// With a new run's log and an old one's weights a folder would tell of no network.
#[cfg(feature = "train")]
#[test]
fn a_training_that_begins_anew_keeps_no_weights() {
    let place = Place::with_corpus();
    let train = "train -q --preset pico --batch-lines 8 --steps 1 -o run";
    place.ok(train);
    let mut child = place.process("train -f --preset pico --eval-every 100000 --steps 100000 -o run");
    let mut child = child.stdout(Stdio::null()).spawn().unwrap();
    let deadline = std::time::Instant::now() + Duration::from_secs(60);
    while place.path("run/model.safetensors").exists() && std::time::Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(5));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(!place.path("run/model.safetensors").exists());
}

#[cfg(target_os = "linux")]
#[test]
fn no_variable_of_a_library_makes_threads() {
    let place = Place::with_archive();
    let mut verbs = vec![
        "c -q -T1 -f a.txt",
        "explain 1+1=2",
        "report -q -T1 --no-peers a.txt",
        "report -q -T1 --no-peers --learn=pico a.txt",
        "verify -T1 a.txt.sur",
    ];
    if cfg!(feature = "train") {
        verbs.push("train -f -q -T1 --preset pico --steps 1 -o run");
    }
    if cfg!(feature = "candle") {
        // candle's own threads.
        verbs.push("train -f -q -T1 --preset pico --steps 1 --batch-lines 8 --dropout 0.1 -o run");
    }
    for args in verbs {
        let mut command = place.command(args);
        let run = command.env("RAYON_NUM_THREADS", "100000").timeout(Duration::from_secs(60));
        assert!(run.output().unwrap().status.success(), "{args}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_closed_stream_is_a_failure() {
    let place = Place::with_archive();
    for args in [
        "models",
        "list a.txt.sur",
        "--help",
        "--version",
        "d -c a.txt.sur",
        "corpus -n 3",
        "verify a.txt.sur",
        "c -c a.txt",
        "explain 1+1=2",
        "generate man",
        "c --json -f a.txt",
    ] {
        let output = place.shell(&format!("\"$0\" {args} >&-"));
        assert_eq!(output.status.code(), Some(1), "{args}");
        assert!(stderr(&output).contains("stdout"), "{args}: {}", stderr(&output));
    }
    for args in ["--help", "--version", "c --help", "models", "d -c a.txt.sur", "c -c a.txt"] {
        let output = place.shell(&format!("\"$0\" {args} > /dev/full"));
        assert_eq!(output.status.code(), Some(1), "{args} on a full disk");
    }
    for args in ["c", "d", "verify", "list", "report"] {
        let output = place.shell(&format!("\"$0\" {args} <&-"));
        assert_eq!(output.status.code(), Some(1), "{args}");
    }
    let output = place.shell("\"$0\" c -q -f a.txt >&- <&-");
    assert!(output.status.success(), "neither is needed: {}", stderr(&output));
}

/// `script` runs a command in a terminal of its own.
#[cfg(target_os = "linux")]
#[test]
fn terminals() {
    let place = Place::with_archive();
    let in_terminal = |command: &str| {
        let mut script = place.shell_process(&format!("script -qec \"$0 {command}\" /dev/null"));
        let output = script.stdin(Stdio::null()).env("TERM", "xterm").output().unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    for verb in ["d", "verify", "list"] {
        let said = in_terminal(verb);
        assert!(said.contains("no archive comes from"), "{verb}: {said}");
    }
    for args in ["d -c /dev/tty", "verify /dev/stdin"] {
        assert!(in_terminal(args).contains("no archive comes from"), "{args}");
    }
    assert!(in_terminal("c -q a.txt -o /dev/tty").contains("an archive is no text"));
    assert!(in_terminal("explain 1+1=2").contains('\u{1b}'));
    let said = in_terminal("c --\u{1b}[7mx");
    assert!(said.contains("unexpected argument") && !said.contains("\u{1b}[7m"), "{said:?}");
    let script = "TERM=dumb script -qec \"$0 explain 1+1=2\" /dev/null";
    let plain = place.shell(script).stdout;
    assert!(!plain.is_empty() && !plain.contains(&0x1b));
}

#[test]
fn an_empty_variable_is_as_none() {
    let place = Place::new();
    let mut command = place.command("models");
    assert!(command.env("SURPRISAL_ISA", "").output().unwrap().status.success());
    #[cfg(unix)]
    {
        let other: &std::ffi::OsStr = std::os::unix::ffi::OsStrExt::from_bytes(b"\xff");
        assert!(!place.command("models").env("SURPRISAL_ISA", other).output().unwrap().status.success());
    }
}

#[test]
fn json_tells_of_failures() {
    let place = Place::with_archive();
    place.write("bad.sur", "no archive");
    let args = [
        "c --json a.txt -m nowhere",
        "verify --json a.txt.sur -m nowhere",
        "explain --json 1+1=2 -m nowhere",
        "explain --json 17x",
    ];
    for args in args {
        let output = place.run(args);
        assert_eq!(output.status.code(), Some(1), "{args}");
        let (said, error) = (stderr(&output), json(&output.stdout));
        assert_eq!(said, format!("surprisal: {}\n", error["error"].as_str().unwrap()), "{args}");
    }
    for verb in ["models", "selftest", "list a.txt.sur"] {
        let mut command = place.command(&*format!("{verb} --json"));
        let output = command.env("SURPRISAL_ISA", "none").output().unwrap();
        assert!(json(&output.stdout)["error"].as_str().unwrap().contains("SURPRISAL_ISA"), "{verb}");
    }
    for (args, file) in [
        ("c --json missing", "missing"),
        ("report --json missing", "missing"),
        ("report --json --learn=pico missing", "missing"),
    ] {
        let output = place.run(args);
        assert_eq!(output.status.code(), Some(1), "{args}");
        let said = json(&output.stdout);
        assert!(said["error"].as_str().unwrap().contains("cannot open it"), "{args}: {said}");
        assert_eq!((&said["file"], &said["file_renamed"]), (&file.into(), &false.into()));
    }
    let output = place.run("list --json bad.sur a.txt.sur");
    let listed = json(&output.stdout);
    assert!(listed["files"][0]["error"].as_str().unwrap().contains("bad.sur"));
    assert_eq!(listed["files"][1]["totals"]["lines"], 300);
}

/// Off a terminal, and in one without a cursor to move, a line every half minute tells of a long run.
#[cfg(unix)]
#[test]
fn long_runs_tell_how_far_they_are() {
    let place = Place::new();
    let runs = ["c --learn=pico -c", "d -c", "verify", "report", "c -q -c"];
    let mut children = runs.map(|args| {
        let mut child = place.process(args);
        child.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
        child.spawn().unwrap()
    });
    // The quiet one is last: it has run as long as the others when they have told.
    for (child, args) in children.iter_mut().zip(runs) {
        let mut errors = BufReader::new(child.stderr.take().unwrap());
        let mut said = String::new();
        if !args.contains("-q") {
            errors.read_line(&mut said).unwrap();
        }
        child.kill().unwrap();
        errors.read_to_string(&mut said).unwrap();
        child.wait().unwrap();
        assert_eq!(said, if args.contains("-q") { "" } else { "stdin: 0 bytes\n" }, "{args}");
    }
}
