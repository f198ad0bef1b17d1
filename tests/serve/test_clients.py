"""Other people's clients, unchanged, against the command; and one answer everywhere."""

import base64
import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import tritonclient.http as triton
from huggingface_hub import InferenceClient
from huggingface_hub.errors import HfHubHTTPError
from PIL import Image
from tritonclient.utils import InferenceServerException

import alexnet
from alexnet.data import images
from alexnet.export import exporting, verification
from alexnet.export.verification import Session
from alexnet.progress import Display
from alexnet.run import Run
from tests.conftest import COLOURS, Call, noisy
from tests.serve.conftest import Process, eventually, picture

CLASSES = sorted(COLOURS)


@pytest.fixture
def client(server_of_colours: Process) -> Any:
    return triton.InferenceServerClient(f"127.0.0.1:{server_of_colours.port}")


def _pictures(*contents: bytes) -> Any:
    tensor = triton.InferInput("pictures", [len(contents)], "BYTES")
    tensor.set_data_from_numpy(np.array(contents, dtype=object))
    return tensor


def test_the_start_says_what_to_type(server_of_colours: Process, tmp_path: Path) -> None:
    """The printed line, typed into a shell with a picture of that name beside it."""
    assert shutil.which("curl")
    (tmp_path / "picture.jpg").write_bytes(picture("green", "JPEG"))
    until = next(line for line in server_of_colours.said if line.startswith("serving"))
    assert "3 classes" in until
    eventually(lambda: any(line.startswith("try: ") for line in server_of_colours.said))
    line = next(line for line in server_of_colours.said if line.startswith("try: "))
    done = subprocess.run(line.removeprefix("try: "), shell=True, cwd=tmp_path, capture_output=True, check=True)
    assert json.loads(done.stdout)["predictions"][0]["label"] == "green"


def test_triton_finds_a_ready_model(client: Any) -> None:
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("colours")
    assert client.is_model_ready("colours", "1")
    assert not client.is_model_ready("colours", "2")
    assert not client.is_model_ready("shapes")
    assert client.get_server_metadata()["extensions"] == ["binary_tensor_data", "classification"]
    metadata = client.get_model_metadata("colours")
    assert metadata["outputs"] == [{"name": "scores", "datatype": "FP32", "shape": [-1, 3]}]
    assert {each["name"]: each["datatype"] for each in metadata["inputs"]} == {
        "pictures": "BYTES",
        "pixels": "UINT8",
        "tensor": "FP32",
    }


def test_triton_gets_scores_with_its_id(client: Any) -> None:
    asked = _pictures(*(picture(colour) for colour in CLASSES))
    answer = client.infer("colours", [asked], request_id="seven")
    assert answer.get_response()["id"] == "seven"
    scores = answer.as_numpy("scores")
    assert scores.shape == (3, 3)
    assert scores.argmax(1).tolist() == [0, 1, 2]
    np.testing.assert_allclose(scores.sum(1), 1, atol=1e-5)


@pytest.mark.parametrize("binary", [True, False])
def test_triton_gets_classes(client: Any, binary: bool) -> None:
    """class_count=3, as bytes behind the JSON and within it."""
    wanted = triton.InferRequestedOutput("scores", binary_data=binary, class_count=3)
    answer = client.infer("colours", [_pictures(picture("red"), picture("blue"))], outputs=[wanted])
    output = answer.get_output("scores")
    texts = answer.as_numpy("scores") if binary else np.array(output["data"]).reshape(output["shape"])
    assert texts.shape == (2, 3)
    words = [[(text.decode() if binary else text).split(":") for text in row] for row in texts]
    assert [row[0][1:] for row in words] == [["2", "red"], ["0", "blue"]]
    assert all(float(row[0][0]) >= float(row[1][0]) >= float(row[2][0]) for row in words)


@pytest.mark.parametrize("way", ["gzip", "deflate"])
def test_triton_may_compress(client: Any, way: str) -> None:
    answer = client.infer("colours", [_pictures(picture("green"))], request_compression_algorithm=way)
    assert answer.as_numpy("scores").argmax() == CLASSES.index("green")


def test_triton_is_told_why_not(client: Any) -> None:
    with pytest.raises(InferenceServerException, match="an HTML page, no picture"):
        client.infer("colours", [_pictures(b"<html>")])
    with pytest.raises(InferenceServerException, match="there is 'colours', version 1"):
        client.infer("shapes", [_pictures(picture())])


def test_of_several_pictures_the_bad_one_is_named(client: Any) -> None:
    with pytest.raises(InferenceServerException, match="picture 1: "):
        client.infer("colours", [_pictures(picture("red"), b"none", picture("blue"))])


def test_hugging_face(server_of_colours: Process, tmp_path: Path) -> None:
    """Raw bytes, a path, and JSON with parameters."""
    client = InferenceClient(model=f"{server_of_colours.url}/huggingface")
    (tmp_path / "a.png").write_bytes(picture("blue"))
    assert next(each.label for each in client.image_classification(picture("green"))) == "green"
    found = client.image_classification(tmp_path / "a.png")
    assert len(found) == 3
    assert found[0].label == "blue"
    assert sum(each.score for each in found) == pytest.approx(1)
    assert client.image_classification(picture("blue"), top_k=2) == found[:2]


def test_hugging_faces_functions(server_of_colours: Process, taught_run: Run) -> None:
    """none gives the mean logits over the test views, sigmoid is a function of them, softmax the usual answer."""
    client = InferenceClient(model=f"{server_of_colours.url}/huggingface")
    functions: tuple[Any, ...] = ("softmax", "sigmoid", "none")
    softmax, sigmoid, logits = (
        np.array([{each.label: each.score for each in answer}[name] for name in CLASSES])
        for answer in (client.image_classification(picture(), function_to_apply=each) for each in functions)
    )
    classifier = alexnet.load(taught_run.path, device="cpu")
    outputs = classifier.answer([classifier.fit(picture())])
    np.testing.assert_allclose(softmax, outputs.scores[0], atol=1e-5)
    np.testing.assert_allclose(logits, outputs.logits[0], atol=1e-4)
    np.testing.assert_allclose(sigmoid, 1 / (1 + np.exp(-logits)), atol=1e-5)
    with pytest.raises(HfHubHTTPError, match="422"):
        client.image_classification(b"no picture", top_k=1)


# ---- one answer everywhere -----------------------------------------------------------------------------------

Way = Callable[[bytes], list[dict[str, Any]]]


def _turned(path: Path) -> None:
    """EXIF orientation 6, and a picture whose two halves differ."""
    pixels = np.concatenate([noisy(COLOURS["red"], 3), noisy(COLOURS["blue"], 4)], axis=1)
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(pixels).save(path, "JPEG", exif=exif)


FILES: dict[str, Callable[[Path], object]] = {
    "jpeg": lambda path: path.write_bytes(picture("green", "JPEG", side=61)),
    "turned by EXIF": _turned,
    "CMYK": lambda path: Image.fromarray(noisy(COLOURS["red"], 5)).convert("CMYK").save(path, "JPEG"),
    "transparent": lambda path: Image.fromarray(noisy(COLOURS["blue"], 6)).convert("RGBA").save(path, "PNG"),
}


@pytest.fixture(scope="module")
def exported(taught_run: Run, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Session]:
    """What runs the files that `alexnet export` writes."""
    folder = tmp_path_factory.mktemp("exported")
    files: dict[exporting.Form, Path] = {"onnx": folder / "model.onnx", "torch": folder / "model.pt2"}
    for form, file in files.items():
        exporting.export(str(taught_run.path), form=form, output=file, display=Display(quiet=True))
    return {form: verification.opened(file.read_bytes()) for form, file in files.items()}


@pytest.mark.fault("E19")
@pytest.mark.parametrize("kind", FILES)
def test_one_answer_everywhere(
    kind: str,
    server_of_colours: Process,
    client: Any,
    taught_run: Run,
    exported: dict[str, Session],
    tmp_path: Path,
    call: Call,
) -> None:
    """The same classes and, within 1e-4, the same scores from the command, Python, val's store, every protocol, and
    exported files."""
    file = tmp_path / "a.jpg"
    FILES[kind](file)
    content, run = file.read_bytes(), taught_run.path
    classifier = alexnet.load(run, device="cpu")
    expected = classifier.predict(file)
    pixels = images.read(content)
    preprocess = classifier.card.preprocess
    stored = preprocess.fit(pixels)

    def by_command() -> Any:
        result = call("predict", run, file, "--json", "--device", "cpu", "--project", tmp_path / "p")
        return result.json[0]["predictions"]

    def of_scores(scores: Any) -> Any:
        return classifier.top(np.asarray(scores, np.float32).reshape(1, -1))[0]

    def triton_json() -> Any:
        tensor = {"name": "pictures", "datatype": "BYTES", "shape": [1], "data": [base64.b64encode(content).decode()]}
        body = json.dumps({"inputs": [tensor]}).encode()
        return of_scores(server_of_colours.post("/v2/models/colours/infer", body).json["outputs"][0]["data"])

    def triton_pixels(binary: bool) -> Any:
        tensor = triton.InferInput("pixels", [1, *pixels.shape], "UINT8")
        tensor.set_data_from_numpy(pixels[None], binary_data=binary)
        return of_scores(client.infer("colours", [tensor]).as_numpy("scores"))

    def triton_tensor() -> Any:
        views = preprocess.test_views(torch.from_numpy(stored[None]).permute(0, 3, 1, 2))
        tensor = triton.InferInput("tensor", [len(views), *views[0].shape[1:]], "FP32")
        tensor.set_data_from_numpy(torch.cat(views).numpy())
        return of_scores(client.infer("colours", [tensor]).as_numpy("scores").mean(axis=0))

    def hugging_face(**parameters: Any) -> Any:
        hub = InferenceClient(model=f"{server_of_colours.url}/huggingface")
        return [{"label": each.label, "score": each.score} for each in hub.image_classification(content, **parameters)]

    boundary = b"--b\r\nContent-Disposition: form-data; name=file; filename=a\r\n\r\n" + content + b"\r\n--b--\r\n"
    ways: dict[str, Callable[[], Any]] = {
        "command": by_command,
        "Python, bytes": lambda: classifier.predict(content),
        "Python, pixels": lambda: classifier.predict(pixels),
        "as val reads the store": lambda: of_scores(classifier.answer([stored]).scores),
        "/predict": lambda: server_of_colours.post("/predict", content).json["predictions"],
        "/predict, form": lambda: server_of_colours.post(
            "/predict", boundary, Content_Type="multipart/form-data; boundary=b"
        ).json["predictions"],
        "Hugging Face": hugging_face,
        "Hugging Face, JSON": lambda: hugging_face(top_k=5),
        "v2, JSON": triton_json,
        "v2, binary": lambda: of_scores(client.infer("colours", [_pictures(content)]).as_numpy("scores")),
        "v2, pixels": lambda: triton_pixels(True),
        "v2, pixels in JSON": lambda: triton_pixels(False),
        "v2, the network's input": triton_tensor,
        "ONNX": lambda: of_scores(exported["onnx"].answer(pixels[None])),
        "torch.export": lambda: of_scores(exported["torch"].answer(pixels[None])),
    }
    for name, way in ways.items():
        answer = way()
        assert [each["label"] for each in answer] == [each["label"] for each in expected], name
        scores, wanted = ([each["score"] for each in both] for both in (answer, expected))
        np.testing.assert_allclose(scores, wanted, atol=1e-4, err_msg=name)
