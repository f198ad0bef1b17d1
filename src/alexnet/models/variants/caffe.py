"""Caffe's networks: BVLC's two, the same fed 224 pixels, and Jena's with batch norm.

Caffe's pooling keeps incomplete windows (padding="ceil"): at 227 pixels none is, at 224 one is.
"""

from alexnet.models.initial import Fill, Init
from alexnet.models.layers import LRN, BatchNorm, Conv, Dense, Dropout, MaxPool, ReLU
from alexnet.models.variants.variant import Accuracy, Variant
from alexnet.preprocess import Preprocess

# Squashed to 256 × 256, central 227; raw values minus their mean. Caffe's files hold B, G, R; here it is R, G, B, and
# weights are turned when they are read. Mean colour of ilsvrc_2012_mean.npy.
MEAN = (122.67891 / 255, 116.66877 / 255, 104.00699 / 255)
PICTURES = Preprocess(size=227, resize_to=256, mean=MEAN, std=(1 / 255,))
HALF_DENSE = {"fc6 fc7": Fill("normal", 0.005)}

BVLC = Variant(
    name="bvlc",
    source="BVLC/caffe, models/bvlc_alexnet",
    note="227 pixels, LRN (k 1) before pooling, biases start at 0.1",
    preprocess=PICTURES,
    classes=1000,
    stages={
        "conv1": (Conv(96, 11, stride=4), ReLU(), LRN(5, 1e-4, 0.75, k=1), MaxPool(3, 2, "ceil")),
        "conv2": (Conv(256, 5, padding=2, groups=2), ReLU(), LRN(5, 1e-4, 0.75, k=1), MaxPool(3, 2, "ceil")),
        "conv3": (Conv(384, 3, padding=1), ReLU()),
        "conv4": (Conv(384, 3, padding=1, groups=2), ReLU()),
        "conv5": (Conv(256, 3, padding=1, groups=2), ReLU(), MaxPool(3, 2, "ceil")),
        "fc6": (Dense(4096), ReLU(), Dropout(0.5)),
        "fc7": (Dense(4096), ReLU(), Dropout(0.5)),
        "fc8": (Dense(None),),
    },
    init=Init(Fill("normal", 0.01), weights_of=HALF_DENSE, biases_of={"conv2 conv4 conv5 fc6 fc7": 0.1}),
    accuracy=Accuracy(57.1, 80.2, "ILSVRC-2012 validation, centre", "its readme, iteration 360,000"),
    remarks=(
        "The readme changes the paper's biases of 1 to 0.1 because 1 gave a flat loss; CaffeNet trained with 1.",
        "LRN's k is not set in the layer file, so it is caffe.proto's default, 1; the paper has 2.",
        "NVIDIA DIGITS' and MATLAB's alexnet are this network. Theano's (theano_alexnet) is near it, with pooling "
        "before LRN (k 2) and conv5's biases at 0; DL4J's has the first LRN before its pooling, the second behind.",
    ),
)

CAFFENET = Variant(
    name="caffenet",
    source="BVLC/caffe, models/bvlc_reference_caffenet",
    note="as bvlc, but pooling before LRN; biases start at 1",
    preprocess=PICTURES,
    classes=1000,
    stages={
        "conv1": (Conv(96, 11, stride=4), ReLU(), MaxPool(3, 2, "ceil"), LRN(5, 1e-4, 0.75, k=1)),
        "conv2": (Conv(256, 5, padding=2, groups=2), ReLU(), MaxPool(3, 2, "ceil"), LRN(5, 1e-4, 0.75, k=1)),
        "conv3": (Conv(384, 3, padding=1), ReLU()),
        "conv4": (Conv(384, 3, padding=1, groups=2), ReLU()),
        "conv5": (Conv(256, 3, padding=1, groups=2), ReLU(), MaxPool(3, 2, "ceil")),
        "fc6": (Dense(4096), ReLU(), Dropout(0.5)),
        "fc7": (Dense(4096), ReLU(), Dropout(0.5)),
        "fc8": (Dense(None),),
    },
    init=Init(Fill("normal", 0.01), weights_of=HALF_DENSE, biases_of={"conv2 conv4 conv5 fc6 fc7": 1.0}),
    accuracy=Accuracy(57.4, 80.4, "ILSVRC-2012 validation, centre", "its readme, iteration 310,000"),
)

ONNX_ZOO = Variant(
    name="onnx-zoo",
    source="onnx/models, vision/classification/alexnet (bvlcalexnet)",
    note="bvlc's weights fed 224 pixels: 54 after conv1, and pooling that keeps the incomplete window, 27",
    preprocess=Preprocess(size=224, resize_to=224, mean=(123.68 / 255, 116.779 / 255, 103.939 / 255), std=(1 / 255,)),
    classes=1000,
    stages=BVLC.stages,
    init=BVLC.init,
    accuracy=Accuracy(54.8, 78.23, "ILSVRC-2012 validation, squashed to 224", "its README, bvlcalexnet-12"),
    remarks=(
        "The README says that the figure depends on its preparation, which a script of Intel's spells out: the whole "
        "picture squashed to 224, minus 123.68, 116.779, 103.939. So the 2.3 points below bvlc are not the price of "
        "the 3 pixels alone.",
        "With pooling that drops incomplete windows the maps would end at 5 × 5 and fc6 would not fit.",
    ),
)

_NORM = BatchNorm(0.1, 1e-5, biased=False, affine=False)

CVGJ = Variant(
    name="cvgj",
    source="cvjena/cnn-models, AlexNet_cvgj",
    note="batch norm, without scale, behind every layer but the last, one with scale on the input; no LRN, no dropout",
    preprocess=Preprocess(size=227, resize_to=256, std=(1 / 255,)),
    classes=1000,
    stages={
        "input": (BatchNorm(0.1, 1e-5, biased=False),),
        "conv1": (Conv(96, 11, stride=4), _NORM, ReLU(), MaxPool(3, 2, "ceil")),
        "conv2": (Conv(256, 5, padding=2, groups=2), _NORM, ReLU(), MaxPool(3, 2, "ceil")),
        "conv3": (Conv(384, 3, padding=1), _NORM, ReLU()),
        "conv4": (Conv(384, 3, padding=1, groups=2), _NORM, ReLU()),
        "conv5": (Conv(256, 3, padding=1, groups=2), _NORM, ReLU(), MaxPool(3, 2, "ceil")),
        "fc6": (Dense(4096), _NORM, ReLU()),
        "fc7": (Dense(4096), _NORM, ReLU()),
        "fc8": (Dense(None),),
    },
    init=Init(Fill("he-normal")),
    accuracy=Accuracy(60.1, 81.9, "ILSVRC-2012 validation, centre", "its README"),
    remarks=(
        "On the input Caffe's BatchNorm is followed by a Scale layer: together a batch norm with scale and shift, 6 "
        "numbers more than bvlc. The biases of conv1 to fc7 have no effect: the norm behind takes them out.",
        "No mean is taken out of the pictures: the first batch norm does it. Whether they are squashed or cropped to "
        "256 is not said where we read; squashed is what Caffe's other networks do.",
    ),
)
