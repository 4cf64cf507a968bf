import os
from collections.abc import Callable, Sequence
from typing import Any, Final, Optional, Union

from ._native import SurprisalError as SurprisalError

_Path = Union[str, os.PathLike[str]]
_Record = dict[str, Any]

RESTARTS: Final[int]
OPTIONS: Final[dict[str, tuple[str, Callable[[Any], Any], str]]]

def train(
    corpus: Optional[_Path],
    output: _Path,
    *,
    workers: int = 2,
    threads: int = 1,
    epochs: int = 1,
    resume: bool = False,
    overwrite: bool = False,
    restarts: int = ...,
    watch: Optional[Callable[[int, float, list[_Record]], object]] = None,
    **options: Any,
) -> list[_Record]: ...
def main(arguments: Optional[Sequence[str]] = None) -> int: ...
