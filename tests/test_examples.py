"""The example notebook runs, shortened to one epoch a network, on the real data, and comes to what the teaching
notebook printed after its first; and its saved form is whole."""

from pathlib import Path
from typing import Any

import nbclient
import nbformat
import pytest

from alexnet.run import Run

NOTEBOOK = Path(__file__).parent.parent / "examples" / "notebook.ipynb"


def opened() -> Any:
    return nbformat.read(NOTEBOOK, as_version=4)  # type: ignore[no-untyped-call]


def test_the_saved_notebook_was_run_from_top_to_bottom_without_errors() -> None:
    notebook = opened()
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    assert not any(output.output_type == "error" for cell in code for output in cell.outputs)
    pictures = sum("image/png" in output.get("data", {}) for cell in code for output in cell.outputs)
    assert pictures >= 7


@pytest.mark.real
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_the_notebook_runs(real_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    notebook = opened()
    shortened = 0
    for cell in notebook.cells:
        if cell.cell_type == "code" and "FLOWERS_EPOCHS = 12" in cell.source:
            cell.source = cell.source.replace("_EPOCHS = 12", "_EPOCHS = 1")
            shortened += 1
    assert shortened == 1
    monkeypatch.setenv("ALEXNET_DATA", str(real_data))
    (tmp_path / "examples").mkdir()
    client = nbclient.NotebookClient(notebook, timeout=600, resources={"metadata": {"path": tmp_path / "examples"}})
    client.execute()
    flowers, digits = Run(tmp_path / "runs" / "notebook" / "exp"), Run(tmp_path / "runs" / "notebook" / "exp2")
    parts = [row["split"] for row in flowers.split]
    assert (parts.count("train"), parts.count("val+test")) == (1088, 272)
    row = flowers.history[0]
    assert 3.2 < row["train/loss"] < 3.9, "the notebook printed 3.48"
    assert 0.04 < row["train/acc"] < 0.13, "the notebook printed 0.075"
    assert 2.75 < row["val/loss"] < 2.9, "the notebook printed 2.83"
    row = digits.history[0]
    assert digits.metrics["n"] == 10_000
    assert 2.27 < row["train/loss"] < 2.36, "the notebook printed 2.317"
    assert 2.24 < row["val/loss"] < 2.30, "the notebook printed 2.285"
