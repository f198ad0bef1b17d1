"""How rows become tables on a terminal, or plain columns elsewhere."""

from collections.abc import Iterable, Sequence
from dataclasses import astuple
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from alexnet.errors import printable

if TYPE_CHECKING:
    from alexnet.comparison import Comparison
    from alexnet.doctor import Finding
    from alexnet.models.difference import Line
    from alexnet.models.proof import Proof
    from alexnet.predict_files import Answer
    from alexnet.speed.report import Report


_NUMBERS = (
    "smallest",
    "classes",
    "parameters",
    "multiply-adds",
    "recomputed",
    "reference",
    "pictures",
    "precision",
    "recall",
    "F1",
    "probability",
    "threads",
    "a second",
    "least",
    "most",
    "GFLOP/s",
    "of the peak",
)
"""Columns whose cells stand to the right."""


def show(rows: Iterable[dict[str, Any]], columns: Sequence[str]) -> None:
    """Print rows; numbers stand to the right, with commas."""
    table = _table(columns)
    for row in rows:
        table.add_row(*(_cell(row[column]) for column in columns))
    _console().print(table)


def per_class(figures: dict[str, Any]) -> None:
    """Precision, recall and F1 of each class."""
    table = _table(("class", "pictures", "precision", "recall", "F1"))
    for row in figures["per_class"]:
        shares = (f"{row[key]:.3f}" if row[key] is not None else "–" for key in ("precision", "recall", "f1"))
        table.add_row(_text(row["label"]), f"{row['n']:,}", *shares)
    _console().print(table)


def predictions(answers: "Sequence[Answer]") -> None:
    """One line a picture: the best classes with their probabilities, or what is wrong with it."""
    table = _table(("picture", "answer", "probability", "then"))
    for answer in answers:
        if answer.error is not None:
            table.add_row(_text(answer.shown), f"[red]{_text(answer.error)}[/red]", "", "")
            continue
        first, *others = answer.predictions
        then = ", ".join(f"{other['label']} {other['score']:.3f}" for other in others[:3])
        table.add_row(
            _text(answer.shown),
            f"[bold]{_text(first['label'])}[/bold]",
            f"{first['score']:.4f}",
            _text(then),
        )
    _console().print(table)


def models(rows: Iterable[dict[str, Any]], sources: bool) -> None:
    """The networks: sizes, published accuracy and where it is from, what sets each apart; on demand their sources."""
    table = _table(("name", "input", "smallest", "classes", "parameters", "multiply-adds", "top-1 / top-5 %"))
    notes = []
    for row in rows:
        accuracy = "" if row["accuracy_top1"] is None else f"{row['accuracy_top1']:.1f}"
        accuracy += "" if row["accuracy_top5"] is None else f" / {row['accuracy_top5']:.1f}"
        table.add_row(
            f"[bold]{_text(row['name'])}[/bold]",
            _text(row["input"]),
            f"{row['smallest_side']}",
            f"{row['classes']:,}",
            f"{row['parameters']:,}",
            f"{row['multiply_adds'] / 1e6:,.1f} M",
            accuracy,
        )
        told = _text(row["note"])
        if accuracy:
            told += f"\n[dim]{accuracy} %: {_text(row['accuracy_on'])}; {_text(row['accuracy_source'])}[/dim]"
        if sources:
            told += f"\n[dim]from {_text(row['source'])}[/dim]"
        notes.append((f"[bold]{_text(row['name'])}[/bold]", told))
    _console().print(table)
    _console().print("[dim]smallest: the least side of a picture, in pixels. parameters: those that are trained.[/dim]")
    _console().print("[dim]Accuracies are on different pictures and views, named below: only like ones compare.[/dim]")
    about = Table(box=None, pad_edge=False, show_header=False)
    about.add_column(no_wrap=True)
    about.add_column()
    for note in notes:
        about.add_row(*note)
    _console().print()
    _console().print(about)


def proofs(proved: "Iterable[Proof]") -> None:
    """One network a line: its count, the reference's, where that is from; then the sum of its layers."""
    table = _table(("", "name", "recomputed", "reference", "where the reference is from; the layers' sum"))
    for proof in proved:
        terms = " + ".join(f"{count:,}" for _, count in proof.layers)
        where = "among" if proof.published.counts == "all" else "beside"
        moving = f" ({proof.moving:,} running statistics {where} them)" if proof.moving else ""
        printed = proof.published.multiply_adds
        faults = "".join(f"\n[red]{_text(fault)}[/red]" for fault in proof.faults)
        table.add_row(
            "[red]✗[/red]" if proof.faults else "[green]✓[/green]",
            f"[bold]{_text(proof.name)}[/bold]",
            f"[bold]{proof.counted:,}[/bold]\n{proof.multiply_adds / 1e6:,.1f} M mult-adds",
            f"{proof.published.total:,}" + (f"\n{printed:,.1f} M mult-adds" if printed is not None else ""),
            f"{_text(proof.published.origin)}{moving}\n[dim]{terms}[/dim]{faults}",
        )
    _console().print(table)


def findings(found: "Sequence[Finding]") -> None:
    """What is wrong, the gravest first: what shows it, why it is so, what to type."""
    if not found:
        _console().print("[green]nothing found[/green]")
        return
    for number, finding in enumerate(found, start=1):
        if number > 1:
            _console().print()
        _console().print(f"[bold]{number}. {_text(finding.name)}[/bold] [dim]({finding.sure:.0%} sure)[/dim]")
        table = Table(box=None, pad_edge=False, show_header=False)
        table.add_column(style="dim", no_wrap=True)
        table.add_column(overflow="fold")
        for sign in finding.evidence:
            table.add_row("   seen", _text(sign))
        table.add_row("   cause", _text(finding.cause))
        if finding.remedy:
            table.add_row("   remedy", f"[bold]{_text(finding.remedy)}[/bold]")
        if finding.advice:
            table.add_row("   advice", _text(finding.advice))
        _console().print(table)


def difference(left: str, right: str, lines: "Sequence[Line]", everything: bool) -> None:
    """What differs: changed yellow, only on the left red, only on the right green, the same layer at another size
    plain; with `everything` the rest, dim.
    """
    signs = {"same": " ", "sized": " ", "changed": "~", "left": "-", "right": "+"}
    colours = {"same": "dim", "sized": "", "changed": "yellow", "left": "red", "right": "green"}
    table = _table(("", "", left, right))
    for line in lines:
        if everything or line.kind != "same":
            cells = (_text(cell) for cell in (signs[line.kind], line.name, line.left, line.right))
            table.add_row(*cells, style=colours[line.kind])
    _console().print(table if table.row_count else f"{left} and {right} are the same network")
    if table.row_count:
        told = f"~ changed   - only in {left}   + only in {right} (what moved is both)"
        _console().print(f"[dim]{told}   unmarked: the same layer, at another size because of what comes before[/dim]")


def comparison(compared: "Comparison", flips: int) -> None:
    """Both accuracies, the paired test, the pictures that flipped (`flips` of them at most), what differed."""
    table = _table(("run", "accuracy", "right alone"))
    for name, accuracy, alone in zip(
        (compared.left, compared.right), compared.accuracies, (compared.only_left, compared.only_right), strict=True
    ):
        table.add_row(_text(name), f"{accuracy:.4f}", f"{alone:,}")
    _console().print(table)
    _console().print(f"[bold]{compared.line}[/bold] [dim]({compared.n:,} {compared.split} pictures)[/dim]")
    if compared.settings:
        _console().print("\nwhat differed:")
        table = _table(("", compared.left, compared.right))
        for name, left, right in compared.settings:
            table.add_row(name, *("–" if value is None else _text(str(value)) for value in (left, right)))
        _console().print(table)
    if compared.flips and flips:
        shown = compared.flips[:flips]
        more = f", {len(shown)} of them" if len(shown) < len(compared.flips) else ""
        _console().print(f"\n{len(compared.flips):,} answers flipped{more}:")
        table = _table(("picture", "is", compared.left, compared.right))
        for flip in shown:
            cells = [_text(flip.left), _text(flip.right)]
            better = 0 if flip.better == "left" else 1
            cells[better] = f"[green]{cells[better]}[/green]"
            cells[1 - better] = f"[red]{cells[1 - better]}[/red]"
            table.add_row(_text(flip.path), _text(flip.label), *cells)
        _console().print(table)


def speeds(report: "Report") -> None:
    """How fast this machine is: one line a way of working, what is faster, how long the recipe will take."""
    console = _console()
    console.print(_text(report.title))
    table = _table(("", "precision", "threads", "a second", "least", "most", "GFLOP/s", "of the peak"))
    names = {
        "training": "training steps, pictures",
        "answering": "answers, pictures",
        "products": "matrix products (the peak)",
        "gathering": "read from the store, pictures",
        "augmenting": "augmented, pictures",
        "decoding": "JPEGs of 500×375 decoded",
    }
    for figure in report.figures:
        is_peak = figure.what == "products"
        rates = ("",) * 3 if is_peak else tuple(_about(value) for value in astuple(figure.rate))
        gflops = figure.rate.median if is_peak else figure.gflops
        table.add_row(
            names[figure.what],
            figure.precision or "",
            "" if report.machine["device"].startswith("cuda") else f"{figure.threads}",
            *rates,
            "" if gflops is None else f"{gflops:,.0f}",
            "" if figure.share is None else f"{figure.share:.0%}",
        )
    console.print(table)
    for note in report.notes:
        console.print(f"[dim]note: {_text(note)}[/dim]")
    if report.faster is None:
        console.print("neither precision trains clearly faster than the other: nothing is remembered")
    elif report.record is not None:
        console.print(
            f"{report.faster} trains faster: alexnet train uses it from now on [dim]({_text(str(report.record))})[/dim]"
        )
    console.print(f"[bold]{_text(report.expected.words)}[/bold]")


def _about(rate: float) -> str:
    return f"{rate:,.0f}" if rate >= 10 else f"{rate:.1f}"


def _table(columns: Sequence[str]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        right = column in _NUMBERS
        table.add_column(column, justify="right" if right else "left", overflow="fold", no_wrap=right)
    return table


def _cell(value: Any) -> str:  # noqa: ANN401 (any plain value)
    return f"{value:,}" if isinstance(value, int) else _text(str(value))


def _text(value: str) -> str:
    """Plain text for rich: no markup in it, no control signs, no bytes that are no text."""
    return escape(printable(value))


class _Console(Console):
    def on_broken_pipe(self) -> None:
        """Leave to `main` what happens when nobody reads."""
        raise BrokenPipeError


def _console() -> Console:
    console = _Console(highlight=False)
    if not console.is_terminal:
        console.width = 160  # files and pipes have no edge to fold at
    return console
