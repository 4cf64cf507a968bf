"""Files that all machines see, and targets that are put together from parts."""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import shutil
import socket
from typing import Any, NamedTuple

import fsspec

from .._native import SurprisalError
from . import _cluster

#: Bytes that are read at once.
BUFFER = 1 << 20


class Place(NamedTuple):
    """A file: a file system of fsspec and the path there, absolute, so that it means the same on all machines."""

    system: Any
    path: str

    @classmethod
    def of(cls, name):
        """The place that a path or a URL names."""
        name = os.fspath(name)
        if "://" not in name:
            return cls(fsspec.filesystem("file"), os.path.abspath(name))
        try:
            return cls(*fsspec.core.url_to_fs(name))
        except (ImportError, ValueError) as error:
            raise SurprisalError(f"{name}: {error}") from error

    def open(self, **options):
        """Opens it for reading; of what is remote no more than a piece is fetched ahead."""
        return self.system.open(self.path, "rb", block_size=BUFFER, **options)

    def size(self):
        """Its bytes. Raises `SurprisalError` where they are not known beforehand."""
        size = self.system.size(self.path)
        if size is None:
            raise SurprisalError(f"{self.path}: its size is not known: copy it to a file first")
        return size

    def key(self, *settings):
        """A name for what becomes of this file, as it is now, with these settings."""
        known = (self.path, self.system.ukey(self.path), *settings)
        return hashlib.blake2b(repr(known).encode(), digest_size=8).hexdigest()


class Window(io.RawIOBase):
    """Some bytes of a file, as a file."""

    def __init__(self, file, start, length):
        self._file, self._start, self._length, self._at = file, start, length, 0

    def readable(self):
        return True

    def seekable(self):
        return True

    def seek(self, offset, whence=io.SEEK_SET):
        self._at = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._length}[whence]
        return self._at

    def tell(self):
        return self._at

    def read(self, size=-1):
        left = max(self._length - self._at, 0)
        self._file.seek(self._start + self._at)
        data = self._file.read(left if size is None or size < 0 else min(size, left))
        self._at += len(data)
        return data


class Target:
    """A file that is put together from parts. Its parts stay in a folder beside it until it is whole, so that a command that failed
    and is given again goes on from there.
    """

    def __init__(self, name, source, settings=(), force=False):
        """`name` is its path or URL, `source` the place that it is made of and `settings` what else its bytes depend on."""
        self.place = Place.of(name)
        self._folder = f"{self.place.path}.parts"
        self._key = source.key(*settings)
        if self.place == source:
            raise SurprisalError(f"{source.path} would be overwritten by what is made of it: name another target")
        if self.place.system.exists(self.place.path) and not force:
            raise SurprisalError(f"{self.place.path} exists: --force overwrites it")

    def build(self, make, jobs, describe, *, task, progress):
        """Runs `make(*job)`, which yields the bytes of a part and their bytes of content piece by piece, as a task for each job, and
        puts the parts together.

        Gives the bytes of the target and the number of parts that were there already.
        """
        system, path = self.place
        system.makedirs(self._folder, exist_ok=True)
        system.invalidate_cache(self._folder)
        # A part's name: the key of the command, the part's number and the digest of its bytes.
        present = {name.rpartition("-")[0]: name for name in map(os.path.basename, system.ls(self._folder, detail=False))}
        stems = [f"{self._key}-{number:08}" for number in range(len(jobs))]
        arguments = [
            (make, job, Place(system, f"{self._folder}/{stem}"), present.get(stem)) for stem, job in zip(stems, jobs)
        ]
        temporary = f"{self._folder}/{os.getpid()}.tmp"
        parts, kept, following = {}, 0, 0
        try:
            with system.open(temporary, "wb") as output:
                for number, part in _cluster.run(task(_write_part), arguments, describe):
                    parts[number], kept = part, kept + part.was_present
                    progress.advance(part.content)
                    # In order, while others are still being made.
                    while following in parts:
                        self._append(parts.pop(following), output)
                        following += 1
                size = output.tell()
                output.flush()
                if hasattr(output, "fileno"):
                    os.fsync(output.fileno())
            system.mv(temporary, path)
        except BaseException:
            with contextlib.suppress(OSError):
                system.rm_file(temporary)
            raise
        system.rm(self._folder, recursive=True)
        return size, kept

    def _append(self, part, output):
        try:
            with self.place.system.open(f"{self._folder}/{part.name}", "rb") as file:
                before = output.tell()
                shutil.copyfileobj(file, output, BUFFER)
        except FileNotFoundError:
            raise SurprisalError(
                f"{self._folder}/{part.name}, written on {part.machine}, is not there: the target must be on a file system "
                "that all machines share"
            ) from None
        if output.tell() - before != part.size:
            raise SurprisalError(f"{self._folder}/{part.name} has changed: remove the folder and give the command again")


class Part(NamedTuple):
    """A file of a target's folder."""

    name: str
    #: Bytes.
    size: int
    #: Bytes of content that it stands for.
    content: int
    machine: str
    was_present: bool


def _write_part(make, job, stem, present):
    """Writes a part, unless one is present that is whole. It gets its name when all its bytes are there."""
    system, path = stem
    folder, machine = os.path.dirname(path), socket.gethostname()
    if present is not None:
        digest, size = hashlib.blake2b(digest_size=16), 0
        with system.open(f"{folder}/{present}", "rb") as file:
            for piece in iter(lambda: file.read(BUFFER), b""):
                digest.update(piece)
                size += len(piece)
        if present.endswith(f"-{digest.hexdigest()}"):
            return Part(present, size, 0, machine, True)
    # Two attempts at a part, one of them thought dead, write two files.
    temporary = f"{path}.{machine}.{os.getpid()}.tmp"
    digest, size, content = hashlib.blake2b(digest_size=16), 0, 0
    try:
        with system.open(temporary, "wb") as output:
            for piece, of_content in make(*job):
                output.write(piece)
                digest.update(piece)
                size, content = size + len(piece), content + of_content
        system.mv(temporary, f"{path}-{digest.hexdigest()}")
    except BaseException:
        with contextlib.suppress(OSError):
            system.rm_file(temporary)
        raise
    return Part(f"{os.path.basename(path)}-{digest.hexdigest()}", size, content, machine, False)
