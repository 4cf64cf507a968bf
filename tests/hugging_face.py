#!/usr/bin/env python3
"""What `surprisal models export --to hf` wrote, loaded by Hugging Face's transformers.

    python3 -m venv venv && venv/bin/pip install torch transformers
    venv/bin/python tests/hugging_face.py [PROGRAM]      default: target/release/surprisal

Nothing may be missing or unexpected in the folder, and the loss of a corpus must be the one that `report` measures in
floating point to 1e-5 of it. Run by hand: the packages take some gigabytes.
"""
import json
import math
import os
import subprocess
import sys
import tempfile

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

program = os.path.abspath(sys.argv[1] if len(sys.argv) > 1 else "target/release/surprisal")


def run(*args):
    return subprocess.run([program, *map(str, args)], check=True, stdout=subprocess.PIPE).stdout


def check_model(name, folder):
    run("models", "export", name, "--to", "hf", "-o", f"{folder}/{name}")
    model, found = AutoModelForCausalLM.from_pretrained(f"{folder}/{name}", output_loading_info=True)
    assert not any(found.values()), found
    tokenizer = AutoTokenizer.from_pretrained(f"{folder}/{name}")
    with open(f"{folder}/sums.txt") as file:
        lines = [line.rstrip("\n") for line in file]
    tokens = tokenizer([line + tokenizer.eos_token for line in lines], return_tensors="pt").input_ids
    assert tokenizer.decode(tokens[0], skip_special_tokens=True) == lines[0]
    try:
        tokenizer("a letter")
        raise SystemExit("a text that the model does not have was taken")
    except Exception as error:
        assert "UNK" in str(error), error
    with torch.no_grad():
        logits = model(tokens[:, :-1]).logits.double()
    loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), tokens[:, 1:].flatten(), reduction="sum").item()
    bits = loss / math.log(2)
    report = json.loads(run("report", "--json", "-m", f"{folder}/{name}", f"{folder}/sums.txt"))
    expected = float_bits(report)
    print(f"{name}: {bits:.3f} bits by transformers, {expected:.3f} by report ({bits / expected - 1:+.1e})")
    assert abs(bits / expected - 1) < 1e-5
    sums = model.generate(tokenizer("17282456+79546852=", return_tensors="pt").input_ids, max_new_tokens=10, do_sample=False)
    print("  ", tokenizer.decode(sums[0], skip_special_tokens=True))


def float_bits(report):
    """The link of the account that is the loss of the float network."""
    (line,) = [link for link in report["links"] if link["name"] == "float network"]
    return line["bits"]


with tempfile.TemporaryDirectory() as folder:
    run("corpus", "--lines", 2000, "--seed", 3, "-q", "-o", f"{folder}/sums.txt")
    for name in ["tiny-uniform", "nano-uniform"]:
        check_model(name, folder)
