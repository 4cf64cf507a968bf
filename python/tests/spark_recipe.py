"""The recipe of docs/cluster.md for Spark, run as it stands there. By hand, for Spark is large and needs Java 17 or later:

python/.venv/3.11/bin/python -m pip install "pyspark>=4,<5"
python/.venv/3.11/bin/pytest python/tests/spark_recipe.py
"""

import sys

import surprisal_codec
from test_cluster_recipes import recipe, text  # noqa: F401


def test_spark(text, tmp_path, monkeypatch):
    from pyspark.sql import SparkSession

    monkeypatch.setenv("PYSPARK_PYTHON", sys.executable)
    monkeypatch.setenv("SPARK_LOCAL_IP", "127.0.0.1")
    (tmp_path / "sums.txt").write_bytes(text)
    code = recipe("Spark", ("/shared", str(tmp_path)), ("32_000_000", "1_000_000"))
    with SparkSession.builder.master("local[2]").config("spark.ui.enabled", "false").getOrCreate() as spark:
        exec(code, {"__name__": "__main__", "spark": spark})
    parts = sorted((tmp_path / "parts").iterdir())
    assert len(parts) == -(-len(text) // 1_000_000) > 2 and all(part.suffix == ".sur" for part in parts)
    assert surprisal_codec.decompress(b"".join(part.read_bytes() for part in parts)) == text
