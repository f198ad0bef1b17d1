"""A run or a file of weights as a model that other programs run: made, compared with ours, certified, then kept."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from alexnet import dataset, durable, predict
from alexnet.errors import UsageError
from alexnet.export import certificate, compared, making, packages, triton, verification
from alexnet.export.certificate import Certificate
from alexnet.export.making import Order
from alexnet.models import foreign
from alexnet.plain_files import model_name, refuse_overwriting
from alexnet.progress import Display
from alexnet.run import Run, shown

Form = Literal["onnx", "torch", "triton"]


@dataclass(frozen=True)
class Exported:
    """The file that was kept, and what it was compared on."""

    source: Path
    form: Form
    variant: str
    written: Path
    size: int
    """Bytes."""
    certificate: Certificate

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "source": str(self.source),
            "format": self.form,
            "model": self.variant,
            "written": str(self.written),
            "bytes": self.size,
            **asdict(self.certificate),
        }


def export(
    given: str,
    *,
    form: Form = "onnx",
    int8: bool = False,
    output: Path | None = None,
    name: str | None = None,
    licence: str = "",
    public_pictures: bool = False,
    data_dir: Path | None = None,
    exist_ok: bool = False,
    display: Display | None = None,
) -> Exported:
    """Write a run's best weights, or a file of weights, as `form`; by default into the run's folder `export`.

    The file is compared with our own answers before it is kept, and holds eight small pictures with their answers: of
    the run's data, or with `public_pictures` of two published photographs. With `int8` the network computes in 8 bits,
    if its accuracy on the run's validation pictures stays within half a point. `name`: of Triton's model.

    Errors: UsageError when a package is missing, the file exists, or there is nowhere to write; DataError when int8
    lacks pictures; ModelFileError when the weights cannot be used, or the exported model answers otherwise.
    """
    display = display or Display()
    _refuse_contradictions(form, int8, name)
    run = None if foreign.is_weights(given) else Run.find(given)
    if run is None and int8:
        raise UsageError(f"--int8 needs a run, whose pictures it is calibrated and judged on: {given} is none")
    target = _target(given, run, form, int8, output, name)
    refuse_overwriting(target, exist_ok)
    file = foreign.locate(given, display) if run is None else run.best
    classifier = predict.load(file, device="cpu", display=display)
    pictures = compared.photographs() if run is None else compared.of_run(run, data_dir, display)
    inside = compared.photographs() if public_pictures else pictures
    small = certificate.samples(inside.pictures, classifier.card.preprocess.resize_to)
    order = Order(classifier, pictures, small, licence, display)
    if form == "torch":
        data, proof = making.torch_program(order)
    elif run is not None and int8:
        data, proof = making.onnx_int8(order, dataset.of_run(run, classifier.card, data_dir, display))
    else:
        data, proof = making.onnx(order)

    def check(unfinished: Path) -> None:
        verification.verify(unfinished)
        if form == "triton":
            triton.write_around(target, classifier.card)

    durable.write(target, lambda out: out.write(data), check=check)
    exported = Exported(file, form, classifier.card.variant, target, len(data), proof)
    _tell(exported, inside.origin, display)
    return exported


def _refuse_contradictions(form: Form, int8: bool, name: str | None) -> None:
    if int8 and form == "torch":
        raise UsageError("--int8 is for --format onnx and triton: leave it out")
    if name is not None and form != "triton":
        raise UsageError("--name is of Triton's model: say where to write with --output")
    packages.require(*(() if form == "torch" else ("onnx", "onnxruntime")))


def _target(given: str, run: Run | None, form: Form, int8: bool, output: Path | None, name: str | None) -> Path:
    """The file to write. Errors: UsageError when nobody said where."""
    if output is None and run is None:
        raise UsageError(f"{given} is no run, which would have a folder for it: say where to write with --output")
    folder = (run.path / "export") if run is not None else Path()
    if form == "triton":
        called = name or (Path(given).stem if run is None else run.path.resolve().name)
        return (output or folder / "triton") / model_name(called) / "1" / "model.onnx"
    ending = ".pt2" if form == "torch" else ".onnx"
    target = output or folder / f"model{'-int8' if int8 else ''}{ending}"
    if target.suffix != ending:
        raise UsageError(f"--output {target} must end in {ending}: that is what --format {form} writes")
    return target


def _tell(exported: Exported, inside: str, display: Display) -> None:
    proof = exported.certificate
    display.say(
        f"compared with ours on {proof.compared} pictures ({proof.pictures}): probabilities differ by at most "
        f"{proof.largest_difference:.1e}, {proof.top1_agreement:.1%} name the same class first"
    )
    if proof.accuracy:
        display.say(
            f"top-1 of {proof.accuracy['pictures']} validation pictures: {proof.accuracy['float32']:.2%} in float32, "
            f"{proof.accuracy['int8']:.2%} in int8"
        )
    display.say(f"inside, with their answers: {certificate.SAMPLES} small pictures, {inside}")
    display.say(f"written to {exported.written}: {exported.size:,} bytes")
    display.say(f"check it anywhere: alexnet export --verify {shown(exported.written)}")
