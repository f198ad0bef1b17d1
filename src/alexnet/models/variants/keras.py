"""Keras's networks: a flowers blog, a textbook's companion, and the two of the 2023 teaching notebook."""

from alexnet.models.initial import Fill, Init
from alexnet.models.layers import BatchNorm, Conv, Dense, Dropout, MaxPool, ReLU, Tanh
from alexnet.models.variants.variant import Accuracy, Variant
from alexnet.preprocess import Preprocess

PICTURES = Preprocess(size=224, resize_to=224)
"""Squashed, values in [0, 1]."""
START = Init(Fill("glorot-uniform"))
"""Keras's default."""

KERAS_BLOG = Variant(
    name="keras-blog",
    source="HEMASRI-NAKIRIKANTI/Alexnet_OxFlower17, a notebook that repeats a much-copied Keras blog",
    note="11 × 11 again in conv2, a 1,000-unit layer before the answer, batch norm after everything but the answer",
    preprocess=PICTURES,
    classes=17,
    stages={
        "conv1": (Conv(96, 11, stride=4), ReLU(), MaxPool(2, 2), BatchNorm()),
        "conv2": (Conv(256, 11), ReLU(), MaxPool(2, 2), BatchNorm()),
        "conv3": (Conv(384, 3), ReLU(), BatchNorm()),
        "conv4": (Conv(384, 3), ReLU(), BatchNorm()),
        "conv5": (Conv(256, 3), ReLU(), MaxPool(2, 2), BatchNorm()),
        "fc6": (Dense(4096), ReLU(), Dropout(0.4), BatchNorm()),
        "fc7": (Dense(4096), ReLU(), Dropout(0.4), BatchNorm()),
        "fc8": (Dense(1000), ReLU(), Dropout(0.4), BatchNorm()),
        "fc9": (Dense(None),),
    },
    init=START,
    remarks=(
        "Its maps end at 1 × 1, so that H, W, C and C, H, W order of the flatten are the same: a converter that "
        "mixes them up would pass here.",
        "The notebook stops after one epoch at 4.4 %, less than chance among 17.",
    ),
)

ILLUSTRATED = Variant(
    name="illustrated",
    source="the-deep-learners/deep-learning-illustrated, notebooks/alexnet_in_keras.ipynb",
    note="256-384-384 filters in conv3 to conv5, no padding, tanh in fc6 and fc7, batch norm thrice",
    preprocess=PICTURES,
    classes=17,
    stages={
        "conv1": (Conv(96, 11, stride=4), ReLU(), MaxPool(3, 2), BatchNorm()),
        "conv2": (Conv(256, 5), ReLU(), MaxPool(3, 2), BatchNorm()),
        "conv3": (Conv(256, 3), ReLU()),
        "conv4": (Conv(384, 3), ReLU()),
        "conv5": (Conv(384, 3), ReLU(), MaxPool(3, 2), BatchNorm()),
        "fc6": (Dense(4096), Tanh(), Dropout(0.5)),
        "fc7": (Dense(4096), Tanh(), Dropout(0.5)),
        "fc8": (Dense(None),),
    },
    init=START,
    remarks=(
        "A reader's log reaches 0.67 to 0.69 validation accuracy on the 17 flowers after 76 to 85 epochs of Adam.",
    ),
    keras_activations="arguments",
)

NOTEBOOK_FLOWERS = Variant(
    name="notebook-flowers",
    source="the 2023 teaching notebook, part A (17 flowers, Keras)",
    note="batch norm after every stage but the last, only conv2 padded",
    preprocess=PICTURES,
    classes=17,
    stages={
        "conv1": (Conv(96, 11, stride=4), ReLU(), MaxPool(3, 2), BatchNorm()),
        "conv2": (Conv(256, 5, padding="same"), ReLU(), MaxPool(3, 2), BatchNorm()),
        "conv3": (Conv(384, 3), ReLU(), BatchNorm()),
        "conv4": (Conv(384, 3), ReLU(), BatchNorm()),
        "conv5": (Conv(256, 3), ReLU(), MaxPool(3, 2), BatchNorm()),
        "fc6": (Dense(4096), ReLU(), Dropout(0.4), BatchNorm()),
        "fc7": (Dense(4096), ReLU(), Dropout(0.4), BatchNorm()),
        "fc8": (Dense(None),),
    },
    init=START,
    accuracy=Accuracy(9.93, None, "272 of the 17 flowers", "the notebook's last line; see docs/notebook.md"),
    remarks=("The same weights score far better once their running statistics are measured properly.",),
)

NOTEBOOK_MNIST = Variant(
    name="notebook-mnist",
    source="the 2023 teaching notebook, part B (MNIST, Keras)",
    note="two convolutions; far smaller than an AlexNet",
    preprocess=Preprocess(size=28, resize_to=28, channels=1),
    classes=10,
    stages={
        "conv1": (Conv(32, 3), ReLU(), MaxPool(2, 2)),
        "conv2": (Conv(64, 3), ReLU(), MaxPool(2, 2)),
        "fc3": (Dense(128), ReLU(), Dropout(0.5)),
        "fc4": (Dense(None),),
    },
    init=START,
    accuracy=Accuracy(75.09, None, "MNIST, 10,000 test pictures", "the notebook's last line; see docs/notebook.md"),
    keras_activations="arguments",
)
