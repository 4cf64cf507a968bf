use super::*;
use crate::text::Additions;

fn corpus(digits: u32, operands: Operands, lines: usize) -> Vec<u8> {
    Additions::new(Distribution::new(digits, operands).unwrap(), 1).text(lines)
}

fn conclude(text: &[u8]) -> Result<Recognised, String> {
    let mut recogniser = Recogniser::default();
    // In blocks, as it comes.
    let lines: Vec<&[u8]> = text.split_inclusive(|&b| b == b'\n').collect();
    for block in lines.chunks(700) {
        let mut part = Recogniser::default();
        part.read(&block.concat());
        recogniser.append(&part);
    }
    recogniser.conclude()
}

fn sums(operands: impl Iterator<Item = (u64, u64)>) -> Vec<u8> {
    let d = Distribution::new(8, Operands::Uniform).unwrap();
    let mut text = Vec::new();
    operands.for_each(|(a, b)| d.append_line(a, b, &mut text));
    text
}

#[track_caller]
fn assert_unknown(text: &[u8], why: &str) {
    let reason = conclude(text).expect_err("recognised");
    assert!(reason.contains(why), "{reason}");
}

/// Pseudo-random numbers below 10^8.
fn numbers() -> impl Iterator<Item = u64> {
    let mut additions = Additions::new(Distribution::new(8, Operands::Uniform).unwrap(), 5);
    std::iter::repeat_with(move || additions.next_operands().0)
}

#[test]
fn each_distribution_is_recognised() {
    for operands in Operands::ALL {
        for (digits, lines) in [(8, 120), (8, 5000), (1, 3000), (3, 5000), (18, 2000)] {
            let found = conclude(&corpus(digits, operands, lines)).unwrap();
            assert_eq!(found.distribution, Distribution::new(digits, operands).unwrap(), "{lines} lines");
            assert!(found.deviations.iter().all(|d| d.abs() < 4.5), "{found:?}");
        }
    }
}

#[test]
fn carriage_returns_do_not_matter_if_all_lines_have_them() {
    let text = String::from_utf8(corpus(8, Operands::Uniform, 2000)).unwrap();
    let crlf = text.replace('\n', "\r\n");
    assert!(conclude(crlf.as_bytes()).is_ok());
    assert_unknown(crlf.replacen("\r\n", "\n", 7).as_bytes(), "\\r\\n");
}

#[test]
fn skewed_operands_are_not_recognised() {
    let small = numbers().zip(numbers()).map(|(a, b)| (a % 1000, b % 1000));
    assert_unknown(&sums(small.take(2000)), "is 0 in 100.00 % of the lines");
    // One digit in a hundred is another.
    let slightly = numbers()
        .zip(numbers().skip(1))
        .map(|(a, b)| (a, if b % 10 == 3 && a % 10 == 1 { b + 1 } else { b }));
    assert_unknown(&sums(slightly.take(50_000)), "of the second operand is 4");
}

#[test]
fn dependent_operands_are_not_recognised() {
    let same = numbers().map(|a| (a, a));
    assert_unknown(&sums(same.take(2000)), "of a line are not independent");
    let complements = numbers().map(|a| (a, 99_999_999 - a));
    assert_unknown(&sums(complements.take(2000)), "of a line are not independent");
}

#[test]
fn lines_that_repeat_or_are_in_order_are_not_recognised() {
    let mut sorted: Vec<(u64, u64)> = numbers().zip(numbers().skip(1)).step_by(2).take(20_000).collect();
    sorted.sort_unstable();
    assert_unknown(&sums(sorted.into_iter()), "of neighbouring lines are not independent");
    let once: Vec<_> = numbers().zip(numbers().skip(1)).step_by(2).take(5000).collect();
    let twice = once.iter().chain(&once).copied();
    assert_unknown(&sums(twice), "not independent");
}

#[test]
fn a_list_of_all_lines_is_not_recognised() {
    let d = Distribution::new(2, Operands::Uniform).unwrap();
    let mut text = Vec::new();
    (0..10_000).for_each(|i| d.append_line(i * 7 % 100, (i / 100 + i) % 100, &mut text));
    assert!(conclude(&text).is_err());
}

#[test]
fn other_lines_are_not_recognised() {
    let good = corpus(8, Operands::Uniform, 1000);
    let mut wrong = good.clone();
    wrong[28 * 840 + 20] = b'0' + (wrong[28 * 840 + 20] - b'0' + 1) % 10;
    assert_unknown(&wrong, "line 841 is no right sum");
    assert_unknown(&good[..28 * 50], "50 lines are too few");
    let mixed = [good, corpus(7, Operands::Uniform, 1000)].concat();
    assert_unknown(&mixed, "line 1001 is no right sum");
    assert_unknown(b"", "no lines");
    assert_unknown(b"It was the best of times\n", "line 1 is no right sum");
}
