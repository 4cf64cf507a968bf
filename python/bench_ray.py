#!/usr/bin/env python3
"""Speed of surprisal_codec.ray beside the program: python/bench_ray.py [ROUNDS]

Run it with the Python that has the package (python/.venv/3.11/bin/python after python/test.sh); it takes the program of target/release, or
what SURPRISAL names. Both compress eight shards of two blocks (29 MB) on two cores, in turns, ROUNDS times (3): the program with -T2, Ray on two
workers that have started and coded before. Seconds are those of the clock, and so say little while the machine does other work; a
ratio is the median of those of neighbouring runs. Then: what counting, a shard, putting
parts together and a task cost.
"""

import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

# Before Ray starts. Its workers are niced by default, and the program is not.
os.environ.update(RAY_USAGE_STATS_ENABLED="0", RAY_worker_niceness="0")

import ray  # noqa: E402

import surprisal_codec.ray as on_ray  # noqa: E402
from surprisal_codec.ray import _cluster, _files, _ranges  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parents[1]
PROGRAM = os.environ.get("SURPRISAL", ROOT / "target" / "release" / "surprisal")
SHARDS, BLOCKS = 8, 2
TASKS = 2000


def seconds(work, *arguments, **options):
    began = time.perf_counter()
    work(*arguments, **options)
    return time.perf_counter() - began


def program(*arguments):
    subprocess.run([PROGRAM, *arguments], check=True)


def main():
    rounds = int((sys.argv[1:] + ["3"])[0])
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, object_store_memory=80_000_000)
    with tempfile.TemporaryDirectory() as folder:
        text, by_program, by_ray, back = (pathlib.Path(folder, name) for name in ["sums", "program.sur", "ray.sur", "back"])
        program("corpus", "-q", "--lines", str(SHARDS * BLOCKS * 65_536), "--seed", "7", "-o", text)
        size = text.stat().st_size
        options = {"shard_blocks": BLOCKS, "force": True}
        on_ray.compress(text, by_ray, **options)
        compare("compress", size, rounds, ("compress", by_program, text), (on_ray.compress, text, by_ray, options))
        on_ray.decompress(by_ray, back, force=True)
        compare("decompress", size, rounds, ("decompress", back, by_program), (on_ray.decompress, by_ray, back, {"force": True}))
        assert back.read_bytes() == text.read_bytes()
        counting = seconds(_ranges.count_newlines, _files.Place.of(text), 0, size)
        print(f"counting lines: {size / 1e6 / counting:.0f} MB/s a core")
        name = len("tiny-uniform")
        shard = (by_ray.stat().st_size - by_program.stat().st_size) / (SHARDS - 1)
        print(f"a shard costs {shard:.1f} bytes, of which {name} are the model's name")
        concatenate(pathlib.Path(folder, "together"))
    for cores in (2, 1000):
        ray.cluster_resources = lambda: {"CPU": cores}
        took = seconds(lambda: list(_cluster.run(_cluster.task()(nothing), [()] * TASKS, str)))
        print(
            f"a task costs {1000 * took / TASKS:.2f} ms of the driver and two workers, {TASKS} tasks that do nothing, as many begun at a "
            f"time as {cores} cores would have"
        )


def nothing():
    """What a task costs that has nothing to do."""


def concatenate(target):
    """How fast parts are put together, synced to the disk."""
    parts, part = target.with_name(f"{target.name}.parts"), os.urandom(16 << 20)
    parts.mkdir()
    for number in range(32):
        (parts / str(number)).write_bytes(part)
    made = [_files.Part(str(number), len(part), 0, "", False) for number in range(32)]
    into = _files.Target(target, _files.Place.of(parts))
    with target.open("wb") as output:
        took = seconds(lambda: [into._append(part, output) for part in made] and os.fsync(output))
    print(f"putting parts together: {target.stat().st_size / 1e6 / took:.0f} MB/s")


def compare(name, size, rounds, by_program, by_ray):
    command, target, source = by_program
    work, *arguments, options = by_ray
    pairs = []
    for _ in range(rounds):
        theirs = seconds(program, command, "-q", "-f", "-T2", "-o", target, source)
        pairs.append((theirs, seconds(work, *arguments, **options)))
    speeds = [statistics.median(size / 1e6 / times for times in column) for column in zip(*pairs)]
    ratio = statistics.median(theirs / ours for theirs, ours in pairs)
    print(f"{name}: program -T2 {speeds[0]:.2f} MB/s, Ray on two workers {speeds[1]:.2f} MB/s, ratio {ratio:.2f}", flush=True)


if __name__ == "__main__":
    main()
