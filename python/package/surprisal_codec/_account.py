"""What lines, files and archives cost, in bits."""

from __future__ import annotations

import builtins
import html
import json
import os

from . import _native
from ._native import SurprisalError


def _framed(page, height):
    """A page as a notebook shows it: in a frame, so that its style stays its own."""
    return f'<iframe srcdoc="{html.escape(page)}" style="width:100%;height:{height}px;border:0" loading="lazy"></iframe>'


class Explanation(dict):
    """A line, token by token: `text`, `bits`, `model`, `identity` and `tokens`, for each of which there are `position` (from 0), `symbol`
    ("end" is the end of the line), `probability`, `bits`, `expected_bits` (the entropy of what the model expected) and
    `distribution`: pairs of symbol and probability, the likeliest first. A notebook shows it as a heat map.
    """

    #: The heat map as SVG, by itself.
    svg: str

    def _repr_html_(self):
        return _framed(f'<body style="margin:0">{self.svg}</body>', 235)


class Report(dict):
    """The account of bits, with the keys of `surprisal report --json`. A notebook shows its page, with all figures."""

    #: The page: one file that needs nothing else.
    html: str
    #: The account as the program prints it.
    text: str

    def _repr_html_(self):
        return _framed(self.html, 900)


def explain(line, model=None):
    """What each token of a line costs, and what the model expected.

    `line` is text or bytes, without its newline; `model` a `Model`, the name of a bundled one or a folder, else the default level's best
    for the line. Raises `SurprisalError` if the model cannot code the line.

    >>> import surprisal_codec
    >>> account = surprisal_codec.explain("17282456+79546852=096829308")
    >>> round(account["bits"], 1), len(account["tokens"]), account["tokens"][27]["symbol"]
    (53.1, 28, 'end')
    """
    account, svg = _native.explain(line, model)
    explanation = Explanation(json.loads(account))
    explanation.svg = svg
    return explanation


def score(lines, model=None, *, outside="raise", threads=1):
    """The bits that each token of each line costs, as a NumPy array of 64-bit floats (lines, positions).

    A row has the line's characters and its end; behind it stands NaN, so that `numpy.nansum(bits, axis=1)` are the bits of the lines.
    `lines` are texts or bytes without their newlines. `model` is a `Model`, the name of a bundled one or a folder, else the default
    level's best for the first lines. With `outside="raise"` a line that the model cannot code raises `SurprisalError`; with "inf" it costs
    infinitely many bits.

    >>> import numpy, surprisal_codec
    >>> bits = surprisal_codec.score(["17282456+79546852=096829308", "17282456+79546852=096829307"])
    >>> bits.shape
    (2, 28)
    >>> (numpy.nansum(bits, axis=1) > 54).tolist()
    [False, True]
    """
    import numpy

    if outside not in ("raise", "inf"):
        raise ValueError(f'outside must be "raise" or "inf", not {outside!r}')
    if isinstance(lines, (str, bytes)):
        raise TypeError("lines must be an iterable of lines, not one text: split it first")
    lines = list(lines)
    values, positions, unfit = _native.score(lines, model, threads)
    if unfit and outside == "raise":
        number, why = unfit[0]
        raise SurprisalError(f"line {number + 1} of {len(lines)}: {why}")
    return numpy.frombuffer(values, numpy.float64).reshape(len(lines), positions).copy()


def report(path, *, model=None, learn=None, threads=1, device="cpu"):
    """Accounts for every bit between a model's loss and the size of an archive, of a text or an archive: `surprisal report`.

    With `learn` (True, a preset or a `Learn`) the corpus is coded while learning. Other compressors are not measured. The dictionary has the keys
    of `surprisal report --json`; its `html` is the page with all figures.

    >>> import pathlib, surprisal_codec, tempfile
    >>> path = pathlib.Path(tempfile.mkdtemp(), "sums.txt")
    >>> _ = path.write_text("17282456+79546852=096829308\\n" * 3)
    >>> surprisal_codec.report(path)["corpus"]["lines"]
    3
    """
    account, page, text = _native.report(path, model, learn, threads, device)
    made = Report(json.loads(account))
    made["file"] = os.fsdecode(path)
    made.html, made.text = page, text
    return made


def verify(file, *, model=None, threads=1, device="cpu"):
    """Decodes all that is in a file of archives and compares its checksums: `surprisal verify`.

    `file` is a path or a file object in binary mode. Gives the number of `archives`, `blocks`, `lines` and `bytes`; raises
    `SurprisalError` with the first damage.

    >>> import io, surprisal_codec
    >>> surprisal_codec.verify(io.BytesIO(surprisal_codec.compress(b"1+1=2\\n")))
    {'archives': 1, 'blocks': 1, 'lines': 1, 'bytes': 6}
    """
    if isinstance(file, (str, bytes, os.PathLike)):
        with builtins.open(file, "rb") as opened:
            return verify(opened, model=model, threads=threads, device=device)
    return dict(zip(("archives", "blocks", "lines", "bytes"), _native.verify(file, model, threads, device)))
