//! Lines that tests compress.

use surprisal::text::{Additions, Distribution, Operands};

/// Numbers of 31 bits that look random and are the same everywhere.
pub fn noise() -> impl FnMut() -> u64 {
    let mut state = 1u64;
    move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        state >> 33
    }
}

/// Bytes that nothing compresses.
pub fn noise_bytes(len: usize) -> Vec<u8> {
    let mut random = noise();
    (0..len).map(|_| random() as u8).collect()
}

/// Sums of eight digits, those of a seed.
pub fn sums_of_seed(operands: Operands, lines: usize, seed: u64) -> Vec<u8> {
    Additions::new(Distribution::new(8, operands).unwrap(), seed).text(lines)
}

/// Sums of eight digits.
pub fn sums(operands: Operands, lines: usize) -> Vec<u8> {
    sums_of_seed(operands, lines, 3)
}

/// Sums of eight digits of which all are uniform.
pub fn uniform_sums(lines: usize) -> Vec<u8> {
    sums(Operands::Uniform, lines)
}

/// Another grammar of sums.
pub fn hexadecimal_sums(lines: usize) -> Vec<u8> {
    let mut random = noise();
    let line = |_| {
        let (a, b) = (random() & 0xfff, random() & 0xfff);
        format!("{a:03x}+{b:03x}={:04x}\n", a + b)
    };
    (0..lines).map(line).collect::<String>().into_bytes()
}

/// Dates, with the line ends of Windows.
pub fn dates(lines: usize) -> Vec<u8> {
    let mut random = noise();
    let line = |_| {
        let (y, m, d) = (1900 + random() % 200, 1 + random() % 12, 1 + random() % 28);
        format!("{y}-{m:02}-{d:02}\r\n")
    };
    (0..lines).map(line).collect::<String>().into_bytes()
}

/// A column of a server's log: a duration and one of three messages.
pub fn log_column(lines: usize) -> Vec<u8> {
    let mut random = noise();
    let levels = ["INFO ok", "WARN slow", "ERROR no reply from host"];
    let line = |_| {
        let (duration, level) = (random() % 1_000_000, random() % 16 / 7);
        format!("{duration:06} us {}\n", levels[level as usize])
    };
    (0..lines).map(line).collect::<String>().into_bytes()
}

/// A log, a table and a list of characters as there are many: a line repeats what stood in those before, which zstd codes
/// in fewer bytes than a learner.
pub fn repetitive_files(lines: usize) -> [(&'static str, Vec<u8>); 3] {
    let mut random = noise();
    let names: Vec<String> =
        (0..300).map(|_| format!("{:07x}{:07x}", random() >> 3, random() >> 3)).collect();
    let mut name = || &names[random() as usize % names.len()];
    let (mut log, mut table, mut unicode) = (String::new(), String::new(), String::new());
    for i in 0..lines {
        let (hour, minute, second) = (i / 3600, i / 60 % 60, i % 60);
        let time = format!("Nov 26 {hour:02}:{minute:02}:{second:02}");
        log += &format!("{time} node-3 sshd[811]: session {} opened for user {}\n", name(), name());
        table += &format!("{};{};{};{}9.99\n", 100_000 + i, name(), name(), i % 4);
        unicode += &format!("{:04X};ж—é {} № {};Ll;0;L;;;;;N;;;;\n", 0x400 + i, name(), name());
    }
    [("a.log", log.into()), ("table.csv", table.into()), ("unicode.txt", unicode.into())]
}
