"""paper: how the 2012 network was trained: momentum with the rate inside, three drops, crops, mirrors, coloured noise.

Sources: A. Krizhevsky, I. Sutskever, G. Hinton, ImageNet Classification with Deep Convolutional Neural Networks,
NIPS 2012, sections 2, 4, 5; and, where the text is silent, computerhistory/AlexNet-Source-Code,
`layers/layer-params-145-2010.cfg` (run #145 on ILSVRC-2010; `layer-params-145.cfg` is the same on ILSVRC-2012; they
are behind the paper's figures), `convdata_jpeg.py`, `src/weights.cu`.
    alexnet train path/to/imagenet --recipe paper                        the network as the text has it
    alexnet train path/to/imagenet --recipe paper --model paper-run      as run #145 had it
    expected: 40.7 / 18.2 % errors, top-1 / top-5, on ILSVRC-2012's validation part with ten views (#145, whose rate
    dropped after 25, 51 and 79 of 91 epochs: 40.66 / 18.21); on ILSVRC-2010's test part 37.5 / 17.0 with ten views and
    39.0 / 18.3 with the centre alone
    cost: 93 epochs of 10,010 steps; then five to six days on two GTX 580, about 11 GPU-days

Three choices between readings, each one `--set` away. *When the rate drops:* by hand in 2012; here where run #145
dropped it on ILSVRC-2010, after 23, 51 and 78 of 93 epochs (schedule.name=plateau: when the validation error stops
improving). *Colour noise:* the program's (standard deviations, then everything divided by 1.1), since that program made
the figures; the text's eigenvalues are half as strong (augment.colour_noise_reading=paper). *Biases* at twice the rate
and without decay, as run #145 had it until its first drop; the text has one rate for all (optimizer.bias_lr=1).

Departures: docs/recipes.md lists them. The largest: a mean colour is taken out, not a mean picture.
"""

from alexnet.data.augment import Augment
from alexnet.training.optimizers import Optimizer
from alexnet.training.recipe import Recipe
from alexnet.training.schedules import Schedule

_PICTURES = Recipe(
    name="paper",
    model="paper",
    resize="crop",  # the shorter side to 256, the central square, then 224 of it
    margin=256 / 224,
    values="centred",
    epochs=93,
    batch_size=128,
    optimizer=Optimizer(name="paper", lr=0.01, bias_lr=2.0, momentum=0.9, weight_decay=5e-4),
    schedule=Schedule(name="steps", drops_at=(23 / 93, 51 / 93, 78 / 93), drop=0.1, most_drops=3),
    augment=Augment(crop="random", flip=True, colour_noise=0.1, colour_noise_reading="cuda-convnet"),
    keep="last",
    views=10,
)

FORMS = {"folder": _PICTURES}
