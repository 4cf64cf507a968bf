//! A temporary folder in which tests run the program.

use std::path::{Path, PathBuf};
use std::process::Output;

use assert_cmd::Command;
use serde_json::Value;
use tempfile::TempDir;

/// Arguments of the program: a list, or a text that is split at white space.
pub trait Args {
    fn list(&self) -> Vec<&str>;
}

impl Args for &str {
    fn list(&self) -> Vec<&str> {
        self.split_whitespace().collect()
    }
}

impl Args for String {
    fn list(&self) -> Vec<&str> {
        self.split_whitespace().collect()
    }
}

impl Args for &[&str] {
    fn list(&self) -> Vec<&str> {
        self.to_vec()
    }
}

impl<const N: usize> Args for &[&str; N] {
    fn list(&self) -> Vec<&str> {
        self.to_vec()
    }
}

impl Args for &Vec<&str> {
    fn list(&self) -> Vec<&str> {
        self.to_vec()
    }
}

/// The folder; it is removed when this is dropped.
pub struct Place(TempDir);

impl Place {
    /// An empty folder.
    pub fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// With a corpus `a.txt` of so many sums of eight digits.
    pub fn with_lines(lines: u32, operands: &str) -> Self {
        let place = Self::new();
        place.ok(format!("corpus --lines {lines} --operands {operands} -o a.txt"));
        place
    }

    /// With a corpus `a.txt` of a few hundred lines.
    pub fn with_corpus() -> Self {
        Self::with_lines(300, "uniform")
    }

    /// As [`Place::with_corpus`], with its archive `a.txt.sur`.
    pub fn with_archive() -> Self {
        let place = Self::with_corpus();
        place.ok("compress -q a.txt");
        place
    }

    /// The folder itself.
    pub fn folder(&self) -> &Path {
        self.0.path()
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder().join(name)
    }

    pub fn read(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.path(name)).unwrap()
    }

    pub fn read_text(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap()
    }

    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        std::fs::write(self.path(name), content).unwrap();
    }

    /// The length of a file in bytes.
    pub fn len(&self, name: &str) -> u64 {
        std::fs::metadata(self.path(name)).unwrap().len()
    }

    /// The names in the folder, sorted.
    pub fn names(&self) -> Vec<String> {
        self.names_in(".")
    }

    /// The names in a folder of this one, sorted.
    pub fn names_in(&self, folder: &str) -> Vec<String> {
        let entries = std::fs::read_dir(self.path(folder)).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    /// The program in this folder.
    pub fn command(&self, args: impl Args) -> Command {
        Command::from_std(self.process(args))
    }

    /// As [`Place::command`], for what is to be killed or has pipes of its own.
    pub fn process(&self, args: impl Args) -> std::process::Command {
        let mut command = std::process::Command::new(assert_cmd::cargo::cargo_bin("surprisal"));
        command.current_dir(self.folder()).env_remove("SURPRISAL_ISA").args(args.list());
        command
    }

    /// A shell in this folder, in which `$0` is the program.
    #[cfg(unix)]
    pub fn shell_process(&self, script: &str) -> std::process::Command {
        let mut shell = std::process::Command::new("sh");
        let program = assert_cmd::cargo::cargo_bin("surprisal");
        shell.current_dir(self.folder()).env_remove("SURPRISAL_ISA");
        shell.arg("-c").arg(script).arg(program);
        shell
    }

    /// What a shell script does, with nothing on its standard input.
    #[cfg(unix)]
    pub fn shell(&self, script: &str) -> Output {
        self.shell_process(script).stdin(std::process::Stdio::null()).output().unwrap()
    }

    /// Makes a named pipe.
    #[cfg(unix)]
    pub fn make_pipe(&self, name: &str) {
        let made = std::process::Command::new("mkfifo").arg(self.path(name)).status();
        assert!(made.unwrap().success());
    }

    pub fn run(&self, args: impl Args) -> Output {
        self.command(args).output().unwrap()
    }

    /// Gives stdout; it has to succeed.
    #[track_caller]
    pub fn ok(&self, args: impl Args) -> Vec<u8> {
        let list = args.list();
        succeeded(&list, self.run(&list))
    }

    /// As [`Place::ok`], of what is text.
    #[track_caller]
    pub fn text(&self, args: impl Args) -> String {
        String::from_utf8(self.ok(args)).unwrap()
    }

    /// As [`Place::ok`], of what is one JSON object.
    #[track_caller]
    pub fn json(&self, args: impl Args) -> Value {
        json(&self.ok(args))
    }

    /// As [`Place::ok`], with this standard input.
    #[track_caller]
    pub fn pipe(&self, args: impl Args, input: impl Into<Vec<u8>>) -> Vec<u8> {
        let list = args.list();
        succeeded(&list, self.command(&list).write_stdin(input).output().unwrap())
    }

    /// Gives stderr, which is one line unless it is of usage; it has to fail with this exit code.
    #[track_caller]
    pub fn fails(&self, code: i32, args: impl Args) -> String {
        let list = args.list();
        let output = self.run(&list);
        let message = stderr(&output);
        assert_eq!(output.status.code(), Some(code), "{list:?}: {message}");
        assert!(code == 2 || message.lines().count() == 1, "one line: {message}");
        message
    }

    /// A model folder like the bundled one, but for a bit of one weight.
    pub fn other_model(&self) -> &'static str {
        let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/tiny-uniform");
        std::fs::create_dir(self.path("other")).unwrap();
        std::fs::copy(from.join("config.json"), self.path("other/config.json")).unwrap();
        let mut weights = std::fs::read(from.join("model.safetensors")).unwrap();
        let (header, _) = weights.split_first_chunk().unwrap();
        let data = 8 + u64::from_le_bytes(*header) as usize;
        // The top bit of a mantissa: still a number, and one that quantises to another.
        weights[data + 2] ^= 0x40;
        self.write("other/model.safetensors", &weights);
        "other"
    }
}

#[track_caller]
fn succeeded(args: &[&str], output: Output) -> Vec<u8> {
    assert!(output.status.success(), "{args:?}: {}", stderr(&output));
    output.stdout
}

/// The JSON object that this text is.
#[track_caller]
pub fn json(text: &[u8]) -> Value {
    serde_json::from_slice(text).unwrap()
}

/// A number of a JSON object.
#[track_caller]
pub fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value}"))
}

/// What a run complained of.
pub fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Asks it to end, which does what Ctrl-C does. A shell may start what it runs in the background with
/// that ignored, and then it stays ignored.
#[cfg(unix)]
pub fn interrupt(child: &std::process::Child) {
    let mut kill = std::process::Command::new("kill");
    let sent = kill.args(["-TERM", &child.id().to_string()]).status();
    assert!(sent.unwrap().success());
}
