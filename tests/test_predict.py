"""The one way to an answer: the same whatever form the picture comes in."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

import alexnet
from alexnet import predict
from alexnet.data import images
from alexnet.errors import DataError, ModelFileError, UsageError
from alexnet.predict import Classifier
from alexnet.run import Run

Colours = tuple[Path, Run]


@pytest.fixture
def classifier(colours_run: Colours) -> Classifier:
    return predict.load(colours_run[1].path, device="cpu")


def test_knows_the_colours(colours_run: Colours, classifier: Classifier) -> None:
    folder, run = colours_run
    assert classifier.classes == ("blue", "green", "red")
    assert not classifier.network.training
    for label in classifier.classes:
        best = classifier.predict(folder / label / "000.png")
        assert [set(each) for each in best] == [{"label", "score"}] * 3
        assert sum(each["score"] for each in best) == pytest.approx(1, abs=1e-5)
        assert [each["score"] for each in best] == sorted((each["score"] for each in best), reverse=True)
    assert run.metrics["accuracy_top1"] > 1 / 3  # it has learned something


def test_every_form_of_a_picture(colours_run: Colours, classifier: Classifier) -> None:
    path = colours_run[0] / "red" / "001.png"
    expected = classifier.predict(path)
    assert classifier.predict(str(path)) == expected
    assert classifier.predict(path.read_bytes()) == expected
    assert classifier.predict(images.read(path)) == expected
    assert classifier.predict(images.read(path)[:, :, :]) == expected
    assert classifier.predict([path]) == [expected]
    assert classifier.predict([]) == []


def test_topk(colours_run: Colours, classifier: Classifier) -> None:
    path = colours_run[0] / "red" / "001.png"
    whole = classifier.predict(path, topk=99)
    assert len(whole) == 3
    assert classifier.predict(path, topk=2) == whole[:2]
    with pytest.raises(UsageError, match="--topk must be at least 1, not 0"):
        classifier.predict(path, topk=0)


def test_equal_scores_keep_the_order_of_classes(classifier: Classifier) -> None:
    scores = np.array([[0.25, 0.5, 0.25], [0.4, 0.2, 0.4]], dtype=np.float32)
    assert [[each["label"] for each in best] for best in classifier.top(scores)] == [
        ["green", "blue", "red"],
        ["blue", "red", "green"],
    ]


def test_unreadable(tmp_path: Path, classifier: Classifier) -> None:
    (tmp_path / "bad.png").write_bytes(b"no picture")
    with pytest.raises(DataError, match=r"bad\.png: a text, no picture"):
        classifier.predict(tmp_path / "bad.png")
    with pytest.raises(DataError, match="picture: "):
        classifier.predict(b"")
    wrong: list[NDArray[Any]] = [
        np.zeros((4, 4), np.uint8),
        np.zeros((4, 4, 4), np.uint8),
        np.zeros((4, 4, 3), np.float32),
    ]
    for pixels in wrong:
        with pytest.raises(DataError, match=r"pixels must be uint8 of shape \(H, W, 3\)"):
            classifier.predict(pixels)


def test_batch_size_changes_nothing(colours_run: Colours, classifier: Classifier, tmp_path: Path) -> None:
    (tmp_path / "bad.png").write_bytes(b"no picture")
    paths = [tmp_path / "bad.png", *sorted(colours_run[0].rglob("*.png")), tmp_path / "gone.png"]
    whole = list(classifier.stream(paths, batch_size=64))
    assert [path for path, _ in whole] == paths
    assert [isinstance(answer, DataError) for _, answer in whole] == [True] + [False] * 24 + [True]
    for size in (1, 7, 26):
        for (path, found), (same, expected) in zip(classifier.stream(paths, batch_size=size), whole, strict=True):
            assert path == same
            if isinstance(expected, DataError) or isinstance(found, DataError):
                assert str(found) == str(expected)
                continue
            assert [each["label"] for each in found] == [each["label"] for each in expected]
            for one, other in zip(found, expected, strict=True):
                assert one["score"] == pytest.approx(other["score"], abs=1e-6)


def test_size_and_colour_mode_of_the_picture_do_not_matter(classifier: Classifier, tmp_path: Path) -> None:
    for mode, size in (("L", (1, 1)), ("RGBA", (500, 20)), ("P", (33, 77))):
        Image.new(mode, size).save(tmp_path / "a.png")
        assert len(classifier.predict(tmp_path / "a.png")) == 3


def test_load_a_run_a_file_or_the_last(colours_run: Colours, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    folder, run = colours_run
    path = folder / "red" / "001.png"
    expected = alexnet.load(run.path, device="cpu").predict(path)
    assert alexnet.load(str(run.best), device="cpu").predict(path) == expected
    (tmp_path / "runs" / "train").mkdir(parents=True)
    (tmp_path / "runs" / "train" / "exp").symlink_to(run.path)
    monkeypatch.chdir(tmp_path)
    assert alexnet.load("last", device="cpu").predict(path) == expected


def test_load_what_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is no run directory"):
        alexnet.load(tmp_path / "nothing")
    with pytest.raises(ModelFileError, match="no weights file"):
        alexnet.load(tmp_path / "nothing.safetensors")
    Run(tmp_path).write_args({"data": "digits"})
    with pytest.raises(ModelFileError, match="no weights file"):
        alexnet.load(tmp_path)


def test_bf16_only_when_asked_for(colours_run: Colours) -> None:
    path = colours_run[0] / "red" / "001.png"
    plain, fast = (alexnet.load(colours_run[1].path, device="cpu", amp=amp) for amp in (False, True))
    assert (plain.precision, fast.precision) == ("float32", "bf16")
    best, other = plain.scores([path])[0], fast.scores([path])[0]
    assert other.dtype == np.float32
    np.testing.assert_allclose(other, best, atol=0.05)
