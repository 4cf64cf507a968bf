"""What lines, files and archives cost."""

import json
import math
import subprocess

import numpy
import pytest

import surprisal_codec
from conftest import GOLDEN, ROOT


def test_score_is_the_loss_of_every_token(lines):
    split = lines.decode().splitlines()
    bits = surprisal_codec.score(split, threads=2)
    assert bits.dtype == numpy.float64 and bits.shape == (len(split), 28) and not numpy.isnan(bits).any()
    # The archive's size is the sum of the scores: some 120 bytes of framing and the coder's rounding are what is left.
    archive = surprisal_codec.compress(lines)
    assert 0 < len(archive) - bits.sum() / 8 < 150
    assert (bits[:, 18:].mean(axis=0) < 0.01).all(), "sums follow from the operands"


def test_score_and_explain_agree():
    split = ["17282456+79546852=096829308", b"1+1=2", ""]
    bits = surprisal_codec.score(split, "tiny-uniform")
    for line, row in zip(split, bits):
        explained = [token["bits"] for token in surprisal_codec.explain(line, "tiny-uniform")["tokens"]]
        assert row[: len(explained)].tolist() == explained and numpy.isnan(row[len(explained) :]).all()


def test_score_of_what_no_model_codes():
    split = ["1+1=2", "no sum", "2+2=4"]
    with pytest.raises(surprisal_codec.SurprisalError, match="line 2 of 3: character 1 of the line, 'n'"):
        surprisal_codec.score(split)
    bits = surprisal_codec.score(split, outside="inf")
    assert numpy.nansum(bits, axis=1)[1] == math.inf and numpy.isfinite(numpy.nansum(bits, axis=1)[[0, 2]]).all()
    assert surprisal_codec.score([]).shape[0] == 0
    with pytest.raises(TypeError, match="split it first"):
        surprisal_codec.score("1+1=2")
    with pytest.raises(ValueError):
        surprisal_codec.score(split, outside="drop")


def test_explain():
    explanation = surprisal_codec.explain("17282456+79546852=096829318", model="tiny-uniform")
    assert explanation["model"] == "tiny-uniform" and explanation["bits"] > 60
    worst = max(explanation["tokens"], key=lambda token: token["bits"])
    assert (worst["position"], worst["symbol"]) == (25, "1")
    assert worst["distribution"][0][0] == "0"
    page = explanation._repr_html_()
    assert page.startswith("<iframe srcdoc=") and explanation.svg.startswith("<svg") and json.dumps(explanation)
    with pytest.raises(surprisal_codec.SurprisalError, match="none of the model's"):
        surprisal_codec.explain("hello")


def test_report_of_a_text_and_of_its_archive(tmp_path, lines):
    text, archive = tmp_path / "sums.txt", tmp_path / "sums.txt.sur"
    text.write_bytes(lines)
    archive.write_bytes(surprisal_codec.compress(lines))
    report = surprisal_codec.report(text, threads=2)
    assert report["archive"]["bytes"] == archive.stat().st_size
    assert report["claim"]["holds"] and report["model"]["name"] == "tiny-uniform" and report["file"] == str(text)
    assert surprisal_codec.report(archive)["links"] == report["links"]
    assert "<html" in report.html and "link" in report.text and report._repr_html_().startswith("<iframe")
    with pytest.raises(FileNotFoundError):
        surprisal_codec.report(tmp_path / "none")


def test_report_while_learning(tmp_path, lines):
    text, archive = tmp_path / "sums.txt", tmp_path / "sums.txt.sur"
    text.write_bytes(lines[: 28 * 2000])
    learn = surprisal_codec.Learn("pico", rate=0.01)
    archive.write_bytes(surprisal_codec.compress(text.read_bytes(), learn=learn))
    learned, told = surprisal_codec.report(text, learn=learn), surprisal_codec.report(archive)
    run = learned["runs"][0]
    assert run["preset"] == "pico" and run["archive"]["bytes"] == archive.stat().st_size
    for key in ["loss_bytes", "slot_bytes", "archive", "windows"]:
        assert run[key] == told["runs"][0][key]
    assert learned["bundled"]["archive_bytes"] == told["bundled"]["archive_bytes"]


def test_verify(tmp_path, lines):
    path = tmp_path / "sums.txt.sur"
    path.write_bytes(surprisal_codec.compress(lines + b"1+1=2"))
    expected = {"archives": 1, "blocks": 1, "lines": 10_001, "bytes": len(lines) + 5}
    assert surprisal_codec.verify(path, threads=2) == expected
    with open(path, "rb") as file:
        assert surprisal_codec.verify(file) == expected
    path.write_bytes(path.read_bytes()[:-3])
    with pytest.raises(surprisal_codec.SurprisalError, match="ends within"):
        surprisal_codec.verify(str(path))


def test_a_prequential_code_length(tmp_path, lines):
    """What the learner says is what an archive coded by it takes."""
    split = lines.decode().splitlines()[:4000]
    learner = surprisal_codec.Learner(split, learn=surprisal_codec.Learn("pico", rate=0.01), total_lines=len(split))
    batches = learner.feed(split)
    assert learner.lines == sum(batch.lines for batch in batches) == 4000
    assert learner.bits == pytest.approx(sum(batch.bits for batch in batches))
    assert len(batches) == 4000 // learner.batch_lines and learner.steps >= len(batches)
    first = batches[0]
    assert first.tokens == 28 * first.lines and len(first.bits_by_position) == 28 and first.learning_rate > 0
    assert abs(first.coded_bits / first.bits - 1) < 0.01
    archive = surprisal_codec.compress(lines[: 28 * 4000], learn=surprisal_codec.Learn("pico", rate=0.01))
    coded = sum(batch.coded_bits for batch in batches)
    assert abs(8 * len(archive) / coded - 1) < 0.01

    learner.save(tmp_path / "model")
    model = surprisal_codec.Model.load(tmp_path / "model")
    later = lines.decode().splitlines()[4000:5000]
    scored = numpy.nansum(surprisal_codec.score(later, model), axis=1).mean()
    assert abs(scored / (batches[-1].bits / batches[-1].lines) - 1) < 0.05


def test_a_learner_refuses_what_it_cannot_code():
    learner = surprisal_codec.Learner(["abc", "cba"], learn="pico")
    with pytest.raises(surprisal_codec.SurprisalError, match="line 2 of those given"):
        learner.feed(["abc", "xyz"])
    assert learner.lines == 0 and learner.feed(["abc"])[0].lines == 1
    with pytest.raises(surprisal_codec.SurprisalError, match="stride"):
        surprisal_codec.Learner(["abc"], learn=surprisal_codec.Learn(stride=3))


def test_two_learners_are_one(lines):
    """Fed at once or batch by batch, on one thread or two: the same bits."""
    split = lines.decode().splitlines()[:256]
    one = surprisal_codec.Learner(split, learn="pico")
    two = surprisal_codec.Learner(split, learn="pico", threads=2)
    expected = [batch.bits for batch in one.feed(split)]
    size = two.batch_lines
    assert expected == [batch.bits for at in range(0, 256, size) for batch in two.feed(split[at : at + size])]
