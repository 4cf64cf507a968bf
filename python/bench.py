#!/usr/bin/env python3
"""Speed of the Python package beside the program: python/bench.py [ROUNDS [LINES]]

Run it with the Python that has the package (python/.venv/3.11/bin/python after python/test.sh); it takes the program of target/release, which
`cargo build --release` makes. Both run on one thread in turns, ROUNDS times (3), on LINES lines (a million); each figure is the median of its rounds, and of the ratios of
neighbouring runs. Seconds are those of the processor, so that other work on the machine counts little: the program's of its whole process, Python's of
reading the file, the call and writing.
"""

import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

import surprisal_codec

ROOT = pathlib.Path(__file__).resolve().parents[1]
PROGRAM = ROOT / "target" / "release" / "surprisal"

def seconds(work, *arguments):
    began = sum(os.times()[:4])
    work(*arguments)
    return sum(os.times()[:4]) - began


def program(*arguments):
    subprocess.run([PROGRAM, *arguments], check=True)


def wall(work, *arguments):
    began = time.perf_counter()
    work(*arguments)
    return time.perf_counter() - began


def convert(work, source, target):
    target.write_bytes(work(source.read_bytes()))


def in_turns(name, size, rounds, by_program, by_python):
    pairs = [(seconds(*by_program), seconds(*by_python)) for _ in range(rounds)]
    speeds = [statistics.median(size / 1e6 / times for times in column) for column in zip(*pairs)]
    ratio = statistics.median(ours / theirs for ours, theirs in pairs)
    print(f"{name}: program {speeds[0]:.2f} MB/s, Python {speeds[1]:.2f} MB/s, ratio {ratio:.3f}", flush=True)


def main():
    rounds, lines = (int(given) for given in (sys.argv[1:] + ["3", "1000000"][len(sys.argv) - 1 :]))
    with tempfile.TemporaryDirectory() as folder:
        text, archive, ours, back = (pathlib.Path(folder, name) for name in ["sums", "sums.sur", "ours.sur", "back"])
        program("corpus", "-q", "--lines", str(lines), "--seed", "7", "-o", text)
        size = text.stat().st_size
        options = ["-q", "-f", "-T1", "-o"]
        in_turns(
            "compress, 1 thread",
            size,
            rounds,
            (program, "compress", *options, archive, text),
            (convert, surprisal_codec.compress, text, ours),
        )
        assert archive.read_bytes() == ours.read_bytes(), "the archives differ"
        in_turns(
            "decompress, 1 thread",
            size,
            rounds,
            (program, "decompress", *options, back, archive),
            (convert, surprisal_codec.decompress, archive, back),
        )
        assert back.read_bytes() == text.read_bytes()
        random_access(archive, text, lines, rounds)


def random_access(archive, text, lines, rounds):
    """100 lines of the middle, against decoding one block of 65,536 lines: what a reader waits for, by the clock."""
    block = surprisal_codec.compress(text.read_bytes()[: 28 * 65_536])
    first = lines // 2 + 1
    expected = text.read_bytes().splitlines(keepends=True)[first - 1 : first + 99]

    def by_lines():
        with surprisal_codec.open(archive, lines=(first, first + 99)) as file:
            assert file.readlines() == expected

    def by_seek():
        with surprisal_codec.open(archive) as file:
            file.seek(28 * (first - 1))
            assert [file.readline() for _ in range(100)] == expected

    for name, work in [("lines=", by_lines), ("seek", by_seek)]:
        ratios = [(wall(surprisal_codec.decompress, block), wall(work)) for _ in range(max(rounds, 5))]
        times = [1000 * statistics.median(column) for column in zip(*ratios)]
        print(f"100 lines of the middle by {name}: {times[1]:.0f} ms; one block of 65,536 lines: {times[0]:.0f} ms", flush=True)


if __name__ == "__main__":
    main()
