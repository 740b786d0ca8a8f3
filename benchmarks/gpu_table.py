#!/usr/bin/env python3
"""A markdown table of what scripts/gpu.sh measured: ours, and PyTorch's on the same work.

    gpu_table.py FOLDER
"""
import json
import pathlib
import sys


def read(path):
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def row(cells):
    return "| " + " | ".join(cells) + " |"


def main():
    folder = pathlib.Path(sys.argv[1])
    print(row(["work", "program", "ms", "images/s", "peak MB"]))
    print(row(["---"] * 5))
    for path in sorted(folder.glob("ours-*.json")):
        found = read(path)
        net = path.stem.split("-")[1]
        for item in (found or {}).get("rows", []):
            images = item.get("images_per_second") or 0
            print(row([f"{net}, {item['work']}", "Halcyon", f"{1e3 * item['seconds']:.3f}",
                       f"{images:.1f}" if images else "",
                       f"{1e-6 * item.get('peak_memory_bytes', 0):.0f}"]))
    for path in sorted(folder.glob("peer-*.json")):
        found = read(path)
        if found is None:
            continue
        _, net, part, variant = path.stem.split("-", 3)
        work = "training step" if part == "step" else "network evaluation"
        print(row([f"{net}, {work} of {found['batch']}", f"PyTorch {found['torch']}, {variant}",
                   f"{1e3 * found['seconds']:.3f}", f"{found['images_per_second']:.1f}",
                   f"{1e-6 * found['peak_memory_bytes']:.0f}"]))


if __name__ == "__main__":
    main()
