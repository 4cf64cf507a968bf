"""Models on a GPU, in whose place a driver stands that has the CPU as its device."""

import os
import subprocess
import sys

import pytest
import surprisal_codec
from surprisal_codec import SurprisalError

#: In a process of its own, whose driver this is. A warning, that the GPU failed, would be an error.
SAME_BYTES = """
import io, sys
import surprisal_codec as codec

path = sys.argv[1]
text = open(path, "rb").read()
archive = codec.compress(text)
assert codec.compress(text, device="cuda") == archive
compressor = codec.SurprisalCompressor(device="cuda:0")
assert compressor.compress(text) + compressor.flush() == archive
with codec.open(path + ".sur", "wb", device="cuda") as file:
    file.write(text)
assert codec.decompress(archive, device="cuda") == text
assert codec.SurprisalDecompressor(device="cuda").decompress(archive) == text
with codec.open(path + ".sur", device="cuda", lines=(3, 4)) as file:
    assert file.readlines() == text.splitlines(True)[2:4]
with codec.open(path + ".sur", device="cuda") as file:
    file.seek(-5, 2)
    assert file.read() == text[-5:]
assert codec.verify(io.BytesIO(archive), device="cuda") == codec.verify(io.BytesIO(archive))
accounts = [codec.report(path, device=device) for device in ("cpu", "cuda")]
for account in accounts:
    del account["seconds"]
assert accounts[0] == accounts[1]
"""

FAILS = """
import sys, warnings
import surprisal_codec as codec

text = open(sys.argv[1], "rb").read()
for work in (lambda device: codec.compress(text, device=device), lambda device: codec.decompress(codec.compress(text), device=device)):
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        assert work("cuda") == work("cpu")
    (warning,) = told
    assert warning.category is RuntimeWarning and "the CPU did its work" in str(warning.message), warning
"""


@pytest.fixture
def few(lines, tmp_path):
    path = tmp_path / "few.txt"
    path.write_bytes(lines[: 28 * 100] + b"no sum\n")
    return path


def run(script, few, stand_in, **environment):
    environment = {**os.environ, "LD_LIBRARY_PATH": str(stand_in), **environment}
    subprocess.run([sys.executable, "-W", "error", "-c", script, few], env=environment, check=True)


def test_the_same_bytes(few, stand_in):
    run(SAME_BYTES, few, stand_in)


@pytest.mark.parametrize("how", ["wrong 1", "fails 2", "memory"])
def test_a_gpu_that_fails(how, few, stand_in):
    run(FAILS, few, stand_in, SURPRISAL_TEST_GPU=how)


def test_what_cannot_be(few, stand_in):
    for name in ("gpu", "auto", "cuda:", "CUDA"):
        with pytest.raises(ValueError, match='device must be "cpu", "cuda" or "cuda:N"'):
            surprisal_codec.compress(b"", device=name)
    with pytest.raises(ValueError, match="learn runs on the CPU"):
        surprisal_codec.compress(b"", learn=True, device="cuda")
    with pytest.raises(ValueError, match="learn runs on the CPU"):
        surprisal_codec.report(few, learn=True, device="cuda")
    # Also where there is a GPU.
    with pytest.raises(SurprisalError, match='use device="cpu"'):
        surprisal_codec.verify(few, device="cuda:99")
