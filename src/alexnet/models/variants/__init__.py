"""The named variants, one file a family: each a literal to be laid beside its source and compared line by line."""

from alexnet.errors import UsageError, unknown
from alexnet.models.variants import caffe, keras, pytorch, toolkits, toronto
from alexnet.models.variants.variant import Accuracy, Variant

__all__ = ["VARIANTS", "Accuracy", "Variant", "find"]

VARIANTS = {
    variant.name: variant
    for variant in (
        toronto.PAPER,
        toronto.PAPER_RUN,
        toronto.PAPER_HALF,
        toronto.PAPER_CONV6,
        caffe.BVLC,
        caffe.CAFFENET,
        caffe.ONNX_ZOO,
        caffe.CVGJ,
        toronto.OWT,
        toronto.OWT_FOOTNOTE,
        pytorch.OWT_BN,
        pytorch.TORCHVISION,
        pytorch.TORCH7_TOWERS,
        pytorch.UNGROUPED,
        pytorch.D2L,
        toolkits.CNTK,
        toolkits.SLIM_V2,
        toolkits.TFLEARN_FLOWERS,
        keras.KERAS_BLOG,
        keras.ILLUSTRATED,
        keras.NOTEBOOK_FLOWERS,
        keras.NOTEBOOK_MNIST,
    )
}
"""In the order of the story: 2012, Caffe, one tower, Torch and PyTorch, other toolkits, Keras."""


def find(name: str) -> Variant:
    """The variant called `name`. Errors: UsageError that suggests the nearest name."""
    if name not in VARIANTS:
        raise UsageError(unknown("model", name, VARIANTS))
    return VARIANTS[name]
