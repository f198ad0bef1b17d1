"""notebook: what the 2023 teaching notebook does, number by number.

Flowers: Adadelta at rate 0.01, batch 128, 12 epochs, no augmentation, pictures squashed to 224 pixels,
values in [0, 1], validation on the 272 test pictures, the last epoch counts.
    alexnet train flowers17 --recipe notebook
    expected: training accuracy 0.66 to 0.80, validation accuracy 0.02 to 0.20; minutes on two cores
MNIST: Adadelta at Keras's default rate 0.001, batch 128, 12 epochs.
    alexnet train mnist --recipe notebook
    expected: validation accuracy 0.55 to 0.80, loss 1.55 to 2.10; minutes on two cores
Measured with seeds and spread in docs/notebook.md, where the reasons for the low figures stand as well.
"""

from alexnet.training.optimizers import Optimizer
from alexnet.training.recipe import Recipe

_FLOWERS = Recipe(
    name="notebook",
    model="notebook-flowers",
    epochs=12,
    batch_size=128,
    optimizer=Optimizer(name="adadelta", lr=0.01, rho=0.95, epsilon=1e-7),
    validate_on="test",
    keep="last",
)

_MNIST = Recipe(
    name="notebook",
    model="notebook-mnist",
    epochs=12,
    batch_size=128,
    optimizer=Optimizer(name="adadelta", lr=0.001, rho=0.95, epsilon=1e-7),
    validate_on="test",
    keep="last",
)

FORMS = {"flowers17": _FLOWERS, "mnist": _MNIST, "digits": _MNIST, "folder": _FLOWERS}
