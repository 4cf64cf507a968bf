#!/usr/bin/env python3
"""What the levels of compress gain and cost, on fresh lines of each distribution.

    cargo build --release && python3 benches/levels.py [LINES [PROGRAM]]

Prints a table: the archive, and the least user time of three runs on one thread, made in turns so that other work on
the machine falls on all alike. Standard library only.
"""

import json, math, os, resource, subprocess, sys, tempfile

LINES = int(sys.argv[1]) if len(sys.argv) > 1 else 200_000
PROGRAM = sys.argv[2] if len(sys.argv) > 2 else "target/release/surprisal"
LEVELS, TURNS = (1, 3, 6, 9), 3
NINE_LEADING = 2 * math.log2(9 * 10**7)
ENTROPY_BITS = {"uniform": 16 * math.log2(10), "leading": NINE_LEADING, "natural": NINE_LEADING}


def compress(level, text, archive):
    """What the program says of the archive, and its seconds of user time."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    command = [PROGRAM, "compress", "-q", "-f", "-T1", f"-{level}", "--json", "-o", archive, text]
    said = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    return said, resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before


print(f"{LINES:,} lines each; `python3 benches/levels.py {LINES}`\n")
print("| lines | level | model | bytes | above the entropy | user seconds | of level 6's |")
print("|---|---|---|---|---|---|---|")
with tempfile.TemporaryDirectory() as folder:
    text, archive = os.path.join(folder, "lines.txt"), os.path.join(folder, "lines.sur")
    for operands, bits in ENTROPY_BITS.items():
        corpus = [PROGRAM, "corpus", "-q", "-f", "--lines", str(LINES), "--operands", operands, "--seed", "2026", "-o", text]
        subprocess.run(corpus, check=True)
        least, said = {}, {}
        for _ in range(TURNS):
            for level in LEVELS:
                said[level], seconds = compress(level, text, archive)
                least[level] = min(seconds, least.get(level, seconds))
        for level in LEVELS:
            size = said[level]["bytes_out"]
            above = 100 * (8 * size / (bits * LINES) - 1)
            print(f"| {operands} | -{level} | {said[level]['model']} | {size:,} | {above:.3f} % "
                  f"| {least[level]:.2f} | {least[level] / least[6]:.2f} |")
