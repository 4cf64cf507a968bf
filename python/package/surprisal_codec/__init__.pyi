import io
import os
from collections.abc import Iterable
from dataclasses import dataclass
from typing import IO, Any, Literal, Optional, TypedDict, Union, overload

import numpy as np
import numpy.typing as npt
from typing_extensions import Buffer

from ._native import (
    Batch as Batch,
    Model as Model,
    SurprisalCompressor as SurprisalCompressor,
    SurprisalDecompressor as SurprisalDecompressor,
    SurprisalError as SurprisalError,
    __version__ as __version__,
    compress as compress,
    decompress as decompress,
    models as models,
)

_Line = Union[str, Buffer]
_Path = Union[str, bytes, os.PathLike[str], os.PathLike[bytes]]
_Model = Union[Model, str, os.PathLike[str]]
_Learn = Union[bool, str, Learn]
_BinaryMode = Literal["r", "rb", "w", "wb", "x", "xb", "a", "ab"]
_TextMode = Literal["rt", "wt", "xt", "at"]

class Explanation(dict[str, Any]):
    svg: str
    def _repr_html_(self) -> str: ...

class Report(dict[str, Any]):
    html: str
    text: str
    def _repr_html_(self) -> str: ...

class _Verified(TypedDict):
    archives: int
    blocks: int
    lines: int
    bytes: int

@dataclass(frozen=True)
class Learn:
    preset: str = ...
    batch_lines: Optional[int] = ...
    rate: Optional[float] = ...
    seed: int = ...
    replay: int = ...
    stride: Optional[int] = ...

class Learner:
    lines: int
    bits: float
    def __init__(
        self, sample: Iterable[_Line], *, learn: Union[str, Learn] = "nano", total_lines: Optional[int] = None, threads: int = 1
    ) -> None: ...
    def feed(self, lines: Iterable[_Line]) -> list[Batch]: ...
    @property
    def batch_lines(self) -> int: ...
    @property
    def steps(self) -> int: ...
    def save(self, folder: Union[str, os.PathLike[str]]) -> None: ...

class SurprisalFile(io.BufferedIOBase):
    def __init__(
        self,
        file: Union[_Path, IO[bytes], Any],
        mode: _BinaryMode = "r",
        *,
        level: Optional[int] = None,
        model: Optional[_Model] = None,
        learn: Optional[_Learn] = None,
        embed_model: bool = False,
        threads: int = 1,
        device: str = "cpu",
        lines: Optional[tuple[int, Optional[int]]] = None,
    ) -> None: ...
    @property
    def mode(self) -> Literal["rb", "wb"]: ...
    @property
    def name(self) -> Any: ...
    def peek(self, size: int = -1) -> bytes: ...
    def read(self, size: Optional[int] = -1) -> bytes: ...
    def read1(self, size: int = -1) -> bytes: ...
    def readinto(self, buffer: Buffer) -> int: ...
    def readinto1(self, buffer: Buffer) -> int: ...
    def readline(self, size: Optional[int] = -1) -> bytes: ...
    def readlines(self, hint: int = -1) -> list[bytes]: ...
    def seek(self, offset: int, whence: int = 0) -> int: ...
    def write(self, data: Buffer) -> int: ...

def explain(line: _Line, model: Optional[_Model] = None) -> Explanation: ...
def score(
    lines: Iterable[_Line],
    model: Optional[_Model] = None,
    *,
    outside: Literal["raise", "inf"] = "raise",
    threads: int = 1,
) -> npt.NDArray[np.float64]: ...
def report(
    path: Union[str, os.PathLike[str]],
    *,
    model: Optional[_Model] = None,
    learn: Optional[_Learn] = None,
    threads: int = 1,
    device: str = "cpu",
) -> Report: ...
def verify(
    file: Union[_Path, IO[bytes], Any], *, model: Optional[_Model] = None, threads: int = 1, device: str = "cpu"
) -> _Verified: ...
@overload
def open(
    file: Union[_Path, IO[bytes], Any],
    mode: _BinaryMode = "rb",
    *,
    level: Optional[int] = None,
    model: Optional[_Model] = None,
    learn: Optional[_Learn] = None,
    embed_model: bool = False,
    threads: int = 1,
    device: str = "cpu",
    lines: Optional[tuple[int, Optional[int]]] = None,
    encoding: None = None,
    errors: None = None,
    newline: None = None,
) -> SurprisalFile: ...
@overload
def open(
    file: Union[_Path, IO[bytes], Any],
    mode: _TextMode,
    *,
    level: Optional[int] = None,
    model: Optional[_Model] = None,
    learn: Optional[_Learn] = None,
    embed_model: bool = False,
    threads: int = 1,
    device: str = "cpu",
    lines: Optional[tuple[int, Optional[int]]] = None,
    encoding: Optional[str] = None,
    errors: Optional[str] = None,
    newline: Optional[str] = None,
) -> io.TextIOWrapper: ...
@overload
def open(
    file: Union[_Path, IO[bytes], Any],
    mode: str = "rb",
    *,
    level: Optional[int] = None,
    model: Optional[_Model] = None,
    learn: Optional[_Learn] = None,
    embed_model: bool = False,
    threads: int = 1,
    device: str = "cpu",
    lines: Optional[tuple[int, Optional[int]]] = None,
    encoding: Optional[str] = None,
    errors: Optional[str] = None,
    newline: Optional[str] = None,
) -> Union[SurprisalFile, io.TextIOWrapper]: ...

__all__ = [
    "Batch",
    "Explanation",
    "Learn",
    "Learner",
    "Model",
    "Report",
    "SurprisalCompressor",
    "SurprisalDecompressor",
    "SurprisalError",
    "SurprisalFile",
    "compress",
    "decompress",
    "explain",
    "models",
    "open",
    "report",
    "score",
    "verify",
]
