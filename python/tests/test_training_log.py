"""A training's log in pandas and a tracker of experiments, as docs/training.md has it, and its event files in TensorBoard."""

import subprocess
import types

import pandas
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from conftest import program, python_of


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A run that starts from another's weights: its log has both."""
    folder = tmp_path_factory.mktemp("runs")
    options = "-q --preset pico --digits 2 --batch-lines 32 --validation-lines 64 --steps 6 --eval-every 2".split()
    subprocess.run([program(), "train", *options, "-o", "first"], cwd=folder, check=True)
    subprocess.run([program(), "train", *options, "--init", "first", "-o", "mymodel", "--tensorboard", "events"], cwd=folder, check=True)
    return folder


def test_the_lines_of_the_documentation(folder, monkeypatch):
    """Run as they stand, with a stand-in for the tracker, which takes a step's numbers once and in order, as the real one."""
    logged = {}

    class Run:
        finished = False

        def log(self, numbers, step):
            assert type(step) is int and step > max(logged, default=0)
            logged[step] = numbers

        def finish(self):
            self.finished = True

    def init(project, config):
        assert project == "sums" and config["preset"] == "pico" and config["steps"] == 6 and config["run"] == 2
        return Run()

    monkeypatch.chdir(folder)
    names = {"pandas": pandas, "wandb": types.SimpleNamespace(init=init)}
    exec(python_of("training.md", "The log"), names)
    assert list(logged) == [2, 4, 6] and names["run"].finished
    assert all(set(numbers) == {"train_loss", "validation_loss", "excess"} for numbers in logged.values())
    assert set(names["log"]["run"]) == {1, 2} and set(names["log"]["type"]) == {"settings", "evaluation"}


def test_tensorboard(folder):
    log = pandas.read_json(folder / "mymodel" / "training.jsonl", lines=True)
    evaluations = log[(log["type"] == "evaluation") & (log["run"] == 2)]
    events = EventAccumulator(str(folder / "events"))
    events.Reload()
    for name in ["train_loss", "validation_loss", "excess", "gradient_norm", "learning_rate", "sum_accuracy"]:
        scalars = events.Scalars(name)
        assert [scalar.step for scalar in scalars] == list(evaluations["step"]), name
        assert [scalar.value for scalar in scalars] == pytest.approx(list(evaluations[name]), rel=1e-6), name
    assert "loss_by_position/02" in events.Tags()["scalars"]
