"""Archives and trainings on a cluster of two nodes, of which one dies."""

import concurrent.futures
import hashlib
import json
import os
import pathlib
import random
import re
import signal
import subprocess
import sys
import time

import pytest

# Ray's processes read these when they start. Its workers are niced by default: beside other work on the machine they would crawl.
os.environ.update(RAY_USAGE_STATS_ENABLED="0", RAY_AUTH_MODE="disabled", RAY_worker_niceness="0")

import ray  # noqa: E402
from ray.cluster_utils import Cluster  # noqa: E402

import surprisal_codec  # noqa: E402
import surprisal_codec.ray as on_ray  # noqa: E402
from conftest import program  # noqa: E402
from surprisal_codec import SurprisalError  # noqa: E402
from surprisal_codec.ray import _archives, _cluster, _files, _ranges  # noqa: E402
from surprisal_codec.ray.__main__ import main  # noqa: E402

BLOCK = 65_536
SHARDS = 6


def begin_node(stand_in, begin, **settings):
    """Begins a node. It alone finds the driver: this process's programs would take a GPU for large files."""
    with pytest.MonkeyPatch.context() as of_node:
        of_node.setenv("LD_LIBRARY_PATH", str(stand_in))
        return begin(**settings)


@pytest.fixture(scope="module")
def cluster(stand_in):
    """Two nodes with a core each. A dead one is noticed within two seconds."""
    health = {"health_check_initial_delay_ms": 500, "health_check_period_ms": 500, "health_check_failure_threshold": 3}
    # Ray takes the GPUs on trust.
    small = {"num_cpus": 1, "num_gpus": 1, "object_store_memory": 80_000_000}
    made = begin_node(stand_in, Cluster, initialize_head=True, head_node_args={**small, "include_dashboard": False, "_system_config": health})
    made.add_worker = lambda: begin_node(stand_in, made.add_node, **small)
    made.worker = made.add_worker()
    ray.init(address=made.address, log_to_driver=False)
    yield made
    ray.shutdown()
    made.shutdown()


@pytest.fixture(scope="module")
def sums(tmp_path_factory):
    """A text of five shards of a block, and a few lines more without a newline at the end."""
    path = tmp_path_factory.mktemp("sums") / "sums.txt"
    lines = (SHARDS - 1) * BLOCK + 1000
    subprocess.run([program(), "corpus", "-q", "--lines", str(lines), "--seed", "7", "-o", path], check=True)
    path.write_bytes(path.read_bytes()[:-1])
    return path


@pytest.fixture(scope="module")
def expected(sums):
    """What one machine makes of the same shards."""
    made = b""
    for first in range(1, SHARDS * BLOCK, BLOCK):
        shard = ["--lines", f"{first}..{first + BLOCK - 1}", "-m", "tiny-uniform", "-T1"]
        made += subprocess.check_output([program(), "compress", "-q", "-c", *shard, sums])
    return made


@pytest.fixture
def archive(expected, tmp_path):
    path = tmp_path / "sums.txt.sur"
    path.write_bytes(expected)
    return path


def wait_for(condition, seconds=60):
    """What a condition gives as soon as that is true."""
    until = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < until, "it never came"
        time.sleep(0.005)
    return found


def parent_of(pid):
    try:
        return int(pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except (OSError, IndexError):
        return None


def test_texts_are_cut_at_newlines(tmp_path):
    rng = random.Random(1)
    path = tmp_path / "text"
    for _ in range(300):
        text = b"".join(rng.choice([b"\n", b"a", b"bc\n"]) for _ in range(rng.randrange(60)))
        newlines, stride = rng.randrange(1, 8), rng.randrange(1, 20)
        path.write_bytes(text)
        counts = _ranges.count_newlines(_files.Place.of(path), 0, len(text), stride)
        assert sum(counts) == text.count(b"\n")
        cut = []
        for shard in _ranges.shards(counts, text.endswith(b"\n"), newlines, stride):
            with path.open("rb") as file:
                file.seek(shard.offset)
                cut.append(b"".join(_ranges.read_lines(file, shard.skip, shard.newlines)))
        assert b"".join(cut) == text
        assert all(shard.count(b"\n") == newlines for shard in cut[:-1])
        assert cut == [b""] or all(cut)


def test_archives_are_cut_into_ranges(blocks, tmp_path):
    """One archive of several blocks between small ones, one of them empty, one by another model."""
    contents = [b"1+1=2\n", b"", blocks, b"2+2=4\n", b"3+3=6", b""]
    models = [None, None, None, None, None, "pico-uniform"]
    made = [surprisal_codec.compress(content, model=model) for content, model in zip(contents, models)]
    path = tmp_path / "archives.sur"
    path.write_bytes(b"".join(made))
    for at_most in (1, 2_000_000, 4_000_000, 100_000_000):
        with path.open("rb") as file:
            cut = _ranges.ranges(file, path.stat().st_size, at_most)
        decoded = [b"".join(piece for piece, _ in _archives._decode(_files.Place.of(path), found, None, 1, "cpu")) for found in cut]
        assert b"".join(decoded) == b"".join(contents)
        assert [len(content) for content in decoded] == [found.size for found in cut]
        assert [content.count(b"\n") for content in decoded] == [found.newlines for found in cut]
        totals = {"archives": sum(found.archives for found in cut), "blocks": sum(found.blocks for found in cut)}
        assert totals.items() <= surprisal_codec.verify(path).items()
    assert len(cut) == 2


def test_a_node_killed_while_it_compresses(cluster, sums, expected, tmp_path):
    target = tmp_path / "sums.txt.sur"
    parts = tmp_path / "sums.txt.sur.parts"
    raylet = cluster.worker.all_processes["raylet"][0].process.pid

    def working():
        """The process on the second node that writes a part, and the part's name."""
        for path in parts.glob("*.tmp"):
            stem, pid = path.name.split(".")[0], path.name.split(".")[-2]
            if parent_of(pid) == raylet:
                return int(pid), stem
        return None

    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        future = pool.submit(on_ray.compress, sums, target, shard_blocks=1)
        pid, stem = wait_for(working)
        os.kill(pid, signal.SIGKILL)
        cluster.remove_node(cluster.worker, allow_graceful=False)
        assert not list(parts.glob(f"{stem}-*")), "it was done before"
        try:
            done = future.result(timeout=120)
        finally:
            cluster.worker = cluster.add_worker()
    assert done["shards"] == SHARDS and done["present"] == 0 and done["model"] == "tiny-uniform"
    assert target.read_bytes() == expected
    assert os.listdir(tmp_path) == ["sums.txt.sur"]


def test_a_command_that_was_killed_and_is_given_again(cluster, sums, expected, tmp_path):
    target, parts = tmp_path / "again.sur", tmp_path / "again.sur.parts"
    command = ["compress", "-q", "--shard-blocks", "1", str(sums), "-o", str(target)]
    environment = {**os.environ, "RAY_ADDRESS": cluster.address}
    process = subprocess.Popen([sys.executable, "-m", "surprisal_codec.ray", *command], env=environment)
    wait_for(lambda: len([path for path in parts.glob("*-*-*")]) >= 3)
    process.kill()
    process.wait()
    assert not target.exists()
    # Its tasks end a moment later.
    wait_for(lambda: not any(parent_of(path.name.split(".")[-2]) for path in parts.glob("*.tmp")))
    present = sorted(parts.glob("*-*-*"))
    assert len(present) < SHARDS
    present[0].write_bytes(present[0].read_bytes()[:-1] + b"?")
    done = on_ray.compress(sums, target, shard_blocks=1)
    assert done["present"] == len(present) - 1
    assert target.read_bytes() == expected and not parts.exists()


def test_reading_by_ranges(cluster, sums, archive, monkeypatch, capsys):
    monkeypatch.setattr(_ranges, "range_size", lambda *_: 2 * BLOCK * 28)
    assert on_ray.verify(archive) == surprisal_codec.verify(archive)
    back = archive.with_name("back")
    assert main(["decompress", f"file://{archive}", "-o", f"file://{back}"]) == 0
    assert "3 ranges (0 done before)" in capsys.readouterr().err
    assert back.read_bytes() == sums.read_bytes()


def test_accounts_of_ranges_are_added(cluster, sums, tmp_path, monkeypatch, capsys):
    size = 28 * 10_000
    monkeypatch.setattr(_ranges, "range_size", lambda *_: size)
    archive, text = tmp_path / "three.sur", sums.read_bytes()[: 3 * size]
    archive.write_bytes(b"".join(surprisal_codec.compress(text[at : at + size]) for at in range(0, 3 * size, size)))
    assert main(["report", "--json", str(archive)]) == 0
    # Ray, whose threads print when they like, may have told of the tests before.
    (account,) = [json.loads(line) for line in capsys.readouterr().out.splitlines() if line.startswith("{")]
    alone = surprisal_codec.report(archive)
    assert account["ranges"] == 3 and account["archive"]["bytes"] == archive.stat().st_size
    assert account["corpus"] == {name: alone["corpus"][name] for name in account["corpus"]}
    bits = {link["name"]: link["bits"] for link in alone["links"]}
    assert {"integer probabilities", "archive", "archive and model"} <= {link["name"] for link in account["links"]}
    for link in account["links"]:
        # Samples differ, and this archive has three headers; what is counted over all lines does not.
        within = 1e-9 if link["name"] == "integer probabilities" else 2e-3
        assert link["bits"] == pytest.approx(bits[link["name"]], rel=within)

    archive.write_bytes(surprisal_codec.compress(text[:2800]))
    assert main(["report", str(archive)]) == 0
    assert "integer probabilities" in capsys.readouterr().out


def test_a_last_line_without_a_newline_is_a_line(cluster, tmp_path):
    """Behind which stands an empty archive by another model, a range by itself."""
    path = tmp_path / "two.sur"
    path.write_bytes(surprisal_codec.compress(b"1+1=2") + surprisal_codec.compress(b"", model="pico-uniform"))
    assert on_ray.verify(path) == surprisal_codec.verify(path) == {"archives": 2, "blocks": 1, "lines": 1, "bytes": 5}


def test_a_model_of_a_folder_goes_along(cluster, sums, tmp_path):
    settings = "--preset pico --steps 2 --batch-lines 64 --validation-lines 64".split()
    subprocess.run([program(), "train", "-q", *settings, "-o", tmp_path / "mine"], check=True)
    text = tmp_path / "some.txt"
    text.write_bytes(sums.read_bytes()[: 28 * 1000])
    on_ray.compress(text, model=tmp_path / "mine")
    made = (tmp_path / "some.txt.sur").read_bytes()
    assert made == surprisal_codec.compress(text.read_bytes(), model=tmp_path / "mine")
    assert on_ray.decompress(tmp_path / "some.txt.sur", tmp_path / "back", model=tmp_path / "mine")["bytes_out"] == 28_000
    assert (tmp_path / "back").read_bytes() == text.read_bytes()


def test_gpu_workers(cluster, sums, tmp_path):
    """All that tasks do with a model, on a GPU that the CPU stands in for."""
    text, archive = tmp_path / "some.txt", tmp_path / "some.txt.sur"
    text.write_bytes(sums.read_bytes()[: 28 * 1000])
    assert main(["compress", "--gpus", "1", str(text)]) == 0
    assert archive.read_bytes() == surprisal_codec.compress(text.read_bytes())
    assert main(["decompress", "--gpus", "1", str(archive), "-o", str(tmp_path / "back")]) == 0
    assert (tmp_path / "back").read_bytes() == text.read_bytes()
    assert on_ray.verify(archive, gpus=1) == surprisal_codec.verify(archive)
    assert on_ray.report(archive, gpus=1) == on_ray.report(archive)


def test_what_a_gpu_goes_on_with(cluster, sums, tmp_path, monkeypatch):
    """Parts of ranges without GPUs are no parts of those with them."""
    size = 28 * 50
    monkeypatch.setattr(_ranges, "range_size", lambda _, gpus: (2 if gpus else 1) * size)
    text, archive, back = sums.read_bytes()[: 6 * size], tmp_path / "six.sur", tmp_path / "back"
    archive.write_bytes(b"".join(surprisal_codec.compress(text[at : at + size]) for at in range(0, len(text), size)))
    run = _cluster.run

    def ends_early(*arguments):
        for _, finished in zip(range(2), run(*arguments)):
            yield finished
        raise KeyboardInterrupt

    with monkeypatch.context() as interrupted, pytest.raises(KeyboardInterrupt):
        interrupted.setattr(_cluster, "run", ends_early)
        on_ray.decompress(archive, back)
    done = on_ray.decompress(archive, back, gpus=1)
    assert done["ranges"] == 3 and done["present"] == 0
    assert back.read_bytes() == text


def test_what_goes_wrong_is_told(cluster, sums, archive, monkeypatch, capsys):
    monkeypatch.setattr(_ranges, "range_size", lambda *_: BLOCK * 28)

    def fails(*arguments):
        assert main([*map(str, arguments)]) == 1
        return capsys.readouterr().err

    missing, target = archive.with_name("missing"), archive.with_name("target")
    assert "missing" in fails("compress", missing)
    assert "no archive ends here" in fails("verify", sums)
    assert "exists: --force" in fails("compress", sums, "-o", archive)
    assert "would be overwritten" in fails("compress", sums, "-o", sums, "-f")
    assert "does not end in .sur" in fails("decompress", sums)
    assert "nowhere" in fails("verify", "nowhere://sums.sur")
    assert "unknown" in fails("compress", sums, "-o", target, "-m", "nobody")

    damaged = bytearray(archive.read_bytes())
    damaged[len(damaged) // 2] ^= 1
    archive.write_bytes(damaged)
    for command in [("verify", archive), ("decompress", archive, "-o", target), ("report", archive)]:
        assert re.search(r"range 3 of 6 \(from line 131,073 on\): .*damaged", fails(*command))
    assert not target.exists()


def test_a_task_that_always_dies(cluster):
    def die():
        os.kill(os.getpid(), signal.SIGKILL)

    with pytest.raises(SurprisalError, match="job 1: no worker could finish it in 4 attempts"):
        list(_cluster.run(_cluster.task()(die), [()], lambda number: f"job {number + 1}"))


def test_a_sweep_whose_trainer_is_killed(cluster, tmp_path, capsys):
    options = "--digits 2 --steps 1500 --batch-lines 64 --eval-every 250 --checkpoint-every 50 --validation-lines 128".split()
    folder = tmp_path / "sweep"
    command = ["sweep", "-o", str(folder), "--presets", "pico", "--seeds", "1,2", "--rates", "0.004", "--program", str(program())]
    run, lock = folder / "pico-seed1-lr0.004", folder / "pico-seed1-lr0.004.lock"
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        future = pool.submit(main, [*command, "--", *options])
        wait_for((run / "training-state.safetensors").exists)
        pid = int(lock.read_text())
        os.kill(pid, signal.SIGKILL)
        assert future.result(timeout=120) == 0
    assert int(lock.read_text()) != pid, "nothing was killed"
    shown = capsys.readouterr().out
    assert "pico-seed1-lr0.004" in shown and "1,500" in shown
    assert (folder / "sweep.svg").read_text().count("<polyline") == 2

    alone = tmp_path / "alone"
    chosen = ["--preset", "pico", "--seed", "1", "--lr", "0.004", "-T1", "-q", "-o", alone]
    subprocess.run([program(), "train", *chosen, *options], check=True)
    assert digest(run / "model.safetensors") == digest(alone / "model.safetensors")

    # Given again it trains nothing again; with other options it is another sweep.
    kept = [run / "model.safetensors", folder / "sweep.json"]
    trained, ended = kept[0].stat().st_mtime_ns, kept[1].read_text()
    assert main([*command, "--", *options]) == 0
    assert [kept[0].stat().st_mtime_ns, kept[1].read_text()] == [trained, ended]
    capsys.readouterr()
    assert main([*command, "--", "--steps", "10"]) == 1
    assert "other options" in capsys.readouterr().err
    # The program's own words.
    wrong = [*command[:2], str(tmp_path / "other"), *command[3:], "--", "--digits", "99"]
    assert main(wrong) == 1
    assert re.search(r"training pico-seed[12]-lr0.004: invalid value '99' for '--digits <DIGITS>'", capsys.readouterr().err)


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()
