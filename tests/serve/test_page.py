"""The page's routes: what they give, what they refuse, and that nothing of it needs anything from outside."""

import base64
import io
import re
from collections.abc import Iterator
from importlib.resources import files as resources
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from alexnet.predict import load
from alexnet.run import Run
from alexnet.serve.app import Application
from alexnet.serve.limits import Limits
from alexnet.serve.page import files, looking
from tests.conftest import COLOURS, noisy
from tests.serve.conftest import InThread, encoded, picture

STATIC = Path(str(resources("alexnet.serve.page"))) / "static"


def _started(run: Run | None, weights: Path, token: str | None = None) -> InThread:
    limits = Limits(max_bytes=1 << 20, max_pixels=1_000_000, drain_seconds=0.0)
    classifier = load(weights, device="cpu")
    return InThread(Application(classifier, run=run, limits=limits, token=token, threads=1), limits)


@pytest.fixture(scope="module")
def page(taught_run: Run) -> Iterator[InThread]:
    server = _started(taught_run, taught_run.best)
    yield server
    server.end()


def _pixels(body: bytes) -> NDArray[np.uint8]:
    return np.asarray(Image.open(io.BytesIO(body)))


# ---- its files ----


def test_every_file_is_served_with_a_strict_policy(page: InThread) -> None:
    assert sorted(files.FILES) == sorted(file.name for file in STATIC.iterdir())
    for name, kind in files.FILES.items():
        answer = page.get(files.address(name))
        assert answer.status == 200
        assert answer.body == (STATIC / name).read_bytes()
        assert answer.headers["content-type"] == kind
        assert answer.headers["x-content-type-options"] == "nosniff"
        policy = answer.headers["content-security-policy"]
        assert policy == files.HEADERS["Content-Security-Policy"]
        assert "unsafe" not in policy
        assert "default-src 'none'" in policy


@pytest.mark.parametrize("path", ["/page/", "/page/../api.js", "/page/%2e%2e/files.py", "/page/index.html"])
def test_nothing_else_is_served(page: InThread, path: str) -> None:
    assert page.get(path).status == 404


def test_nothing_comes_from_elsewhere_and_nothing_is_inline() -> None:
    for name in files.FILES:
        text = (STATIC / name).read_text(encoding="utf-8")
        assert set(re.findall(r"https?://[^\s\"'`)]+", text)) <= {"http://www.w3.org/2000/svg"}, name
        assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(", text), name
    markup = (STATIC / "index.html").read_text(encoding="utf-8")
    assert not re.search(r"<style|\sstyle=|\son[a-z]+=|<script>|javascript:", markup)


# ---- looking inside ----


def test_heat_has_the_proportions_of_the_picture(page: InThread) -> None:
    answer = page.post("/inside/heat?label=red", encoded(np.tile(noisy(COLOURS["red"], 3), (1, 2, 1))))
    assert answer.status == 200
    assert answer.headers["content-type"] == "image/png"
    pixels = _pixels(answer.body)
    assert pixels.shape == (256, 512, 4)
    assert pixels[..., 3].max() > 128


def test_activations_are_those_of_each_convolution(page: InThread) -> None:
    answer = page.post("/inside/activations", picture("green"))
    assert answer.status == 200
    assert answer.json["box"] == {"left": 0.0625, "top": 0.0625, "width": 0.875, "height": 0.875}
    layers = answer.json["layers"]
    assert [layer["name"] for layer in layers] == ["conv1", "conv2"]
    for layer in layers:
        count, height, width = layer["shape"]
        assert len(layer["maps"]) == min(count, looking.SHOWN)
        means = [each["mean"] for each in layer["maps"]]
        assert means == sorted(means, reverse=True)
        sheet = _pixels(base64.b64decode(layer["sheet"]))
        assert sheet.shape == (height * -(-len(means) // looking.COLUMNS), width * looking.COLUMNS)


def test_a_format_that_browsers_do_not_know_is_shown(page: InThread) -> None:
    answer = page.post("/inside/picture", picture("blue", "TIFF"))
    assert answer.status == 200
    np.testing.assert_array_equal(_pixels(answer.body), noisy(COLOURS["blue"], 7))


@pytest.mark.parametrize("path", ["/inside/heat?label=red", "/inside/activations", "/inside/picture"])
def test_what_is_no_picture_is_refused_in_one_line(page: InThread, path: str) -> None:
    assert page.post(path, b"").status == 400
    assert page.post(path, b"<html>no picture</html>").status == 422
    assert page.post(path, picture("red")[:200]).status == 422
    assert page.post(path, b"x" * (2 << 20)).status == 413
    large = page.post(path, encoded(np.zeros((1100, 1100, 3), np.uint8)))
    assert large.status == 422
    assert "1,000,000 pixels" in large.error
    assert page.get(path).status == 405


def test_an_unknown_class_is_refused(page: InThread) -> None:
    assert page.post("/inside/heat?label=purple", picture()).status == 400
    assert page.post("/inside/heat", picture()).status == 400


# ---- the run ----


def test_the_report_says_what_the_run_says(page: InThread, taught_run: Run) -> None:
    report = page.get("/page/run").json
    assert report["state"] == "finished"
    assert report["verdict"]["accuracy_top1"] == taught_run.metrics["accuracy_top1"]
    assert [row["epoch"] for row in report["history"]] == [row["epoch"] for row in taught_run.history]
    assert np.shape(report["verdict"]["confusion_matrix"]) == (3, 3)
    assert report["args"]["model"] == "notebook-mnist"
    about = page.get("/page/about").json
    assert about["network"]["classes"] == 3
    assert about["watching"] is False


def test_who_asks_again_is_sent_only_what_is_new(page: InThread) -> None:
    tag = page.get("/page/run").headers["etag"]
    again = page.get("/page/run", If_None_Match=tag)
    assert again.status == 304
    assert again.body == b""
    assert page.get("/page/run", If_None_Match='"other"').status == 200


def test_small_pictures_stand_in_one_row(page: InThread, taught_run: Run) -> None:
    galleries = page.get("/page/run").json["galleries"]
    assert set(galleries) == {"samples", "held_out", "worst", "predictions"}
    for name, known in galleries.items():
        strip = _pixels(page.get(f"/page/run/pictures/{name}").body)
        assert strip.shape[:2] == (known["side"], known["side"] * len(known["captions"]))
        np.testing.assert_array_equal(strip[:, : known["side"]].squeeze(), taught_run.thumbnails[name][0].squeeze())
    assert page.get("/page/run/pictures/sample_labels").status == 404


def test_weights_without_a_run_have_no_second_tab(taught_run: Run) -> None:
    server = _started(None, taught_run.best)
    assert server.get("/page/about").json["run"] is None
    assert server.get("/page/run").status == 404
    server.end()


def test_with_a_token_only_the_page_itself_is_open(taught_run: Run) -> None:
    server = _started(taught_run, taught_run.best, token="secret")
    assert all(server.get(files.address(name)).status == 200 for name in files.FILES)
    for path in ("/page/about", "/page/run", "/page/run/pictures/worst"):
        assert server.get(path).status == 401
        assert server.get(path, Authorization="Bearer secret").status == 200
    assert server.post("/inside/heat?label=red", picture()).status == 401
    server.end()
