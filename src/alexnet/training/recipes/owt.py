"""owt: the single tower of "One weird trick", as cuda-convnet2 trained it on one card.

Source: akrizhevsky/cuda-convnet2, `layers/layer-params-imagenet-1gpu.cfg` and the wiki's TrainingExample:
weights at dexp[base=.01; tgtFactor=250; numSteps=4], which is ×250^(-1/3) after 25, 50 and 75 % of the run, biases
at dexp[base=.02; tgtFactor=10; numSteps=2], ÷10 at its half.
    alexnet train path/to/imagenet --recipe owt
    expected: 40.42 / 18.15 % errors, top-1 / top-5, on ILSVRC-2012's validation part with ten views; 42.55 / 19.81
    with the centre alone (--set views=1)
    cost: 90 epochs of 10,010 steps; then 87 hours on one card (from the wiki: 8.4 s for 3,072 pictures)

Departures: docs/recipes.md lists them. The largest: a mean colour is taken out, not a mean picture.
"""

from alexnet.data.augment import Augment
from alexnet.training.optimizers import Optimizer
from alexnet.training.recipe import Recipe
from alexnet.training.schedules import Schedule

_PICTURES = Recipe(
    name="owt",
    model="owt",
    resize="crop",
    margin=256 / 224,
    values="centred",
    epochs=90,
    batch_size=128,
    optimizer=Optimizer(name="paper", lr=0.01, bias_lr=2.0, momentum=0.9, weight_decay=5e-4),
    schedule=Schedule(name="steps", drops_at=(0.25, 0.5, 0.75), drop=250 ** (-1 / 3)),
    bias_schedule=Schedule(name="steps", drops_at=(0.5,), drop=0.1),
    augment=Augment(crop="random", flip=True, colour_noise=0.1, colour_noise_reading="cuda-convnet"),
    keep="last",
    views=10,
)

FORMS = {"folder": _PICTURES}
