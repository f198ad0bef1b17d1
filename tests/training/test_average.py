"""The average of the weights against a plain loop; batch-norm statistics go into it as well."""

import torch

from alexnet.models.network import AlexNet
from alexnet.training.average import Average
from tests.training.test_recalibrate import small


def stepped(network: AlexNet, number: int) -> None:
    with torch.no_grad():
        for tensor in (*network.parameters(), *network.buffers()):
            if tensor.is_floating_point():
                tensor.add_(number)


def test_without_a_decay_it_is_the_network_itself() -> None:
    network = small(biased=False)
    average = Average(network, None)
    average.update()
    assert average.network is network


def test_the_average_is_that_of_a_plain_loop() -> None:
    network = small(biased=False)
    average = Average(network, 0.9)
    expected: dict[str, torch.Tensor] = {}
    for number in range(1, 6):
        stepped(network, number)
        average.update()
        for name, tensor in network.state_dict().items():
            if tensor.is_floating_point():
                before = expected.get(name)
                expected[name] = tensor.clone() if before is None else 0.9 * before + 0.1 * tensor
    kept = average.network.state_dict()
    assert "bn1.running_mean" in expected
    for name, tensor in expected.items():
        torch.testing.assert_close(kept[name], tensor)
        assert not torch.equal(kept[name], network.state_dict()[name])
