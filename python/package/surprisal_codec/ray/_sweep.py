"""Trainings as tasks: each runs the program, and goes on from its checkpoint where it was killed."""

from __future__ import annotations

import html
import itertools
import json
import os
import pathlib
import shutil
import subprocess

from .._native import SurprisalError
from . import _cluster

#: Of the curves, in turn.
_COLOURS = ["#4269d0", "#efb118", "#ff725c", "#6cc5b0", "#3ca951", "#ff8ab7", "#a463f2", "#97bbf5", "#9c6b4e", "#9498a0"]


def sweep(
    folder,
    *,
    presets=("tiny",),
    seeds=(1,),
    rates=(None,),
    options=(),
    program="surprisal",
    threads=1,
    gpus=0,
    quiet=True,
):
    """Trains a model for each preset, seed and highest learning rate (None: the program's default), each in its own folder in `folder`.

    `options` are further options of `surprisal train`; `program` is its path or its name, on every machine. A training whose process or
    machine dies goes on from its last checkpoint, on whatever machine: all must share the file system of `folder`. Given again, it trains only
    what has not ended. Writes sweep.svg, the validation losses, and sweep.json into `folder`, and gives the list that is in the latter: of each
    training `name`, `preset`, `seed`, `rate`, `steps`, `validation_loss` (nats a token, at its end) and `folder`, the lowest loss
    first. Raises `SurprisalError` where a training fails, or `folder` holds trainings with other options.
    """
    _cluster.connect()
    folder, options = pathlib.Path(folder).absolute(), [str(option) for option in options]
    folder.mkdir(parents=True, exist_ok=True)
    _check_options(folder, options)
    grid = [_training(folder, *chosen) for chosen in itertools.product(presets, seeds, rates)]
    jobs = [(shutil.which(program) or program, training, options, threads) for training in grid]

    def describe(number):
        return f"training {grid[number]['name']}"

    curves = {}
    with _cluster.Progress("trainings", len(grid), quiet) as progress:
        for number, curve in _cluster.run(_cluster.task(threads, gpus)(_train), jobs, describe):
            curves[grid[number]["name"]] = curve
            grid[number]["steps"], grid[number]["validation_loss"] = curve[-1]
            progress.advance()
    grid.sort(key=lambda training: training["validation_loss"])
    (folder / "sweep.svg").write_text(_figure([(training["name"], curves[training["name"]]) for training in grid]))
    (folder / "sweep.json").write_text(json.dumps(grid, indent=1) + "\n")
    return grid


def table(grid):
    """The trainings of a sweep as text."""
    width = max(len(training["name"]) for training in grid)
    lines = [f"{'training':{width}}  {'steps':>7}  {'validation loss':>15}"]
    lines += [f"{run['name']:{width}}  {run['steps']:7,}  {run['validation_loss']:15.6f}" for run in grid]
    return "\n".join(lines)


def _check_options(folder, options):
    """Trainings of one folder have the same options, lest a run that goes on be taken for another."""
    path = folder / "options.json"
    found = json.loads(path.read_text()) if path.exists() and any(folder.glob("*/training.jsonl")) else options
    if found != options:
        raise SurprisalError(f"{folder} holds trainings with other options ({' '.join(found) or 'none'}): name another folder")
    path.write_text(json.dumps(options) + "\n")


def _training(folder, preset, seed, rate):
    name = f"{preset}-seed{seed}" + ("" if rate is None else f"-lr{rate}")
    return {"name": name, "preset": preset, "seed": seed, "rate": rate, "folder": str(folder / name)}


def _train(program, training, options, threads):
    """Trains, or goes on, unless it has ended; gives the step and the validation loss of each evaluation."""
    import fcntl

    folder = pathlib.Path(training["folder"])
    with open(f"{folder}.lock", "a+") as lock:
        # The program inherits the lock: where the task's process was killed and the program was not, it ends before another begins.
        fcntl.flock(lock, fcntl.LOCK_EX)
        ended = pathlib.Path(f"{folder}.ended")
        if not (ended.exists() and (folder / "model.safetensors").exists()):
            _run(_command(program, training, options, threads), lock)
            ended.touch()
    with open(folder / "training.jsonl") as log:
        records = [json.loads(line) for line in log]
    return [(record["step"], record["validation_loss"]) for record in records if record["type"] == "evaluation"]


def _command(program, training, options, threads):
    folder = training["folder"]
    if os.path.exists(os.path.join(folder, "training-state.safetensors")):
        chosen = ["--resume", folder]
    else:
        rate = [] if training["rate"] is None else ["--lr", str(training["rate"])]
        settings = ["--preset", training["preset"], "--seed", str(training["seed"]), *rate, *options]
        chosen = ["--force", "--output", folder, *settings]
    return [program, "train", *chosen, "--quiet", "--no-progress", "--threads", str(threads)]


def _run(command, lock):
    """Runs the program, whose process id `lock` then holds."""
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, pass_fds=[lock.fileno()])
    lock.truncate(0)
    lock.write(f"{process.pid}\n")
    lock.flush()
    try:
        _, said = process.communicate()
    except BaseException:
        # The worker is being ended.
        process.kill()
        process.wait()
        raise
    if process.returncode < 0:
        # As where a connection breaks, the task is run again.
        raise ConnectionError(f"{command[0]} was ended by signal {-process.returncode}")
    if process.returncode > 0:
        # The first line says why.
        why = said.strip().splitlines() or [f"{command[0]} ended with {process.returncode}"]
        raise SurprisalError(why[0].removeprefix("error: "))


def _figure(curves):
    """Validation losses by step, as SVG."""
    width, height, left, below = 720, 400, 60, 40
    steps = max(step for _, curve in curves for step, _ in curve)
    losses = [loss for _, curve in curves for _, loss in curve]
    low, span = min(losses), max(max(losses) - min(losses), 1e-9)

    def point(step, loss):
        return f"{left + step / steps * (width - left - 10):.1f},{10 + (low + span - loss) / span * (height - below - 10):.1f}"

    legend = height + 16 * len(curves)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{legend}" font-family="sans-serif" font-size="12">',
        f'<rect width="{width}" height="{legend}" fill="white"/>',
        f'<path d="M{left},10V{height - below}H{width - 10}" fill="none" stroke="black"/>',
        f'<text x="4" y="20">{low + span:.3f}</text><text x="4" y="{height - below}">{low:.3f}</text>',
        f'<text x="{left}" y="{height - 20}">0</text>',
        f'<text x="{width - 10}" y="{height - 20}" text-anchor="end">step {steps:,}; validation loss in nats a token</text>',
    ]
    for number, (name, curve) in enumerate(curves):
        colour, points = _COLOURS[number % len(_COLOURS)], " ".join(point(*evaluation) for evaluation in curve)
        parts.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="1.5"/>')
        text = f"{html.escape(name)}: {curve[-1][1]:.6f}"
        parts.append(f'<text x="{left}" y="{height + 16 * number}" fill="{colour}">{text}</text>')
    return "\n".join([*parts, "</svg>\n"])
