"""The command line: python -m surprisal_codec.ray COMMAND."""

from __future__ import annotations

import argparse
import contextlib
import json
import sys

from .. import SurprisalError
from . import compress, connect, decompress, report, sweep, train, verify
from ._sweep import table
from ._train import OPTIONS


def main(arguments=None):
    """Runs a command; gives its exit code: 0, or 1 where it failed. Wrong arguments exit with 2."""
    options, stdout = _parser().parse_args(arguments), sys.stdout
    try:
        # Ray prints to stdout what becomes of its nodes and tasks.
        with contextlib.redirect_stdout(sys.stderr):
            connect(options.address)
            for result in options.run(options):
                print(result, file=stdout)
        return 0
    except (SurprisalError, OSError, ValueError, TypeError) as error:
        print(f"surprisal_codec.ray: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def _parser():
    parser = argparse.ArgumentParser(prog="python -m surprisal_codec.ray", description="Archives and trainings on a Ray cluster.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    of_all = argparse.ArgumentParser(add_help=False)
    of_all.add_argument("--address", help="the cluster, HOST:PORT; by default RAY_ADDRESS, or else this machine alone")
    of_all.add_argument("-T", "--threads", type=_positive, default=1, metavar="N", help="cores of a task (1)")
    of_all.add_argument("-q", "--quiet", action="store_true", help="say nothing but errors")
    of_files = argparse.ArgumentParser(add_help=False)
    of_files.add_argument("files", nargs="+", metavar="FILE", help="a path that all machines see, or a URL")
    of_files.add_argument("-m", "--model", metavar="NAME|FOLDER", help="a bundled model, or a folder on this machine")
    of_targets = argparse.ArgumentParser(add_help=False)
    of_targets.add_argument("-o", "--output", metavar="FILE", help="the target, of one FILE")
    of_targets.add_argument("-f", "--force", action="store_true", help="overwrite files")

    on_gpus = argparse.ArgumentParser(add_help=False)
    on_gpus.add_argument("--gpus", type=float, default=0, metavar="N", help="GPUs of a task, where its model runs (0)")

    made = commands.add_parser("compress", parents=[of_all, of_files, of_targets, on_gpus], help="FILE becomes FILE.sur")
    made.add_argument("-l", "--level", type=int, metavar="1..9", help="chooses among the bundled models (6)")
    made.add_argument("--shard-blocks", type=_positive, default=16, metavar="N", help="blocks of 65,536 lines of a shard (16)")
    made.set_defaults(run=_compress)
    made = commands.add_parser("decompress", parents=[of_all, of_files, of_targets, on_gpus], help="FILE.sur becomes FILE")
    made.set_defaults(run=_decompress)
    made = commands.add_parser("verify", parents=[of_all, of_files, on_gpus], help="decode everything, write nothing")
    made.set_defaults(run=_verify)
    made = commands.add_parser("report", parents=[of_all, of_files, on_gpus], help="account for the bits of archives")
    made.add_argument("--json", action="store_true", help="print JSON")
    made.set_defaults(run=_report)
    made = commands.add_parser(
        "sweep", parents=[of_all, on_gpus], help="train presets × seeds × rates", epilog="Options behind -- go to surprisal train."
    )
    made.add_argument("-o", "--output", required=True, metavar="FOLDER", help="for the trainings, on a file system that all share")
    made.add_argument("--program", default="surprisal", help="the program, on every machine (surprisal, from PATH)")
    made.add_argument("--presets", default="tiny", metavar="NAME,…", help="pico, tiny, nano, micro, mini (tiny)")
    made.add_argument("--seeds", default="1", metavar="N,…", help="(1)")
    made.add_argument("--rates", metavar="RATE,…", help="highest learning rates (the program's default)")
    made.add_argument("options", nargs="*", metavar="-- OPTION", help="further options of surprisal train")
    made.set_defaults(run=_sweep)
    made = commands.add_parser(
        "train",
        parents=[of_all],
        help="train one model on several workers",
        description="To the bits of `surprisal train` with the same options, on any number of workers.",
        epilog="What is not given has the default of surprisal train.",
    )
    made.add_argument("-o", "--output", required=True, metavar="FOLDER", help="for the model")
    made.add_argument("--corpus", metavar="FILE", help="learn from the lines of this text file, not from drawn ones")
    made.add_argument("--epochs", type=_positive, metavar="N", help="times that the text file is gone through, in place of --steps (1)")
    made.add_argument("--workers", type=_positive, default=2, metavar="N", help="(2)")
    made.add_argument("--resume", action="store_true", help="go on with the run in the folder, with its own settings")
    made.add_argument("-f", "--force", action="store_true", help="overwrite a model or a run")
    for name, (_, kind, what) in OPTIONS.items():
        taken = {"action": "store_true", "default": None} if kind is bool else {"type": kind}
        made.add_argument("--" + name.replace("_", "-"), help=what, **taken)
    made.set_defaults(run=_train)
    return parser


def _positive(text):
    if (number := int(text)) < 1:
        raise ValueError
    return number


# Each yields what goes to stdout.


def _compress(options):
    for name in _each(options):
        cutting = {"level": options.level, "shard_blocks": options.shard_blocks}
        done = compress(name, options.output, **cutting, **_writing(options))
        _say(options, f"{name}: {_sizes(done)}, {done['shards']} shards ({done['present']} done before), model {done['model']}")
    yield from ()


def _decompress(options):
    for name in _each(options):
        done = decompress(name, options.output, **_writing(options))
        _say(options, f"{name}: {_sizes(done)}, {done['ranges']} ranges ({done['present']} done before)")
    yield from ()


def _verify(options):
    for name in _each(options):
        done = verify(name, **_reading(options))
        _say(options, f"{name}: {done['lines']:,} lines, {done['bytes']:,} bytes in {done['blocks']:,} blocks are right")
    yield from ()


def _report(options):
    for name in _each(options):
        account = report(name, **_reading(options))
        if options.json:
            yield json.dumps({"file": name, **account})
            continue
        yield f"{name}: {account['corpus']['lines']:,} lines in {account['ranges']} ranges"
        for link in account["links"]:
            yield f"{link['name']:22} {link['bytes']:20,.1f} bytes {link['bits_per_line']:12.5f} bits a line"


def _sweep(options):
    yield table(
        sweep(
            options.output,
            presets=options.presets.split(","),
            seeds=[int(seed) for seed in options.seeds.split(",")],
            rates=[float(rate) for rate in options.rates.split(",")] if options.rates else [None],
            options=options.options,
            program=options.program,
            threads=options.threads,
            gpus=options.gpus,
            quiet=options.quiet,
        )
    )


def _train(options):
    def show(step, loss, records):
        for record in records:
            validation = record.get("validation_loss")
            what = record["event"].replace("_", " ") if validation is None else f"validation {validation:.6f}"
            _say(options, f"step {step:8}  loss {loss:.6f}  {what}")

    chosen = {name: value for name in OPTIONS if (value := getattr(options, name)) is not None}
    of_run = {name: getattr(options, name) for name in ("workers", "threads", "epochs", "resume", "force")}
    try:
        train(options.corpus, options.output, watch=show, **of_run, **chosen)
    except KeyboardInterrupt:
        _say(options, f"interrupted; to go on from the last checkpoint: --resume -o {options.output}")
        raise
    yield from ()


def _each(options):
    if len(options.files) > 1 and getattr(options, "output", None):
        raise SurprisalError("--output is the target of one file, and several are given")
    return options.files


def _reading(options):
    return {"model": options.model, "threads": options.threads, "gpus": options.gpus, "quiet": options.quiet}


def _writing(options):
    return {**_reading(options), "force": options.force}


def _sizes(done):
    return f"{done['bytes_in']:,} -> {done['bytes_out']:,} bytes"


def _say(options, text):
    if not options.quiet:
        print(text, file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
