"""The example notebook runs, shortened to one epoch a network, on the real data; and its saved form is whole."""

from pathlib import Path
from typing import Any

import nbclient
import nbformat
import pytest

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
    assert (tmp_path / "runs" / "notebook").is_dir()
