"""Keras's files against Keras itself: written by it, read by us, written by us, read by it; answers stay the same."""

import os

os.environ.setdefault("KERAS_BACKEND", "torch")

import contextlib
import io
import json
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
import pytest
import torch
from keras.src.legacy.saving import legacy_h5_format
from numpy.typing import NDArray

from alexnet.errors import ModelFileError
from alexnet.models import foreign
from alexnet.models.foreign import keras_read, keras_write
from alexnet.weights import Card
from tests.models.foreign.conftest import Refused, answer, made, picture
from tests.models.test_against_keras import keras_flowers, keras_mnist

# Keras's torch backend hands tensors to numpy in a way that numpy 2 announces to change
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

TOLERANCE = 1e-4
Picture = NDArray[np.float32]


def keras_blog() -> Any:
    """The much-copied flowers blog: every activation a layer, batch norm after everything."""
    layers = keras.layers
    model = keras.Sequential([keras.Input((224, 224, 3))])
    for filters, kernel, stride, pool in (
        (96, 11, 4, 1),
        (256, 11, 1, 1),
        (384, 3, 1, 0),
        (384, 3, 1, 0),
        (256, 3, 1, 1),
    ):
        model.add(layers.Conv2D(filters, kernel, strides=stride, padding="valid"))
        model.add(layers.Activation("relu"))
        if pool:
            model.add(layers.MaxPooling2D((2, 2), strides=(2, 2), padding="valid"))
        model.add(layers.BatchNormalization())
    model.add(layers.Flatten())
    for units in (4096, 4096, 1000):
        for layer in (layers.Dense(units), layers.Activation("relu"), layers.Dropout(0.4), layers.BatchNormalization()):
            model.add(layer)
    model.add(layers.Dense(17))
    model.add(layers.Activation("softmax"))
    return model


def keras_illustrated() -> Any:
    """Deep Learning Illustrated's: activations as arguments, batch norm thrice, tanh."""
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((224, 224, 3)),
            layers.Conv2D(96, 11, strides=4, activation="relu"),
            layers.MaxPooling2D(3, strides=2),
            layers.BatchNormalization(),
            layers.Conv2D(256, 5, activation="relu"),
            layers.MaxPooling2D(3, strides=2),
            layers.BatchNormalization(),
            layers.Conv2D(256, 3, activation="relu"),
            layers.Conv2D(384, 3, activation="relu"),
            layers.Conv2D(384, 3, activation="relu"),
            layers.MaxPooling2D(3, strides=2),
            layers.BatchNormalization(),
            layers.Flatten(),
            *(layers.Dense(4096, activation="tanh"), layers.Dropout(0.5)),
            *(layers.Dense(4096, activation="tanh"), layers.Dropout(0.5)),
            layers.Dense(17, activation="softmax"),
        ]
    )


BUILD: dict[str, Callable[[], Any]] = {
    "notebook-mnist": lambda: keras_mnist(0.5),
    "notebook-flowers": lambda: keras_flowers(0.4),
    "keras-blog": keras_blog,
    "illustrated": keras_illustrated,
}


def build(name: str) -> Any:
    """A model as the source has it, with names as in a new session, and weights of which no two are alike."""
    keras.utils.clear_session()
    keras.utils.set_random_seed(0)
    model = BUILD[name]()
    random = np.random.default_rng(0)
    for layer in model.layers:
        values = layer.get_weights()
        if isinstance(layer, keras.layers.BatchNormalization):
            size = values[0].shape
            layer.set_weights([random.uniform(0.5, 1.5, size), *random.normal(0, 0.2, (2, *size)),
                               random.uniform(0.5, 1.5, size)])  # fmt: skip
        elif values:
            layer.set_weights([values[0], random.normal(0, 0.1, values[1].shape)])
    return model


def said(model: Any, batch: Picture) -> Picture:
    """Keras's answer, probabilities (1, classes)."""
    with torch.no_grad():
        return np.asarray(keras.ops.convert_to_numpy(model(batch, training=False)))


def save(model: Any, path: Path) -> None:
    """As people save: by the end of the name; `legacy.h5` is what save_weights wrote before Keras 3."""
    with warnings.catch_warnings(action="ignore"):
        if path.name == "legacy.h5":
            with h5py.File(path, "w") as file:
                legacy_h5_format.save_weights_to_hdf5_group(file, model)
        elif path.name.endswith(".weights.h5"):
            model.save_weights(path)
        else:
            model.save(path)


def loaded(path: Path, name: str) -> Any:
    """As people load: whole models by themselves, weights into the model that the source builds."""
    if path.name.endswith(".weights.h5"):
        keras.utils.clear_session()
        model = BUILD[name]()
        model.load_weights(path)
        return model
    return keras.saving.load_model(path)


def there_and_back(name: str, model: Any, given: Path, wanted: list[Path]) -> None:
    """Asserts that our answer, and that of Keras on what we write, is Keras's."""
    channels, side, _ = made_shape = made(name).input_shape if name == "notebook-mnist" else (3, 224, 224)
    batch = picture(made_shape)
    expected = said(model, batch.permute(0, 2, 3, 1).numpy())
    classes = expected.shape[1]
    assert expected.max() - expected.min() > 0.02, "the answers must differ for the comparison to mean something"
    save(model, given)
    matched = foreign.read(given)
    assert matched.card.variant == name
    assert matched.notes == ()
    assert (matched.card.preprocess.channels, matched.card.preprocess.size) == (channels, side)
    ours = answer(matched.state, name, batch, classes).softmax(dim=1).numpy()
    assert np.abs(ours - expected).max() < TOLERANCE
    for path in wanted:
        form = next(form for form in ("weights.h5", "h5", "keras") if path.name.endswith(f".{form}"))
        keras_write.write(path, matched.state, matched.card, form)  # type: ignore[arg-type]
        again = said(loaded(path, name), batch.permute(0, 2, 3, 1).numpy())
        assert np.abs(again - expected).max() < TOLERANCE, path.name


@pytest.fixture(scope="module")
def small() -> Any:
    return build("notebook-mnist")


FORMS = ("model.keras", "model.h5", "model.weights.h5")


@pytest.mark.parametrize("given", [*FORMS, "legacy.h5"])
def test_the_small_network_in_every_form(small: Any, tmp_path: Path, given: str) -> None:
    there_and_back("notebook-mnist", small, tmp_path / given, [tmp_path / f"ours-{form}" for form in FORMS])


@pytest.mark.parametrize(
    ("name", "given", "wanted"),
    [
        ("notebook-flowers", "model.keras", "ours.weights.h5"),
        ("notebook-flowers", "model.h5", "ours.h5"),
        ("notebook-flowers", "model.weights.h5", "ours.keras"),
        ("keras-blog", "legacy.h5", "ours.keras"),
        ("keras-blog", "model.weights.h5", "ours.h5"),
        ("illustrated", "model.h5", "ours.weights.h5"),
        ("illustrated", "model.keras", "ours.h5"),
    ],
)
def test_the_large_networks(tmp_path: Path, name: str, given: str, wanted: str) -> None:
    there_and_back(name, build(name), tmp_path / given, [tmp_path / wanted])


def test_a_network_of_pytorch_can_be_said_in_keras(tmp_path: Path) -> None:
    """torchvision's, with padding as layers of its own; the configuration tells it apart from its equals in shape."""
    ours = made("torchvision", num_classes=11)
    card = Card("torchvision", tuple("abcdefghijk"), ours.variant.preprocess)
    keras_write.write(tmp_path / "tv.keras", ours.state_dict(), card, "keras")
    batch = picture((3, 224, 224))
    with torch.no_grad():
        expected = ours(batch).softmax(dim=1).numpy()
    theirs = said(keras.saving.load_model(tmp_path / "tv.keras"), batch.permute(0, 2, 3, 1).numpy())
    assert np.abs(theirs - expected).max() < TOLERANCE
    matched = foreign.read(tmp_path / "tv.keras")
    state, read = matched.state, matched.card
    assert read.variant == "torchvision"
    assert all(torch.equal(tensor, state[name]) for name, tensor in ours.state_dict().items())


def test_a_network_that_keras_cannot_say_is_refused(tmp_path: Path) -> None:
    ours = made("bvlc", num_classes=2)
    card = Card("bvlc", ("a", "b"), ours.variant.preprocess)
    with pytest.raises(ModelFileError, match="Keras has no layer for norm1 of bvlc"):
        keras_write.write(tmp_path / "bvlc.keras", ours.state_dict(), card, "keras")
    assert not (tmp_path / "bvlc.keras").exists()


def test_the_same_weights_give_the_same_bytes(tmp_path: Path) -> None:
    ours = made("notebook-mnist")
    card = Card("notebook-mnist", tuple("0123456789"), ours.variant.preprocess)
    forms: tuple[keras_write.Form, ...] = ("keras", "h5", "weights.h5")
    for form in forms:
        for number in (1, 2):
            keras_write.write(tmp_path / f"{number}.{form}", ours.state_dict(), card, form)
        assert (tmp_path / f"1.{form}").read_bytes() == (tmp_path / f"2.{form}").read_bytes()


# ---- other sizes and classes, and names in any order ----------------------------------------------------------


def test_size_channels_and_classes_come_from_the_file(tmp_path: Path) -> None:
    keras.utils.clear_session()
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((40, 40, 3)),
            layers.Conv2D(32, 3, activation="relu", name="zebra"),
            layers.MaxPooling2D(2),
            layers.Conv2D(64, 3, activation="relu", name="ant"),
            layers.MaxPooling2D(2),
            layers.Flatten(),
            layers.Dense(128, activation="relu", name="later"),
            layers.Dense(4, name="earlier"),  # neither dropout nor softmax: answers are the same
        ]
    )
    save(model, tmp_path / "named.h5")
    matched = foreign.read(tmp_path / "named.h5")
    preprocess = matched.card.preprocess
    assert (preprocess.size, preprocess.resize_to, preprocess.channels, len(matched.card.classes)) == (40, 40, 3, 4)
    batch = picture((3, 40, 40))
    expected = said(model, batch.permute(0, 2, 3, 1).numpy())
    ours = answer(matched.state, "notebook-mnist", batch, 4).numpy()
    assert np.abs(ours - expected).max() < TOLERANCE


# ---- refusals --------------------------------------------------------------------------------------------------


def changed(small: Any, **changes: object) -> dict[str, Any]:
    """The small model's configuration with something changed in its first convolution."""
    config: dict[str, Any] = json.loads(small.to_json())
    config["config"]["layers"][1]["config"].update(changes)
    return config


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"activation": "tanh"}, "step 2 of its configuration is tanh, relu is expected"),
        ({"strides": [2, 2]}, "step 1 of its configuration is conv 32@3×3/2×2 valid, conv 32@3×3/1×1 valid"),
        ({"padding": "same"}, "conv 32@3×3/1×1 same"),
        ({"data_format": "channels_first"}, "channels_first"),
    ],
)
def test_a_configuration_that_says_otherwise_is_refused(
    small: Any, tmp_path: Path, refused: Refused, changes: dict[str, object], message: str
) -> None:
    file = tmp_path / "other.h5"
    save(small, file)
    with h5py.File(file, "a") as content:
        content.attrs["model_config"] = json.dumps(changed(small, **changes))
    assert message in refused(file, "--model", "notebook-mnist")


@pytest.mark.parametrize(
    ("relu", "said"),
    [
        ({"max_value": 6.0, "negative_slope": 0.0, "threshold": 0.0}, "relu max_value 6.0, relu is expected"),
        ({"max_value": None, "negative_slope": 0.3, "threshold": 0.0}, "relu negative_slope 0.3, relu is expected"),
    ],
)
def test_another_relu_is_refused(
    small: Any, tmp_path: Path, refused: Refused, relu: dict[str, object], said: str
) -> None:
    file = tmp_path / "bent.h5"
    save(small, file)
    config = changed(small, activation="linear")
    config["config"]["layers"].insert(2, {"class_name": "ReLU", "config": {"name": "bent", **relu}})
    with h5py.File(file, "a") as content:
        content.attrs["model_config"] = json.dumps(config)
    assert said in refused(file, "--model", "notebook-mnist")


def test_a_layer_of_code_is_never_made(small: Any, tmp_path: Path, refused: Refused) -> None:
    """A Lambda layer carries a program; in the file's list of words it is one more word."""
    file = tmp_path / "lambda.h5"
    save(small, file)
    config = changed(small)
    config["config"]["layers"].insert(2, {"class_name": "Lambda", "config": {"name": "x", "function": ["code"]}})
    with h5py.File(file, "a") as content:
        content.attrs["model_config"] = json.dumps(config)
    assert "step 3 of its configuration is Lambda, max pool" in refused(file, "--model", "notebook-mnist")


def test_missing_layers_and_wrong_shapes_are_named(small: Any, tmp_path: Path, refused: Refused) -> None:
    file = tmp_path / "odd.weights.h5"

    def with_change(change: Callable[[h5py.File], None]) -> str:
        save(small, file)
        with h5py.File(file, "a") as content:
            change(content)
        return refused(file, "--model", "notebook-mnist")

    def replaced(content: h5py.File, name: str, values: NDArray[Any]) -> None:
        del content[name]
        content[name] = values

    text = with_change(lambda content: content["layers"].__delitem__("dense_1"))
    assert "fc4.weight is missing, (10, 128) is expected" in text
    text = with_change(lambda content: replaced(content, "layers/conv2d/vars/0", np.zeros((5, 5, 1, 32), np.float32)))
    assert "conv2d/0 is (32, 1, 5, 5), (32, 1, 3, 3) is expected (conv1.weight)" in text
    text = with_change(lambda content: replaced(content, "layers/dense/vars/0", np.zeros((3, 4, 5), np.float32)))
    assert "has in dense tensors of shape (3, 4, 5), (128,): no layer of these networks" in text
    text = with_change(lambda content: replaced(content, "layers/dense/vars/0", np.array([b"text"])))
    assert "has no numbers of its own at vars/0" in text
    text = with_change(lambda content: content.__delitem__("layers"))
    assert "neither model_weights nor layers" in text
    save(small, tmp_path / "small.keras")
    text = refused(tmp_path / "small.keras", "--model", "illustrated")
    assert "does not fit illustrated: conv2d/0 is (32, 1, 3, 3), (96, 1, 11, 11) is expected (conv1.weight)" in text


def test_links_that_lead_out_of_the_file_are_not_followed(small: Any, tmp_path: Path, refused: Refused) -> None:
    secret = tmp_path / "secret.h5"
    with h5py.File(secret, "w") as content:
        content["0"] = np.zeros((3, 3, 1, 32), np.float32)
    file = tmp_path / "linked.weights.h5"
    for link in (h5py.ExternalLink(str(secret), "/0"), h5py.SoftLink("/layers/conv2d_1/vars/0")):
        save(small, file)
        with h5py.File(file, "a") as content:
            del content["layers/conv2d/vars/0"]
            content["layers/conv2d/vars/0"] = link
        assert "has a link at vars/0, which may lead anywhere" in refused(file)
    save(small, file)
    raw = tmp_path / "raw.bin"
    raw.write_bytes(b"\0" * 9 * 32 * 4)
    with h5py.File(file, "a") as content:
        del content["layers/conv2d/vars/0"]
        content.create_dataset("layers/conv2d/vars/0", (3, 3, 1, 32), "f4", external=[(str(raw), 0, 9 * 32 * 4)])
    assert "has no numbers of its own at vars/0" in refused(file)


def test_what_claims_more_than_is_there_is_not_opened(small: Any, tmp_path: Path, refused: Refused) -> None:
    file = tmp_path / "bomb.weights.h5"
    save(small, file)
    with h5py.File(file, "a") as content:
        del content["layers/dense/vars/0"]
        content.create_dataset("layers/dense/vars/0", (1 << 20, 1 << 20), "f4", chunks=(1024, 1024), compression="gzip")
    assert "claims a tensor of shape (1048576, 1048576)" in refused(file)
    file = tmp_path / "bomb.keras"
    save(small, tmp_path / "good.keras")
    with zipfile.ZipFile(tmp_path / "good.keras") as good, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as bomb:
        bomb.writestr("config.json", good.read("config.json"))
        bomb.writestr("model.weights.h5", b"\0" * 60_000_000)
    assert "claims 60,000,000 bytes for model.weights.h5" in refused(file)
    data = bytearray((tmp_path / "good.keras").read_bytes())
    at = data.rindex(b"PK\x01\x02")  # the last member's entry: its size, as the directory states it
    data[at + 24 : at + 28] = (0xFFFFFFF0).to_bytes(4, "little")
    file.write_bytes(data)
    assert "claims 4,294,967,280 bytes for model.weights.h5" in refused(file)


@pytest.mark.parametrize("form", [*FORMS, "legacy.h5"])
def test_files_cut_short_are_refused(small: Any, tmp_path: Path, refused: Refused, form: str) -> None:
    file = tmp_path / form
    save(small, file)
    whole = file.read_bytes()
    for end in (12, 100, 2000, len(whole) // 2, len(whole) - 100):
        file.write_bytes(whole[:end])
        assert str(file) in refused(file)


def test_damage_anywhere_never_ends_in_another_kind_of_error(small: Any, tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    for form, times in (("model.h5", 12), ("model.weights.h5", 8), ("model.keras", 4)):
        file = tmp_path / form
        save(small, file)
        whole = bytearray(file.read_bytes())
        for _ in range(times):
            broken = bytearray(whole)
            for at in random.integers(0, min(len(whole), 12_000), 8):
                broken[at] ^= int(random.integers(1, 256))
            file.write_bytes(broken)
            with contextlib.suppress(ModelFileError):
                foreign.read(file)


@pytest.mark.parametrize("program", ["import time; time.sleep(60)", "import os; os.abort()", "print('half')"])
def test_a_library_that_does_not_come_back_is_stopped(
    small: Any, tmp_path: Path, refused: Refused, monkeypatch: pytest.MonkeyPatch, program: str
) -> None:
    """HDF5's loops forever on some damaged files, and crashes on others."""
    child = tmp_path / "child.py"
    child.write_text(program)
    monkeypatch.setattr(keras_read, "CHILD", child)
    monkeypatch.setattr(keras_read, "PATIENCE", 0.5)
    for form in ("model.h5", "model.keras"):
        save(small, tmp_path / form)
        assert "is damaged: HDF5's library broke off while reading it" in refused(tmp_path / form)


def test_archives_of_other_things_are_refused(tmp_path: Path, refused: Refused) -> None:
    file = tmp_path / "other.keras"
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("config.json", "{}")
    assert "lacks model.weights.h5: no .keras archive" in refused(file)
    empty = io.BytesIO()
    h5py.File(empty, "w").close()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("config.json", "[" * 100_000)
        archive.writestr("model.weights.h5", empty.getvalue())
    assert "configuration that is no JSON" in refused(file)
