"""What the kept weights go through before they are judged: statistics measured anew, logits brought to scale."""

from typing import Any

from alexnet.data.batches import Batches
from alexnet.judging.calibration import fit_temperature
from alexnet.models.modules import batch_norms
from alexnet.models.network import AlexNet
from alexnet.preprocess import Preprocess
from alexnet.progress import Display
from alexnet.training.recalibrate import recalibrate
from alexnet.training.recipe import Recipe

FACTS = ("statistics_over", "temperature")
"""What `settle` may find: pictures that the statistics were measured on, and the temperature."""


def settle(
    network: AlexNet,
    train: Batches,
    held_out: Batches | None,
    preprocess: Preprocess,
    recipe: Recipe,
    display: Display,
) -> dict[str, Any]:
    """Do to `network` what the recipe wants; returns what was found, see `FACTS`.

    `held_out` are pictures that were neither trained on nor are the test part; the temperature is fitted on them.
    """
    facts: dict[str, Any] = {}
    if recipe.recalibrate and batch_norms(network):
        facts["statistics_over"] = recalibrate(network, train, preprocess, display)
        display.say(f"batch-norm statistics measured anew on {facts['statistics_over']:,} training pictures")
    temperature = recipe.temperature
    if temperature == "fitted":
        temperature = 1.0 if held_out is None else fit_temperature(network, held_out, preprocess)
    if temperature != 1.0:
        network.cool(temperature)
        facts["temperature"] = temperature
        where = f"fitted on {len(held_out.indices):,} validation pictures" if held_out else "from the recipe"
        display.say(f"temperature {temperature:.3f}, {where}: the logits are divided by it")
    return facts
