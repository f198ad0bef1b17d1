"""How rows become tables on a terminal, or plain columns elsewhere."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from alexnet.errors import printable

if TYPE_CHECKING:
    from alexnet.predict_files import Answer


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


def _table(columns: Sequence[str]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        right = column in ("classes", "parameters", "pictures", "precision", "recall", "F1", "probability")
        table.add_column(column, justify="right" if right else "left", overflow="fold")
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
