"""A running average of the weights: steadier than the weights themselves, and at the end mostly better.

Source: B. Polyak, A. Juditsky, 1992; with exponential decay as in C. Szegedy et al., Rethinking the Inception
Architecture, 2016. The averaging itself is PyTorch's `torch.optim.swa_utils`.
"""

from typing import Any, cast

from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from alexnet.models.network import AlexNet


class Average:
    """The network that is judged and kept: an average of the one that is trained, or that one itself."""

    def __init__(self, network: AlexNet, decay: float | None) -> None:
        """`decay` is the share of the average that a step keeps; None: no average, `network` itself is judged."""
        self._trained = network
        self._averaged: AveragedModel | None = None
        if decay is not None:
            rule = get_ema_multi_avg_fn(decay)  # type: ignore[no-untyped-call]
            self._averaged = AveragedModel(network, multi_avg_fn=rule, use_buffers=True)

    def update(self) -> None:
        """After a step: weights, and the running statistics of batch norm, go into the average."""
        if self._averaged is not None:
            self._averaged.update_parameters(self._trained)

    @property
    def network(self) -> AlexNet:
        """What is judged and kept."""
        return self._trained if self._averaged is None else cast(AlexNet, self._averaged.module)

    def state_dict(self) -> dict[str, Any] | None:
        """For a checkpoint; None where there is no average."""
        return None if self._averaged is None else self._averaged.state_dict()

    def load_state_dict(self, state: dict[str, Any] | None) -> None:
        """Back from a checkpoint."""
        if self._averaged is not None and state is not None:
            self._averaged.load_state_dict(state)
