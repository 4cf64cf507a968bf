"""Bytes in, bytes out: the same as the program's."""

import os
import pickle
import random
import threading

import pytest

import surprisal_codec
from conftest import GOLDEN

BY_MODEL = ["uniform.txt", "mixed.txt", "noise.txt", "empty.txt"]


@pytest.mark.parametrize("name", BY_MODEL)
def test_golden_archives_of_a_model(name):
    content, archive = (GOLDEN / name).read_bytes(), (GOLDEN / f"{name}.sur").read_bytes()
    assert surprisal_codec.compress(content, model="tiny-uniform") == archive
    assert surprisal_codec.decompress(archive) == content


def test_golden_archives_of_a_learner():
    content = (GOLDEN / "dates.txt").read_bytes()
    learn = surprisal_codec.Learn("pico", batch_lines=8, rate=0.01)
    assert surprisal_codec.compress(content, learn=learn) == (GOLDEN / "dates.txt.sur").read_bytes()
    for name in ["dates.txt.sur", "dates-2.txt.sur"]:
        assert surprisal_codec.decompress((GOLDEN / name).read_bytes()) == content


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_any_buffer(kind, lines):
    archive = surprisal_codec.compress(kind(lines))
    assert type(archive) is bytes
    assert surprisal_codec.decompress(kind(archive)) == lines


def test_levels_threads_and_embedded_models(lines):
    default = surprisal_codec.compress(lines)
    assert surprisal_codec.compress(lines, 6, threads=2) == default
    assert surprisal_codec.compress(lines, level=1) != default
    assert surprisal_codec.compress(lines, threads=0) == default
    embedded = surprisal_codec.compress(lines, 1, embed_model=True)
    assert len(embedded) > len(default)
    assert surprisal_codec.decompress(embedded, threads=2) == lines


def test_several_archives_are_one(lines):
    archive = surprisal_codec.compress(lines)
    assert surprisal_codec.decompress(archive + archive) == lines * 2


def test_noise_round_trips():
    noise = random.Random(1).randbytes(100_000) if hasattr(random.Random, "randbytes") else os.urandom(100_000)
    assert surprisal_codec.decompress(surprisal_codec.compress(noise)) == noise


def test_learning_needs_no_model(lines):
    archive = surprisal_codec.compress(lines[: 28 * 2000], learn="pico")
    assert surprisal_codec.decompress(archive) == lines[: 28 * 2000]
    assert surprisal_codec.compress(lines, learn=False) == surprisal_codec.compress(lines)
    with pytest.raises(ValueError, match="leave model"):
        surprisal_codec.compress(lines, learn=True, model="tiny-uniform")


def test_what_is_wrong_is_said_in_the_codecs_words(lines):
    archive = surprisal_codec.compress(lines)
    wrong = surprisal_codec.SurprisalError
    with pytest.raises(wrong, match="not a surprisal archive .* begins with"):
        surprisal_codec.decompress(b"hello")
    with pytest.raises(wrong, match="the archive ends within"):
        surprisal_codec.decompress(archive[:-1])
    damaged = bytearray(archive)
    damaged[len(damaged) // 2] ^= 1
    with pytest.raises(wrong, match="damaged archive: .*block 0"):
        surprisal_codec.decompress(damaged)
    for level in [10, 300, 0, -1]:
        with pytest.raises(wrong, match=f"level must be 1 to 9, not {level}"):
            surprisal_codec.compress(lines, level)
    for threads in [-1, 1 << 20]:
        with pytest.raises(wrong, match=f"threads must be 0 to 65535, not {threads}"):
            surprisal_codec.decompress(archive, threads=threads)
    with pytest.raises(wrong, match="unknown model 'huge': use one of tiny-uniform"):
        surprisal_codec.compress(lines, model="huge")
    with pytest.raises(wrong, match="preset"):
        surprisal_codec.compress(lines, learn="huge")
    with pytest.raises(TypeError, match="bytes-like"):
        surprisal_codec.compress("text")


def test_models(tmp_path, lines):
    models = surprisal_codec.models()
    assert models[0].name == "tiny-uniform" and models[0].max_line_len == 27
    nano = surprisal_codec.Model.bundled("nano-uniform")
    assert nano.parameters > models[0].parameters and len(nano.identity) == 16
    folder = GOLDEN.parents[1] / "models" / "pico-uniform"
    pico = surprisal_codec.Model.load(folder)
    assert pico.identity == surprisal_codec.Model.bundled("pico-uniform").identity
    archives = {surprisal_codec.compress(lines, model=model) for model in [pico, folder, str(folder), "pico-uniform"]}
    assert len(archives) == 1
    assert repr(pico).startswith("<Model pico-uniform")
    # Dask and multiprocessing send models to other processes.
    for model in [nano, pico]:
        sent = pickle.loads(pickle.dumps(model))
        assert (sent.name, sent.identity) == (model.name, model.identity)
    with pytest.raises(surprisal_codec.SurprisalError, match="config.json|model.safetensors"):
        surprisal_codec.Model.load(tmp_path)


def test_other_threads_run_meanwhile(blocks):
    """While a long call runs the interpreter is free."""
    ticks, done = 0, threading.Event()

    def work():
        surprisal_codec.compress(blocks)
        done.set()

    thread = threading.Thread(target=work)
    thread.start()
    while not done.wait(0.001):
        ticks += 1
    thread.join()
    assert ticks > 20


def test_many_threads_compress_at_once(lines):
    expected, found = surprisal_codec.compress(lines), []
    threads = [
        threading.Thread(target=lambda: found.append(surprisal_codec.decompress(surprisal_codec.compress(lines)) == lines))
        for _ in range(8)
    ]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert found == [True] * 8 and surprisal_codec.compress(lines) == expected
