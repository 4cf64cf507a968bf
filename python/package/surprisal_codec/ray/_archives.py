"""Archives made and read by tasks."""

from __future__ import annotations

import os
import tempfile

from .. import _account
from .._native import Reader, SurprisalCompressor, SurprisalError, __version__
from . import _cluster, _ranges
from ._files import BUFFER, Place, Target, Window
from ._models import Carried
from ._ranges import BLOCK_LINES, STRIDE, count_newlines, read_lines, shards

SUFFIX = ".sur"
#: Strides whose newlines one task counts: 256 MiB.
_STRIDES = 64


def compress(
    source,
    target=None,
    *,
    level=None,
    model=None,
    shard_blocks=16,
    threads=1,
    gpus=0,
    force=False,
    quiet=True,
):
    """Compresses a file into one archive for each shard, one behind the other in `target`, by default the source's name with .sur.

    A shard has `shard_blocks` times 65,536 lines. `level` and `model` (a bundled one's name or a folder) are those of
    `surprisal_codec.compress`; without a model the level's best for the beginning codes all shards. A task takes so many `threads` of
    its machine, and so many `gpus`, where the model then runs; the bytes are the same. Gives `shards`, `present` (of them from an earlier
    attempt), `model`, `bytes_in` and `bytes_out`.
    """
    _cluster.connect()
    place = Place.of(source)
    size = place.size()
    with place.open() as file:
        beginning = file.read(1 << 16)
        file.seek(max(size - 1, 0))
        ends_with_newline = file.read(1) == b"\n"
    chosen = Carried.of(model) or Carried.chosen_for(beginning, level)
    settings = (__version__, chosen.identity, chosen.name, shard_blocks)
    made = Target(f"{source}{SUFFIX}" if target is None else target, place, settings, force)
    counts = _newlines(place, size, quiet)
    cut = shards(counts, ends_with_newline, shard_blocks * BLOCK_LINES)

    def describe(number):
        first = number * shard_blocks * BLOCK_LINES + 1
        return f"{place.path}: shard {number + 1} of {len(cut)} (from line {first:,} on)"

    with _cluster.Progress("shards", len(cut), quiet) as progress:
        jobs = [(place, size, shard, chosen, threads, _device(gpus)) for shard in cut]
        task = _cluster.task(threads, gpus)
        bytes_out, present = made.build(_compress_shard, jobs, describe, task=task, progress=progress)
    return {"shards": len(cut), "present": present, "model": chosen.name, "bytes_in": size, "bytes_out": bytes_out}


def _newlines(place, size, quiet):
    """The newlines of each stride of a file, counted by tasks."""
    piece = STRIDE * _STRIDES
    jobs = [(place, offset, min(piece, size - offset)) for offset in range(0, size, piece)]
    counts = [[]] * len(jobs)

    def describe(number):
        return f"{place.path}: counting lines from byte {number * piece:,} on"

    with _cluster.Progress("counting lines", len(jobs), quiet) as progress:
        for number, found in _cluster.run(_cluster.task()(count_newlines), jobs, describe):
            counts[number] = found
            progress.advance(jobs[number][2])
    return [count for found in counts for count in found]


def _device(gpus):
    """Where a task that takes so many GPUs runs a model. Ray shows it its own alone."""
    return "cuda" if gpus else "cpu"


def _compress_shard(place, size, shard, model, threads, device):
    """Yields an archive in pieces, each with the bytes of content that went in for it."""
    with place.open() as file:
        content = read_lines(Window(file, shard.offset, size - shard.offset), shard.skip, shard.newlines)
        compressor = SurprisalCompressor(None, model.load(), None, threads, False, device)
        for piece in content:
            yield compressor.compress(piece), len(piece)
        yield compressor.flush(), 0


def decompress(source, target=None, *, model=None, threads=1, gpus=0, force=False, quiet=True):
    """Decompresses a file of archives into `target`, by default its name without .sur.

    `model` is a folder that the archives may need beside the bundled models; `threads` and `gpus` are those of `compress`. Gives `ranges`,
    `present` (of them from an earlier attempt), `bytes_in` and `bytes_out`.
    """
    _cluster.connect()
    if target is None:
        if not os.fspath(source).endswith(SUFFIX):
            raise SurprisalError(f"{source}: the name does not end in {SUFFIX}: name a target")
        target = os.fspath(source)[: -len(SUFFIX)]
    place, carried = Place.of(source), Carried.of(model)
    # Ranges for GPUs are others.
    made = Target(target, place, (__version__, gpus > 0), force)
    cut, describe = _cut(place, gpus)
    with _cluster.Progress("ranges", len(cut), quiet) as progress:
        jobs = [(place, found, carried, threads, _device(gpus)) for found in cut]
        bytes_out, present = made.build(_decode, jobs, describe, task=_cluster.task(threads, gpus), progress=progress)
    return {"ranges": len(cut), "present": present, "bytes_in": place.size(), "bytes_out": bytes_out}


def verify(source, *, model=None, threads=1, gpus=0, quiet=True):
    """Decodes all that is in a file of archives and compares its checksums, as `surprisal_codec.verify`, and gives what that gives."""
    _cluster.connect()
    place, carried = Place.of(source), Carried.of(model)
    cut, describe = _cut(place, gpus)
    ends = {}
    with _cluster.Progress("ranges", len(cut), quiet) as progress:
        jobs = [(place, found, carried, threads, _device(gpus)) for found in cut]
        for number, end in _cluster.run(_cluster.task(threads, gpus)(_check), jobs, describe):
            progress.advance(cut[number].size)
            if end:
                ends[number] = end
    # A last line without a newline is a line.
    unended = bool(ends) and ends[max(ends)] != b"\n"
    return {
        "archives": sum(found.archives for found in cut),
        "blocks": sum(found.blocks for found in cut),
        "lines": sum(found.newlines for found in cut) + int(unended),
        "bytes": sum(found.size for found in cut),
    }


def report(source, *, model=None, threads=1, gpus=0, quiet=True):
    """Accounts for the bits of a file of archives, range by range, and adds the accounts.

    Gives `archive` (its `bytes`), `corpus` (`lines`, `modelled_lines`, `tokens`, `bytes`), `ranges` and `links`: those of `surprisal_codec.report` that
    all ranges have, with `name`, `bits`, `bytes`, `bits_per_line` and `bits_per_token`. What an account takes from a sample it takes from
    one of each range. The link "archive" is the file as it is.
    """
    _cluster.connect()
    place, carried = Place.of(source), Carried.of(model)
    cut, describe = _cut(place, gpus)
    accounts = [None] * len(cut)
    with _cluster.Progress("ranges", len(cut), quiet) as progress:
        jobs = [(place, found, carried, threads, _device(gpus)) for found in cut]
        for number, account in _cluster.run(_cluster.task(threads, gpus)(_account_of), jobs, describe):
            accounts[number] = account
            progress.advance(cut[number].size)
    return _sum(accounts, place.size())


def _cut(place, gpus):
    """The ranges of a file of archives, and how to name one of them."""
    # From the end to the beginning, a few bytes at each archive: nothing is fetched ahead.
    with place.open(cache_type="none") as file:
        try:
            size = place.size()
            cut = _ranges.ranges(file, size, _ranges.range_size(size, gpus))
        except SurprisalError as error:
            raise SurprisalError(f"{place.path}: {error}") from None

    def describe(number):
        first = sum(found.newlines for found in cut[:number]) + 1
        return f"{place.path}: range {number + 1} of {len(cut)} (from line {first:,} on)"

    return cut, describe


def _decode(place, found, model, threads, device):
    """Yields the content of a range in pieces, each with its length."""
    with place.open() as file:
        window = Window(file, found.offset, found.length)
        reader = Reader(window, model=model and model.load(), threads=threads, device=device, is_seekable=True)
        if found.start > 0:
            reader.seek(found.start)
        left = found.size
        while left > 0 and (piece := reader.read(min(BUFFER, left))):
            left -= len(piece)
            yield piece, len(piece)
        # Behind the content stands what checks it.
        if left > 0 or (found.stop is None and reader.read(1)):
            raise SurprisalError("the content has not the length that the index tells")


def _check(*job):
    """Decodes a range; gives the last byte of its content, if it has any."""
    end = b""
    for piece, _ in _decode(*job):
        end = piece[-1:]
    return end


def _account_of(place, found, model, threads, device):
    """What the account of a range has that can be added."""
    if found.is_learned:
        raise SurprisalError("it was coded while learning, which has no ranges: surprisal report tells of it on one machine")
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "content")
        with open(path, "wb") as file:
            for piece, _ in _decode(place, found, model, threads, device):
                file.write(piece)
        by = model.load() if model else _bundled(found.identity)
        account = _account.report(path, model=by, threads=threads, device=device)
    return {"corpus": account["corpus"], "links": [(link["name"], link["bits"]) for link in account["links"]]}


def _bundled(identity):
    """The bundled model that coded an archive."""
    found = next((model for model in _account._native.models() if identity.startswith(model.identity)), None)
    if found is None:
        raise SurprisalError("the model that coded it is no bundled one: name its folder")
    return found


def _sum(accounts, archive_bytes):
    corpus = {
        name: sum(account["corpus"][name] for account in accounts) for name in ("lines", "modelled_lines", "tokens", "bytes")
    }
    by_range = [dict(account["links"]) for account in accounts]
    links = []
    for name in by_range[0]:
        if name == "archive":
            bits = archive_bytes * 8
        elif name == "archive and model":
            # The model is one for all.
            bits = archive_bytes * 8 + by_range[0][name] - by_range[0]["archive"]
        elif all(name in bits for bits in by_range):
            bits = sum(bits[name] for bits in by_range)
        else:
            continue
        per_line, per_token = bits / max(corpus["lines"], 1), bits / max(corpus["tokens"], 1)
        links.append(
            {"name": name, "bits": bits, "bytes": bits / 8, "bits_per_line": per_line, "bits_per_token": per_token}
        )
    return {"archive": {"bytes": archive_bytes}, "corpus": corpus, "ranges": len(accounts), "links": links}
