"""Two variants side by side."""

import pytest

from alexnet.errors import UsageError
from alexnet.models.difference import compare
from alexnet.models.variants import VARIANTS


def differing(left: str, right: str) -> list[tuple[str, str]]:
    return [(line.kind, line.name) for line in compare(left, right) if line.kind != "same"]


def test_bvlc_and_caffenet_differ_in_the_order_of_pool_and_norm() -> None:
    lines = differing("bvlc", "caffenet")
    assert [name for kind, name in lines if kind == "changed"] == ["start", "published accuracy"]
    assert [name for kind, name in lines if kind == "sized"] == ["norm1", "norm2"]
    assert [name for kind, name in lines if kind == "left"] == ["pool1", "pool2"]
    assert [name for kind, name in lines if kind == "right"] == ["pool1", "pool2"]


def test_onnx_zoo_is_bvlc_with_other_sizes() -> None:
    names = [name for _, name in differing("bvlc", "onnx-zoo")]
    assert names[0] == "input"
    assert {"conv1", "relu1", "norm1"} <= set(names)
    assert not {"conv2", "fc6"} & set(names)


def test_a_stage_that_one_lacks() -> None:
    lines = compare("paper-run", "paper-conv6")
    extra = [line for line in lines if line.kind == "right"]
    assert [line.name for line in extra] == ["conv6", "relu_conv6"]
    assert extra[0].right == "conv 256@3×3 pad 1 → 256×6×6, 590,080"
    assert extra[0].left == ""


@pytest.mark.parametrize("name", VARIANTS)
def test_a_variant_is_itself(name: str) -> None:
    lines = compare(name, name)
    assert {line.kind for line in lines} == {"same"}
    assert len(lines) > 8


def test_both_sides_hold_all_layers() -> None:
    for left in ("slim-v2", "cvgj", "keras-blog", "notebook-mnist"):
        lines = compare(left, "paper")
        from alexnet.models.summary import summarise

        ours = [line.name for line in lines if line.left and line.kind != "right" and " → " in line.left]
        named = {row.name for row in summarise(left).rows}
        assert len(ours) == len(named), left


def test_unknown_names() -> None:
    with pytest.raises(UsageError, match="Did you mean 'paper'"):
        compare("paper", "papr")
