"""Torch's and PyTorch's networks: Torch7's two towers and one tower with batch norm, torchvision's, and two that many
repositories and a textbook repeat.
"""

from alexnet.models.initial import Fill, Init
from alexnet.models.layers import (
    LRN,
    AdaptiveAveragePool,
    BatchNorm,
    Conv,
    Dense,
    Dropout,
    MaxPool,
    ReLU,
    Threshold,
)
from alexnet.models.variants.variant import Accuracy, Variant
from alexnet.preprocess import Preprocess

# Shorter side to 256, central 224; the mean and standard deviation a channel that torchvision prints
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
PICTURES = Preprocess(size=224, resize_to=256, resize="crop", mean=MEAN, std=STD)

TORCHVISION = Variant(
    name="torchvision",
    source="pytorch/vision, torchvision/models/alexnet.py; after soumith/imagenet-multiGPU.torch, alexnetowt.lua",
    note="owt's widths without LRN, 2 pixels of padding, dropout before fc6 and fc7; also MXNet Gluon's and Paddle's",
    preprocess=PICTURES,
    classes=1000,
    stages={
        "conv1": (Conv(64, 11, stride=4, padding=2), ReLU(), MaxPool(3, 2)),
        "conv2": (Conv(192, 5, padding=2), ReLU(), MaxPool(3, 2)),
        "conv3": (Conv(384, 3, padding=1), ReLU()),
        "conv4": (Conv(256, 3, padding=1), ReLU()),
        "conv5": (Conv(256, 3, padding=1), ReLU(), MaxPool(3, 2), AdaptiveAveragePool(6)),
        "fc6": (Dropout(0.5), Dense(4096), ReLU()),
        "fc7": (Dropout(0.5), Dense(4096), ReLU()),
        "fc8": (Dense(None),),
    },
    init=Init(Fill("fan-in"), biases="fan-in"),
    accuracy=Accuracy(56.522, 79.066, "ILSVRC-2012 validation, centre", "torchvision, IMAGENET1K_V1"),
    remarks=(
        "The average pooling does nothing at 224 pixels; it lets the dense layers take any size from 63 up.",
        "Gluon's file, converted from PyTorch, is given as 54.92 / 78.03, an older file of torchvision's as 56.55 / "
        "79.09. Others measured today's file at 56.516 / 79.070 (csm-kr/alexnet_pytorch).",
        "The same layers are sold as 0.714 GFLOPs (torchvision, a multiply-add counting once) and 1.370 (PaddleClas, "
        "whose own weights are given as 56.7 / 79.2).",
        "Paddle scales its dropout at test and starts fc7 and fc8 with fc6's bound.",
    ),
)

TORCH7_TOWERS = Variant(
    name="torch7-towers",
    source="soumith/imagenet-multiGPU.torch, models/alexnet.lua",
    note="two towers that meet only in fc6: conv3 does not read the other one; no LRN",
    preprocess=PICTURES,
    classes=1000,
    stages={
        "conv1": (Conv(96, 11, stride=4, padding=2), ReLU(), MaxPool(3, 2)),
        "conv2": (Conv(256, 5, padding=2, groups=2), ReLU(), MaxPool(3, 2)),
        "conv3": (Conv(384, 3, padding=1, groups=2), ReLU()),
        "conv4": (Conv(384, 3, padding=1, groups=2), ReLU()),
        "conv5": (Conv(256, 3, padding=1, groups=2), ReLU(), MaxPool(3, 2)),
        "fc6": (Dropout(0.5), Dense(4096), Threshold(1e-6)),
        "fc7": (Dropout(0.5), Dense(4096), Threshold(1e-6)),
        "fc8": (Dense(None),),
    },
    init=Init(Fill("fan-in"), biases="fan-in"),
    remarks=(
        "The pictures' mean and standard deviation are measured on 10,000 samples at each training; torchvision's are "
        "used here.",
    ),
)

OWT_BN = Variant(
    name="owt-bn",
    source="soumith/imagenet-multiGPU.torch, models/alexnetowtbn.lua",
    note="torchvision's layers with batch norm before every ReLU",
    preprocess=PICTURES,
    classes=1000,
    stages={
        "conv1": (Conv(64, 11, stride=4, padding=2), BatchNorm(0.1, biased=False), ReLU(), MaxPool(3, 2)),
        "conv2": (Conv(192, 5, padding=2), BatchNorm(0.1, biased=False), ReLU(), MaxPool(3, 2)),
        "conv3": (Conv(384, 3, padding=1), BatchNorm(0.1, biased=False), ReLU()),
        "conv4": (Conv(256, 3, padding=1), BatchNorm(0.1, biased=False), ReLU()),
        "conv5": (Conv(256, 3, padding=1), BatchNorm(0.1, biased=False), ReLU(), MaxPool(3, 2)),
        "fc6": (Dropout(0.5), Dense(4096), BatchNorm(0.1, biased=False), ReLU()),
        "fc7": (Dropout(0.5), Dense(4096), BatchNorm(0.1, biased=False), ReLU()),
        "fc8": (Dense(None),),
    },
    init=Init(Fill("fan-in"), biases="fan-in", norm_scale="uniform"),
    remarks=(
        "The repository's README has 42.5 % error after 53 epochs (centre) and does not say for which of its networks; "
        "this one is its default.",
        "Torch7 draws batch norm's scale from U(0, 1) where PyTorch sets 1.",
    ),
)

UNGROUPED = Variant(
    name="ungrouped",
    source="dansuh17/alexnet-pytorch, model.py; the same widths in Chainer, MXNet's symbols and pytorchcv",
    note="the paper's widths without groups, 227 pixels: what most copies call AlexNet, with 1.4 million more weights",
    preprocess=Preprocess(size=227, resize_to=256, resize="crop", mean=MEAN, std=STD),
    classes=1000,
    stages={
        "conv1": (Conv(96, 11, stride=4), ReLU(), LRN(5, 1e-4, 0.75, k=2), MaxPool(3, 2)),
        "conv2": (Conv(256, 5, padding=2), ReLU(), LRN(5, 1e-4, 0.75, k=2), MaxPool(3, 2)),
        "conv3": (Conv(384, 3, padding=1), ReLU()),
        "conv4": (Conv(384, 3, padding=1), ReLU()),
        "conv5": (Conv(256, 3, padding=1), ReLU(), MaxPool(3, 2)),
        "fc6": (Dropout(0.5), Dense(4096), ReLU()),
        "fc7": (Dropout(0.5), Dense(4096), ReLU()),
        "fc8": (Dense(None),),
    },
    init=Init(
        Fill("fan-in"),
        biases="fan-in",
        weights_of={"conv1 conv2 conv3 conv4 conv5": Fill("normal", 0.01)},
        biases_of={"conv1 conv3": 0.0, "conv2 conv4 conv5": 1.0},
    ),
    remarks=(
        "The start is what dansuh17's code means to do: as it stands it stops at an undefined name. It crops 227 from "
        "the picture as it is; the 256 before that are assumed here.",
        "The copies differ: MXNet's pools before LRN (k 1; at 224 pixels it would end at 5 × 5), Chainer's drops after "
        "the dense layers, pytorchcv's takes 224 pixels with pooling that keeps incomplete windows and dropout after "
        "the dense layers; for the latter a list of models gives 59.04 / 81.76 % right, while an early README of its "
        "own had 56.52 / 79.07, with Gluon's weights of torchvision's network.",
    ),
)

D2L = Variant(
    name="d2l",
    source="Dive into Deep Learning (d2l.ai), section AlexNet, PyTorch edition",
    note="for Fashion-MNIST: 1 channel, 10 classes, no LRN, 6,400 values into fc6",
    preprocess=Preprocess(size=224, resize_to=224, channels=1),
    classes=10,
    stages={
        "conv1": (Conv(96, 11, stride=4, padding=1), ReLU(), MaxPool(3, 2)),
        "conv2": (Conv(256, 5, padding=2), ReLU(), MaxPool(3, 2)),
        "conv3": (Conv(384, 3, padding=1), ReLU()),
        "conv4": (Conv(384, 3, padding=1), ReLU()),
        "conv5": (Conv(256, 3, padding=1), ReLU(), MaxPool(3, 2)),
        "fc6": (Dense(4096), ReLU(), Dropout(0.5)),
        "fc7": (Dense(4096), ReLU(), Dropout(0.5)),
        "fc8": (Dense(None),),
    },
    init=Init(Fill("glorot-uniform"), biases="fan-in"),
    remarks=(
        "The book means Xavier's start (init_cnn). In its 1.0 edition it is applied to layers whose shape is not known "
        "yet and passes them by, so that PyTorch's own start remained there.",
        "Older editions had no padding in conv1; the maps, 54 × 54, are the same.",
    ),
)
