"""The type stubs say what is there."""

import subprocess
import sys

PROGRAM = '''
import io
import surprisal_codec
import surprisal_codec.ray

archive: bytes = surprisal_codec.compress(bytearray(b"1+1=2"), 9, learn=surprisal_codec.Learn("pico"))
binary: surprisal_codec.SurprisalFile = surprisal_codec.open("a.sur")
text: io.TextIOWrapper = surprisal_codec.open("a.sur", "rt", encoding="utf-8", lines=(1, 2))
model = surprisal_codec.Model.load("folder")
total: float = surprisal_codec.score(["1+1=2"], model).sum()
bits: list[float] = [batch.bits for batch in surprisal_codec.Learner(["1"]).feed(["1"])]
lines: int = surprisal_codec.verify(io.BytesIO())["lines"]
shards: int = surprisal_codec.ray.compress("sums.txt", shard_blocks=4)["shards"]
losses: list[float] = [run["validation_loss"] for run in surprisal_codec.ray.sweep("runs", rates=[0.004, None])]
surprisal_codec.compress("text")  # type: ignore[arg-type]
'''


def run(*arguments, cwd):
    done = subprocess.run([sys.executable, "-m", *arguments], cwd=cwd, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_stubs_match_the_module(tmp_path):
    (tmp_path / "mypy.ini").write_text("[mypy]\n[mypy-fsspec.*]\nignore_missing_imports = True\n")
    # Its metaclass is fsspec's, which has no types.
    (tmp_path / "allowed").write_text("surprisal_codec\\._fsspec\\.SurprisalFileSystem\n")
    options = ["--ignore-missing-stub", "--mypy-config-file", "mypy.ini", "--allowlist", "allowed"]
    run("mypy.stubtest", "surprisal_codec", *options, cwd=tmp_path)


def test_a_typed_program(tmp_path):
    (tmp_path / "program.py").write_text(PROGRAM)
    run("mypy", "--strict", "program.py", cwd=tmp_path)
