"""Archives and trainings on more than one machine, by Ray tasks: `python -m surprisal_codec.ray --help`.

Files are cut into shards, of which each becomes an archive of its own; one behind the other they are one archive, with the bytes that one
machine makes of the same shards. Archives are read by ranges of their blocks. Paths may be URLs of any file system that fsspec knows;
what is local must have the same path on all machines.

`connect` joins a cluster; without it the first call does, or starts one on this machine. Whatever fails for good raises `SurprisalError`,
which says where and why.
"""

from __future__ import annotations

try:
    import ray as _ray  # noqa: F401
except ImportError as error:
    raise ImportError(
        "surprisal_codec.ray needs Ray and fsspec: python -m pip install 'surprisal-codec[ray]', or './python[ray]' in the project's folder"
    ) from error

from ._archives import compress, decompress, report, verify
from ._cluster import connect
from ._sweep import sweep
from ._train import train

__all__ = ["compress", "connect", "decompress", "report", "sweep", "train", "verify"]
