"""Measures the rows of docs/results.md: trains every seed of a row, judges it, writes the table.

    python docs/measure_results.py                  # lists the rows
    python docs/measure_results.py mnist            # trains, judges on the test part, writes docs/results.json
    python docs/measure_results.py --table          # writes the tables of docs/results.md from docs/results.json

A row is a command that anyone can type; its figures are means over seeds, with their standard deviation.
"""

import datetime
import json
import platform
import statistics
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

DOCS = Path(__file__).parent
FIGURES, PAGE, RUNS = DOCS / "results.json", DOCS / "results.md", Path("runs/results")
BEGIN, END = "<!-- measured: {} -->", "<!-- end -->"


@dataclass(frozen=True)
class Row:
    """One row: what is typed behind `alexnet train`, for which seeds, in which table."""

    table: str
    data: str
    options: str = ""
    seeds: tuple[int, ...] = (0, 1, 2)
    part: str = "test"
    """What is judged: the test part for results, val for what chooses settings."""

    @property
    def command(self) -> str:
        """What to type, but for the seed."""
        return " ".join(f"alexnet train {self.data} {self.options}".split())


SHORT = "--val-split 0.25 --epochs 40"


def _flowers(rate: float, decay: float, batch: int, *changes: str, views: int = 2, keep: str = "last") -> Row:
    """Short training of the flowers on three quarters of the training part; the other quarter is judged."""
    fields = (f"optimizer.weight_decay={decay}", *changes, f"views={views}", f"keep={keep}")
    settings = " ".join(f"--set {field}" for field in fields)
    return Row("flowers17", "flowers17", f"{SHORT} --lr {rate} --batch {batch} {settings}", (0,), "val")


QUARTER, WIDE = "augment.crop_area=[0.25,1.0]", "augment.crop_area=[0.15,1.0]"
COLOURS = "augment.brightness=0.4", "augment.contrast=0.4", "augment.saturation=0.4"

ROWS = {
    "digits": Row("results", "digits"),
    "mnist": Row("results", "mnist"),
    "flowers17": Row("results", "flowers17"),
    "flowers17-long": Row("results", "flowers17", "--recipe modern-long", (0,)),
    "flowers17-plain": _flowers(0.0005, 0.05, 64, "augment.crop_area=[0.35,1.0]", "mixing.mixup=0", keep="best"),
    "flowers17-mixup": _flowers(0.0005, 0.05, 64, QUARTER, "mixing.mixup=0.2", keep="best"),
    "flowers17-rate-10": _flowers(0.001, 0.05, 64, QUARTER, "mixing.mixup=0.2"),
    "flowers17-batch-32": _flowers(0.0005, 0.05, 32, QUARTER, "mixing.mixup=0.2"),
    "flowers17-decay": _flowers(0.001, 0.5, 32, QUARTER, "mixing.mixup=0.2"),
    "flowers17-decay-16": _flowers(0.001, 1.6, 32, QUARTER, "mixing.mixup=0.2", views=10),
    "flowers17-squash": _flowers(0.001, 0.5, 32, WIDE, *COLOURS, "resize=squash", "mixing.mixup=0.2"),
    "flowers17-cutmix": _flowers(0.0005, 0.05, 32, WIDE, *COLOURS, "mixing.mixup=0", "mixing.cutmix=1"),
    "mnist-plain": Row("mnist", "mnist", "", (0,), "val"),
    "mnist-decay": Row("mnist", "mnist", "--set optimizer.weight_decay=0.2 --lr 0.003", (0,), "val"),
    "mnist-average": Row("mnist", "mnist", "--set average=0.998", (0,), "val"),
    "mnist-elastic-5": Row("mnist", "mnist", "--set augment.elastic=0.05 --set average=0.998 --lr 0.004", (0,), "val"),
    "mnist-elastic-8": Row("mnist", "mnist", "--set augment.elastic=0.08 --set average=0.998 --lr 0.004", (0,), "val"),
}


def main(asked: list[str]) -> None:
    """List, measure, or write the tables."""
    if not asked:
        print("\n".join(f"{name:24} {row.command}   seeds {row.seeds}" for name, row in ROWS.items()))
    for name in asked:
        if name != "--table":
            record(name, measure(name))
    if asked:
        PAGE.write_text(with_tables(PAGE.read_text(encoding="utf-8")), encoding="utf-8")


def measure(name: str) -> dict[str, Any]:
    """Train and judge every seed of a row; runs that are there already are judged again, not trained again."""
    row, figures = ROWS[name], []
    for seed in row.seeds:
        run = RUNS / f"{name}-{seed}"
        if not (run / "metrics.json").is_file():
            typed = [*row.command.split()[1:], "--seed", str(seed), "--project", str(RUNS), "--name", run.name]
            subprocess.run([sys.executable, "-m", "alexnet", *typed, "--exist-ok"], check=True)
        verdict = json.loads((run / "metrics.json").read_text(encoding="utf-8"))
        if verdict["split"] != row.part or "ece" not in verdict:
            judge = ["val", str(run), "--split", row.part, "--project", "runs/results-val", "--json"]
            said = subprocess.run([sys.executable, "-m", "alexnet", *judge], check=True, stdout=subprocess.PIPE)
            verdict = json.loads(said.stdout)
        last = (run / "results.csv").read_text(encoding="utf-8").splitlines()[-1].split(",")
        environment = json.loads((run / "env.json").read_text(encoding="utf-8"))
        figures.append(
            {
                "seed": seed,
                **{key: verdict[key] for key in ("accuracy_top1", "interval95", "loss", "ece", "ece_interval95", "n")},
                "epochs": int(float(last[0])),
                "seconds": round(float(last[1])),
                "precision": environment["precision"],
            }
        )
    return {
        "command": row.command,
        "part": row.part,
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "machine": f"{platform.machine()}, {environment['device']}, torch {environment['torch']}",
        "seeds": figures,
    }


def record(name: str, measured: dict[str, Any]) -> None:
    """Put a row's figures into docs/results.json."""
    known = json.loads(FIGURES.read_text(encoding="utf-8")) if FIGURES.is_file() else {}
    ordered = {row: known.get(row) for row in ROWS} | {name: measured}
    kept = {row: values for row, values in ordered.items() if values is not None}
    FIGURES.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")


def with_tables(page: str) -> str:
    """The page with the lines between its markers written anew."""
    known = json.loads(FIGURES.read_text(encoding="utf-8"))
    for table in dict.fromkeys(row.table for row in ROWS.values()):
        begin = BEGIN.format(table)
        before, rest = page.split(begin)
        _, behind = rest.split(END, 1)
        lines = [_line(known[name]) for name, row in ROWS.items() if row.table == table and name in known]
        page = "\n".join([before + begin, *_header(), *lines, END]) + behind
    return page


def _header() -> tuple[str, str]:
    columns = ("command", "epochs, time", "accuracy: mean ± deviation (each seed)", "of", "calibration error", "date")
    return f"| {' | '.join(columns)} |", "|" + "---|" * len(columns)


def _line(measured: dict[str, Any]) -> str:
    seeds = measured["seeds"]
    accuracies = [seed["accuracy_top1"] for seed in seeds]
    spread = f" ± {statistics.stdev(accuracies):.4f}" if len(seeds) > 1 else ""
    errors = ", ".join(f"{seed['ece']:.3f}" for seed in seeds)
    minutes = statistics.mean(seed["seconds"] for seed in seeds) / 60
    numbers = ", ".join(f"{accuracy:.4f}" for accuracy in accuracies)
    cells = (
        f"`{measured['command']} --seed {', '.join(str(seed['seed']) for seed in seeds)}`",
        f"{seeds[0]['epochs']}, {minutes:.1f} min",
        f"**{statistics.mean(accuracies):.4f}**{spread} ({numbers})",
        f"{seeds[0]['n']:,} {measured['part']}",
        errors,
        measured["date"],
    )
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    main(sys.argv[1:])
