"""Archives where fsspec looks: as compression="surprisal", by the suffix .sur, and as sur:// in front of another URL.

fsspec finds `SurprisalFileSystem` by the package's entry point, without an import.
"""

from __future__ import annotations

import os

from fsspec.archive import AbstractArchiveFileSystem
from fsspec.core import open as fsspec_open

from ._file import SurprisalFile

SUFFIX = ".sur"


def register():
    """Makes `compression="surprisal"` and, with "infer", the suffix .sur known to fsspec."""
    from fsspec.compression import register_compression

    register_compression("surprisal", _opened, SUFFIX.lstrip("."), force=True)


def _opened(file, mode="rb", **options):
    return SurprisalFile(file, mode.replace("t", ""), **options)


class SurprisalFileSystem(AbstractArchiveFileSystem):
    """An archive as a file system with one file: what it holds, under the archive's name without .sur.

    `fo` is the archive, a file object or a path or URL of any file system. Further options are those of `SurprisalFile`: `model`,
    `threads`, `lines`.

    >>> import fsspec, os, surprisal_codec, tempfile
    >>> path = os.path.join(tempfile.mkdtemp(), "sums.txt.sur")
    >>> with surprisal_codec.open(path, "wb") as file:
    ...     _ = file.write(b"1+1=2\\n")
    >>> with fsspec.open(f"sur://sums.txt::file://{path}") as file:
    ...     file.read()
    b'1+1=2\\n'
    """

    protocol = "sur"
    cachable = False
    root_marker = ""

    def __init__(self, fo="", mode="r", target_protocol=None, target_options=None, model=None, threads=1, lines=None, **options):
        super().__init__(**options)
        self.dir_cache = None
        if mode != "r":
            raise ValueError("sur:// is for reading: write with surprisal_codec.open, or compression='surprisal'")
        self._options = {"model": model, "threads": threads, "lines": lines}
        if isinstance(fo, (str, os.PathLike)):
            self._source = fsspec_open(
                os.fspath(fo), mode="rb", protocol=target_protocol, compression=None, **(target_options or {})
            )
            name = os.path.basename(self._source.path)
        else:
            self._source, name = fo, os.path.basename(str(getattr(fo, "path", getattr(fo, "name", "content"))))
        self._name = name[: -len(SUFFIX)] if name.endswith(SUFFIX) else name

    @classmethod
    def _strip_protocol(cls, path):
        return super()._strip_protocol(path).lstrip("/")

    def _get_dirs(self):
        if self.dir_cache is None:
            self.dir_cache = {self._name: {"name": self._name, "size": self._size(), "type": "file"}}

    def _size(self):
        """Bytes of the content, from the index at the archive's end; none where that cannot be reached, or of some lines only."""
        with self._open(self._name) as file:
            return file.seek(0, os.SEEK_END) if file.seekable() else None

    def _open(self, path, mode="rb", **_):
        if mode != "rb":
            raise ValueError("sur:// is for reading")
        if path != self._name:
            raise FileNotFoundError(f"{path}: the archive holds {self._name}")
        source = self._source
        if not hasattr(source, "open"):
            source.seek(0)
            return SurprisalFile(source, **self._options)
        return _Closing(source.open(), **self._options)


class _Closing(SurprisalFile):
    """Closes the file that holds the archive when it is closed."""

    def __init__(self, file, **options):
        super().__init__(file, **options)
        self._owned = file
