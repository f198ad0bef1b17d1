"""Reference tables, one line a layer: output shape, parameters. Printed by the sources, or added up from them by hand.

They were set down from the sources' own definitions (the 2012 layer files, prototxt, Lua, Python, printed Keras
summaries), independently of the code in this package, which `proof` holds against them.
"""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Published:
    """A printed table and its totals."""

    rows: str
    """Norms may be printed with their channels alone."""
    total: int
    multiply_adds: float | None
    """In millions, with one decimal, added up by hand; None where nobody has."""
    origin: str
    """What the source itself states, or that the table was added up by hand."""
    counts: Literal["trainable", "all"] = "trainable"
    """Whether the figures of batch norm hold its running statistics (Keras's tables do)."""
    moving: int = 0
    """Moving statistics, printed as non-trainable or counted beside the others."""


_TWO_COLUMNS = """
conv1     96×55×55       34,944
pool1     96×27×27            0
conv2     256×27×27     307,456
pool2     256×13×13           0
conv3     384×13×13     885,120
conv4     384×13×13     663,936
conv5     256×13×13     442,624
pool5     256×6×6             0
fc6       4096       37,752,832
fc7       4096       16,781,312
fc8       1000        4,097,000
"""

_HALF = """
conv1     48×55×55       17,472
pool1     48×27×27            0
conv2     128×27×27     153,728
pool2     128×13×13           0
conv3     192×13×13     221,376
conv4     192×13×13     331,968
conv5     256×13×13     442,624
pool5     256×6×6             0
fc6       4096       37,752,832
fc7       4096       16,781,312
fc8       1000        4,097,000
"""

_CONV6 = """
conv1     96×55×55       34,944
pool1     96×27×27            0
conv2     256×27×27     307,456
pool2     256×13×13           0
conv3     384×13×13     885,120
conv4     384×13×13     663,936
conv5     256×13×13     442,624
pool5     256×6×6             0
conv6     256×6×6       590,080
fc6       4096       37,752,832
fc7       4096       16,781,312
fc8       1000        4,097,000
"""


_CAFFE_224 = """
conv1     96×54×54       34,944
pool1     96×27×27            0
conv2     256×27×27     307,456
pool2     256×13×13           0
conv3     384×13×13     885,120
conv4     384×13×13     663,936
conv5     256×13×13     442,624
pool5     256×6×6             0
fc6       4096       37,752,832
fc7       4096       16,781,312
fc8       1000        4,097,000
"""

_UNGROUPED = """
conv1     96×55×55       34,944
pool1     96×27×27            0
conv2     256×27×27     614,656
pool2     256×13×13           0
conv3     384×13×13     885,120
conv4     384×13×13   1,327,488
conv5     256×13×13     884,992
pool5     256×6×6             0
fc6       4096       37,752,832
fc7       4096       16,781,312
fc8       1000        4,097,000
"""

_ONE_TOWER = """
conv1     64×55×55       23,296
pool1     64×27×27            0
conv2     192×27×27     307,392
pool2     192×13×13           0
conv3     384×13×13     663,936
conv4     256×13×13     884,992
conv5     256×13×13     590,080
pool5     256×6×6             0
fc6       4096       37,752,832
fc7       4096       16,781,312
fc8       1000        4,097,000
"""

_TORCHVISION = """
conv1     64×55×55       23,296
pool1     64×27×27            0
conv2     192×27×27     307,392
pool2     192×13×13           0
conv3     384×13×13     663,936
conv4     256×13×13     884,992
conv5     256×13×13     590,080
pool5     256×6×6             0
avgpool5  256×6×6             0
fc6       4096       37,752,832
fc7       4096       16,781,312
fc8       1000        4,097,000
"""

_BATCH_NORM = """
conv1     64×55×55       23,296
bn1       64                128
pool1     64×27×27            0
conv2     192×27×27     307,392
bn2       192               384
pool2     192×13×13           0
conv3     384×13×13     663,936
bn3       384               768
conv4     256×13×13     884,992
bn4       256               512
conv5     256×13×13     590,080
bn5       256               512
pool5     256×6×6             0
fc6       4096       37,752,832
bn6       4096            8,192
fc7       4096       16,781,312
bn7       4096            8,192
fc8       1000        4,097,000
"""

_TOWERS = """
conv1     96×55×55       34,944
pool1     96×27×27            0
conv2     256×27×27     307,456
pool2     256×13×13           0
conv3     384×13×13     442,752
conv4     384×13×13     663,936
conv5     256×13×13     442,624
pool5     256×6×6             0
fc6       4096       37,752,832
fc7       4096       16,781,312
fc8       1000        4,097,000
"""

_SLIM = """
conv1     64×54×54       23,296
pool1     64×26×26            0
conv2     192×26×26     307,392
pool2     192×12×12           0
conv3     384×12×12     663,936
conv4     384×12×12   1,327,488
conv5     256×12×12     884,992
pool5     256×5×5             0
fc6       4096×1×1   26,218,496
fc7       4096×1×1   16,781,312
fc8       1000×1×1    4,097,000
"""

_FOOTNOTE = """
conv1     64×55×55       23,296
pool1     64×27×27            0
conv2     192×27×27     307,392
pool2     192×13×13           0
conv3     384×13×13     663,936
conv4     384×13×13   1,327,488
conv5     256×13×13     884,992
pool5     256×6×6             0
fc6       4096       37,752,832
fc7       4096       16,781,312
fc8       1000        4,097,000
"""

_CNTK = """
conv1     96×55×55       34,944
pool1     96×27×27            0
conv2     192×27×27     460,992
pool2     192×13×13           0
conv3     384×13×13     663,936
conv4     384×13×13   1,327,488
conv5     256×13×13     884,992
pool5     256×6×6             0
fc6       4096       37,752,832
fc7       4096       16,781,312
fc8       1000        4,097,000
"""

_D2L = """
conv1     96×54×54       11,712
pool1     96×26×26            0
conv2     256×26×26     614,656
pool2     256×12×12           0
conv3     384×12×12     885,120
conv4     384×12×12   1,327,488
conv5     256×12×12     884,992
pool5     256×5×5             0
fc6       4096       26,218,496
fc7       4096       16,781,312
fc8       10             40,970
"""

_CVGJ = """
bn0       3×227×227           6
conv1     96×55×55       34,944
pool1     96×27×27            0
conv2     256×27×27     307,456
pool2     256×13×13           0
conv3     384×13×13     885,120
conv4     384×13×13     663,936
conv5     256×13×13     442,624
pool5     256×6×6             0
fc6       4096       37,752,832
fc7       4096       16,781,312
fc8       1000        4,097,000
"""

_TFLEARN = """
conv1     96×57×57       34,944
pool1     96×29×29            0
conv2     256×29×29     614,656
pool2     256×15×15           0
conv3     384×15×15     885,120
conv4     384×15×15   1,327,488
conv5     256×15×15     884,992
pool5     256×8×8             0
fc6       4096       67,112,960
fc7       4096       16,781,312
fc8       17             69,649
"""

_BLOG = """
conv1     96×54×54       34,944
pool1     96×27×27            0
bn1       96                192
conv2     256×17×17   2,973,952
pool2     256×8×8             0
bn2       256               512
conv3     384×6×6       885,120
bn3       384               768
conv4     384×4×4     1,327,488
bn4       384               768
conv5     256×2×2       884,992
pool5     256×1×1             0
bn5       256               512
fc6       4096        1,052,672
bn6       4096            8,192
fc7       4096       16,781,312
bn7       4096            8,192
fc8       1000        4,097,000
bn8       1000            2,000
fc9       17             17,017
"""

_ILLUSTRATED = """
conv1  96×54×54      34,944
pool1  96×26×26           0
bn1    96×26×26         384
conv2  256×22×22    614,656
pool2  256×10×10          0
bn2    256×10×10      1,024
conv3  256×8×8      590,080
conv4  384×6×6      885,120
conv5  384×4×4    1,327,488
pool5  384×1×1            0
bn5    384×1×1        1,536
fc6    4096       1,576,960
fc7    4096      16,781,312
fc8    17            69,649
"""

_NOTEBOOK_FLOWERS = """
conv1    96×54×54       34,944
pool1    96×26×26            0
bn1      96×26×26          384
conv2    256×26×26     614,656
pool2    256×12×12           0
bn2      256×12×12       1,024
conv3    384×10×10     885,120
bn3      384×10×10       1,536
conv4    384×8×8     1,327,488
bn4      384×8×8         1,536
conv5    256×6×6       884,992
pool5    256×2×2             0
bn5      256×2×2         1,024
flatten  1024                0
fc6      4096        4,198,400
bn6      4096           16,384
fc7      4096       16,781,312
bn7      4096           16,384
fc8      17             69,649
"""

_NOTEBOOK_MNIST = """
conv1    32×26×26      320
pool1    32×13×13        0
conv2    64×11×11   18,496
pool2    64×5×5          0
flatten  1600            0
fc3      128       204,928
fc4      10          1,290
"""

_SIXTY = "the abstract says 60 million; added up by hand from the layers"
_NOTHING = "added up by hand from its layer definitions"

PUBLISHED = {
    "paper": Published(_TWO_COLUMNS, 60_965_224, 724.4, _SIXTY),
    "paper-run": Published(_TWO_COLUMNS, 60_965_224, 724.4, _SIXTY),
    "paper-half": Published(_HALF, 59_798_312, 391.5, _NOTHING),
    "paper-conv6": Published(_CONV6, 61_555_304, 745.6, _NOTHING),
    "bvlc": Published(_TWO_COLUMNS, 60_965_224, 724.4, _NOTHING),
    "caffenet": Published(_TWO_COLUMNS, 60_965_224, 724.4, _NOTHING),
    "onnx-zoo": Published(_CAFFE_224, 60_965_224, 720.6, _NOTHING),
    "cvgj": Published(_CVGJ, 60_965_230, 724.4, "added up by hand: bvlc's, and 6 of the input's scale", moving=19_142),
    "owt": Published(_ONE_TOWER, 61_100_840, 714.2, "added up by hand; the paper says 0.2 % more than two towers"),
    "owt-footnote": Published(
        _FOOTNOTE, 61_838_248, 838.8, "added up by hand; tf_cnn_benchmarks has the same at 227 pixels"
    ),
    "owt-bn": Published(_BATCH_NORM, 61_119_528, 714.2, _NOTHING, moving=18_688),
    "torchvision": Published(_TORCHVISION, 61_100_840, 714.2, "printed by torchvision, 0.71 GFLOPS"),
    "torch7-towers": Published(_TOWERS, 60_522_856, 649.6, _NOTHING),
    "ungrouped": Published(_UNGROUPED, 62_378_344, 1135.3, "asserted by pytorchcv"),
    "d2l": Published(_D2L, 46_764_746, 938.1, "added up by hand; the book prints 6,400 values after the flatten"),
    "cntk": Published(_CNTK, 62_003_496, 985.9, _NOTHING),
    "slim-v2": Published(_SLIM, 50_303_912, 736.6, _NOTHING),
    "tflearn-flowers": Published(_TFLEARN, 87_711_121, 1410.6, _NOTHING),
    "keras-blog": Published(
        _BLOG, 28_075_633, 1039.6, "what Keras prints, 28,096,769, less 21,136 not trainable", moving=21_136
    ),
    "illustrated": Published(
        _ILLUSTRATED, 21_883_153, None, "printed by Keras, 1,472 of them not trainable", counts="all", moving=1_472
    ),
    "notebook-flowers": Published(
        _NOTEBOOK_FLOWERS,
        24_834_833,
        None,
        "printed by Keras, 19,136 of them not trainable",
        counts="all",
        moving=19_136,
    ),
    "notebook-mnist": Published(_NOTEBOOK_MNIST, 225_034, None, "printed by Keras", counts="all"),
}
