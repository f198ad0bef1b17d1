"""Which way a settled convolution takes, and that weights are laid out once for each."""

import gc
import weakref

import pytest
import torch
from torch import nn

from alexnet.models.modules import PaddedConv2d
from alexnet.models.settled import SettledConvolution
from alexnet.models.strips import Strips
from alexnet.models.winograd import Tiles

pytestmark = pytest.mark.skipif(not torch.backends.mkldnn.is_available(), reason="oneDNN is not there")  # type: ignore[no-untyped-call]


@pytest.fixture
def ways(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What has answered, on a processor with AVX2 alone, whatever this one has."""
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX2")
    taken: list[str] = []
    for kind, name in ((Strips, "strips"), (Tiles, "tiles")):
        real = kind.__call__

        def noted(self: object, *given: object, real: object = real, name: str = name, **named: object) -> object:
            taken.append(name)
            return real(self, *given, **named)  # type: ignore[operator]

        monkeypatch.setattr(kind, "__call__", noted)
    return taken


def settled(layer: nn.Conv2d, *, rectified: bool = False) -> SettledConvolution:
    assert layer.bias is not None
    return SettledConvolution(layer, layer.weight, layer.bias, torch.float32, rectified=rectified)


@pytest.mark.parametrize("rectified", [False, True])
@pytest.mark.parametrize(
    ("layer", "side", "count", "expected"),
    [
        (nn.Conv2d(256, 256, 3, padding=1), 13, 1, ["strips"]),
        (nn.Conv2d(256, 256, 3, padding=1), 13, 8, ["tiles"]),
        (nn.Conv2d(512, 512, 3, padding=1, groups=2), 13, 1, ["strips"]),
        (PaddedConv2d(256, 256, 3, 1, (1, 1, 1, 1)), 13, 1, ["strips"]),
        (PaddedConv2d(256, 256, 3, 1, (1, 2, 0, 1)), 13, 8, ["tiles"]),
        (nn.Conv2d(256, 256, 3, padding=1), 6, 1, []),
        (nn.Conv2d(256, 256, 3, padding=1, stride=2), 27, 1, []),
        (nn.Conv2d(256, 256, 3, padding=1, dilation=2), 13, 1, []),
        (nn.Conv2d(64, 192, 5, padding=2), 27, 1, ["tiles"]),
        (nn.Conv2d(3, 64, 11, 4, padding=2), 224, 1, []),
        (nn.Conv2d(32, 32, 3), 13, 1, []),
        (nn.Conv2d(32, 32, 3), 13, 0, []),
    ],
)
@torch.inference_mode()
def test_the_fastest_way_is_taken(
    layer: nn.Conv2d, side: int, count: int, expected: list[str], rectified: bool, ways: list[str]
) -> None:
    pictures = torch.rand(count, layer.in_channels, side, side).contiguous(memory_format=torch.channels_last)
    found, pytorchs = settled(layer, rectified=rectified)(pictures), layer(pictures)
    pytorchs = pytorchs.relu() if rectified else pytorchs
    assert ways == expected
    assert float((found - pytorchs).norm()) <= 1e-5 * float(pytorchs.norm())


@pytest.mark.parametrize("count", [1, 2, 8])
@torch.inference_mode()
def test_it_goes_when_nobody_needs_it_any_more(count: int, ways: list[str]) -> None:
    """Without the collector of cycles, which leaves hundreds of megabytes standing for a while."""
    layer = settled(nn.Conv2d(256, 256, 3, padding=1))
    layer(torch.rand(count, 256, 13, 13))
    watched = weakref.ref(layer)
    gc.disable()
    try:
        del layer
        assert watched() is None
    finally:
        gc.enable()


@torch.inference_mode()
def test_weights_have_an_order_for_one_picture_and_one_for_several(monkeypatch: pytest.MonkeyPatch) -> None:
    layer = nn.Conv2d(16, 16, 3, padding=1)
    one = settled(layer)
    asked: list[list[int]] = []
    real = torch.ops.mkldnn._reorder_convolution_weight

    def noted(*given: object) -> torch.Tensor:
        asked.append(list(given[-1]))  # type: ignore[call-overload]
        made: torch.Tensor = real(*given)
        return made

    monkeypatch.setattr(torch.ops.mkldnn, "_reorder_convolution_weight", noted)
    for count in (1, 2, 3, 64, 2, 1):
        pictures = torch.rand(count, 16, 12, 12)
        assert torch.allclose(one(pictures), layer(pictures), atol=1e-5)
    assert asked == [[1, 16, 12, 12], [2, 16, 12, 12]]
