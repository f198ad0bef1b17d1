"""The networks that other toolkits ship: CNTK, TF-slim, tflearn."""

from alexnet.models.initial import Fill, Init
from alexnet.models.layers import LRN, AdaptiveAveragePool, Conv, Dense, Dropout, MaxPool, ReLU, Tanh
from alexnet.models.variants.variant import Accuracy, Variant
from alexnet.preprocess import Preprocess

CNTK = Variant(
    name="cntk",
    source="microsoft/CNTK, Examples/Image/Classification/AlexNet, AlexNet_ImageNet.cntk",
    note="without groups, and 192 filters in conv2",
    preprocess=Preprocess(size=227, resize_to=256, resize="crop", mean=(114 / 255,), std=(1 / 255,)),
    classes=1000,
    stages={
        "conv1": (Conv(96, 11, stride=4), ReLU(), LRN(5, 1e-4, 0.75, k=1), MaxPool(3, 2)),
        "conv2": (Conv(192, 5, padding=2), ReLU(), LRN(5, 1e-4, 0.75, k=1), MaxPool(3, 2)),
        "conv3": (Conv(384, 3, padding=1), ReLU()),
        "conv4": (Conv(384, 3, padding=1), ReLU()),
        "conv5": (Conv(256, 3, padding=1), ReLU(), MaxPool(3, 2)),
        "fc6": (Dense(4096), ReLU(), Dropout(0.5)),
        "fc7": (Dense(4096), ReLU(), Dropout(0.5)),
        "fc8": (Dense(None),),
    },
    init=Init(
        Fill("normal", 0.01),
        weights_of={"fc6 fc7": Fill("normal", 0.005)},
        biases_of={"conv2 conv4 conv5 fc6 fc7": 0.1},
    ),
    accuracy=Accuracy(59.894, 82.254, "ILSVRC-2012 validation, centre", "CNTK, AlexNet_ImageNet.cntk's folder"),
    remarks=(
        "It crops 0.8867 (227 of 256) of the side and subtracts 114 from all channels.",
        "The figures are those of one crop beside its script; its BrainScript README has 59.9 / 82.2.",
    ),
)

SLIM_V2 = Variant(
    name="slim-v2",
    source="tensorflow/models, slim/nets/alexnet.py, alexnet_v2",
    note="owt-footnote without LRN, 54 after conv1, dense layers as convolutions: fc6 is 5 × 5",
    preprocess=Preprocess(
        size=224, resize_to=256, resize="crop", mean=(123.68 / 255, 116.78 / 255, 103.94 / 255), std=(1 / 255,)
    ),
    classes=1000,
    stages={
        "conv1": (Conv(64, 11, stride=4), ReLU(), MaxPool(3, 2)),
        "conv2": (Conv(192, 5, padding="same"), ReLU(), MaxPool(3, 2)),
        "conv3": (Conv(384, 3, padding="same"), ReLU()),
        "conv4": (Conv(384, 3, padding="same"), ReLU()),
        "conv5": (Conv(256, 3, padding="same"), ReLU(), MaxPool(3, 2)),
        "fc6": (Conv(4096, 5), ReLU(), Dropout(0.5)),
        "fc7": (Conv(4096, 1, padding="same"), ReLU(), AdaptiveAveragePool(1), Dropout(0.5)),
        "fc8": (Conv(None, 1, padding="same"),),
    },
    init=Init(
        Fill("glorot-uniform"),
        biases=0.1,
        weights_of={"fc6 fc7 fc8": Fill("truncated-normal", 0.005)},
        biases_of={"fc8": 0.0},
    ),
    remarks=(
        "At 224 pixels fc6 gives 1 × 1; for larger pictures the mean over the positions is taken before the last "
        "dropout, as its later option global_pool does.",
        "slim assigns no preparation of pictures to it; that of its VGG networks is taken here.",
    ),
)

TFLEARN_FLOWERS = Variant(
    name="tflearn-flowers",
    source="tflearn/tflearn, examples/images/alexnet.py",
    note="SAME padding everywhere, LRN over 11 maps after each pooling, tanh in fc6 and fc7; the largest of all",
    preprocess=Preprocess(size=227, resize_to=227),
    classes=17,
    stages={
        "conv1": (
            Conv(96, 11, stride=4, padding="same"),
            ReLU(),
            MaxPool(3, 2, "same"),
            LRN(11, 1e-4, 0.75, k=1, divided=False),
        ),
        "conv2": (
            Conv(256, 5, padding="same"),
            ReLU(),
            MaxPool(3, 2, "same"),
            LRN(11, 1e-4, 0.75, k=1, divided=False),
        ),
        "conv3": (Conv(384, 3, padding="same"), ReLU()),
        "conv4": (Conv(384, 3, padding="same"), ReLU()),
        "conv5": (
            Conv(256, 3, padding="same"),
            ReLU(),
            MaxPool(3, 2, "same"),
            LRN(11, 1e-4, 0.75, k=1, divided=False),
        ),
        "fc6": (Dense(4096), Tanh(), Dropout(0.5)),
        "fc7": (Dense(4096), Tanh(), Dropout(0.5)),
        "fc8": (Dense(None),),
    },
    init=Init(Fill("uniform-scaling"), weights_of={"fc6 fc7 fc8": Fill("truncated-normal", 0.02)}),
    remarks=("tflearn's 5 in local_response_normalization is a radius: 5 maps on either side, 11 in all.",),
)
