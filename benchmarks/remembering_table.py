"""The table of remembering.sh: mean eps_mse over noise levels, old and new classes, by run, and the
nats from the old network by its curvature at the end.

Usage: remembering_table.py FOLDER RUN ...
"""

import csv
import math
import sys


def mean_error(path):
    """The mean of eps_mse over the levels, and its error from those of the levels' images.

    The same images are seen at every level, so the errors are taken to go together.
    """
    with open(path, newline="") as file:
        rows = list(csv.DictReader(file))
    values = [float(row["eps_mse"]) for row in rows]
    errors = [float(row["eps_mse_se"]) for row in rows]
    return sum(values) / len(values), sum(errors) / len(errors)


def last_nats(path):
    """ewc_nats of the last row; nothing for a run without."""
    with open(path, newline="") as file:
        nats = [row.get("ewc_nats") for row in csv.DictReader(file)][-1]
    return f"{float(nats):.2g}" if nats else ""


def with_error(value, error):
    digits = max(0, 1 - math.floor(math.log10(error)))
    return f"{value:.{digits}f}({round(error * 10**digits)})"


def main(folder, names):
    print("| run | eps mse, old classes | eps mse, new classes | `ewc_nats` at the end |")
    print("|---|---|---|---|")
    for name in names:
        cells = [with_error(*mean_error(f"{folder}/{name}/{half}/fisher_levels.csv"))
                 for half in ("old", "new")]
        cells.append(last_nats(f"{folder}/{name}/metrics.csv"))
        print("| " + " | ".join([name] + cells) + " |")


main(sys.argv[1], sys.argv[2:])
