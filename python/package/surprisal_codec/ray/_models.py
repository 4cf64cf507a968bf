"""Models that tasks take along: bundled ones by name, others with their files, so that no machine needs the folder."""

from __future__ import annotations

import os
import pathlib
import tempfile
from typing import NamedTuple, Optional

import ray

from .._native import Model, SurprisalError, compress, models

#: Bytes of the beginning that choose a model: `Models::LOOK_AT` of the library.
_LOOK_AT = 1 << 16
#: Files of a model folder; the log, by which a report knows how the training ended, may be missing.
_FILES = ["config.json", "model.safetensors", "training.jsonl"]

#: Of this process, by identity.
_loaded: dict[str, Model] = {}


class Carried(NamedTuple):
    """A model on its way to a task."""

    name: str
    identity: str
    #: Name and bytes of the files of its folder, in Ray's store; None of a bundled one.
    files: Optional[ray.ObjectRef]

    @classmethod
    def of(cls, named):
        """The model, which may be named by a bundled one's name or by a folder; None stays None."""
        if named is None:
            return None
        if isinstance(named, Model):
            # As pickle has it: a bundled one's name, or a name and the bytes of two files.
            name, *files = named.__reduce__()[1]
            return cls(name, named.identity, ray.put(dict(zip(_FILES, files))) if files else None)
        bundled = next((model for model in models() if model.name == named), None)
        if bundled is not None:
            return cls(bundled.name, bundled.identity, None)
        if not os.path.isdir(named):
            # Its error names the models that there are.
            return cls.of(Model.bundled(os.fspath(named)).name)
        model, folder = Model.load(named), pathlib.Path(named)
        files = {name: (folder / name).read_bytes() for name in _FILES if (folder / name).exists()}
        return cls(model.name, model.identity, ray.put(files))

    @classmethod
    def chosen_for(cls, beginning, level):
        """The level's best for a content that begins so, as the library chooses it."""
        identity, name = identity_and_name(compress(beginning[:_LOOK_AT], level))
        return cls(name, identity, None)

    def load(self):
        """The model, read once in each process."""
        if self.identity not in _loaded:
            _loaded[self.identity] = Model.bundled(self.name) if self.files is None else self._load_files()
        return _loaded[self.identity]

    def _load_files(self):
        with tempfile.TemporaryDirectory() as above:
            # The folder's name is the model's, which is in the archive's header.
            folder = pathlib.Path(above, self.name)
            folder.mkdir()
            for name, content in ray.get(self.files).items():
                (folder / name).write_bytes(content)
            return Model.load(folder)


def identity_and_name(header):
    """The identity and the name of the model that an archive's header has (docs/format.md)."""
    if header[:4] != b"\xb5SUR" or len(header) < 40:
        raise SurprisalError("not an archive")
    return header[7:39].hex(), header[40 : 40 + header[39]].decode("utf-8", "replace")
