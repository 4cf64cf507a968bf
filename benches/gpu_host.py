#!/usr/bin/env python3
"""What the host does beside a GPU, on a machine without one: a driver that takes no time stands in for it.

    cargo build --release && python3 benches/gpu_host.py [LINES [PROGRAM]]

Compresses and decompresses lines abcdefgh+ijklmnop=hgfedcba0 of random digits, whose 53.15 bits are those of a sum, with
two threads that code, and compares what comes back. Prints nanoseconds of processor time a byte of content, which is a
token: of the coding threads, less what stands in for the device, and of the thread that reads and writes; the least of three
runs. The program is one of these sources. Needs a C++ compiler. Linux; standard library only.
"""

import filecmp, os, pathlib, random, re, subprocess, sys, tempfile, time

LINES = int(sys.argv[1]) if len(sys.argv) > 1 else 4_000_000
PROGRAM = sys.argv[2] if len(sys.argv) > 2 else "target/release/surprisal"
THREADS, TURNS = 2, 3
KERNELS = pathlib.Path("crates/surprisal-cuda/kernels")
STAND_IN = pathlib.Path("crates/surprisal-cuda/tests/stand_in")


def write_lines(path):
    draw = random.Random(2026)
    with open(path, "w") as file:
        for _ in range(LINES):
            digits = f"{draw.randrange(10**16):016}"
            file.write(f"{digits[:8]}+{digits[8:]}={digits[7::-1]}0\n")


def seconds_of_main_thread(pid):
    """Processor time of a process's first thread so far; none once it has ended."""
    try:
        fields = pathlib.Path(f"/proc/{pid}/task/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    if fields[0] == "Z":
        return None
    return sum(map(int, fields[11:13])) / os.sysconf("SC_CLK_TCK")


def run(arguments, folder):
    """Seconds of the coding threads, without the device's, and of the main thread."""
    environment = os.environ | {"LD_LIBRARY_PATH": folder, "SURPRISAL_TEST_GPU": "instant"}
    command = [PROGRAM, *arguments, "-q", "-f", f"-T{THREADS}", "--device", "cuda"]
    process = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)
    main = 0.0
    while (seconds := seconds_of_main_thread(process.pid)) is not None:
        main = seconds
        time.sleep(0.01)
    said = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    device = re.fullmatch(r"in place of a device: ([0-9.]+) s\n", said)
    if status != 0 or device is None:
        sys.exit(f"{' '.join(command)} failed: {said}")
    return usage.ru_utime + usage.ru_stime - main - float(device[1]), main


with tempfile.TemporaryDirectory() as folder:
    flags = (STAND_IN / "flags.txt").read_text().split()
    library = [f"-I{KERNELS}", f"-I{STAND_IN}", "-o", f"{folder}/libcuda.so", str(STAND_IN / "libcuda.cpp")]
    subprocess.run(["c++", *flags, *library], check=True)
    text, archive, back = (f"{folder}/{name}" for name in ("lines.txt", "lines.sur", "back.txt"))
    write_lines(text)
    verbs = {"compress": ["compress", "-m", "tiny-uniform", "-o", archive, text], "decompress": ["decompress", "-o", back, archive]}
    print(f"{LINES:,} lines; `python3 benches/gpu_host.py {LINES}`\n")
    print("| verb | coding, ns a byte | reading and writing, ns a byte |")
    print("|---|---|---|")
    nanoseconds = 1e9 / os.path.getsize(text)
    for verb, arguments in verbs.items():
        times = [run(arguments, folder) for _ in range(TURNS)]
        coding, main = (nanoseconds * min(column) for column in zip(*times))
        print(f"| {verb} | {coding:.1f} | {main:.2f} |")
    if not filecmp.cmp(text, back, shallow=False):
        sys.exit("other bytes came back")
