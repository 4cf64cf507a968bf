"""Archives as file objects."""

from __future__ import annotations

import builtins
import io
import os

from ._native import Reader, SurprisalCompressor, SurprisalError

#: Bytes of content that are decoded or coded at once.
_BUFFER = 1 << 18


class _RawReader(io.RawIOBase):
    """The content of the archives in a file, unbuffered."""

    def __init__(self, file, model, threads, device, lines):
        self._can_seek = bool(getattr(file, "seekable", lambda: False)())
        self._has_lines = lines is not None
        self._reader = Reader(
            file, model=model, threads=threads, device=device, lines=lines, is_seekable=self._can_seek
        )
        self._position = 0

    def readable(self):
        return True

    def readinto(self, buffer):
        content = self._reader.read(len(buffer))
        buffer[: len(content)] = content
        self._position += len(content)
        return len(content)

    def readall(self):
        content = b"".join(iter(lambda: self._reader.read(_BUFFER), b""))
        self._position += len(content)
        return content

    def seekable(self):
        return self._can_seek and not self._has_lines

    def tell(self):
        return self._position

    def seek(self, offset, whence=io.SEEK_SET):
        if not self.seekable():
            raise io.UnsupportedOperation("some lines only are read" if self._has_lines else "the file cannot be sought in")
        if whence == io.SEEK_CUR:
            offset += self._position
        elif whence == io.SEEK_END:
            offset += self._reader.content_len()
        elif whence != io.SEEK_SET:
            raise ValueError(f"invalid whence: {whence!r}")
        if offset != self._position:
            self._reader.seek(offset)
            self._position = offset
        return offset


class SurprisalFile(io.BufferedIOBase):
    """A file object over an archive.

    `file` is a path, or a file object in binary mode, which stays open. `mode` is "r", "w", "x" (the file must not exist) or "a" (one
    more archive behind those that there are: together they are read as one), with or without a "b".

    For reading, `model` is a model or a folder that the archive may need beside the bundled ones, and `lines` are the first and the last line
    that are wanted, counted from 1 (None as the last: all that follow): only the blocks that hold them are decoded. `seek` and `tell` count
    bytes of the content; `seek` decodes from the block on that holds the place. For writing, `level`, `model`, `learn` and `embed_model` are
    those of `compress`. `threads` (0 is one for every core) and `device` never change a byte.

    >>> import io
    >>> store = io.BytesIO()
    >>> with SurprisalFile(store, "w") as file:
    ...     _ = file.write(b"1+1=2\\n2+2=4\\n3+3=6\\n")
    >>> with SurprisalFile(store, lines=(2, 3)) as file:
    ...     list(file)
    [b'2+2=4\\n', b'3+3=6\\n']
    """

    def __init__(self, file, mode="r", *, level=None, model=None, learn=None, embed_model=False, threads=1, device="cpu", lines=None):
        # What `close` finds if the rest of this fails.
        self._file = self._owned = self._buffer = self._compressor = None
        self._has_failed = False
        self._written = 0
        kind = mode.replace("b", "", 1)
        if kind not in ("r", "w", "x", "a"):
            raise ValueError(f"invalid mode: {mode!r}")
        if kind == "r":
            if level is not None or learn is not None or embed_model:
                raise ValueError("level, learn and embed_model are for writing")
        elif lines is not None:
            raise ValueError("lines are for reading")
        self._mode = "rb" if kind == "r" else "wb"
        if kind != "r":
            # Before the file is made: what was asked for may make no sense.
            compressor = SurprisalCompressor(level, model, learn, threads, embed_model, device)
        if isinstance(file, (str, bytes, os.PathLike)):
            file = self._owned = builtins.open(file, kind + "b")
        elif not hasattr(file, "read" if kind == "r" else "write"):
            raise TypeError("file must be a path or a file object")
        self._file = file
        try:
            if kind == "r":
                self._buffer = io.BufferedReader(_RawReader(file, model, threads, device, lines), _BUFFER)
            else:
                self._compressor = compressor
        except BaseException:
            if self._owned is not None:
                self._owned.close()
            raise

    @property
    def mode(self):
        """`"rb"` or `"wb"`."""
        return self._mode

    @property
    def name(self):
        """The name of the file that holds the archive."""
        return self._file.name

    def fileno(self):
        """The descriptor of the file that holds the archive."""
        return self._file.fileno()

    def readable(self):
        return self._mode == "rb" and self._check_open()

    def writable(self):
        return self._mode == "wb" and self._check_open()

    def seekable(self):
        return self.readable() and self._buffer.seekable()

    def _check_open(self):
        if self.closed:
            raise ValueError("I/O operation on closed file")
        return True

    def _reading(self):
        if not self.readable():
            raise io.UnsupportedOperation("the file is open for writing")
        return self._buffer

    def read(self, size=-1):
        return self._reading().read(size)

    def read1(self, size=-1):
        return self._reading().read1(size)

    def readinto(self, buffer):
        return self._reading().readinto(buffer)

    def readinto1(self, buffer):
        return self._reading().readinto1(buffer)

    def readline(self, size=-1):
        return self._reading().readline(-1 if size is None else size)

    def readlines(self, hint=-1):
        return self._reading().readlines(hint)

    def peek(self, size=-1):
        """Bytes of content without advancing: at least one, unless the end is reached."""
        return self._reading().peek(size if size > 0 else 1)

    def __next__(self):
        line = self._reading().readline()
        if not line:
            raise StopIteration
        return line

    def seek(self, offset, whence=io.SEEK_SET):
        """Goes to a byte of the content, in whatever block it is; gives its place."""
        return self._reading().seek(offset, whence)

    def tell(self):
        """The place in the content, in bytes; while writing, how much was written."""
        return self._written if self.writable() else self._reading().tell()

    def write(self, data):
        """Compresses bytes; gives their number. What is not yet a block waits for more, at most until `close`."""
        if not self.writable():
            raise io.UnsupportedOperation("the file is open for reading")
        if self._has_failed:
            raise SurprisalError("an earlier write failed: the archive gets no end")
        if not isinstance(data, bytes):
            data = memoryview(data).tobytes()
        self._put(self._compressor.compress, data)
        self._written += len(data)
        return len(data)

    def _put(self, make, *arguments):
        try:
            archive = make(*arguments)
            if archive:
                self._file.write(archive)
        except BaseException:
            self._has_failed = True
            raise

    def flush(self):
        """Flushes the file that holds the archive; content that is not yet a block keeps waiting."""
        if self._compressor is not None and hasattr(self._file, "flush"):
            self._file.flush()

    def close(self):
        """Ends the archive, if one is written, and closes the file, if it was opened by its path.

        Where a write failed or was interrupted the archive gets no end: whoever reads it is told that it is cut short.
        """
        if self.closed:
            return
        try:
            if self._compressor is not None and not self._has_failed:
                self._put(self._compressor.flush)
        finally:
            self._compressor = self._buffer = None
            try:
                if self._owned is not None:
                    self._owned.close()
            finally:
                super().close()


def open(
    file,
    mode="rb",
    *,
    level=None,
    model=None,
    learn=None,
    embed_model=False,
    threads=1,
    device="cpu",
    lines=None,
    encoding=None,
    errors=None,
    newline=None,
):
    """Opens an archive as a file object: binary ("rb", "wb", "xb", "ab") as `SurprisalFile`, text ("rt", "wt", "xt", "at") as `io.TextIOWrapper` over it.

    >>> import os, tempfile
    >>> path = os.path.join(tempfile.mkdtemp(), "sums.txt.sur")
    >>> with open(path, "wt") as file:
    ...     _ = file.write("1+1=2\\n2+2=4\\n")
    >>> with open(path, "rt", lines=(2, 2)) as file:
    ...     file.read()
    '2+2=4\\n'
    """
    if "t" in mode:
        if "b" in mode:
            raise ValueError(f"invalid mode: {mode!r}")
    elif encoding is not None or errors is not None or newline is not None:
        raise ValueError("encoding, errors and newline are for text")
    binary = SurprisalFile(
        file,
        mode.replace("t", "", 1),
        level=level,
        model=model,
        learn=learn,
        embed_model=embed_model,
        threads=threads,
        device=device,
        lines=lines,
    )
    if "t" not in mode:
        return binary
    try:
        return io.TextIOWrapper(binary, encoding or "utf-8", errors, newline)
    except BaseException:
        binary.close()
        raise
