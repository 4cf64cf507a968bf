"""Training on several machines or cores, to the same bits as on one.

A batch's gradient is a sum over its groups of sixteen lines, in one order whoever computes it (`docs/data-parallel.md`). Workers (Ray actors)
differentiate parts of the batch at the parameters that they are sent; this process adds the parts' gradients, takes the step and writes the
model folder. So it ends with the weights of `surprisal train` with the same settings, whatever the number of workers and whichever of them
were lost on the way.
"""

from __future__ import annotations

import json
import os

import ray

from .._native import GradientWorker, SurprisalError, TrainingRun
from . import _cluster

#: How often a worker that was lost is started again.
RESTARTS = 3

#: The program's options by their names here: name in the training log, type, what it is.
OPTIONS = {
    "preset": ("preset", str, "size of the network: pico, tiny, nano, micro or mini"),
    "digits": ("digits", int, "digits of an operand"),
    "operands": ("operands", str, "how operands are drawn: uniform, leading or natural"),
    "steps": ("steps", int, "optimiser steps"),
    "batch_lines": ("batch_lines", int, "lines of each step"),
    "seed": ("seed", int, "seed of the initial weights and of all lines"),
    "lr": ("learning_rate", float, "highest learning rate"),
    "schedule": ("schedule", str, "cosine, linear or constant"),
    "warmup": ("warmup", int, "steps of linear warm-up"),
    "final_share": ("final_share", float, "learning rate at the end, as a share of the highest"),
    "beta1": ("beta1", float, "AdamW's beta 1"),
    "beta2": ("beta2", float, "AdamW's beta 2"),
    "weight_decay": ("weight_decay", float, "weight decay of the linear layers' matrices"),
    "clip": ("clip", float, "largest global norm of the gradient"),
    "qat": ("quantization_aware", bool, "quantization-aware training"),
    "init": ("init", os.fspath, "start from the weights of this model folder"),
    "keep_hidden": ("keep_hidden", int, "hidden units of each layer to keep of them"),
    "target_excess": ("target_excess", float, "end at an excess of no more than this, nats a token"),
    "eval_every": ("eval_every", int, "steps between two evaluations"),
    "checkpoint_every": ("checkpoint_every", int, "steps between two checkpoints"),
    "validation_lines": ("validation_lines", int, "lines of the validation set"),
}

#: The files of a run's folder; the last is what a run goes on from.
_FILES = ("config.json", "model.safetensors", "training.jsonl", "training-state.safetensors")


class _Worker:
    """Differentiates parts of batches, on a machine of the cluster. It knows nothing but the network's shape, so it may be started anew at
    any time: parameters come with every task. They are one row for each machine and step; to send the gradients instead, for each worker to
    take the step itself, would be as many rows as there are parts, and a new worker would have to catch up."""

    def __init__(self, config, is_rounded, threads):
        self._native = GradientWorker(config, is_rounded, threads)

    def differentiate(self, parameters, parts, tokens):
        return self._native.differentiate(parameters, parts, tokens)


def train(corpus, output, *, workers=2, threads=1, epochs=None, resume=False, force=False, restarts=RESTARTS, watch=None, **options):
    """Trains a model into the folder `output`, as `surprisal train` does with the same options, and gives what the log says of it: a list of
    evaluations and events.

    `corpus` is a text file, or None for lines that are drawn; only this process reads it. `options` are those of the program (`OPTIONS`), and what
    is not given has the program's default; `epochs` (1), how often the corpus is gone through, stands in place of `steps`. Each of `workers` computes on so many `threads`; one that is lost is started again `restarts` times.
    `watch` is called after every step with its number, its loss in nats a token and what was logged at it. `resume` goes on with the
    run in `output` from its last checkpoint, with its own settings, whoever began it: `surprisal train --resume` can go on with this one, too.
    `force` overwrites a run or a model. Raises `SurprisalError` where a worker fails for good.
    """
    if workers < 1:
        raise ValueError(f"training takes one worker or more, not {workers}")
    _cluster.connect()
    run = _open(corpus, output, threads, epochs, resume, force, options)
    log = []
    if run is None:
        return log
    actor = ray.remote(num_cpus=threads, max_restarts=restarts, max_task_retries=restarts)(_Worker)
    actors = [actor.remote(run.config, run.is_rounded, threads) for _ in range(workers)]
    try:
        while not run.is_finished:
            parts, tokens = run.next_batch(workers)
            loss, records = run.step(_gradients(actors, run, parts, tokens, output))
            records = [json.loads(record) for record in records]
            log += records
            if watch is not None:
                watch(run.steps, loss, records)
    finally:
        run.close()
        for each in actors:
            ray.kill(each)
    return log


def _open(corpus, output, threads, epochs, resume, force, options):
    """The run in the folder; None if it is at its end."""
    if resume:
        if options or corpus is not None:
            raise TypeError("a run goes on with its own settings: resume takes neither a corpus nor options")
        return TrainingRun.resume(output, threads)
    if epochs is not None and (corpus is None or options.get("steps") is not None):
        raise TypeError("epochs are of a corpus, and in place of steps")
    for name in options:
        if name not in OPTIONS:
            raise TypeError(f"train() has no option {name!r}; there are {', '.join(OPTIONS)}")
    found = [name for name in _FILES if os.path.exists(os.path.join(output, name))]
    if found and not force:
        what, advice = ("run", ", --resume goes on with it") if _FILES[-1] in found else ("model", "")
        raise SurprisalError(f"{os.fspath(output)} holds a {what} already: --force overwrites it{advice}")
    given = {OPTIONS[name][0]: OPTIONS[name][1](value) for name, value in options.items() if value is not None}
    return TrainingRun.begin(output, json.dumps(given), corpus, epochs or 1, threads)


def _gradients(actors, run, parts, tokens, output):
    """The gradients of a batch's parts, in their order: each worker has those next to each other. Ray starts a worker again that is lost,
    and gives it its task again."""
    parameters = ray.put(run.parameters())
    bounds = [len(parts) * i // len(actors) for i in range(len(actors) + 1)]
    shares = [parts[a:b] for a, b in zip(bounds, bounds[1:])]
    tasks = [actor.differentiate.remote(parameters, share, tokens) if share else None for actor, share in zip(actors, shares)]
    gradients = []
    for number, task in enumerate(tasks, 1):
        if task is None:
            continue
        try:
            gradients += ray.get(task)
        except ray.exceptions.RayError as error:
            # Of what Ray says the last line has the reason; the exception's own cause has all of it.
            cause = str(getattr(error, "cause", None) or error).strip().splitlines()[-1]
            raise SurprisalError(
                f"worker {number} of {len(actors)} failed for good at step {run.steps + 1} of {run.total_steps}; "
                f"{os.fspath(output)} has the last checkpoint, from which --resume goes on ({cause[:200]})"
            ) from error
    return gradients
