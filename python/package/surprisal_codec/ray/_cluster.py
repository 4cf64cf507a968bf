"""Tasks on a cluster: no more at once than keep it busy, with progress, and with errors that say which task failed and why."""

from __future__ import annotations

import os
import sys
import time

import ray
from ray.exceptions import RayError, RayTaskError

from .._native import SurprisalError

#: How often a task begins again after its worker or its machine died, or the network failed.
MAX_RETRIES = 3


def connect(address=None):
    """Joins the cluster at `address` (HOST:PORT), by default the one that RAY_ADDRESS names; without any starts one on this machine.

    Does nothing where Ray is connected already. Raises `SurprisalError` if there is no cluster at the address.
    """
    if ray.is_initialized():
        return
    address = address or os.environ.get("RAY_ADDRESS")
    # Of a cluster that is made for this process alone.
    own = {} if address else {"include_dashboard": False}
    try:
        ray.init(address=address, log_to_driver=False, logging_level="warning", **own)
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise SurprisalError(f"cannot join the Ray cluster {address or ''}: {error}") from error


def task(threads=1, gpus=0):
    """Makes a function a Ray task that takes so many cores and GPUs of a machine.

    It is run again when its worker dies or its connection to a store breaks; what else it raises would be raised again.
    """
    return ray.remote(
        num_cpus=threads, num_gpus=gpus, max_retries=MAX_RETRIES, retry_exceptions=[ConnectionError, TimeoutError]
    )


def run(remote, jobs, describe):
    """Runs a task for each job (a tuple of arguments) and gives its number, from 0, and its result, as they finish.

    The first that fails for good raises `SurprisalError`, with `describe(number)` in front of the reason. Those that were begun go on
    until this process leaves the cluster; a part that they make is kept for the next attempt.
    """
    connect()
    waiting, running = enumerate(jobs), {}
    at_most = asked = 0
    while True:
        if time.monotonic() > asked + 1:
            # Two for each core, so that no worker waits for the driver; far more would fill its memory. Clusters grow and shrink.
            at_most, asked = 2 * int(ray.cluster_resources().get("CPU", 0)) + 2, time.monotonic()
        while len(running) < at_most:
            number, job = next(waiting, (None, None))
            if job is None:
                break
            running[remote.remote(*job)] = number
        if not running:
            return
        # All that have finished, once one has: with thousands running, looking is what takes the driver's time.
        ready, others = ray.wait(list(running))
        if others:
            ready += ray.wait(others, num_returns=len(others), timeout=0)[0]
        for reference in ready:
            number = running.pop(reference)
            try:
                result = ray.get(reference)
            except RayError as error:
                # The others are not cancelled: Ray 2.60 at times aborts the driver that cancels a task which is just ending.
                raise SurprisalError(f"{describe(number)}: {_reason(error)}") from error
            yield number, result


def _reason(error):
    """Why a task failed, in a line."""
    if not isinstance(error, RayTaskError):
        return f"no worker could finish it in {MAX_RETRIES + 1} attempts: {str(error).strip().splitlines()[0]}"
    cause = error.cause if isinstance(error.cause, Exception) else error
    return str(cause) if isinstance(cause, (SurprisalError, OSError)) else f"{type(cause).__name__}: {cause}"


class Progress:
    """A line on stderr, rewritten as tasks finish; none where stderr is no terminal, or `quiet`."""

    def __init__(self, what, total, quiet=False):
        self._what, self._total, self._began = what, total, time.monotonic()
        self._is_shown = not quiet and sys.stderr.isatty()
        self._done = self._bytes = 0

    def advance(self, size=0):
        """One more is done, with so many bytes of content."""
        self._done, self._bytes = self._done + 1, self._bytes + size
        if self._is_shown:
            megabytes, seconds = self._bytes / 1e6, max(time.monotonic() - self._began, 1e-3)
            line = f"{self._what}: {self._done} of {self._total}, {megabytes:.1f} MB, {megabytes / seconds:.1f} MB/s"
            print(f"\r{line}\x1b[K", end="", file=sys.stderr, flush=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self._is_shown:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)
