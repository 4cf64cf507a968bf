"""Compressor and decompressor objects, as those of lzma."""

import random

import pytest

import surprisal_codec
from conftest import GOLDEN
from surprisal_codec import SurprisalCompressor, SurprisalDecompressor


def pieces(data, sizes, seed=1):
    chance, at = random.Random(seed), 0
    while at < len(data):
        size = chance.choice(sizes)
        yield data[at : at + size]
        at += size


def compress(content, sizes, **options):
    compressor = SurprisalCompressor(**options)
    return b"".join([compressor.compress(piece) for piece in pieces(content, sizes)] + [compressor.flush()])


@pytest.mark.parametrize("sizes", [[1, 100, 70_000], [1 << 20, 3_000_000]])
def test_an_archive_in_pieces_is_that_of_the_whole(blocks, sizes):
    if sizes[0] == 1:
        blocks = blocks[:700_000]
    assert compress(blocks, sizes) == surprisal_codec.compress(blocks)
    assert compress(blocks, sizes, level=1, threads=2) == surprisal_codec.compress(blocks, 1)


def test_content_comes_out_while_it_goes_in(blocks):
    compressor = SurprisalCompressor()
    before = [compressor.compress(piece) for piece in pieces(blocks, [1 << 20])]
    assert sum(map(len, before)) > 0
    archive = b"".join(before) + compressor.flush()
    decompressor, content = SurprisalDecompressor(), []
    for piece in pieces(archive, [10_000]):
        assert not decompressor.eof and decompressor.needs_input
        content.append(decompressor.decompress(piece))
    assert decompressor.eof and not decompressor.needs_input and decompressor.unused_data == b""
    assert b"".join(content) == blocks
    assert sum(1 for piece in content if piece) > 1


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("sizes", [[1], [1, 2, 3, 1000], [100_000_000]])
def test_decoding_in_pieces(lines, sizes, threads):
    content = lines[: 28 * 100] if sizes == [1] else lines
    for archive in [surprisal_codec.compress(content), surprisal_codec.compress(content, 1, embed_model=sizes != [1])]:
        decompressor, found = SurprisalDecompressor(threads=threads), b""
        for piece in pieces(archive + b"more", sizes):
            if decompressor.eof:
                break
            found += decompressor.decompress(piece)
        assert decompressor.eof and found == content


@pytest.mark.parametrize("name", ["uniform.txt", "mixed.txt", "noise.txt", "empty.txt", "dates.txt", "dates-2.txt"])
def test_golden_archives_in_pieces(name):
    archive = (GOLDEN / f"{name}.sur").read_bytes()
    content = (GOLDEN / f"{name.replace('-2', '')}").read_bytes()
    decompressor = SurprisalDecompressor()
    assert b"".join(decompressor.decompress(piece) for piece in pieces(archive, [7, 300])) == content
    assert decompressor.eof


def test_what_follows_is_unused(lines):
    archive = surprisal_codec.compress(lines[:2800])
    decompressor = SurprisalDecompressor()
    assert decompressor.decompress(archive + archive + b"end") == lines[:2800]
    assert decompressor.unused_data == archive + b"end"
    with pytest.raises(EOFError):
        decompressor.decompress(b"")
    assert decompressor.eof and decompressor.unused_data == archive + b"end"


def test_at_most_so_much_at_a_time(blocks):
    archive = surprisal_codec.compress(blocks)
    decompressor, found = SurprisalDecompressor(), []
    piece = archive
    while not decompressor.eof:
        found.append(decompressor.decompress(piece, max_length=1_000_000))
        piece = b""
    assert max(map(len, found)) == 1_000_000 and b"".join(found) == blocks
    decompressor = SurprisalDecompressor()
    assert decompressor.decompress(archive, 0) == b"" and not decompressor.needs_input
    assert decompressor.decompress(b"") == blocks


def test_errors_end_it(lines):
    archive = bytearray(surprisal_codec.compress(lines))
    archive[-500] ^= 1
    decompressor = SurprisalDecompressor()
    with pytest.raises(surprisal_codec.SurprisalError):
        decompressor.decompress(archive)
    with pytest.raises(surprisal_codec.SurprisalError, match="behind an error"):
        decompressor.decompress(b"")
    compressor = SurprisalCompressor()
    compressor.flush()
    with pytest.raises(ValueError, match="ended"):
        compressor.flush()


def test_a_cut_archive_has_no_end(lines):
    archive = surprisal_codec.compress(lines)
    decompressor = SurprisalDecompressor()
    assert decompressor.decompress(archive[:-1]) == lines
    assert not decompressor.eof and decompressor.needs_input


def test_learning_in_pieces(lines):
    content = lines[: 28 * 1500]
    archive = compress(content, [100, 5000], learn="pico")
    assert surprisal_codec.decompress(archive) == content
