#!/usr/bin/env python3
"""Quality of samples against network evaluations, for every sampler and for grids of noise levels.

Draws --count images at each budget of evaluations with each sampler's own defaults, and with
--grid's sampler on the Karras grid and on those that `halcyon schedule` chooses, measures their
distance to as many held-out images by `halcyon evaluate`, and writes OUT/samplers.csv (a row a run, kept: a
rerun goes on), OUT/samplers.md and OUT/samplers.png (gnuplot).
"""
import argparse
import csv
import json
import pathlib
import subprocess
import sys

COLUMNS = ["sampler", "grid", "budget", "steps", "nfe", "seconds", "sw2", "sw2_se", "fd", "fd_se"]


def run(*command):
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))}\n{done.stderr}")
    return done.stdout


def registry(program):
    """Name and evaluations a step of every sampler; 0 where options decide."""
    rows = {}
    for line in run(program, "list", "samplers").splitlines()[2:]:
        name, rest = line.strip().split(None, 1)
        if rest.startswith("stochastic"):
            rest = rest.removeprefix("stochastic").lstrip(", ")
            if "  " in rest and rest.split(None, 1)[0].isdigit() and rest[1] == " ":
                rest = rest.split(None, 1)[1]
        else:
            rest = rest.split(None, 1)[1]
        word = rest.split(None, 1)[0]
        rows[name] = int(word) if word.isdigit() else 0
    return rows


# Evaluations a level and options of the samplers that step at each level, and denoise at the end.
AT_LEVELS = {"langevin": (4, ("--sampler.langevin.steps_per_level", 4)),
             "langevin_adjusted": (5, ("--sampler.langevin.steps_per_level", 2)),
             "langevin_kinetic": (5, ("--sampler.kinetic.steps_per_level", 4))}
# An adaptive method is asked for an error: these lead to about as many evaluations.
TOLERANCES = {50: 2e-1, 100: 3e-3, 250: 1e-5}


def within(name, nfe, budget):
    """The most steps within the budget, or 0, and options that belong to them.

    A step of a Runge-Kutta method that ends at sigma = 0 takes one evaluation.
    """
    if name == "dopri5":
        if budget not in TOLERANCES:
            return 0, ()
        return 32, ("--precision", "fp32", "--sampler.ode.tolerance", TOLERANCES[budget])
    if name in AT_LEVELS:
        evaluations, options = AT_LEVELS[name]
        return (budget - 1) // evaluations, options
    if name == "pc":
        return budget // 2, ()
    if name == "pndm":  # four evaluations for each of its first three steps
        return (budget - 9 if budget > 12 else 0), ()
    return (budget if nfe == 1 else (budget - 1) // nfe + 1), ()


class Table:
    def __init__(self, path):
        self.path = path
        self.rows = list(csv.DictReader(path.open())) if path.exists() else []

    def has(self, **wanted):
        return any(all(row[k] == str(v) for k, v in wanted.items()) for row in self.rows)

    def add(self, row):
        self.rows.append({k: str(v) for k, v in row.items()})
        with self.path.open("w", newline="") as file:
            writer = csv.DictWriter(file, COLUMNS)
            writer.writeheader()
            writer.writerows(self.rows)


def measure(args, table, sampler, grid, budget, steps, extra=()):
    if steps < 1 or table.has(sampler=sampler, grid=grid, budget=budget):
        return
    samples = args.out / "samples.safetensors"
    run(args.program, "sample", "--checkpoint", args.checkpoint, "--count", args.count, "--seed", 1,
        "--sampler.name", sampler, "--sampler.steps", steps, "--out", samples, *extra)
    summary = json.loads((args.out / "samples.json").read_text())
    run(args.program, "evaluate", "--samples", samples, "--data.path", args.data, "--data.split",
        "test", "--reference_count", args.count, "--metrics", "frechet,sliced", "--out", args.out)
    distances = json.loads((args.out / "evaluation.json").read_text())["metrics"]
    sw2, fd = distances["sliced_wasserstein"], distances["frechet"]
    table.add({"sampler": sampler, "grid": grid, "budget": budget, "steps": steps,
               "nfe": summary["nfe"], "seconds": f"{summary['seconds']:.3g}",
               "sw2": f"{sw2['value']:.5f}", "sw2_se": f"{sw2['se']:.5f}",
               "fd": f"{fd['value']:.5f}", "fd_se": f"{fd['se']:.5f}"})
    print(f"{sampler:20} {grid:8} {summary['nfe']:>5} NFE  SW2 {sw2['value']:.4f}  "
          f"FD {fd['value']:.4f}", flush=True)


def best_of(rows, budget, column):
    values = [float(row[column]) for row in rows if row["budget"] == str(budget)]
    return min(values) if values else None


def markdown(table, budgets, column, error):
    lines = ["| sampler | grid | " + " | ".join(f"{b} NFE" for b in budgets) + " |",
             "|---|---|" + "---|" * len(budgets)]
    names = dict.fromkeys((row["sampler"], row["grid"]) for row in table.rows)
    for sampler, grid in names:
        cells = []
        for budget in budgets:
            found = [row for row in table.rows if (row["sampler"], row["grid"], row["budget"]) ==
                     (sampler, grid, str(budget))]
            if not found:
                cells.append("")
                continue
            text = f"{float(found[0][column]):.3f}({float(found[0][error]) * 1000:.0f})"
            nfe = float(found[0]["nfe"])
            if nfe != budget:
                text += f" ({nfe:.0f} NFE)"
            best = float(found[0][column]) == best_of(table.rows, budget, column)
            cells.append(f"**{text}**" if best else text)
        lines.append(f"| `{sampler}` | {grid} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def picture(table, out, chosen):
    blocks = []
    for sampler, grid in chosen:
        rows = sorted((float(r["nfe"]), float(r["fd"])) for r in table.rows
                      if (r["sampler"], r["grid"]) == (sampler, grid))
        if rows:
            title = sampler if grid == "own" else f"{sampler}, {grid} grid"
            blocks.append((title.replace("_", " "), rows))
    if not blocks:
        return
    plots = ", ".join(f"'-' using 1:2 with linespoints lw 2 title '{title}'" for title, _ in blocks)
    data = "".join("".join(f"{x} {y}\n" for x, y in rows) + "e\n" for _, rows in blocks)
    script = (f"set terminal pngcairo size 900,600\nset output '{out}'\nset logscale xy\n"
              "set xlabel 'network evaluations'\nset ylabel 'Frechet distance, random features'\n"
              f"set grid\nset key outside\nplot {plots}\n{data}")
    subprocess.run(["gnuplot"], input=script, text=True, check=False)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--program", default="build/release/halcyon")
    parser.add_argument("--checkpoint", required=True)
    parser.add_argument("--data", required=True, help="data.path of the held-out images")
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("runs/samplers"))
    parser.add_argument("--count", type=int, default=1024)
    parser.add_argument("--budgets", default="5,10,20,50,100,250")
    parser.add_argument("--samplers", default="", help="comma-separated; empty: all")
    parser.add_argument("--grid", default="euler,heun,dpmpp_2m,unipc_2",
                        help="samplers to try the grids with")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    budgets = [int(b) for b in args.budgets.split(",")]
    table = Table(args.out / "samplers.csv")
    samplers = registry(args.program)
    wanted = args.samplers.split(",") if args.samplers else list(samplers)
    for budget in budgets:
        for name in wanted:
            measure(args, table, name, "own", budget, *within(name, samplers[name], budget))
    for method in ("fisher", "entropy", "error"):
        file = args.out / f"{method}.csv"
        if args.grid and not file.exists():
            run(args.program, "schedule", "--checkpoint", args.checkpoint, "--method", method,
                "--steps", 200, "--out", file)
        for budget in budgets:
            for name in filter(None, args.grid.split(",")):
                steps, options = within(name, samplers[name], budget)
                measure(args, table, name, method, budget, steps,
                        (*options, "--sampler.grid", "file", "--sampler.grid_file", file))
    text = "Frechet distance in random features, its error in the last digits:\n\n"
    text += markdown(table, budgets, "fd", "fd_se") + "\nSliced Wasserstein-2 distance:\n\n"
    text += markdown(table, budgets, "sw2", "sw2_se")
    (args.out / "samplers.md").write_text(text)
    picture(table, args.out / "samplers.png",
            [(name, "own") for name in ("ddim", "heun", "dpmpp_2m", "unipc_2", "ddpm", "dpmpp_2m_sde")]
            + [("euler", "error"), ("unipc_2", "error"), ("unipc_2", "fisher")])
    print(f"{args.out}/samplers.md, {args.out}/samplers.png")


if __name__ == "__main__":
    main()
