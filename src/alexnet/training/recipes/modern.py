"""modern: the same networks, trained as one would today; from scratch, on the given pictures alone.

Validation is cut from the training part; the test part is for `alexnet val --split test`. On digits and MNIST the best
epoch is kept, on colour pictures the last one: a hundred validation pictures choose an epoch by luck.

digits:     alexnet train                   seconds on two cores
mnist:      alexnet train mnist             12 epochs, minutes
flowers17:  alexnet train flowers17         100 epochs, within half an hour
a folder:   alexnet train path/to/folder    100 epochs
Measured results stand in docs/results.md.

What differs from `notebook`, and why: AdamW with a rate that rises, then falls to zero (Adadelta at 0.001
hardly moves); batch-norm averages over some ten steps instead of a hundred (with a hundred, the statistics
used for evaluation lag behind the weights); augmentation, label smoothing and, on colour pictures, mixup and a strong
weight decay against over-fitting; a temperature fitted on validation, so that a score says how often such answers are
right.
"""

from alexnet.data.augment import Augment
from alexnet.data.mixing import Mixing
from alexnet.training.optimizers import Optimizer
from alexnet.training.recipe import Recipe
from alexnet.training.schedules import Schedule

_DIGITS = Recipe(
    name="modern",
    model="notebook-mnist",
    epochs=30,
    batch_size=64,
    optimizer=Optimizer(name="adamw", lr=2e-3, weight_decay=0.01, epsilon=1e-8),
    schedule=Schedule(name="cosine", warmup=1),
    augment=Augment(rotate=10, translate=0.08, zoom=0.1),
    label_smoothing=0.05,
    val_split=0.15,
    temperature="fitted",
)

_MNIST = Recipe(
    name="modern",
    model="notebook-mnist",
    epochs=12,
    batch_size=128,
    optimizer=Optimizer(name="adamw", lr=2e-3, weight_decay=0.01, epsilon=1e-8),
    schedule=Schedule(name="cosine", warmup=0.5),
    augment=Augment(rotate=10, translate=0.07, zoom=0.1),
    label_smoothing=0.05,
    temperature="fitted",
)

_FLOWERS = Recipe(
    name="modern",
    model="notebook-flowers",
    imgsz=224,
    resize="crop",
    margin=256 / 224,
    values="standardised",
    epochs=100,
    batch_size=32,
    optimizer=Optimizer(name="adamw", lr=1e-3, weight_decay=0.5, epsilon=1e-8),
    schedule=Schedule(name="cosine", warmup=2),
    augment=Augment(crop_area=(0.25, 1.0), flip=True, brightness=0.2, contrast=0.2, saturation=0.2),
    mixing=Mixing(mixup=0.2),
    label_smoothing=0.1,
    batch_norm_momentum=0.1,
    keep="last",
    temperature="fitted",
    views=10,
)

FORMS = {"digits": _DIGITS, "mnist": _MNIST, "flowers17": _FLOWERS, "folder": _FLOWERS}
