"""The recipes of docs/cluster.md for Dask and Spark, run as they stand there on a text of some pieces."""

import pathlib
import subprocess
import sys

import pytest

import surprisal_codec
from conftest import ROOT, program

LINES = 150_000


@pytest.fixture(scope="module")
def text(tmp_path_factory):
    """Sums, of which some end in a carriage return, and the last in nothing."""
    path = tmp_path_factory.mktemp("text") / "sums.txt"
    subprocess.run([program(), "corpus", "-q", "--lines", str(LINES), "--seed", "7", "-o", path], check=True)
    return path.read_bytes().replace(b"9\n", b"9\r\n")[:-1]


def recipe(name, **instead):
    """The program under a heading, with other words in some places."""
    section = (ROOT / "docs" / "cluster.md").read_text().split(f"\n## {name}\n")[1]
    code = section.split("```python\n")[1].split("```")[0]
    for word, other in instead.values():
        assert word in code, f"docs/cluster.md: {name} has no {word}"
        code = code.replace(word, other)
    return code


def test_dask(text, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    pathlib.Path("sums.txt").write_bytes(text)
    exec(recipe("Dask", size=("32MB", "1MB")), {"__name__": "__main__"})
    assert surprisal_codec.decompress(pathlib.Path("sums.txt.sur").read_bytes()) == text
    assert surprisal_codec.verify("sums.txt.sur")["archives"] > 2


def test_spark(text, tmp_path, monkeypatch):
    from pyspark.sql import SparkSession

    monkeypatch.setenv("PYSPARK_PYTHON", sys.executable)
    monkeypatch.setenv("SPARK_LOCAL_IP", "127.0.0.1")
    (tmp_path / "sums.txt").write_bytes(text)
    code = recipe("Spark", folder=("/shared", str(tmp_path)), size=("32_000_000", "1_000_000"))
    with SparkSession.builder.master("local[2]").config("spark.ui.enabled", "false").getOrCreate() as spark:
        exec(code, {"__name__": "__main__", "spark": spark})
    parts = sorted((tmp_path / "parts").iterdir())
    assert len(parts) == -(-len(text) // 1_000_000) > 2 and all(part.suffix == ".sur" for part in parts)
    assert surprisal_codec.decompress(b"".join(part.read_bytes() for part in parts)) == text
