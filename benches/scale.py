#!/usr/bin/env python3
"""Do larger models compress better? Trains presets on the same lines, each seen once, and compares.

    cargo build --release && python3 benches/scale.py [--lines N] [--presets pico,tiny,...] [--out DIR]

Every preset sees the same lines in the same order (the seed is the same), in batches of 64, so its cumulative
code length is what coding those lines online with it would have cost. Writes DIR/scale.md, a table, and
DIR/scale.svg: validation loss against lines seen and against training compute. Runs that are in DIR/runs already are
not made again; interrupted ones go on. Compute is 6 floating-point operations a parameter and token (Kaplan et al.,
2020), embeddings left out. Standard library only.
"""

import argparse, json, math, os, subprocess

BATCH = 64
# Peak learning rates: smaller networks take higher ones. "mini" is for a machine with a GPU.
RATES = {"pico": 6e-3, "tiny": 3e-3, "nano": 3e-3, "micro": 1e-3, "mini": 7e-4}
# Okabe and Ito's colours, which the colour-blind can tell apart.
COLOURS = {"pico": "#E69F00", "tiny": "#56B4E9", "nano": "#009E73", "micro": "#D55E00", "mini": "#CC79A7"}
FLOOR_BITS = 16 * math.log2(10)
FLOOR_NATS = 16 * math.log(10) / 28


def train(binary, preset, lines, folder):
    log = os.path.join(folder, "training.jsonl")
    if not os.path.exists(os.path.join(folder, "training-state.safetensors")):
        steps = lines // BATCH
        command = [binary, "train", "-o", folder, "--preset", preset, "--operands", "uniform", "--batch-lines", str(BATCH)]
        command += ["--steps", str(steps), "--lr", str(RATES[preset]), "--schedule", "linear", "--final-share", "0.1"]
        command += ["--warmup", "200", "--eval-every", str(max(1, steps // 40)), "--validation-lines", "2048", "--seed", "1"]
    else:
        command = [binary, "train", "--resume", folder]
    one_thread = {**os.environ, "RAYON_NUM_THREADS": "1"}
    subprocess.run(command + ["--no-progress", "-q"], check=True, env=one_thread)
    with open(log) as file:
        return [record for record in map(json.loads, file) if "validation_loss" in record]


def compute_parameters(folder):
    """Parameters that work on every token: all but the embeddings."""
    config = json.load(open(os.path.join(folder, "config.json")))
    width, layers = config["n_embd"], config["n_layer"]
    return layers * (12 * width * width + 13 * width) + 2 * width + config["vocab_size"] * width


def nice_number(n):
    return f"{n:,.0f}"


def panel(x0, title, runs, at, scale, tick_text):
    """One chart: validation loss against at(preset, record) on a logarithmic axis."""
    width, height, top = 380, 250, 60
    xs = [at(p, r) for p, records in runs.items() for r in records]
    low, high = math.log10(min(xs)), math.log10(max(xs))
    x = lambda v: x0 + width * (math.log10(v) - low) / (high - low)
    y = lambda loss: top + height * (2.4 - loss) / (2.4 - 1.25)
    out = [f'<text x="{x0}" y="{top - 16}" class="title">{title}</text>']
    for loss in (1.4, 1.6, 1.8, 2.0, 2.2, 2.4):
        out.append(f'<line x1="{x0}" x2="{x0 + width}" y1="{y(loss):.1f}" y2="{y(loss):.1f}" class="grid"/>')
        out.append(f'<text x="{x0 - 6}" y="{y(loss) + 4:.1f}" text-anchor="end">{loss}</text>')
    for power in range(math.ceil(low), math.floor(high) + 1):
        out.append(f'<text x="{x(10 ** power):.1f}" y="{top + height + 18}" text-anchor="middle">{tick_text(power)}</text>')
        out.append(f'<line x1="{x(10 ** power):.1f}" x2="{x(10 ** power):.1f}" y1="{top}" y2="{top + height}" class="grid"/>')
    out.append(f'<line x1="{x0}" x2="{x0 + width}" y1="{y(FLOOR_NATS):.1f}" y2="{y(FLOOR_NATS):.1f}" class="floor"/>')
    out.append(f'<text x="{x0 + 4}" y="{y(FLOOR_NATS) + 14:.1f}">entropy of the operands, {FLOOR_NATS:.4f}</text>')
    out.append(f'<text x="{x0 + width}" y="{top + height + 36}" text-anchor="end">{scale}</text>')
    for preset, records in runs.items():
        points = " ".join(f"{x(at(preset, r)):.1f},{y(min(r['validation_loss'], 2.4)):.1f}" for r in records)
        out.append(f'<polyline points="{points}" fill="none" stroke="{COLOURS[preset]}" stroke-width="2"/>')
        middle = records[len(records) // 3]
        out.append(f'<text x="{x(at(preset, middle)):.1f}" y="{y(middle["validation_loss"]) - 6:.1f}" '
                   f'fill="{COLOURS[preset]}" class="label">{preset}</text>')
    return "\n".join(out)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lines", type=int, default=256_000)
    parser.add_argument("--presets", default="pico,tiny,nano,micro")
    parser.add_argument("--out", default="docs/scale")
    parser.add_argument("--runs", help="folder of the runs (default: OUT/runs)")
    parser.add_argument("--binary", default="target/release/surprisal")
    a = parser.parse_args()
    folders = {p: os.path.join(a.runs or os.path.join(a.out, "runs"), p) for p in a.presets.split(",")}
    for folder in folders.values():
        os.makedirs(folder, exist_ok=True)
    runs = {p: train(a.binary, p, a.lines, folder) for p, folder in folders.items()}
    flops = {p: 6 * 28 * compute_parameters(folder) for p, folder in folders.items()}  # a line

    lines = runs[next(iter(runs))][-1]["lines"]
    command = f"python3 benches/scale.py --lines {a.lines} --presets {a.presets}"
    rows = [f"{nice_number(lines)} `uniform` lines of 8 digits, each seen once, in batches of {BATCH}; `{command}`.", "",
            "| preset | parameters that compute | peak rate | validation loss, nats a token | above the entropy "
            "| code length, bits a line | in MB | training compute, TFLOP | seconds, one thread |",
            "|---|---|---|---|---|---|---|---|---|"]
    for preset, records in runs.items():
        last = records[-1]
        bits = last["code_length_bits"]
        rows.append(f"| {preset} | {nice_number(compute_parameters(folders[preset]))} | {RATES[preset]:g} | {last['validation_loss']:.4f} "
                    f"| {last['validation_loss'] - FLOOR_NATS:.4f} | {bits / lines:.2f} | {bits / 8e6:.3f} "
                    f"| {flops[preset] * lines / 1e12:.2f} | {last['seconds']:.0f} |")
    rows.append(f"| the entropy | | | {FLOOR_NATS:.4f} | 0 | {FLOOR_BITS:.2f} | {FLOOR_BITS * lines / 8e6:.3f} | | |")
    with open(os.path.join(a.out, "scale.md"), "w") as file:
        file.write("\n".join(rows) + "\n")

    by_lines = panel(60, "Validation loss, nats a token", runs, lambda p, r: r["lines"], "lines seen",
                     lambda power: f"{10 ** power:,}")
    by_compute = panel(520, "The same against compute", runs, lambda p, r: flops[p] * r["lines"] / 1e12,
                       "training compute, TFLOP", lambda power: f"{10.0 ** power:g}")
    svg = f"""<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 930 370" role="img" font-family="sans-serif" font-size="12">
<title>Validation loss of {', '.join(runs)} against lines seen and against training compute</title>
<style>text {{ fill: #333; }} .title {{ font-size: 14px; font-weight: bold; }} .grid {{ stroke: #ddd; }}
.floor {{ stroke: #333; stroke-dasharray: 4 3; }} .label {{ font-weight: bold; }}
@media (prefers-color-scheme: dark) {{ text {{ fill: #ddd; }} .grid {{ stroke: #444; }} .floor {{ stroke: #ddd; }} }}</style>
{by_lines}
{by_compute}
</svg>
"""
    with open(os.path.join(a.out, "scale.svg"), "w") as file:
        file.write(svg)
    print("\n".join(rows))


if __name__ == "__main__":
    main()
