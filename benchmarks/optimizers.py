#!/usr/bin/env python3
"""Training loss against steps and against seconds, for each optimiser at its best step length.

Trains --config for --steps steps with each --optimizer at each of its learning rates, or of the
bounds natural.kl_clip of kfac and ekfac, at a learning rate of 1; then with another seed at the one
whose loss over the last fifth of the steps is least.  One run after the other, or --jobs at once.
Writes OUT/NAME-RATE-SEED/ (run directories, kept: a rerun goes on), OUT/optimizers.csv,
OUT/optimizers.md and OUT/optimizers.png (gnuplot).
"""
import argparse
import concurrent.futures
import csv
import math
import pathlib
import statistics
import subprocess
import sys

COLOURS = {"adamw": "#1f77b4", "kfac": "#d62728", "ekfac": "#ff7f0e", "muon": "#2ca02c",
           "sgd": "#7f7f7f"}
NATURAL = ("kfac", "ekfac")


def run(*command):
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))}\n{done.stderr}")


def length(name, value):
    """Flags that set how long steps are."""
    if name not in NATURAL:
        return "--optimizer.learning_rate", value
    return "--optimizer.learning_rate", 1, "--optimizer.natural.kl_clip", value


class Run:
    """Rows of a run's metrics, trained first if they are not there."""

    def __init__(self, args, name, rate, seed):
        self.name, self.rate, self.seed = name, rate, seed
        folder = args.out / f"{name}-{rate}-{seed}"
        metrics = folder / "metrics.csv"
        if not metrics.exists() or self.read(metrics)[-1]["step"] < args.steps:
            extra = [part for option in args.option if option.split(":", 1)[0] == name
                     for part in option.split(":", 1)[1].split()]
            run(args.program, "train", "--config", args.config, "--run.dir", folder,
                "--training.steps", args.steps, "--optimizer.name", name, *length(name, rate),
                "--run.seed", seed,
                "--run.log_every", args.every, "--run.checkpoint_every", 0,
                "--run.sample_every", 0, "--run.fisher_every", 0, "--run.tensorboard", "false",
                *extra, *args.common.split())
        self.rows = self.read(metrics)
        print(f"{name:6} {rate:8} seed {seed}: loss {self.last():.4f} in "
              f"{self.rows[-1]['seconds']:.0f} s", flush=True)

    @staticmethod
    def read(path):
        with path.open() as file:
            return [{k: float(v) for k, v in row.items()} for row in csv.DictReader(file)]

    def last(self):
        """Mean loss of the last fifth of the steps, and its standard error."""
        rows = self.rows[-max(1, len(self.rows) // 5):]
        return statistics.fmean(row["loss"] for row in rows)

    def last_error(self):
        rows = self.rows[-max(1, len(self.rows) // 5):]
        return math.sqrt(sum(row["loss_se"]**2 for row in rows)) / len(rows)

    def smooth(self, width=5):
        """(step, seconds, mean loss of `width` rows)."""
        points = []
        for i in range(len(self.rows)):
            window = self.rows[max(0, i - width + 1):i + 1]
            points.append((self.rows[i]["step"], self.rows[i]["seconds"],
                           statistics.fmean(row["loss"] for row in window)))
        return points

    def reaches(self, loss):
        """The first step, and seconds, at which the smoothed loss is as low."""
        return next(((step, seconds) for step, seconds, value in self.smooth() if value <= loss),
                    None)


def table(chosen, reference):
    target = max(run.last() for run in chosen if run.name == reference)
    lines = [f"| optimiser | learning rate or bound | seed | loss | steps to {target:.4f} | "
             "seconds to it | seconds a step |", "|---|---|---|---|---|---|---|"]
    for run_ in chosen:
        reached = run_.reaches(target)
        steps, seconds = (f"{reached[0]:.0f}", f"{reached[1]:.0f}") if reached else ("", "")
        last = run_.rows[-1]
        lines.append(f"| `{run_.name}` | {run_.rate} | {run_.seed} | {run_.last():.4f}"
                     f"({1e4 * run_.last_error():.0f}) | {steps} | {seconds} | "
                     f"{last['seconds'] / last['step']:.3f} |")
    return "\n".join(lines) + "\n"


def picture(chosen, out, low, high):
    def panel(column, label):
        plots = []
        for run_ in chosen:
            first = run_.seed == chosen[0].seed
            title = f"title '{run_.name}, {run_.rate}'" if first else "notitle"
            dash = 1 if first else 2
            plots.append(f"'-' using 1:2 with lines lw 2 dt {dash} "
                         f"lc rgb '{COLOURS.get(run_.name, '#000000')}' {title}")
        data = "".join("".join(f"{p[column]} {p[2]}\n" for p in run_.smooth()) + "e\n"
                       for run_ in chosen)
        return f"set xlabel '{label}'\nplot {', '.join(plots)}\n{data}"

    script = (f"set terminal pngcairo size 1300,520\nset output '{out}'\nset logscale y\n"
              f"set yrange [{low}:{high}]\nset grid\nset key top right\n"
              "set ytics (0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1, 1.5, 2, 3)\n"
              "set ylabel 'training loss, mean of 5 log intervals'\n"
              "set multiplot layout 1,2\n" + panel(0, "step (dashed: the second seed)") +
              panel(1, "seconds") + "unset multiplot\n")
    subprocess.run(["gnuplot"], input=script, text=True, check=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", default="build/release/halcyon")
    parser.add_argument("--config", default="configs/fashion_mnist.ini")
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("runs/optimizers"))
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--every", type=int, default=10, help="steps of a log interval")
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--optimizer", action="append", required=True, metavar="NAME=RATE,...",
                        help="an optimiser and the learning rates, or bounds, to try; the first is "
                             "held against")
    parser.add_argument("--option", action="append", default=[], metavar="NAME:FLAGS",
                        help="further flags of `halcyon train` for an optimiser")
    parser.add_argument("--jobs", type=int, default=1, help="runs at once")
    parser.add_argument("--common", default="", help="further flags for all")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    lengths = {name: values.split(",")
               for name, values in (text.split("=") for text in args.optimizer)}

    def runs(of):
        with concurrent.futures.ThreadPoolExecutor(args.jobs) as pool:
            return list(pool.map(lambda each: Run(args, *each), of))

    def rank(run_):
        return run_.last() if math.isfinite(run_.last()) else math.inf

    tried = runs([(name, value, 1) for name, values in lengths.items() for value in values])
    chosen = [min((run_ for run_ in tried if run_.name == name), key=rank) for name in lengths]
    again = runs([(best.name, best.rate, seed) for seed in range(2, args.seeds + 1)
                  for best in chosen])
    tried += again
    chosen += again
    with (args.out / "optimizers.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["optimizer", "learning_rate", "seed", "step", "seconds", "loss", "loss_se"])
        for run_ in tried:
            writer.writerows([run_.name, run_.rate, run_.seed, row["step"], row["seconds"],
                              row["loss"], row["loss_se"]] for row in run_.rows)
    text = table(chosen, next(iter(lengths)))
    (args.out / "optimizers.md").write_text(text)
    print(text)
    points = [value for run_ in chosen for step, _, value in run_.smooth() if step > 0]
    finish = min(points)
    picture(chosen, args.out / "optimizers.png", finish * 0.95,
            min(max(points), finish * 4))


if __name__ == "__main__":
    main()
