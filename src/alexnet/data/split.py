"""Which picture is in train, validation, test, and why; written to the run."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from alexnet.data.sources.base import Source
from alexnet.errors import DataError, UsageError

Indices = NDArray[np.int64]
FIXED = 42  # random_state of every split: the same pictures for every seed, so that runs can be compared


@dataclass(frozen=True)
class Split:
    """Indices into the source's pictures."""

    train: Indices
    val: Indices
    test: Indices
    why: str

    @property
    def judged(self) -> Indices:
        """Those that judge a network, in val or test; sorted."""
        return np.union1d(self.val, self.test)

    def part(self, name: str) -> Indices:
        """The indices of train, val or test. Errors: UsageError when there are none."""
        if name not in ("train", "val", "test"):
            raise UsageError(f"unknown split {name!r}: use train, val or test")
        indices: Indices = getattr(self, name)
        if len(indices) == 0:
            there = [part for part in ("train", "val", "test") if len(getattr(self, part))]
            raise UsageError(f"this run has no {name} part; there are: {', '.join(there)}")
        return indices

    def rows(self, source: Source) -> list[dict[str, str]]:
        """One row a picture, for split.csv. Where validation is the test part, the row says `val+test`."""
        parts: dict[int, list[str]] = {}
        for name in ("train", "val", "test"):
            for index in getattr(self, name):
                parts.setdefault(int(index), []).append(name)
        return [
            {
                "path": source.names[index],
                "label": source.classes[source.labels[index]],
                "split": "+".join(named),
            }
            for index, named in sorted(parts.items())
        ]


def assign(
    source: Source,
    usable: Indices,
    *,
    validate_on: Literal["cut", "test"],
    val_split: float,
    fold: tuple[int, int] | None = None,
) -> Split:
    """Divide the `usable` pictures of `source`.

    The source's own parts count first; a source without any is divided 80/20, stratified. With
    `validate_on="cut"`, validation is the source's own val part or is cut from the training part (share
    `val_split`, stratified; 0: no validation); the test part is never touched. With "test", the notebook's
    way, the test part is validation too. A `fold`, such as (2, 5), makes the second fifth of all pictures that are
    not the test part validation, and trains on the others.

    Errors: DataError when a part that is needed would be empty.
    """
    parts = np.array(source.parts, dtype=object)[usable]
    why = source.why
    if not any(parts):
        held_out = _stratified(source, usable, 0.2)
        parts = np.where(np.isin(usable, held_out), "test", "train").astype(object)
        why = f"80/20, stratified, random_state {FIXED}"
    train, val, test = (usable[parts == name] for name in ("train", "val", "test"))
    if len(train) == 0:
        raise DataError(f"{source.name} has no training pictures that can be read")
    if fold is not None:
        return _folded(source, np.sort(np.concatenate([train, val])), test, fold, why)
    if validate_on == "test":
        test = test if len(test) else val
        if len(test) == 0:
            raise DataError(f"{source.name} has no test part to validate on: use --recipe modern")
        return Split(train, test, test, f"{why}; validation is the test part, as in the notebook")
    if len(val) == 0 and val_split > 0:
        val = _stratified(source, train, val_split)
        train = np.setdiff1d(train, val)
        why += f"; validation: {val_split:.0%} of the training part, stratified, random_state {FIXED}"
    return Split(train, val, test, why)


def _folded(source: Source, indices: Indices, test: Indices, fold: tuple[int, int], why: str) -> Split:
    """One of several stratified folds as validation (scikit-learn's StratifiedKFold), the same for every seed."""
    from sklearn.model_selection import StratifiedKFold

    number, folds = fold
    fewest = int(np.bincount(source.labels[indices])[np.unique(source.labels[indices])].min())
    if fewest < folds:
        raise DataError(
            f"{source.name} has a class of {fewest} pictures, too few for {folds} folds: take --folds {max(fewest, 2)} "
            "or fewer, or add pictures"
        )
    parts = StratifiedKFold(folds, shuffle=True, random_state=FIXED).split(indices, source.labels[indices])
    train, val = list(parts)[number - 1]
    said = f"{why}; validation: fold {number} of {folds}, stratified, random_state {FIXED}"
    return Split(indices[train], indices[val], test, said)


def _stratified(source: Source, indices: Indices, share: float) -> Indices:
    """`share` of the indices, each class by its size (scikit-learn's stratified split); sorted.

    At least as many as there are classes; those with a single picture stay in training, since both sides need
    one.
    """
    from sklearn.model_selection import train_test_split

    labels = source.labels[indices]
    counts = np.bincount(labels, minlength=len(source.classes))
    divisible = indices[counts[labels] > 1]
    classes = len(np.unique(source.labels[divisible]))
    held_out = max(classes, int(np.ceil(share * len(divisible))))
    if classes < 1 or len(divisible) - held_out < classes:
        raise DataError(
            f"{source.name} has too few pictures to set some aside ({len(indices)} in {len(source.classes)} "
            "classes): add pictures, or set --val-split 0 and give a test folder"
        )
    chosen: Indices = train_test_split(
        divisible, test_size=held_out, random_state=FIXED, stratify=source.labels[divisible]
    )[1]
    return np.sort(chosen)
