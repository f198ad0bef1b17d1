"""torchvision: the reference script's recipe, behind `alexnet-owt-7be5be79.pth`.

Source: pytorch/vision, `references/classification/README.md` (--model alexnet --lr 1e-2, eight cards of 32 pictures),
`train.py` (its defaults: 90 epochs, momentum 0.9, decay 1e-4 of all parameters, ÷10 every 30 epochs), `presets.py`.
    alexnet train path/to/imagenet --recipe torchvision
    expected: 56.52 / 79.07 % right, top-1 / top-5, on ILSVRC-2012's validation part, centre crop (IMAGENET1K_V1)
    cost: 90 epochs of 5,005 steps; eight V100, the time is not published

Departures: docs/recipes.md lists them. The largest: random crops are cut from the central 256 × 256 pixels, not from
the whole picture.
"""

from alexnet.data.augment import Augment
from alexnet.training.optimizers import Optimizer
from alexnet.training.recipe import Recipe
from alexnet.training.schedules import Schedule

_PICTURES = Recipe(
    name="torchvision",
    model="torchvision",
    resize="crop",
    margin=256 / 224,
    values="standardised",
    epochs=90,
    batch_size=256,
    optimizer=Optimizer(name="sgd", lr=0.01, momentum=0.9, nesterov=False, weight_decay=1e-4, bias_decay=True),
    schedule=Schedule(name="steps", drops_at=(30 / 90, 60 / 90), drop=0.1),
    augment=Augment(crop_area=(0.08, 1.0), crop_ratio=(3 / 4, 4 / 3), flip=True),
    keep="last",
)

FORMS = {"folder": _PICTURES}
