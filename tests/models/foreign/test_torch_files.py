"""PyTorch checkpoints: torchvision's own network, every wrapping that is met in the wild, and files that mean harm."""

import contextlib
import os
import pickle
import zipfile
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from torch import Tensor, nn

from alexnet.errors import ModelFileError
from alexnet.models import foreign
from alexnet.models.foreign import torch_files
from tests.models.foreign import torchvision_alexnet
from tests.models.foreign.conftest import Refused, answer, made, picture

CLASSES = 9


@pytest.fixture(scope="module")
def theirs() -> nn.Module:
    """torchvision's network with random weights."""
    torch.manual_seed(0)
    return torchvision_alexnet.network(CLASSES).eval()


@pytest.fixture(scope="module")
def batch() -> Tensor:
    return picture((3, 224, 224))


@pytest.fixture(scope="module")
def expected(theirs: nn.Module, batch: Tensor) -> Tensor:
    with torch.no_grad():
        logits: Tensor = theirs(batch)
    assert logits.std() > 0.003, "the answers must differ for the comparison to mean something"
    return logits


# ---- torchvision, both ways ----------------------------------------------------------------------------------


@pytest.mark.parametrize("zipped", [True, False])
def test_torchvisions_weights_give_torchvisions_answers(
    theirs: nn.Module, batch: Tensor, expected: Tensor, tmp_path: Path, zipped: bool
) -> None:
    file = tmp_path / "alexnet-owt.pth"
    torch.save(theirs.state_dict(), file, _use_new_zipfile_serialization=zipped)
    assert zipfile.is_zipfile(file) is zipped
    matched = foreign.read(file)
    assert matched.card.variant == "torchvision"
    assert "owt" in matched.notes[0]
    assert (answer(matched.state, "torchvision", batch, CLASSES) - expected).abs().max() < 1e-6
    preprocess = matched.card.preprocess
    assert (preprocess.size, preprocess.resize_to, preprocess.resize) == (224, 256, "crop")
    assert (preprocess.mean, preprocess.std) == ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


def test_weights_written_for_torchvision_load_there_and_give_our_answers(batch: Tensor, tmp_path: Path) -> None:
    ours = made("torchvision", seed=5, num_classes=CLASSES)
    file = tmp_path / "ours.pth"
    assert torch_files.write(file, ours.state_dict(), "torchvision") == "torchvision's names"
    network = torchvision_alexnet.network(CLASSES).eval()
    table = torch.load(file, weights_only=True)
    assert list(table) == list(network.state_dict())
    network.load_state_dict(table)
    with torch.no_grad():
        assert (network(batch) - ours(batch)).abs().max() < 1e-6


def test_other_variants_keep_our_names_and_come_back(tmp_path: Path) -> None:
    ours = made("notebook-mnist")
    file = tmp_path / "small.pth"
    assert "torchvision has no such network" in torch_files.write(file, ours.state_dict(), "notebook-mnist")
    matched = foreign.read(file)
    assert matched.card.variant == "notebook-mnist"
    assert all(torch.equal(tensor, matched.state[name]) for name, tensor in ours.state_dict().items())


# ---- names and wrappings -------------------------------------------------------------------------------------


def wrapped(table: dict[str, Tensor], form: str) -> Any:
    optimizer = {"state": {0: {"momentum_buffer": torch.zeros(3)}}, "param_groups": [{"lr": 0.1}]}
    forms: dict[str, Any] = {
        "parallel": {f"module.{name}": tensor for name, tensor in table.items()},
        "trainer": {"epoch": 3, "arch": "alexnet", "optimizer": optimizer, "state_dict": table, "best_acc1": 0.5},
        "lightning": {
            "pytorch-lightning_version": "2.4.0",
            "optimizer_states": [optimizer],
            "state_dict": {"loss.weight": torch.ones(3)}
            | {f"net.backbone.{name}": tensor for name, tensor in table.items()},
        },
        "model": {"model": {f"module.{name}": tensor for name, tensor in table.items()}, "optimizer": optimizer},
        "parameters": {name: nn.Parameter(tensor) for name, tensor in table.items()},
    }
    return forms[form]


@pytest.mark.parametrize("form", ["parallel", "trainer", "lightning", "model", "parameters"])
def test_wrappings_are_taken_off(tmp_path: Path, form: str) -> None:
    table = dict(made("notebook-mnist").state_dict())
    torch.save(wrapped(table, form), tmp_path / "wrapped.pt")
    matched = foreign.read(tmp_path / "wrapped.pt")
    assert matched.card.variant == "notebook-mnist"
    assert all(torch.equal(tensor, table[name]) for name, tensor in matched.state.items())


def renamed(state: dict[str, Tensor], modules: list[str]) -> dict[str, Tensor]:
    stages = list(dict.fromkeys(name.partition(".")[0] for name in state))
    return {f"{modules[stages.index(name.partition('.')[0])]}.{name.partition('.')[2]}": t for name, t in state.items()}


DANSUH = [*(f"net.{index}" for index in (0, 4, 8, 10, 12)), *(f"classifier.{index}" for index in (1, 4, 6))]
CV = [
    *(f"features.stage{stage}.unit{unit}.conv" for stage, unit in ((1, 1), (2, 1), (3, 1), (3, 2), (3, 3))),
    *("output.fc1.fc", "output.fc2.fc", "output.fc3"),
]


@pytest.mark.parametrize(
    ("modules", "variant", "said"),
    [(DANSUH, "ungrouped", "dansuh17's"), (CV, "ungrouped", "pytorchcv's"), (CV, "torchvision", "pytorchcv's")],
)
def test_other_names_are_known(tmp_path: Path, modules: list[str], variant: str, said: str) -> None:
    state = dict(made(variant, num_classes=CLASSES).state_dict())
    torch.save(renamed(state, modules), tmp_path / "renamed.pth")
    matched = foreign.read(tmp_path / "renamed.pth")
    assert matched.card.variant == variant
    assert said in matched.form
    assert all(torch.equal(tensor, state[name]) for name, tensor in matched.state.items())


def test_unknown_names_need_a_model_and_are_then_taken_in_their_order(tmp_path: Path, refused: Refused) -> None:
    state = dict(made("notebook-mnist").state_dict())
    torch.save(renamed(state, ["a", "b", "head.0", "head.1"]), tmp_path / "own.pth")
    text = refused(tmp_path / "own.pth")
    assert "its tensors are called a.weight, a.bias, b.weight, ...: none of the names known here" in text
    assert "Its shapes are those of notebook-mnist: take one of them with --model" in text
    matched = foreign.read(tmp_path / "own.pth", "notebook-mnist")
    loaded, card = matched.state, matched.card
    assert card.variant == "notebook-mnist"
    assert all(torch.equal(tensor, state[name]) for name, tensor in loaded.items())


def test_batch_norm_without_its_counter_is_complete(tmp_path: Path) -> None:
    """Checkpoints of PyTorch before 0.4.1 have none."""
    state = dict(made("notebook-flowers").state_dict())
    table = {name: tensor for name, tensor in state.items() if not name.endswith("num_batches_tracked")}
    torch.save({name: tensor.half() for name, tensor in table.items()}, tmp_path / "half.pth")
    matched = foreign.read(tmp_path / "half.pth")
    loaded, card = matched.state, matched.card
    assert card.variant == "notebook-flowers"
    assert loaded.keys() == state.keys()
    assert all(tensor.dtype == torch.float32 for name, tensor in loaded.items() if "tracked" not in name)
    assert torch.equal(loaded["bn1.running_var"], state["bn1.running_var"].half().float())


def test_safetensors_of_others_are_read(theirs: nn.Module, batch: Tensor, expected: Tensor, tmp_path: Path) -> None:
    table = {name: tensor.clone() for name, tensor in theirs.state_dict().items()}
    safetensors.torch.save_file(table, tmp_path / "hub.safetensors", metadata={"format": "pt"})
    matched = foreign.read(tmp_path / "hub.safetensors")
    state, card = matched.state, matched.card
    assert card.variant == "torchvision"
    assert (answer(state, "torchvision", batch, CLASSES) - expected).abs().max() < 1e-6


# ---- what does not fit -----------------------------------------------------------------------------------------


def test_the_first_mismatch_is_named(theirs: nn.Module, tmp_path: Path, refused: Refused) -> None:
    table = dict(theirs.state_dict())
    file = tmp_path / "odd.pth"
    torch.save(table | {"features.3.weight": torch.zeros(192, 64, 3, 3)}, file)
    assert "features.3.weight is (192, 64, 3, 3), (192, 64, 5, 5) is expected (conv2.weight)" in refused(file)
    torch.save({name: tensor for name, tensor in table.items() if name != "classifier.4.bias"}, file)
    assert "fc7.bias is missing in classifier.4, (4096,) is expected" in refused(file)
    torch.save(table | {"classifier.8.weight": torch.zeros(2, CLASSES)}, file)
    assert "classifier.8.weight is (2, 9), nothing is expected there" in refused(file)
    torch.save(table, file)
    text = refused(file, "--model", "bvlc")
    assert "does not fit bvlc: features.0.weight is (64, 3, 11, 11), (96, 3, 11, 11) is expected" in text
    assert "take one of them with --model" in text
    assert "Did you mean 'torchvision'?" in refused(file, "--model", "torchvison", code=2)
    torch.save({name: tensor.to(torch.int8) for name, tensor in table.items()}, file)
    assert "holds torch.int8 values" in refused(file)


def test_tensors_without_their_numbers_are_not_seen(tmp_path: Path, refused: Refused) -> None:
    """One number that claims to be a billion takes no room in a file, and all memory when it is copied."""
    table = dict(made("notebook-mnist").state_dict())
    hollow = {"fc4.weight": torch.zeros(1, 1).expand(10**9, 128), "fc4.bias": torch.zeros(1).expand(10**9)}
    torch.save(table | hollow, tmp_path / "hollow.pth")
    assert "fc4.weight is missing, (10, 128) is expected" in refused(
        tmp_path / "hollow.pth", "--model", "notebook-mnist"
    )
    torch.save(table | {"fc4.weight": torch.zeros(10, 128).to_sparse()}, tmp_path / "sparse.pth")
    assert "fc4.weight is missing" in refused(tmp_path / "sparse.pth", "--model", "notebook-mnist")


@pytest.mark.filterwarnings("ignore:.*torch.jit.*:DeprecationWarning")
def test_other_things_that_were_saved_are_refused(tmp_path: Path, refused: Refused) -> None:
    file = tmp_path / "thing.pth"
    torch.save([1, 2, 3], file)
    assert "no table of named tensors (list)" in refused(file)
    torch.save({"epoch": 3}, file)
    assert "no table of named tensors" in refused(file)
    torch.save(nn.Linear(2, 2), file)
    assert "asks for torch.nn.modules.linear.Linear, which could be made to run: nothing was run" in refused(file)
    torch.jit.trace(nn.Linear(2, 2), torch.zeros(1, 2)).save(str(file))  # type: ignore[no-untyped-call]
    assert "TorchScript program" in refused(file)


class Touch:
    """Makes a file when it is unpickled."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> Any:
        return os.system, (f"touch {self.target}",)


@pytest.mark.parametrize("zipped", [True, False])
def test_a_checkpoint_that_means_harm_runs_nothing(tmp_path: Path, refused: Refused, zipped: bool) -> None:
    target, file = tmp_path / "ran", tmp_path / "harm.pth"
    content = {"conv1.weight": torch.zeros(2), "note": Touch(target)}
    torch.save(content, file, _use_new_zipfile_serialization=zipped)
    assert f"{file} asks for {os.system.__module__}.system, which could be made to run: nothing was run" in refused(
        file
    )
    assert not target.exists()
    torch.load(file, weights_only=False)  # the payload does work where files are trusted
    assert target.exists()


def test_a_bare_pickle_runs_nothing(tmp_path: Path, refused: Refused) -> None:
    target, file = tmp_path / "ran", tmp_path / "harm.pth"
    file.write_bytes(pickle.dumps({"weights": Touch(target)}))
    refused(file)
    assert not target.exists()


@pytest.mark.parametrize("zipped", [True, False])
def test_a_checkpoint_cut_short_is_refused(tmp_path: Path, refused: Refused, zipped: bool) -> None:
    file = tmp_path / "cut.pth"
    torch.save(made("notebook-mnist").state_dict(), file, _use_new_zipfile_serialization=zipped)
    whole = file.read_bytes()
    for end in (20, 100, 1000, len(whole) // 2, len(whole) - 30):
        file.write_bytes(whole[:end])
        assert str(file) in refused(file)
    for at in range(0, 2000, 37):  # one byte turned
        file.write_bytes(whole[:at] + bytes([whole[at] ^ 0xFF]) + whole[at + 1 :])
        with contextlib.suppress(ModelFileError):
            foreign.read(file)


def test_an_archive_that_claims_more_than_it_has_is_not_opened(tmp_path: Path, refused: Refused) -> None:
    file = tmp_path / "bomb.pth"
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", b"\x80\x02}.")
        archive.writestr("archive/data/0", b"\0" * 50_000_000)
    assert "claims to hold 50,000,0" in refused(file)
