"""Where libraries look: fsspec by name and by URL; and the recipes of README.md."""

import io
import subprocess
import sys

import pytest

import surprisal_codec

CSV = b"a,b\n" + b"".join(b"%08d,%09d\n" % (i * 7919, i * 104_729) for i in range(5000))


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "table.csv.sur"
    with surprisal_codec.open(path, "wb") as file:
        file.write(CSV)
    return path


def test_fsspec_by_name(table):
    import fsspec

    with fsspec.open(table, compression="infer") as file:
        assert file.read() == CSV
    with fsspec.open("memory://there.csv", "wb", compression="surprisal") as file:
        file.write(CSV)
    assert fsspec.filesystem("memory").cat("/there.csv") == surprisal_codec.compress(CSV)
    with fsspec.open("memory://there.csv", "rt", compression="surprisal") as file:
        assert file.readline() == "a,b\n"


def test_fsspec_by_url(table):
    import fsspec

    url = f"sur://table.csv::file://{table}"
    with fsspec.open(url) as file:
        file.seek(5)
        assert file.read(9) == CSV[5:14]
    system, path = fsspec.core.url_to_fs(url)
    assert system.ls("", detail=False) == [path] == ["table.csv"] and system.size(path) == len(CSV)
    with pytest.raises(FileNotFoundError):
        fsspec.open(f"sur://other.csv::file://{table}").open()


def test_pandas_by_url_without_an_import(table):
    """In a Python of its own, which imports nothing but pandas."""
    script = f"import pandas as pd; print(pd.read_csv('sur://table.csv::file://{table}').shape)"
    assert subprocess.check_output([sys.executable, "-c", script], text=True) == "(5000, 2)\n"


def test_pandas(table, tmp_path):
    import pandas as pd

    with surprisal_codec.open(table) as file:
        frame = pd.read_csv(file)
    assert frame.shape == (5000, 2)
    with surprisal_codec.open(tmp_path / "copy.csv.sur", "wt", newline="") as file:
        frame.to_csv(file, index=False)
    # Rows from the middle: only the block that holds them is decoded.
    with surprisal_codec.open(table, lines=(1001, 1010)) as file:
        some = pd.read_csv(file, names=["a", "b"])
    assert some.equals(frame[999:1009].reset_index(drop=True))
    assert pd.read_csv(surprisal_codec.open(tmp_path / "copy.csv.sur")).equals(frame)


def test_polars(table):
    import polars as pl

    with surprisal_codec.open(table) as file:
        frame = pl.read_csv(file)
    assert frame.shape == (5000, 2) and frame["b"][1] == 104_729
    store = io.BytesIO()
    with surprisal_codec.open(store, "wb") as file:
        frame.write_csv(file)
    store.seek(0)
    assert pl.read_csv(surprisal_codec.open(store)).equals(frame)


def test_pyarrow(table):
    from pyarrow import csv

    with surprisal_codec.open(table) as file:
        batches = [batch.num_rows for batch in csv.open_csv(file)]
    assert sum(batches) == 5000


def test_hugging_face_datasets(table, tmp_path):
    import datasets

    def rows(path):
        with surprisal_codec.open(path, "rt") as file:
            for line in file:
                yield {"text": line.rstrip("\n")}

    made = datasets.IterableDataset.from_generator(rows, gen_kwargs={"path": str(table)})
    assert next(iter(made)) == {"text": "a,b"}
    stored = datasets.Dataset.from_generator(rows, gen_kwargs={"path": str(table)}, cache_dir=str(tmp_path))
    assert stored.num_rows == 5001 and stored[1]["text"] == "00000000,000000000"
