"""File objects over archives."""

import io
import itertools
import os
import signal
import tarfile
import time

import pytest

import surprisal_codec
from conftest import GOLDEN
from surprisal_codec import SurprisalFile


@pytest.fixture(scope="module")
def archive(blocks):
    """Two archives, several blocks each, one behind the other."""
    return surprisal_codec.compress(blocks) + surprisal_codec.compress(blocks[: 28 * 100_000])


@pytest.fixture(scope="module")
def content(blocks):
    return blocks + blocks[: 28 * 100_000]


@pytest.mark.parametrize("wrong", [{"mode": "z"}, {"lines": (1, 2), "mode": "w"}, {"level": 3}])
def test_what_could_not_be_opened_is_closed_quietly(wrong):
    """Python closes the object whose constructor failed, and from 3.13 on tells of what that raises."""
    file = surprisal_codec.SurprisalFile.__new__(surprisal_codec.SurprisalFile)
    with pytest.raises(ValueError):
        file.__init__(io.BytesIO(), **wrong)
    file.close()
    assert file.closed


def test_modes(tmp_path, lines):
    path = tmp_path / "sums.txt.sur"
    with surprisal_codec.open(path, "wb") as file:
        assert file.writable() and not file.readable() and not file.seekable() and file.mode == "wb"
        assert file.write(lines) == len(lines)
        with pytest.raises(io.UnsupportedOperation):
            file.read()
    assert path.read_bytes() == surprisal_codec.compress(lines)
    with pytest.raises(FileExistsError):
        surprisal_codec.open(path, "xb")
    with surprisal_codec.open(str(path), "ab") as file:
        file.write(b"1+1=2\n")
    with surprisal_codec.open(os.fsencode(path)) as file:
        assert file.readable() and not file.writable() and file.mode == "rb" and file.name == os.fsencode(path)
        assert file.read() == lines + b"1+1=2\n"
        with pytest.raises(io.UnsupportedOperation):
            file.write(b"")
    with pytest.raises(ValueError):
        file.read()
    file.close()
    with pytest.raises(FileNotFoundError):
        surprisal_codec.open(tmp_path / "none")
    for mode in ["", "b", "t", "rw", "z", "rbt"]:
        with pytest.raises(ValueError, match="invalid mode"):
            surprisal_codec.open(path, mode)


def test_a_tar_file_goes_through_it(tmp_path, lines):
    """tarfile asks where the file stands while it writes."""
    path = tmp_path / "sums.tar.sur"
    with surprisal_codec.open(path, "wb") as file, tarfile.open(fileobj=file, mode="w") as tar:
        assert file.tell() == 0
        entry = tarfile.TarInfo("sums.txt")
        entry.size = len(lines)
        tar.addfile(entry, io.BytesIO(lines))
        assert file.tell() >= 512 + len(lines)
    with surprisal_codec.open(path) as file, tarfile.open(fileobj=file) as tar:
        assert tar.extractfile("sums.txt").read() == lines


def test_text(tmp_path):
    path = tmp_path / "text.sur"
    with surprisal_codec.open(path, "wt", newline="\r\n") as file:
        print("äöü", "1+1=2", sep="\n", file=file)
    with surprisal_codec.open(path, "rt") as file:
        assert file.readlines() == ["äöü\n", "1+1=2\n"]
    with surprisal_codec.open(path, "at", encoding="latin-1") as file:
        file.write("ä")
    assert surprisal_codec.open(path).read() == "äöü\r\n1+1=2\r\nä".replace("ä", "ä").encode()[:-2] + b"\xe4"
    with pytest.raises(ValueError, match="for text"):
        surprisal_codec.open(path, "rb", encoding="utf-8")


def test_reading_as_any_file(archive, content):
    file = SurprisalFile(io.BytesIO(archive))
    assert file.peek()[:6] == content[:6]
    assert file.read(10) == content[:10] and file.read1(5) == content[10:15]
    buffer = bytearray(7)
    assert file.readinto(buffer) == 7 and buffer == content[15:22]
    assert file.readline() == content[22:28]
    first, second = itertools.islice(file, 2)
    assert first + second == content[28:84]
    assert file.tell() == 84
    assert file.read() == content[84:]
    assert file.read() == b"" and file.tell() == len(content)


def test_lines_are_iterated(archive, content):
    assert sum(1 for _ in SurprisalFile(io.BytesIO(archive))) == content.count(b"\n")


@pytest.mark.parametrize("threads", [1, 2])
def test_seeking_goes_anywhere(archive, content, threads):
    file = SurprisalFile(io.BytesIO(archive), threads=threads)
    assert file.seekable()
    half = len(content) // 2
    for at in [half, 0, 1, len(content) - 5, half + 1, len(content), len(content) + 9, 65_536 * 28, 65_536 * 28 - 1]:
        assert file.seek(at) == at == file.tell()
        assert file.read(100) == content[at : at + 100]
    assert file.seek(-5, io.SEEK_END) == len(content) - 5 and file.read() == content[-5:]
    file.seek(100)
    assert file.seek(-50, io.SEEK_CUR) == 50 and file.read(3) == content[50:53]
    with pytest.raises(ValueError):
        file.seek(-1)


def test_seeking_reads_little(archive, content):
    """Only the blocks from the place on are read, not those before."""

    class Counting(io.BytesIO):
        total = 0

        def read(self, *arguments):
            data = super().read(*arguments)
            self.total += len(data)
            return data

    store = Counting(archive)
    with SurprisalFile(store) as file:
        file.seek(len(content) - 100)
        assert file.read(10) == content[-100:-90]
    assert store.total < len(archive) * 2 / 3


def test_seeking_in_what_was_learned():
    file = SurprisalFile(io.BytesIO((GOLDEN / "dates.txt.sur").read_bytes()))
    content = (GOLDEN / "dates.txt").read_bytes()
    for at in [5000, 10, len(content) - 3]:
        file.seek(at)
        assert file.read(20) == content[at : at + 20]


def test_some_lines(archive, content):
    split = content.splitlines(keepends=True)
    for first, last in [(1, 1), (65_536, 65_537), (120_001, 120_010), (len(split), len(split) + 5)]:
        file = SurprisalFile(io.BytesIO(archive), lines=(first, last))
        assert not file.seekable()
        assert file.readlines() == split[first - 1 : last]
    assert SurprisalFile(io.BytesIO(archive), lines=(10**9, 10**9)).read() == b""
    assert SurprisalFile(io.BytesIO(archive), lines=(len(split) - 3, None)).readlines() == split[-4:]
    with pytest.raises(surprisal_codec.SurprisalError, match="no range"):
        SurprisalFile(io.BytesIO(archive), lines=(0, 1))
    with pytest.raises(ValueError, match="for reading"):
        SurprisalFile(io.BytesIO(), "w", lines=(1, 2))


class Pipe(io.RawIOBase):
    """What comes from a socket: it can only be read, some bytes at a time."""

    def __init__(self, data):
        self.data = io.BytesIO(data)

    def readable(self):
        return True

    def readinto(self, buffer):
        part = self.data.read(min(len(buffer), 5000))
        buffer[: len(part)] = part
        return len(part)


def test_a_pipe(archive, content):
    file = SurprisalFile(Pipe(archive))
    assert not file.seekable() and file.read() == content
    with pytest.raises(io.UnsupportedOperation):
        file.seek(0)
    assert SurprisalFile(Pipe(archive), lines=(3, 4)).read() == content[56:112]


def test_exceptions_of_the_file_come_through(lines):
    class Broken(io.RawIOBase):
        def read(self, size=-1):
            raise KeyError("broken")

        def write(self, data):
            raise KeyError("broken")

        def writable(self):
            return True

    with pytest.raises(KeyError, match="broken"):
        SurprisalFile(Broken()).read()
    file = SurprisalFile(Broken(), "w")
    file.write(lines)
    with pytest.raises(KeyError, match="broken"):
        file.close()
    assert file.closed


def test_damage_is_told_behind_what_is_whole(archive, content):
    with SurprisalFile(io.BytesIO(archive[:-10])) as file:
        assert file.read(100) == content[:100]
        with pytest.raises(surprisal_codec.SurprisalError, match="ends within"):
            file.read()
    damaged = bytearray(archive)
    damaged[100_000] ^= 1
    with SurprisalFile(io.BytesIO(damaged)) as file:
        with pytest.raises(surprisal_codec.SurprisalError, match="block 0"):
            file.read()
        # Other blocks are within reach.
        file.seek(28 * 70_000)
        assert file.read(28) == content[28 * 70_000 : 28 * 70_001]
    with SurprisalFile(io.BytesIO(b"nothing")) as file, pytest.raises(surprisal_codec.SurprisalError):
        file.read()


def test_a_file_object_stays_open(lines):
    store = io.BytesIO()
    with SurprisalFile(store, "wb") as file:
        file.write(memoryview(lines))
        file.flush()
    assert not store.closed and store.getvalue() == surprisal_codec.compress(lines)


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="no timers that send signals here")
@pytest.mark.parametrize(
    "work",
    [
        lambda data: surprisal_codec.compress(data, 9),
        lambda data: surprisal_codec.compress(data, learn="mini"),
        lambda data: SurprisalFile(io.BytesIO(), "w", level=9).write(data),
        lambda data: surprisal_codec.score(data[: 28 * 400_000].split(b"\n"), "nano-uniform"),
    ],
)
def test_ctrl_c_ends_it(work, lines):
    """Long before the work is done."""

    def interrupt(*_):
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        began = time.monotonic()
        signal.setitimer(signal.ITIMER_REAL, 0.2)
        with pytest.raises(KeyboardInterrupt):
            work(lines * 500)
        assert time.monotonic() - began < 10
    finally:
        signal.signal(signal.SIGALRM, before)
