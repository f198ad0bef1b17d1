"""caffe: how the Berkeley Vision and Learning Center trained its AlexNet and its CaffeNet.

Source: BVLC/caffe, `models/bvlc_alexnet/solver.prototxt` and `train_val.prototxt`, `examples/imagenet/readme.md`
(pictures squashed to 256 × 256), `src/caffe/solvers/sgd_solver.cpp` (the paper's rule).
    alexnet train path/to/imagenet --recipe caffe                        BVLC AlexNet
    alexnet train path/to/imagenet --recipe caffe --model caffenet       CaffeNet
    expected: 57.1 / 80.2 % right, top-1 / top-5, on ILSVRC-2012's validation part, centre crop (iteration 360,000;
    best on the way 57.26); CaffeNet 57.4 / 80.4 (iteration 310,000)
    cost: 450,000 steps, 90 epochs of 5,005; five days on one K40 (from Caffe's table: 19.2 s for 20 steps of
    CaffeNet with cuDNN)

Departures: docs/recipes.md lists them. The largest: a mean colour is taken out, not a mean picture.
"""

from alexnet.data.augment import Augment
from alexnet.training.optimizers import Optimizer
from alexnet.training.recipe import Recipe
from alexnet.training.schedules import Schedule

_PICTURES = Recipe(
    name="caffe",
    model="bvlc",
    resize="squash",
    margin=256 / 227,
    values="centred",
    epochs=90,
    batch_size=256,
    optimizer=Optimizer(name="paper", lr=0.01, bias_lr=2.0, momentum=0.9, weight_decay=5e-4),
    schedule=Schedule(name="steps", drops_at=(10 / 45, 20 / 45, 30 / 45, 40 / 45), drop=0.1),
    augment=Augment(crop="random", flip=True),
    keep="last",
)

FORMS = {"folder": _PICTURES}
