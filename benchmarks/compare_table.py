#!/usr/bin/env python3
"""The markdown table of compare.sh, from the folder of JSON files that it leaves."""
import collections
import json
import pathlib
import statistics
import sys


def our_runs(path):
    """Rows of a `halcyon bench` file, as (work, who, seconds, images a second, peak bytes)."""
    _, net, part, _ = path.stem.split("-")
    for row in json.loads(path.read_text())["rows"]:
        images = round(row["images_per_second"] * row["seconds"])
        yield (net, part, images), "Halcyon", row


def peer_runs(path):
    _, net, part, variant = path.stem.rsplit("-", 1)[0].split("-", 3)
    row = json.loads(path.read_text())
    yield (net, part, row["batch"]), f"PyTorch {row['torch']} {variant}", row


def main():
    folder = pathlib.Path(sys.argv[1])
    runs = collections.defaultdict(lambda: collections.defaultdict(list))
    for path in sorted(folder.glob("*.json")):
        for work, who, row in (our_runs if path.name.startswith("ours") else peer_runs)(path):
            runs[work][who].append(row)
    names = {"step": "training step", "nfe": "network evaluation"}
    print("| work | program | ms | images/s | ours is faster by | peak MB |\n|---|---|---|---|---|---|")
    for (net, part, batch), programs in sorted(runs.items(), reverse=True):
        ours = None
        for who, rows in sorted(programs.items()):
            seconds = statistics.median(row["seconds"] for row in rows)
            peak = statistics.median(row["peak_memory_bytes"] for row in rows)
            ours = seconds if who == "Halcyon" else ours
            ratio = f"{seconds / ours:.2f}x" if ours and who != "Halcyon" else ""
            print(f"| {net}, {names[part]}, batch {batch} | {who} | {1e3 * seconds:.0f} "
                  f"| {batch / seconds:.1f} | {ratio} | {peak / 1e6:.0f} |")


if __name__ == "__main__":
    main()
