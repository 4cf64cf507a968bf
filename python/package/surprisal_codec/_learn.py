"""How to learn while coding, and learning without an archive."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from typing import Optional

from ._native import NativeLearner


@dataclass(frozen=True)
class Learn:
    """How a learner learns; what is left out is the preset's own. The names are those of the program's options.

    >>> Learn("pico", batch_lines=8).rate is None
    True
    """

    #: The size of the network: pico, tiny, nano, micro or mini.
    preset: str = "nano"
    #: Lines of a batch: what a step is taken on.
    batch_lines: Optional[int] = None
    #: The highest learning rate.
    rate: Optional[float] = None
    #: What the first weights are drawn from.
    seed: int = 1
    #: Further steps for each batch, on lines that came before.
    replay: int = 0
    #: Where nothing more is learned, a step is taken on every Nth batch at least: 1, 2, 4, 8, 16, 32 or 64.
    stride: Optional[int] = None


class Learner:
    """A GPT that knows nothing and learns from lines as they come: the prequential code length of a corpus.

    `sample` are lines (texts or bytes without newlines) that show which symbols there are and how long a line gets: mostly all of them. `learn` is
    a preset's name or a `Learn`; `total_lines` says how many lines will come (else the learning rate falls without knowing), and short corpora
    get smaller batches by it.

    >>> lines = [f"{i % 50:02}+{i % 7:02}={i % 50 + i % 7:03}" for i in range(640)]
    >>> learner = Learner(lines, learn="pico", total_lines=len(lines))
    >>> batches = learner.feed(lines)
    >>> batches[-1].bits / batches[-1].lines < batches[0].bits / batches[0].lines / 2
    True
    >>> learner.lines, learner.bits == sum(batch.bits for batch in batches)
    (640, True)
    """

    def __init__(self, sample, *, learn="nano", total_lines=None, threads=1):
        self._native = NativeLearner(
            list(sample), Learn(learn) if isinstance(learn, str) else replace(learn), total_lines, threads
        )
        #: Lines that were learned from.
        self.lines = 0
        #: What they cost, in bits, each by what was known before its batch: the code length of all lines so far.
        self.bits = 0.0

    def feed(self, lines):
        """Learns from lines; gives what each batch of them cost before it was learned from, as a list of `Batch`.

        Batches have `batch_lines` lines, and the last of a call what is left. Raises `SurprisalError`, and learns nothing, if a line has a symbol that
        the sample lacks, or is longer than all of its lines.
        """
        batches = self._native.feed(list(lines))
        self.lines += sum(batch.lines for batch in batches)
        self.bits = sum((batch.bits for batch in batches), self.bits)
        return batches

    @property
    def batch_lines(self):
        """Lines of a batch."""
        return self._native.batch_lines

    @property
    def steps(self):
        """Steps of the schedule so far, taken or not."""
        return self._native.steps

    def save(self, folder):
        """Writes what was learned as a model folder, which is made if it is missing: for `Model.load`, or `surprisal compress -m`."""
        os.makedirs(folder, exist_ok=True)
        self._native.save(folder)

    def __repr__(self):
        return f"<Learner: {self.lines} lines, {self.bits:.0f} bits>"
