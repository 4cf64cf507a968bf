//! What every verb does with files: overwriting, removing, times and modes, pipes, interrupts.

use std::io::Write;
use std::process::Stdio;

use crate::common::place::{Place, interrupt, stderr};

#[test]
fn nothing_is_overwritten_without_force() {
    let place = Place::with_archive();
    place.write("a.txt.sur", b"precious");
    for args in ["c a.txt", "corpus --lines 1 -o a.txt.sur"] {
        let message = place.fails(1, args);
        assert!(message.contains("a.txt.sur exists") && message.contains("-f"), "{message}");
        assert_eq!(place.read("a.txt.sur"), b"precious");
    }
    place.ok("c -qf a.txt");
    let message = place.fails(1, "d a.txt.sur");
    assert!(message.contains("a.txt exists"), "{message}");
    place.ok("d -f a.txt.sur");
}

#[test]
fn output_must_not_be_input() {
    let place = Place::with_corpus();
    let text = place.read("a.txt");
    let message = place.fails(1, "c -f a.txt -o ./a.txt");
    assert!(message.contains("input and output at once"), "{message}");
    assert_eq!(place.read("a.txt"), text);
}

#[test]
fn inputs_that_are_no_files() {
    let place = Place::with_archive();
    std::fs::rename(place.path("a.txt.sur"), place.path("a.xyz")).unwrap();
    let message = place.fails(1, "d a.xyz");
    assert!(message.contains(".sur") && message.contains("-o"), "{message}");
    let message = place.fails(1, "c missing");
    assert!(message.starts_with("surprisal: missing: cannot open it:"), "{message}");
    std::fs::create_dir(place.path("folder")).unwrap();
    assert!(place.fails(1, "c folder").contains("folder, not a file"));
    assert!(place.fails(1, "d -c a.txt").contains("not a surprisal archive"));
    assert_eq!(place.names(), ["a.txt", "a.xyz", "folder"]);
}

#[test]
fn originals_are_removed_only_if_asked_for() {
    let place = Place::with_corpus();
    place.ok("c -qk a.txt");
    assert_eq!(place.names(), ["a.txt", "a.txt.sur"]);
    place.ok("c -qf --rm a.txt");
    assert_eq!(place.names(), ["a.txt.sur"]);
    place.ok("d -q --rm a.txt.sur");
    assert_eq!(place.names(), ["a.txt"]);
}

#[test]
fn many_files_each_have_their_turn() {
    let place = Place::with_corpus();
    place.write("b.txt", b"something else\n");
    let output = place.run("c a.txt missing b.txt");
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("surprisal: missing:"));
    assert!(stderr(&output).contains("b.txt: 1 line, 15 ->"));
    assert_eq!(place.names(), ["a.txt", "a.txt.sur", "b.txt", "b.txt.sur"]);
    place.ok("t a.txt.sur b.txt.sur");
}

#[cfg(unix)]
#[test]
fn times_and_mode_are_copied() {
    use std::os::unix::fs::PermissionsExt;
    let place = Place::with_corpus();
    let then = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000_000);
    let file = std::fs::File::options().write(true).open(place.path("a.txt")).unwrap();
    file.set_modified(then).unwrap();
    file.set_permissions(std::fs::Permissions::from_mode(0o640)).unwrap();
    place.ok("c -q a.txt");
    place.ok("d a.txt.sur -f");
    for name in ["a.txt.sur", "a.txt"] {
        let metadata = std::fs::metadata(place.path(name)).unwrap();
        assert_eq!(metadata.modified().unwrap(), then, "{name}");
        assert_eq!(metadata.permissions().mode() & 0o777, 0o640, "{name}");
    }
}

#[cfg(unix)]
#[test]
fn an_interrupt_leaves_nothing() {
    let place = Place::with_corpus();
    let mut child = place.process("c -o b.sur").stdin(Stdio::piped()).spawn().unwrap();
    // More than a pipe holds: it has opened its output and reads.
    let mut input = child.stdin.take().unwrap();
    input.write_all(&[b'x'; 1 << 18]).unwrap();
    interrupt(&child);
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert_eq!(place.names(), ["a.txt"]);
}

#[cfg(unix)]
#[test]
fn pipes_and_devices_are_written_in_place() {
    use std::os::unix::fs::FileTypeExt;
    let place = Place::with_archive();
    let pipe = place.path("pipe");
    place.make_pipe("pipe");
    let reader = std::thread::spawn({
        let pipe = pipe.clone();
        move || std::fs::read(pipe).unwrap()
    });
    place.ok("c -q a.txt -o pipe");
    assert_eq!(reader.join().unwrap(), place.read("a.txt.sur"));
    assert!(std::fs::metadata(pipe).unwrap().file_type().is_fifo());
}
