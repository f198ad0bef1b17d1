"""Colours and titles that all pictures share."""

from typing import Any

from matplotlib.axes import Axes

from alexnet.run import Run

TRAIN = "#1f6fb4"
VAL = "#d9661f"
RIGHT = "#1a7f37"
WRONG = "#c62828"
INK = "#24292f"
FAINT = "#8c959f"


def title(run: Run) -> str:
    """What was trained on what, for a figure's head."""
    args: dict[str, Any] = run.args
    data = args["data"].rstrip("/\\").replace("\\", "/").rsplit("/", 1)[-1]
    return printable(f"{args['model']} on {data}, recipe {args['recipe']}")


def printable(text: str, longest: int = 200) -> str:
    """Bytes of names that are not UTF-8 replaced (matplotlib refuses them), and the middle of long names left out."""
    text = text.encode("utf-8", "replace").decode("utf-8")
    half = longest // 2
    return text if len(text) <= longest else f"{text[:half]}…{text[-half:]}"


def plain(axes: Axes) -> None:
    """Only the lines that carry meaning."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color="#e3e6ea", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(colors=INK)
