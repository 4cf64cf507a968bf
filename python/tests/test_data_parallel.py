"""Training on any number of workers, some of them killed, gives the bits of the program."""

import hashlib
import json
import os
import pathlib
import signal
import subprocess
import sys

import pytest

from conftest import CORPUS, program
from surprisal_codec import SurprisalError

ray = pytest.importorskip("ray")

from ray.cluster_utils import Cluster  # noqa: E402

import surprisal_codec.ray as on_ray  # noqa: E402
from surprisal_codec.ray import _train  # noqa: E402

#: Batches of three waves, of which the last is not full; the last batch of an epoch has 100 lines. Six epochs.
OPTIONS = {"preset": "pico", "steps": 50, "batch_lines": 600, "lr": 5e-3, "seed": 3, "eval_every": 20, "validation_lines": 100}

#: What this cluster's processes have in their environment, and no other's.
MARK = f"SURPRISAL_TEST_CLUSTER={os.getpid()}"


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    path = tmp_path_factory.mktemp("corpus") / "sums.txt"
    path.write_bytes(CORPUS.read_bytes()[: 28 * 5_000])
    return path


@pytest.fixture(scope="module", autouse=True)
def cluster():
    """Two nodes; together more workers than the machine has cores."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    name, value = MARK.split("=")
    os.environ[name] = value
    node = {"num_cpus": 2, "object_store_memory": 80_000_000}
    made = Cluster(initialize_head=True, head_node_args={**node, "include_dashboard": False})
    made.add_node(**node)
    ray.init(address=made.address, log_to_driver=False)
    yield
    ray.shutdown()
    made.shutdown()
    del os.environ[name]


@pytest.fixture(scope="module")
def expected(tmp_path_factory, corpus):
    """What the program makes."""
    folder = tmp_path_factory.mktemp("program") / "model"
    options = [text for name, value in OPTIONS.items() for text in ("--" + name.replace("_", "-"), str(value))]
    subprocess.run([program(), "train", "-q", "-T1", "-o", folder, "--corpus", corpus, *options], check=True)
    return found(folder)


def found(folder):
    """The weights' hash, and the log without its seconds."""
    log = [json.loads(line) for line in (folder / "training.jsonl").read_text().splitlines()]
    weights = hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()
    return weights, [{name: value for name, value in entry.items() if name != "seconds"} for entry in log]


def workers():
    """The processes of this cluster's workers."""
    for process in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            is_worker = b"ray::_Worker" in (process / "cmdline").read_bytes()
            if is_worker and MARK.encode() in (process / "environ").read_bytes().split(b"\0"):
                yield int(process.name)
        except OSError:
            pass


def kill_one():
    os.kill(min(workers()), signal.SIGKILL)


@pytest.mark.parametrize("count", [1, 2, 4])
def test_any_number_of_workers(tmp_path, corpus, expected, count):
    folder = tmp_path / "model"
    log = on_ray.train(corpus, folder, workers=count, **OPTIONS)
    assert found(folder) == expected
    assert [entry["step"] for entry in log if "validation_loss" in entry] == [20, 40, 50]
    with pytest.raises(SurprisalError, match="--force overwrites it, --resume goes on with it"):
        on_ray.train(corpus, folder, workers=count, **OPTIONS)
    assert on_ray.train(None, folder, resume=True) == []


def test_workers_are_killed(tmp_path, corpus, expected):
    """At two steps, the second time perhaps the one that was started again."""

    def watch(step, loss, records):
        if step in (15, 33):
            kill_one()

    folder = tmp_path / "model"
    on_ray.train(corpus, folder, workers=2, watch=watch, **OPTIONS)
    assert found(folder) == expected


def test_a_worker_is_lost_for_good(tmp_path, corpus, expected):
    """The error says which, and the run goes on from its last checkpoint."""

    def watch(step, loss, records):
        if step == 30:
            kill_one()

    folder = tmp_path / "model"
    with pytest.raises(SurprisalError, match=r"worker \d of 2 failed for good at step 31 of 50") as error:
        on_ray.train(corpus, folder, workers=2, restarts=0, watch=watch, **OPTIONS)
    assert str(folder) in str(error.value)
    assert sorted(path.name for path in folder.iterdir()) == sorted(_train._FILES)
    steps = []
    on_ray.train(None, folder, workers=4, resume=True, watch=lambda step, loss, records: steps.append(step))
    assert steps == list(range(21, 51))
    assert found(folder) == expected


def test_drawn_lines_by_the_command(tmp_path):
    """Two runs of the commands; and what makes no sense leaves nothing."""
    options = "--preset pico --steps 3 --batch-lines 64 --validation-lines 64 --digits 3 --operands natural --qat".split()
    command = [sys.executable, "-m", "surprisal_codec.ray", "train"]
    subprocess.run([program(), "train", "-q", "-o", tmp_path / "one", *options], check=True)
    environment = {**os.environ, "RAY_ADDRESS": ray.get_runtime_context().gcs_address}
    done = subprocess.run(
        [*command, "-o", tmp_path / "two", *options], env=environment, check=True, capture_output=True, text=True
    )
    assert "step        3  loss " in done.stderr
    assert found(tmp_path / "one") == found(tmp_path / "two")
    done = subprocess.run([*command, "-o", tmp_path / "three", "--lr", "0"], env=environment, capture_output=True, text=True)
    assert done.returncode == 1 and "learning rate" in done.stderr and "Traceback" not in done.stderr
    assert not (tmp_path / "three").exists()


def test_options_are_checked(tmp_path):
    with pytest.raises(TypeError, match="no option 'learning_rate'"):
        on_ray.train(None, tmp_path / "model", learning_rate=1e-3)
    with pytest.raises(ValueError, match="one worker or more"):
        on_ray.train(None, tmp_path / "model", workers=0)


def test_the_package_does_not_import_ray():
    program = "import sys, surprisal_codec; sys.exit('ray' in sys.modules)"
    subprocess.run([sys.executable, "-c", program], check=True)
