import dataclasses

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from alexnet.errors import UsageError
from alexnet.export import onnx_model
from alexnet.models.initial import Fill, Init
from alexnet.models.layers import LRN, AdaptiveAveragePool, Conv, Dense, Dropout, Layer
from alexnet.models.network import AlexNet
from alexnet.models.variants import VARIANTS, Variant
from tests.export.conftest import lively, noise

CLASSES = 7
Stages = dict[str, tuple[Layer, ...]]
PLAIN = Init(Fill("normal", 0.01))


def narrowed(variant: Variant) -> Variant:
    """The same geometry with 32 units in each dense layer, since these take all the time."""
    stages = {
        stage: tuple(Dense(32) if isinstance(layer, Dense) and layer.units else layer for layer in layers)
        for stage, layers in variant.stages.items()
    }
    return dataclasses.replace(variant, stages=stages)


def both(network: AlexNet, batch: torch.Tensor) -> tuple[np.ndarray, np.ndarray]:
    """Logits by PyTorch and by onnxruntime."""
    model = onnx_model.of_network(network)
    onnx.checker.check_model(model, full_check=True)
    session = onnxruntime.InferenceSession(model.SerializeToString())
    with torch.inference_mode():
        ours = network.eval()(batch).numpy()
    return ours, session.run(None, {"batch": batch.numpy()})[0]


@pytest.mark.fault("E18")
@pytest.mark.parametrize("variant", VARIANTS.values(), ids=lambda variant: variant.name)
def test_every_published_network_gives_the_same_logits(variant: Variant) -> None:
    network = lively(AlexNet(narrowed(variant), CLASSES, variant.input)).eval()
    side = variant.preprocess.resize_to
    pictures = np.stack([variant.preprocess.fit(noise(side, side + 40, seed)) for seed in range(2)])
    batch = variant.preprocess.test_views(torch.from_numpy(pictures).permute(0, 3, 1, 2))[0].contiguous()
    ours, theirs = both(network, batch)
    assert np.abs(ours).max() > 0.05
    np.testing.assert_allclose(theirs, ours, rtol=0, atol=2e-5 * np.abs(ours).max())


@pytest.mark.parametrize("side", [3, 6, 7])
def test_adaptive_pooling_divides_any_length(side: int) -> None:
    stages: Stages = {"conv1": (Conv(4, 3), AdaptiveAveragePool(side)), "fc2": (Dense(None),)}
    variant = dataclasses.replace(VARIANTS["torchvision"], stages=stages, init=PLAIN)
    network = lively(AlexNet(variant, CLASSES, (3, 9, 13))).eval()  # maps of 7 × 11
    ours, theirs = both(network, torch.randn(3, 3, 9, 13, generator=torch.Generator().manual_seed(0)))
    np.testing.assert_allclose(theirs, ours, rtol=0, atol=1e-5 * np.abs(ours).max())


@pytest.mark.fault("E18")
def test_dropout_is_off_whatever_mode_the_network_is_in() -> None:
    network = lively(AlexNet(narrowed(VARIANTS["torchvision"]), CLASSES, VARIANTS["torchvision"].input))
    network.train()
    model = onnx_model.of_network(network)
    assert not {"Dropout", "RandomNormal", "Bernoulli"} & {node.op_type for node in model.graph.node}
    session = onnxruntime.InferenceSession(model.SerializeToString())
    batch = torch.randn(2, *network.input_shape, generator=torch.Generator().manual_seed(0))
    once, again = (session.run(None, {"batch": batch.numpy()})[0] for _ in range(2))
    np.testing.assert_array_equal(once, again)
    with torch.inference_mode():
        ours = network.eval()(batch).numpy()
    np.testing.assert_allclose(once, ours, rtol=0, atol=2e-5 * np.abs(ours).max())


def test_weights_keep_their_names() -> None:
    network = AlexNet(narrowed(VARIANTS["notebook-flowers"]), CLASSES, (3, 224, 224))
    names = {tensor.name for tensor in onnx_model.of_network(network).graph.initializer}
    assert {name for name in network.state_dict() if "num_batches" not in name} <= names


def test_a_window_of_an_even_number_of_maps_is_refused() -> None:
    stages: Stages = {"conv1": (Conv(4, 3), LRN(4, 1e-4, 0.75, k=2)), "fc2": (Dropout(0.5), Dense(None))}
    network = AlexNet(dataclasses.replace(VARIANTS["paper"], stages=stages, init=PLAIN), CLASSES, (3, 9, 9))
    with pytest.raises(UsageError, match="norm1 normalises over 4 maps"):
        onnx_model.of_network(network)
