"""Figures of docs/learning.md, from logs that `surprisal compress --learn --log FILE` wrote, and of docs/reference, from the log of
a training. No packages needed.

    python3 benches/learning_figures.py curves docs/learning-curves.svg nano=nano.jsonl tiny=tiny.jsonl
    python3 benches/learning_figures.py digits docs/learning-digits.svg nano=nano.jsonl
    python3 benches/learning_figures.py training docs/reference/loss.svg mini=docs/reference/training.jsonl

`curves`: bits a line against lines, of each log. `digits`: bits of each digit of the sum against lines, of one log of 8-digit
sums, the most significant digit first, and the line at which each falls below a tenth of a bit, on stdout. `training`: validation
loss and the share of sums that are right, against lines, with the marks of emergence and the entropy of the lines as floor.
"""

import json
import math
import sys

WIDTH, HEIGHT, LEFT, BOTTOM, TOP, RIGHT = 760, 380, 60, 45, 15, 110
COLOURS = ["#1b6ca8", "#c8553d", "#588157", "#8e5ea2", "#b8860b", "#333333", "#2a9d8f", "#d62828", "#6c757d"]
FLOOR = 16 * math.log2(10)


def records(path):
    with open(path) as file:
        return [json.loads(line) for line in file]


def averaged(points, count=160):
    """Means of neighbours, so that a curve has about `count` points."""
    size = max(1, len(points) // count)
    groups = [points[i : i + size] for i in range(0, len(points), size)]
    return [(group[-1][0], sum(y for _, y in group) / len(group)) for group in groups]


def figure(path, curves, label, low, high, rule=None, marks=()):
    last = max(x for _, points in curves for x, _ in points)
    x_at = lambda x: LEFT + (WIDTH - LEFT - RIGHT) * x / last
    y_at = lambda y: TOP + (HEIGHT - TOP - BOTTOM) * (high - min(max(y, low), high)) / (high - low)
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="12">']
    out.append(f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>')
    for i in range(6):
        y, x = low + (high - low) * i / 5, last * i / 5
        out.append(f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y_at(y):.1f}" y2="{y_at(y):.1f}" stroke="#ddd"/>')
        out.append(f'<text x="{LEFT - 6}" y="{y_at(y) + 4:.1f}" text-anchor="end">{y:.3g}</text>')
        out.append(f'<text x="{x_at(x):.1f}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">{x:,.0f}</text>')
    out.append(f'<text x="{(LEFT + WIDTH - RIGHT) / 2}" y="{HEIGHT - 8}" text-anchor="middle">lines</text>')
    out.append(f'<text transform="translate(14 {HEIGHT / 2}) rotate(-90)" text-anchor="middle">{label}</text>')
    if rule is not None:
        out.append(f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y_at(rule):.1f}" y2="{y_at(rule):.1f}" stroke="black" stroke-dasharray="5 4"/>')
        out.append(f'<text x="{WIDTH - RIGHT + 6}" y="{y_at(rule) + 4:.1f}">floor</text>')
    for x, name in marks:
        out.append(f'<line x1="{x_at(x):.1f}" x2="{x_at(x):.1f}" y1="{TOP}" y2="{HEIGHT - BOTTOM}" stroke="#888" stroke-dasharray="2 3"/>')
        out.append(f'<text x="{x_at(x) + 4:.1f}" y="{TOP + 10}" fill="#555">{name}</text>')
    for i, (name, points) in enumerate(curves):
        colour = COLOURS[i % len(COLOURS)]
        path_points = " ".join(f"{x_at(x):.1f},{y_at(y):.1f}" for x, y in averaged(points))
        out.append(f'<polyline points="{path_points}" fill="none" stroke="{colour}" stroke-width="1.6"/>')
        out.append(f'<text x="{WIDTH - RIGHT + 6}" y="{TOP + 16 * (i + 1)}" fill="{colour}">{name}</text>')
    with open(path, "w") as file:
        file.write("\n".join([*out, "</svg>\n"]))


def main():
    kind, path, *named = sys.argv[1:]
    logs = [(name, records(file)) for name, file in (item.split("=", 1) for item in named)]
    if kind == "curves":
        curves = [(name, [(r["lines"], r["bits"] / r["window_lines"]) for r in log]) for name, log in logs]
        figure(path, curves, "bits a line", 50, 90, FLOOR)
        return
    log = logs[0][1]
    if kind == "training":
        evaluations = [r for r in log if r["type"] == "evaluation"]
        losses = [(r["lines"], r["validation_loss"]) for r in evaluations]
        right = [(r["lines"], r["sum_accuracy"]) for r in evaluations]
        marks = [(r["lines"], r["event"].replace("_", " ")) for r in log if r["type"] == "event"]
        floor = evaluations[-1]["validation_loss"] - evaluations[-1]["excess"]
        figure(path, [("loss", losses), ("sums right", right)], "nats a token; share of sums", 0, 2, floor, marks)
        return
    curves = []
    for digit in range(9):
        points = [(r["lines"], r["bits_by_position"][18 + digit]) for r in log]
        curves.append((f"digit {digit + 1}", points))
        below = next((x for x, y in points if y < 0.1), None)
        print(f"digit {digit + 1}: below 0.1 bits from line {below}")
    figure(path, curves, "bits", 0, 3.6)


main()
