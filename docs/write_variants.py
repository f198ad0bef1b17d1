"""Writes docs/variants.md from the code: `python docs/write_variants.py`. A test runs it and compares."""

from pathlib import Path

from alexnet.models.layers import Conv
from alexnet.models.placing import place
from alexnet.models.proof import Proof, prove
from alexnet.models.summary import Row, summarise
from alexnet.models.variants import VARIANTS, Variant

PAGE = Path(__file__).with_name("variants.md")

INTRODUCTION = """# The atlas of AlexNets

Written from the code by `python docs/write_variants.py`; `alexnet models --check` holds the counts against reference
tables. "Receptive field" is in pixels, "side" the arithmetic of one side.

There is not one AlexNet. The 2012 paper, the program behind it, and those who built it again disagree, mostly without
saying so, about the picture's side (224 or 227), about windows that do not fit (dropped, or filled with zeros), about
response normalisation (where it stands, what k is, whether α is divided by the number of maps), about groups, about
dropout (before or after a dense layer, scaled in training or at test) and about the number of filters. Below is each of
them as published. Layers are called conv1 … fc8 in all (the small MNIST net has four), so that "fc7" means the same
everywhere; `alexnet diff A B` shows two side by side, `alexnet summary NAME` one with its sizes.

## At a glance

Accuracies with a different "on" do not compare.

"""

CHOICES = """
## What they disagree about

**55 from 224.** An 11-pixel window at stride 4 fits 54 times into 224 pixels, with one pixel over. The 2012 program
rounds up: `⌈(224 - 11) / 4⌉ + 1 = 55`, its last window hangs 3 pixels over the right and the bottom edge and reads
zeros there. Caffe feeds 227 pixels, where 55 windows fit; torchvision pads 2 pixels on each side, `⌊(224 + 4 - 11) / 4⌋
+ 1 = 55`, as does tensorpack; neon pads 3. Keras, TF-slim and the book *Dive into Deep Learning* stay at 54. These
networks see different pixels.

**Response normalisation.** `x · (k + a Σ x²)^-β` over five neighbouring maps (tflearn: eleven). The paper prints k = 2
and a = α = 1e-4; the program divides, a = α / 5, and so do Caffe and PyTorch; Caffe's k is 1. For values 1 … 7 in seven
maps:

| reading | | | | | | | |
|---|---|---|---|---|---|---|---|
| paper: k 2, α | .594292 | 1.187871 | 1.780140 | 2.370419 | 2.958055 | 3.550857 | 4.145138 |
| 2012 program: k 2, α/5 | .594541 | 1.188940 | 1.783075 | 2.376810 | 2.970011 | 3.564254 | 4.158794 |
| Caffe: k 1, α/5 | .999790 | 1.999100 | 2.997527 | 3.994608 | 4.989899 | 5.988685 | 6.988472 |

TensorFlow's and pylearn2's layers do not divide: Caffe's weights need α = 2e-5 there, which kratzert's and tensorpack's
copies set, and Theano's copy trained with 1e-4 undivided. What MXNet's and Paddle's layers do we have not read;
Paddle's documentation prints the formula undivided.

k = 1 instead of 2 scales everything by 2^0.75 = 1.68, which the biases and the next layer's start notice.

**Two columns.** conv2, conv4 and conv5 read only their own half (`groups 2`); conv3 and the dense layers read both. In
the run of 2012 normalisation does not cross from one half to the other either.

**Dropout.** In 2012 values are multiplied by one half at test; today the kept ones are doubled in training. Weights of
the one kind in a network of the other are wrong by a factor of two in the layers behind. The paper and Caffe drop
after fc6 and fc7, Torch and torchvision before them.

## One by one

"Pictures" and "start" are the source's. `alexnet train` takes the start from the network, and pictures, rates and
augmentation from the recipe; weights of others are fed the source's way. "Squashed" is resized on both sides without
keeping proportions. Batch norm's momentum is the weight of the newest batch (Keras's 0.99 is 0.01 here). What the last
maps see may be wider than the picture: it is counted without its edges.
"""


def page() -> str:
    """The whole page."""
    proofs = {name: prove(variant) for name, variant in VARIANTS.items()}
    glance = [
        "| name | input | filters (groups) | norm | classes | parameters | M multiply-adds | top-1 / top-5 % | on |",
        "|---|---|---|---|---:|---:|---:|---|---|",
    ]
    glance += [_glance(variant, proofs[name]) for name, variant in VARIANTS.items()]
    sections = [_section(variant, proofs[name]) for name, variant in VARIANTS.items()]
    return INTRODUCTION + "\n".join(glance) + "\n" + CHOICES + "\n" + "\n".join(sections)


def _glance(variant: Variant, proof: Proof) -> str:
    layers = [layer for stage in variant.stages.values() for layer in stage]
    convs = [stage[0] for name, stage in variant.stages.items() if name.startswith("conv")]
    filters = ", ".join(
        f"{conv.filters}" + (f" ({conv.groups})" if conv.groups > 1 else "") for conv in convs if isinstance(conv, Conv)
    )
    kinds = {"norm": "LRN", "mapnorm": "within-map", "bn": "batch norm"}
    norms = " + ".join(name for kind, name in kinds.items() if any(layer.kind == kind for layer in layers)) or "none"
    link = f"[{variant.name}](#{variant.name})"
    side = f"{variant.input[1]}×{variant.input[0]}"
    adds = f"{proof.multiply_adds / 1e6:,.1f}"
    trained = summarise(variant.name).trainable
    return (
        f"| {link} | {side} | {filters} | {norms} | {variant.classes:,} | {trained:,} | {adds} "
        f"| {variant.accuracy or ''} | {variant.accuracy.on if variant.accuracy else ''} |"
    )


def _section(variant: Variant, proof: Proof) -> str:
    table = summarise(variant.name)
    accuracy = variant.accuracy
    figures = "none found"
    if accuracy:
        views = "top-1" if accuracy.top5 is None else "top-1 / top-5"
        figures = f"{accuracy} % right ({views}), {accuracy.on}; from {accuracy.source}"
    moving = f", and {table.non_trainable:,} running statistics" if table.non_trainable else ""
    lines = [
        f"### {variant.name}",
        "",
        f"*{variant.note}*",
        "",
        f"- Source: {variant.source}",
        f"- Pictures: {variant.preprocess.in_words}",
        f"- Start: {variant.init}",
        f"- Parameters: {table.trainable:,}{moving}. Reference: {proof.published.total:,}, {proof.published.origin}",
        f"- Published accuracy: {figures}",
        "",
        "| layer | what | output | parameters | receptive field | stride | side |",
        "|---|---|---|---:|---:|---:|---|",
    ]
    placed = place(variant, variant.classes, variant.input)
    lines += [_layer(str(each.layer), row) for each, row in zip(placed, table.rows, strict=True)]
    if variant.remarks:
        lines += ["", "Notes and open questions:", "", *(f"- {remark}" for remark in variant.remarks)]
    return "\n".join([*lines, ""])


def _layer(what: str, row: Row) -> str:
    shape = "×".join(str(side) for side in row.shape)
    cells = (
        row.name,
        what,
        shape,
        f"{row.trainable:,}" if row.trainable else "",
        str(row.receptive_field or ""),
        str(row.stride or ""),
        row.arithmetic,
    )
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    print(f"{PAGE} written")
