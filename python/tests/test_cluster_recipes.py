"""The recipe of docs/cluster.md for Dask, run as it stands there on a text of some pieces; spark_recipe.py does so with that for Spark."""

import pathlib
import subprocess

import pytest

import surprisal_codec
from conftest import program, python_of

LINES = 150_000


@pytest.fixture(scope="module")
def text(tmp_path_factory):
    """Sums, of which some end in a carriage return, and the last in nothing."""
    path = tmp_path_factory.mktemp("text") / "sums.txt"
    subprocess.run([program(), "corpus", "-q", "--lines", str(LINES), "--seed", "7", "-o", path], check=True)
    return path.read_bytes().replace(b"9\n", b"9\r\n")[:-1]


def recipe(name, *instead):
    """The program under a heading; of each pair the first text is replaced by the second."""
    code = python_of("cluster.md", name)
    for word, other in instead:
        assert word in code, f"docs/cluster.md: {name} has no {word}"
        code = code.replace(word, other)
    return code


def test_dask(text, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    pathlib.Path("sums.txt").write_bytes(text)
    exec(recipe("Dask", ("32MB", "1MB")), {"__name__": "__main__"})
    assert surprisal_codec.decompress(pathlib.Path("sums.txt.sur").read_bytes()) == text
    assert surprisal_codec.verify("sums.txt.sur")["archives"] > 2
