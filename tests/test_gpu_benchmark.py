"""The GPU's benchmark: its parts on a CPU, the smallest sizes; without a GPU it says so in a line."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from benchmarks import gpu

from alexnet.speed.contestants import Stand
from alexnet.training import recipes

CPU = torch.device("cpu")
TINY = recipes.find("notebook", "mnist").model_copy(update={"batch_size": 2})


def test_without_a_gpu(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert gpu.main([]) == 2
    assert capsys.readouterr() == ("", f"{gpu.NO_GPU}\n")


@pytest.mark.parametrize("arguments", [["resnet"], ["--rounds", "4"]])
def test_wrong_options(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        gpu.main(arguments)
    assert left.value.code == 2
    assert "Traceback" not in capsys.readouterr().err


def test_a_row_a_contestant(tmp_path: Path) -> None:
    rows = gpu.compare(TINY, CPU, gpu.QUICK, 5, tmp_path)
    ways = {(row["what"], row["pictures"], row["who"]) for row in rows}
    assert len(rows) == len(ways) == 8
    for row in rows:
        assert len(row["turns"]) == 5
        assert 0 < row["least"] <= row["median"] <= row["most"]
        assert (row["over_reference"] is None) == (row["who"] == "reference")
        assert (row["of_synthetic"] is None) == (row["pictures"] == "synthetic")
        assert row["share_of_peak"] == pytest.approx(row["tflops"] / row["peak_tflops"])
    assert len(gpu.table(rows)) == 10


def test_the_reference_answers_as_ours_does() -> None:
    """The same network: what differs is the way, not the answer."""
    stand = Stand.of(recipes.find("notebook", "flowers17").model_copy(update={"batch_size": 2}), CPU, most=2)
    network = stand.network.eval()
    pictures = torch.rand(2, *network.input_shape)
    with torch.inference_mode():
        assert torch.allclose(gpu.plain(stand).eval()(pictures), network(pictures), atol=1e-5)
    assert all(p.is_contiguous() for p in gpu.plain(stand).parameters())


def test_the_references_pictures_are_those_of_the_store() -> None:
    stand = Stand.of(TINY, CPU, most=4)
    decoded = gpu.Decoded(stand.pixels, stand.labels, stand)
    picture, label = decoded[3]
    stored = torch.from_numpy(stand.pixels[3]).permute(2, 0, 1)[None]
    wanted = stand.preprocess.normalise(stored)[0]
    assert torch.allclose(picture, wanted) or torch.allclose(picture.flip(-1), wanted)
    assert label == stand.labels[3]
    pictures, labels = next(gpu.batches_of_loader(stand, gpu.QUICK))
    assert pictures.shape == (2, *stand.network.input_shape)
    assert len(labels) == 2


def test_all_that_is_measured_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu, "NETWORKS", {"notebook": "mnist"})
    monkeypatch.setattr(gpu, "QUICK", replace(gpu.QUICK, pictures=4))
    said: list[str] = []
    file = tmp_path / "gpu.json"
    assert gpu.main(["--device", "cpu", "--quick", "--json", str(file)], said.append) == 0
    written = json.loads(file.read_text())
    assert {"date", "torch", "alexnet", "device", "cuda", "cudnn", "rounds", "rows"} <= written.keys()
    assert len(written["rows"]) == 8
    assert "| notebook-mnist | training | real | ours |" in said[-1]
