"""Where to cut: a text at newlines, archives at the blocks that their indexes tell of."""

from __future__ import annotations

import struct
from typing import NamedTuple

from .._native import SurprisalError
from ._files import BUFFER
from ._models import identity_and_name

#: Newlines of a block: the writer cuts behind so many, if they come within 4 MiB.
BLOCK_LINES = 65_536
#: Bytes whose newlines are counted together: a task that begins at a line reads no more before it.
STRIDE = 4 << 20
#: The header's longest form, without settings: 44 bytes and a name.
_HEADER = 44 + 255
#: Bytes of an archive that end it: length of the index, of the archive, checksum, magic.
_TRAILER = struct.Struct("<IQI4s")


class Shard(NamedTuple):
    """Some lines of a text."""

    #: A byte of the text at or before the first of them.
    offset: int
    #: Newlines from there to the first of them.
    skip: int
    #: Newlines that they have; the last may lack its own.
    newlines: int


def count_newlines(place, offset, length, stride=STRIDE):
    """The newlines in each stride of some bytes of a file."""
    with place.open() as file:
        file.seek(offset)
        return [file.read(min(stride, length - at)).count(b"\n") for at in range(0, length, stride)]


def shards(counts, ends_with_newline, newlines, stride=STRIDE):
    """Cuts a text, whose strides have so many newlines, behind every so many newlines. The last shard has what is left."""
    cuts, passed = [(0, 0)], 0
    for number, count in enumerate(counts):
        while (inside := len(cuts) * newlines - passed) <= count:
            cuts.append((number * stride, inside))
        passed += count
    # No shard for nothing behind the last newline.
    if ends_with_newline and len(cuts) > 1 and (len(cuts) - 1) * newlines == passed:
        cuts.pop()
    return [Shard(offset, skip, newlines) for offset, skip in cuts]


def read_lines(file, skip, newlines):
    """Yields what stands behind `skip` newlines, up to and with so many more."""
    while piece := file.read(BUFFER):
        found = piece.count(b"\n")
        if found < skip:
            skip -= found
            continue
        if skip > 0:
            piece, found, skip = piece.split(b"\n", skip)[skip], found - skip, 0
        if found >= newlines:
            rest = piece.split(b"\n", newlines)[newlines]
            yield piece[: len(piece) - len(rest)]
            return
        newlines -= found
        yield piece


class Range(NamedTuple):
    """Some blocks of one archive, or some archives of one model."""

    #: The archives that hold them: where they begin in the file and how long they are, in bytes.
    offset: int
    length: int
    #: What of the content of these archives, in bytes; the end is None where it is all the rest.
    start: int
    stop: int | None
    archives: int
    blocks: int
    newlines: int
    #: Of content.
    size: int
    #: The model's, in hexadecimal; of an archive that was coded while learning that of its settings.
    identity: str
    is_learned: bool


def range_size(archive_bytes, gpus):
    """The bytes of content that a range of an archive has at most: seconds of work, a small archive cut finer, to keep many workers busy. A GPU
    decodes hundreds of blocks in the time of one.
    """
    return min(max(archive_bytes // 16, 4 << 20), (1 << 30) if gpus else (32 << 20))


def ranges(file, size, at_most):
    """Cuts the archives in a file of so many bytes, first to last, into ranges of about so many bytes of content.

    Reads each archive's header and end only. Raises `SurprisalError` if something else is in the file.
    """
    cut = []
    while size > 0 or not cut:
        archive, blocks = _archive_before(file, size)
        size = archive.offset
        following = cut[-1] if cut else None
        if archive.size > at_most and not archive.is_learned:
            cut.extend(reversed(_split(archive, blocks, at_most)))
        elif following is not None and _fit_together(archive, following, at_most):
            cut[-1] = archive._replace(
                length=archive.length + following.length,
                archives=archive.archives + following.archives,
                blocks=archive.blocks + following.blocks,
                newlines=archive.newlines + following.newlines,
                size=archive.size + following.size,
            )
        else:
            cut.append(archive)
    return cut[::-1]


def _fit_together(archive, following, at_most):
    whole = (following.start, following.stop) == (0, None)
    return whole and archive.size + following.size <= at_most and archive.identity == following.identity


def _split(archive, blocks, at_most):
    """An archive's ranges. The first counts as the archive, the others as none."""
    found, start, inside = [], 0, []
    for number, block in enumerate(blocks):
        inside.append(block)
        length = sum(content for content, _ in inside)
        is_last = number + 1 == len(blocks)
        if is_last or length + blocks[number + 1][0] > at_most:
            found.append(
                archive._replace(
                    start=start,
                    stop=None if is_last else start + length,
                    archives=int(start == 0),
                    blocks=len(inside),
                    newlines=sum(newlines for _, newlines in inside),
                    size=length,
                )
            )
            start, inside = start + length, []
    return found


def _archive_before(file, end):
    """The archive that ends at a byte of the file, as a range, and the bytes and newlines of its blocks. Its checksums are the reader's to check."""
    trailer = _read(file, max(end - _TRAILER.size, 0), _TRAILER.size)
    index_len, length, _, magic = _TRAILER.unpack(trailer) if len(trailer) == _TRAILER.size else (0, 0, 0, b"")
    if magic != b"RUS\xb5" or not _TRAILER.size + index_len < length <= end:
        raise SurprisalError(f"byte {end}: no archive ends here: it is none, or cut short, or something follows it")
    header = _read(file, end - length, min(_HEADER, length))
    identity, _ = identity_and_name(header)
    blocks = _blocks(_read(file, end - _TRAILER.size - index_len, index_len))
    content, newlines = (sum(column) for column in zip(*blocks)) if blocks else (0, 0)
    is_learned = int.from_bytes(header[4:6], "little") == 2
    return Range(end - length, length, 0, None, 1, len(blocks), newlines, content, identity, is_learned), blocks


def _read(file, offset, length):
    file.seek(offset)
    return file.read(length)


def _blocks(index):
    """Bytes of content and newlines of each block of an index (docs/format.md)."""
    at = 0

    def varint():
        nonlocal at
        value = shift = 0
        while True:
            byte = index[at]
            at, value, shift = at + 1, value | (byte & 0x7F) << shift, shift + 7
            if byte < 0x80:
                return value

    blocks = []
    try:
        for _ in range(varint()):
            at += 1  # its kind
            blocks.append((varint(), varint()))
            varint()  # its payload
    except IndexError:
        raise SurprisalError("the index at the end of an archive makes no sense") from None
    return blocks
