"""What the tests share: lines, golden archives, and the program if it is built."""

import os
import pathlib
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
