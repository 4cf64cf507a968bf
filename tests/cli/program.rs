//! What all verbs share: usage, help, manual pages, `-v`, a closed pipe.

use std::process::Stdio;

use crate::common::place::{Place, stderr};

#[test]
fn an_unknown_kernel_is_an_error() {
    let place = Place::new();
    let output = place.command("models").env("SURPRISAL_ISA", "mmx").output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("unknown SURPRISAL_ISA 'mmx': use one of scalar, portable,"));
}

#[test]
fn a_closed_pipe_is_no_failure() {
    let place = Place::with_archive();
    for args in ["corpus --lines 1000000", "d -c a.txt.sur", "--help", "models"] {
        let mut command = place.process(args);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        assert_eq!((output.status.code(), stderr(&output)), (Some(0), String::new()), "{args}");
    }
}

#[test]
fn verbose_says_what_runs() {
    let place = Place::with_archive();
    for args in ["c -v -f -T3 a.txt", "t -v -T3 a.txt.sur", "d -cv -T3 a.txt.sur"] {
        let output = place.command(args).env("SURPRISAL_ISA", "portable").output().unwrap();
        let said = stderr(&output);
        for part in ["kernel portable", "threads 3", "model tiny-uniform ("] {
            assert!(said.contains(part), "{args}: {said}");
        }
    }
    assert!(place.run("c -qf a.txt").stderr.is_empty());
}

#[test]
fn usage_errors() {
    let place = Place::with_corpus();
    for wrong in [
        "",
        "frobnicate",
        "c -c -o x a.txt",
        "c -o x a.txt a.txt",
        "c -c --rm a.txt",
        "corpus --lines 1 --digits 19",
        "corpus --lines 1 --operands odd",
    ] {
        place.fails(2, wrong);
    }
    assert_eq!(place.names(), ["a.txt"]);
}

#[test]
fn completions_and_manual_pages() {
    let place = Place::new();
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let script = place.text(&["generate", "completions", shell]);
        assert!(script.contains("decompress"), "{shell}");
    }
    assert!(place.text("generate man").contains(".TH surprisal 1"));
    assert!(place.text("generate man compress").contains(".TH surprisal-compress 1"));
    place.fails(2, "generate man nothing");
}

#[test]
fn help_tells_of_exit_codes() {
    let place = Place::new();
    let help = place.text("--help");
    assert!(help.contains("Exit codes:") && help.contains("Examples:"));
    assert!(place.text("--version").starts_with("surprisal "));
}
