from pathlib import Path

import tritonclient.grpc.model_config_pb2 as schema
from google.protobuf import text_format

from alexnet.export import exporting, runtime, triton
from alexnet.preprocess import Preprocess
from alexnet.progress import Display
from alexnet.run import Run
from alexnet.weights import Card

GREY = Preprocess(size=28, resize_to=28, channels=1)


def test_a_run_becomes_a_model_repository(digits_run: Run, tmp_path: Path) -> None:
    made = exporting.export(
        str(digits_run.path), form="triton", output=tmp_path, name="my digits", display=Display(quiet=True)
    )
    folder = tmp_path / "my-digits"
    assert made.written == folder / "1" / "model.onnx"
    files = {file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file()}
    assert files == {"config.pbtxt", "labels.txt", "1/model.onnx"}
    assert (folder / "labels.txt").read_text().splitlines() == digits_run.classes

    config = text_format.Parse((folder / "config.pbtxt").read_text(), schema.ModelConfig())
    session = runtime.Session(made.written.read_bytes())._session
    assert (config.name, config.backend, config.max_batch_size) == ("my-digits", "onnxruntime", triton.MOST_TOGETHER)
    assert config.HasField("dynamic_batching")
    (given,), (answered,) = config.input, config.output
    (wanted,), (gives,) = session.get_inputs(), session.get_outputs()
    assert (given.name, given.data_type) == (wanted.name, schema.TYPE_UINT8)
    assert list(given.dims) == [side if isinstance(side, int) else -1 for side in wanted.shape[1:]]
    assert (answered.name, answered.data_type) == (gives.name, schema.TYPE_FP32)
    assert list(answered.dims) == gives.shape[1:] == [10]
    assert answered.label_filename == "labels.txt"


def test_a_class_is_one_line_of_the_labels() -> None:
    card = Card("notebook-mnist", ("one\ntwo", "three"), GREY)
    assert triton.labels(card) == "one\\ntwo\nthree\n"
