"""Alex Krizhevsky's own networks: the 2012 paper, the runs behind it, and the single tower of 2014.

Layer files are named as in computerhistory/AlexNet-Source-Code (2012) and akrizhevsky/cuda-convnet2 (2014).
Two columns on two cards are written as one network: groups=2 where a column reads only itself (conv2, conv4,
conv5), columns=2 where its normalisation stays within itself. The counts of weights are the same either way. Pools
keep incomplete windows, as the program does; at 224 pixels there are none.
"""

from alexnet.models.initial import Fill, Init
from alexnet.models.layers import LRN, Conv, Dense, Dropout, MapNorm, MaxPool, ReLU
from alexnet.models.variants.variant import Accuracy, Variant
from alexnet.preprocess import Preprocess

# Shorter side to 256, central 256 × 256, central 224 of that; raw values minus their mean. The sources subtract the
# central 224 of the mean *picture*; what travels with weights here is its mean colour (cuda-convnet2's input_meta).
PICTURES = Preprocess(
    size=224, resize_to=256, resize="crop", mean=(127.226 / 255, 118.587 / 255, 103.448 / 255), std=(1 / 255,)
)
ONES = {"conv2 conv4 conv5 fc6 fc7": 1.0}

PAPER = Variant(
    name="paper",
    source="Krizhevsky, Sutskever, Hinton, NIPS 2012, sections 3 and 5",
    note="as the text has it: LRN (k 2, α not divided) after ReLU, before pooling; groups of 2; 60 million weights",
    preprocess=PICTURES,
    classes=1000,
    stages={
        "conv1": (
            Conv(96, 11, stride=4, padding="ceil"),
            ReLU(),
            LRN(5, 1e-4, 0.75, k=2, divided=False),
            MaxPool(3, 2, "ceil"),
        ),
        "conv2": (
            Conv(256, 5, padding=2, groups=2),
            ReLU(),
            LRN(5, 1e-4, 0.75, k=2, divided=False),
            MaxPool(3, 2, "ceil"),
        ),
        "conv3": (Conv(384, 3, padding=1), ReLU()),
        "conv4": (Conv(384, 3, padding=1, groups=2), ReLU()),
        "conv5": (Conv(256, 3, padding=1, groups=2), ReLU(), MaxPool(3, 2, "ceil")),
        "fc6": (Dense(4096), ReLU(), Dropout(0.5, scaled="test")),
        "fc7": (Dense(4096), ReLU(), Dropout(0.5, scaled="test")),
        "fc8": (Dense(None),),
    },
    init=Init(Fill("normal", 0.01), biases_of=ONES),
    accuracy=Accuracy(59.3, 81.8, "ILSVRC-2012 validation, ten views", "the paper, table 2, one CNN"),
    remarks=(
        "The text prints no paddings for conv2 to conv5; they are those of run #145 (2, 1, 1, 1).",
        "224 pixels give 55 only with the last window reaching 3 pixels beyond the picture: zeros at the right "
        "and the bottom. A true 227 crop (Caffe) or 2 pixels on each side (torchvision) sees other pixels.",
        "Figure 2's caption counts 253,440 neurons in conv1, which is 96·55·48; 96·55·55 is 290,400, and only "
        "with that do the layers add up to the 650,000 neurons of the abstract.",
        "Section 1 gives each convolution at most 1 % of the parameters; conv3 has 1.45 % and conv4 1.09 %.",
        "The formula of section 3.3 takes α = 1e-4 as it stands; the program that trained it divides by n = 5.",
        "Caffe's authors report a flat loss with biases at 1, others that this start does not train. The run behind "
        "the paper had conv3 to conv5 at 0.03 (see paper-run), which may be why it did.",
        "An abstract in circulation has 39.7 / 18.9 % errors and 500,000 neurons: an earlier version of the text.",
        "Section 4.1's colour noise takes eigenvalues, the program standard deviations (docs/recipes.md).",
    ),
)

PAPER_RUN = Variant(
    name="paper-run",
    source="computerhistory/AlexNet-Source-Code, layers/layers-145.cfg and layer-params-145.cfg",
    note="run #145, the network behind the paper's figures: LRN before ReLU in layer 1, a within-map norm the text "
    "does not mention, normalisation within each column",
    preprocess=PICTURES,
    classes=1000,
    stages={
        "conv1": (
            Conv(96, 11, stride=4, padding="ceil"),
            LRN(5, 1e-4, 0.75, k=2, columns=2),
            MaxPool(3, 2, "ceil"),
            ReLU(),
        ),
        "conv2": (
            Conv(256, 5, padding=2, groups=2),
            ReLU(),
            LRN(5, 1e-4, 0.75, k=2, columns=2),
            MapNorm(5, 1e-3, 0.75, k=1),
            MaxPool(3, 2, "ceil"),
        ),
        "conv3": (Conv(384, 3, padding=1), ReLU()),
        "conv4": (Conv(384, 3, padding=1, groups=2), ReLU()),
        "conv5": (Conv(256, 3, padding=1, groups=2), MaxPool(3, 2, "ceil"), ReLU()),
        "fc6": (Dense(4096), ReLU(), Dropout(0.5, scaled="test")),
        "fc7": (Dense(4096), ReLU(), Dropout(0.5, scaled="test")),
        "fc8": (Dense(None),),
    },
    init=Init(Fill("normal", 0.01), weights_of={"conv3 conv4 conv5": Fill("normal", 0.03)}, biases_of=ONES),
    accuracy=Accuracy(59.336, 81.79, "ILSVRC-2012 validation, ten views", "comments of layer-params-145.cfg"),
    remarks=(
        "The within-map norm (cnorm2) has no minDiv: that layer type does not know the option, its k is always 1.",
        "In the second column fc7 reads its inputs in the order (b, a); with weights drawn anew this changes "
        "nothing, weights taken over from 2012 would have to be swapped.",
        "The 2012 kernels are not in the released source; the formulas are those of cuda-convnet2. Nor are the trained "
        "parameters that its README promises.",
        "On ILSVRC-2010 the same network made 37.47 / 17.00 % errors with ten views, 39.02 / 18.30 with one: the "
        "paper's 37.5 / 17.0 and 39.0 / 18.3.",
    ),
)

PAPER_HALF = Variant(
    name="paper-half",
    source="computerhistory/AlexNet-Source-Code, layers/layers-145-half.cfg",
    note="run #145-half, the one-card control of section 3.2: half the kernels in conv1 to conv4",
    preprocess=PICTURES,
    classes=1000,
    stages={
        "conv1": (Conv(48, 11, stride=4, padding="ceil"), LRN(5, 1e-4, 0.75, k=2), MaxPool(3, 2, "ceil"), ReLU()),
        "conv2": (
            Conv(128, 5, padding=2),
            ReLU(),
            LRN(5, 1e-4, 0.75, k=2),
            MapNorm(5, 1e-3, 0.75, k=1),
            MaxPool(3, 2, "ceil"),
        ),
        "conv3": (Conv(192, 3, padding=1), ReLU()),
        "conv4": (Conv(192, 3, padding=1), ReLU()),
        "conv5": (Conv(256, 3, padding=1), MaxPool(3, 2, "ceil"), ReLU()),
        "fc6": (Dense(4096), ReLU(), Dropout(0.5, scaled="test")),
        "fc7": (Dense(4096), ReLU(), Dropout(0.5, scaled="test")),
        "fc8": (Dense(None),),
    },
    init=Init(Fill("normal", 0.01), weights_of={"conv3 conv4 conv5": Fill("normal", 0.03)}, biases_of=ONES),
    accuracy=Accuracy(60.832, 81.7713, "ILSVRC-2010 test, ten views", "comments of layer-params-145-half.cfg"),
    remarks=(
        "The paper compares it with two cards: 1.7 and 1.2 points more errors, top-1 and top-5. The dense layers and "
        "conv5 keep their full size, so that it has 98 % of the weights but 54 % of the multiplications.",
    ),
)

PAPER_CONV6 = Variant(
    name="paper-conv6",
    source="computerhistory/AlexNet-Source-Code, layers/layers-146-2012-2011.cfg",
    note="run #146: a sixth convolution over pool5 that reads both columns; pre-trained on the Fall 2011 release",
    preprocess=PICTURES,
    classes=1000,
    stages={
        "conv1": (
            Conv(96, 11, stride=4, padding="ceil"),
            LRN(5, 1e-4, 0.75, k=2, columns=2),
            MaxPool(3, 2, "ceil"),
            ReLU(),
        ),
        "conv2": (
            Conv(256, 5, padding=2, groups=2),
            ReLU(),
            LRN(5, 1e-4, 0.75, k=2, columns=2),
            MapNorm(5, 1e-3, 0.75, k=1),
            MaxPool(3, 2, "ceil"),
        ),
        "conv3": (Conv(384, 3, padding=1), ReLU()),
        "conv4": (Conv(384, 3, padding=1, groups=2), ReLU()),
        "conv5": (Conv(256, 3, padding=1, groups=2), MaxPool(3, 2, "ceil"), ReLU()),
        "conv6": (Conv(256, 3, padding=1), ReLU()),
        "fc6": (Dense(4096), ReLU(), Dropout(0.5, scaled="test")),
        "fc7": (Dense(4096), ReLU(), Dropout(0.5, scaled="test")),
        "fc8": (Dense(None),),
    },
    init=Init(
        Fill("normal", 0.01),
        weights_of={"conv3 conv4 conv5 conv6": Fill("normal", 0.03)},
        biases_of={"conv2 conv4 conv5 conv6 fc6 fc7": 1.0},
    ),
    accuracy=Accuracy(61.01, 83.378, "ILSVRC-2012 validation, ten views", "comments of layer-params-146-2012-2011.cfg"),
    remarks=(
        "The figure is the paper's '1 CNN*' (39.0 / 16.6 % errors): trained on 22,000 classes first, then on 1,000.",
        "conv6 of the second column reads its inputs in the order (b, a), as fc7 does.",
    ),
)

OWT = Variant(
    name="owt",
    source="akrizhevsky/cuda-convnet2, layers/layers-imagenet-1gpu.cfg (One weird trick, arXiv 1404.5997)",
    note="one tower of 64-192-384-256-256 without groups; fc8 starts at bias -7",
    preprocess=PICTURES,
    classes=1000,
    stages={
        "conv1": (Conv(64, 11, stride=4, padding="ceil"), LRN(5, 1e-4, 0.75, k=2), MaxPool(3, 2, "ceil"), ReLU()),
        "conv2": (Conv(192, 5, padding=2), ReLU(), LRN(5, 1e-4, 0.75, k=2), MaxPool(3, 2, "ceil")),
        "conv3": (Conv(384, 3, padding=1), ReLU()),
        "conv4": (Conv(256, 3, padding=1), ReLU()),
        "conv5": (Conv(256, 3, padding=1), MaxPool(3, 2, "ceil"), ReLU()),
        "fc6": (Dense(4096), ReLU(), Dropout(0.5, scaled="test")),
        "fc7": (Dense(4096), ReLU(), Dropout(0.5, scaled="test")),
        "fc8": (Dense(None),),
    },
    init=Init(
        Fill("normal", 0.01), weights_of={"conv3 conv4 conv5": Fill("normal", 0.03)}, biases_of={**ONES, "fc8": -7.0}
    ),
    accuracy=Accuracy(57.452, 80.19, "ILSVRC-2012 validation, centre", "cuda-convnet2 wiki, TrainingExample"),
    remarks=(
        "With ten views the wiki has 59.58 / 81.85.",
        "The paper's last layer is 1,000 independent logistic units, for which bias -7 is sigmoid(-7) ≈ 1/1000; the "
        "layer file has a softmax and keeps the -7.",
        "The paper says 0.2 % more parameters than two towers, which fits (1.00222); its 2.4 % fewer connections "
        "do not (1.4 % by the multiplications counted here).",
    ),
)

OWT_FOOTNOTE = Variant(
    name="owt-footnote",
    source="One weird trick (arXiv 1404.5997), footnote 1",
    note="as owt, with the 384 filters in conv4 that the footnote prints; TF-slim and tf_cnn_benchmarks have them too, "
    "without LRN",
    preprocess=PICTURES,
    classes=1000,
    stages={
        "conv1": (Conv(64, 11, stride=4, padding="ceil"), LRN(5, 1e-4, 0.75, k=2), MaxPool(3, 2, "ceil"), ReLU()),
        "conv2": (Conv(192, 5, padding=2), ReLU(), LRN(5, 1e-4, 0.75, k=2), MaxPool(3, 2, "ceil")),
        "conv3": (Conv(384, 3, padding=1), ReLU()),
        "conv4": (Conv(384, 3, padding=1), ReLU()),
        "conv5": (Conv(256, 3, padding=1), MaxPool(3, 2, "ceil"), ReLU()),
        "fc6": (Dense(4096), ReLU(), Dropout(0.5, scaled="test")),
        "fc7": (Dense(4096), ReLU(), Dropout(0.5, scaled="test")),
        "fc8": (Dense(None),),
    },
    init=Init(
        Fill("normal", 0.01), weights_of={"conv3 conv4 conv5": Fill("normal", 0.03)}, biases_of={**ONES, "fc8": -7.0}
    ),
    remarks=(
        "The footnote gives filter counts alone; everything else is taken from owt. With 1.4 % more parameters than "
        "two towers it contradicts the same paper's 0.2 %.",
    ),
)
