"""A lossless compressor whose output size is a model's loss, used as lzma and compression.zstd are.

>>> import surprisal_codec
>>> archive = surprisal_codec.compress(b"17282456+79546852=096829308\\n" * 2)
>>> surprisal_codec.decompress(archive)
b'17282456+79546852=096829308\\n17282456+79546852=096829308\\n'

Bytes: `compress`, `decompress`, `SurprisalCompressor`, `SurprisalDecompressor`. Files: `open`, `SurprisalFile`, `verify`. Models: `Model`,
`models`, `Learn`, `Learner`. What bits are spent on: `score`, `explain`, `report`. All errors of the codec are `SurprisalError`.
"""

from __future__ import annotations

from ._account import Explanation, Report, explain, report, score, verify
from ._file import SurprisalFile, open
from ._learn import Learn, Learner
from ._native import (
    Batch,
    Model,
    SurprisalCompressor,
    SurprisalDecompressor,
    SurprisalError,
    __version__,
    compress,
    decompress,
    models,
)

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


def _register_with_fsspec():
    try:
        from . import _fsspec
    except ImportError:
        return
    _fsspec.register()


_register_with_fsspec()
