"""What the tests share: lines, golden archives, and the program if it is built."""

import os
import pathlib
import shutil
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
GOLDEN = ROOT / "tests" / "golden"
CORPUS = ROOT / "corpora" / "uniform-8-10k.txt"


@pytest.fixture(scope="session")
def lines():
    """10,000 lines of 8 digits: one block."""
    return CORPUS.read_bytes()


@pytest.fixture(scope="session")
def blocks():
    """More lines than three blocks hold, lines of a kind no model knows among them."""
    text = CORPUS.read_bytes()
    return text * 12 + b"no sum\n" * 9 + text * 8


@pytest.fixture(scope="session")
def stand_in(tmp_path_factory):
    """A folder for LD_LIBRARY_PATH with a CUDA driver whose one device is the CPU (docs/gpu.md)."""
    folder, crate = tmp_path_factory.mktemp("stand-in"), ROOT / "crates" / "surprisal-cuda"
    for source in [*(crate / "kernels").glob("*.cu*"), *(crate / "tests" / "stand_in").glob("*.[hc]*")]:
        shutil.copy(source, folder)
    flags = (crate / "tests" / "stand_in" / "flags.txt").read_text().split()
    subprocess.run(["c++", *flags, "-o", "libcuda.so", "libcuda.cpp"], cwd=folder, check=True)
    return folder


def python_of(document, heading):
    """The first Python program under a heading of a document in docs/."""
    section = (ROOT / "docs" / document).read_text().split(f"\n## {heading}\n")[1]
    return section.split("```python\n")[1].split("```")[0]


def program():
    """The program: what SURPRISAL names, or what `cargo build --release` made."""
    path = pathlib.Path(os.environ.get("SURPRISAL", ROOT / "target" / "release" / "surprisal"))
    if not path.exists():
        pytest.fail(f"{path} is missing: cargo build --release makes it, SURPRISAL=PROGRAM names another")
    return path
