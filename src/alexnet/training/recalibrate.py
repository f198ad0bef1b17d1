"""Batch-norm statistics measured anew: without a training step, and without touching a weight."""

from dataclasses import replace

import torch

from alexnet.data.batches import Batches
from alexnet.device import Precision, autocast
from alexnet.models.modules import batch_norms
from alexnet.models.network import AlexNet
from alexnet.preprocess import Preprocess
from alexnet.progress import Display


def recalibrate(
    network: AlexNet, batches: Batches, preprocess: Preprocess, display: Display, precision: Precision = "float32"
) -> int:
    """Set every running mean and variance to the average over `batches`; returns the number of pictures seen.

    The pictures are those of the training part, un-augmented (the central view); dropout is off; each batch counts
    the same. What training leaves behind instead is an average that starts at mean 0 and variance 1, still holds
    (1 - momentum)^steps of that start, and lags behind the weights for the rest.

    The momentum of each module and the mode of the network are as before afterwards.
    """
    norms = list(batch_norms(network).values())
    momenta = [norm.momentum for norm in norms]
    training = network.training
    centre = replace(preprocess, views=1)
    network.eval()
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # a cumulative average
        norm.train()
    seen = 0
    try:
        with display.bar("statistics", len(batches), "steps") as bar:
            for batch in batches.epoch():
                with torch.inference_mode(), autocast(batches.device, precision):
                    network(centre.test_views(batch.pixels)[0])
                seen += len(batch.labels)
                bar.advance()
    finally:
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
        network.train(training)
    return seen
