import os
from collections.abc import Callable, Sequence
from typing import Any, Optional, TypedDict, Union

from .. import _Verified

_Path = Union[str, os.PathLike[str]]

class _Compressed(TypedDict):
    shards: int
    present: int
    model: str
    bytes_in: int
    bytes_out: int

class _Decompressed(TypedDict):
    ranges: int
    present: int
    bytes_in: int
    bytes_out: int

class _Training(TypedDict):
    name: str
    preset: str
    seed: int
    rate: Optional[float]
    folder: str
    steps: int
    validation_loss: float

def connect(address: Optional[str] = None) -> None: ...
def compress(
    source: _Path,
    target: Optional[_Path] = None,
    *,
    level: Optional[int] = None,
    model: Optional[_Path] = None,
    shard_blocks: int = 16,
    threads: int = 1,
    gpus: float = 0,
    force: bool = False,
    quiet: bool = True,
) -> _Compressed: ...
def decompress(
    source: _Path,
    target: Optional[_Path] = None,
    *,
    model: Optional[_Path] = None,
    threads: int = 1,
    gpus: float = 0,
    force: bool = False,
    quiet: bool = True,
) -> _Decompressed: ...
def verify(
    source: _Path, *, model: Optional[_Path] = None, threads: int = 1, gpus: float = 0, quiet: bool = True
) -> _Verified: ...
def report(
    source: _Path, *, model: Optional[_Path] = None, threads: int = 1, gpus: float = 0, quiet: bool = True
) -> dict[str, Any]: ...
def sweep(
    folder: _Path,
    *,
    presets: Sequence[str] = ...,
    seeds: Sequence[int] = ...,
    rates: Sequence[Optional[float]] = ...,
    options: Sequence[object] = ...,
    program: _Path = "surprisal",
    threads: int = 1,
    gpus: float = 0,
    quiet: bool = True,
) -> list[_Training]: ...
def train(
    corpus: Optional[_Path],
    output: _Path,
    *,
    workers: int = 2,
    threads: int = 1,
    epochs: Optional[int] = None,
    resume: bool = False,
    force: bool = False,
    restarts: int = 3,
    watch: Optional[Callable[[int, float, list[dict[str, Any]]], object]] = None,
    **options: Any,
) -> list[dict[str, Any]]: ...

__all__ = ["compress", "connect", "decompress", "report", "sweep", "train", "verify"]
