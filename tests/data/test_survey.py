"""Every picture looked at once."""

import io
import warnings
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from alexnet.data import images, twins
from alexnet.data.sources import Source, open_source
from alexnet.data.sources.base import Content
from alexnet.data.survey import survey
from alexnet.errors import DataError
from alexnet.progress import Display

Folder = Callable[..., Path]
MakeSource = Callable[..., Source]
QUIET = Display(quiet=True)


def test_sides_digests_and_faults_stand_in_the_rows_of_their_pictures(source_of: MakeSource) -> None:
    pictures = [np.full((side, side + 1, 3), side, dtype=np.uint8) for side in range(1, 80)]
    contents: list[Content] = []
    for picture in pictures:
        file = io.BytesIO()
        Image.fromarray(picture).save(file, "PNG")
        contents.append(file.getvalue())
    contents[50] = b"hello"
    seen = survey(source_of([0] * 79, contents=contents), QUIET, 3)
    assert seen.sides.tolist() == [[0, 0] if side == 51 else [side + 1, side] for side in range(1, 80)]
    assert [error.reason for error in seen.bad.values()] == ["a text, no picture"]
    assert seen.usable.tolist() == [index for index in range(79) if index != 50]
    for index in (0, 49, 51, 78):
        assert seen.digests[index].tobytes() == twins.digest(pictures[index])
    assert not seen.digests[50].any()


def test_the_number_of_workers_changes_nothing(folder_of_colours: Folder) -> None:
    folder = folder_of_colours(count=40, side=8)
    for number in range(0, 40, 3):
        (folder / "red" / f"{number:03d}.png").write_bytes(b"")
        Image.new("RGB", (3, 3)).save(folder / "blue" / f"{number:03d}.png", "GIF")
    source = open_source(folder)
    alone, many = (survey(source, QUIET, workers) for workers in (1, 7))
    assert list(alone.bad) == list(many.bad) == sorted(many.bad)
    assert alone.kinds == many.kinds
    assert set(alone.kinds.values()) == {"GIF"}
    np.testing.assert_array_equal(alone.digests, many.digests)


def test_pixels_and_files_of_the_same_picture_have_one_digest(source_of: MakeSource) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (9, 13, 3)).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "PNG")
    seen = survey(source_of([0, 1], contents=[picture, file.getvalue()]), QUIET, 2)
    assert len(twins.alike(seen.digests, seen.usable)) == 1
    assert not seen.kinds


def test_filters_of_warnings_and_what_is_accepted_stay_as_they_were(folder_of_colours: Folder) -> None:
    before = list(warnings.filters)
    source = open_source(folder_of_colours(count=40, side=8))
    with images.accepting_truncated(True):
        survey(source, QUIET, 8)
    assert list(warnings.filters) == before


def test_a_source_that_gives_fewer_pictures_is_refused(folder_of_colours: Folder) -> None:
    source = open_source(folder_of_colours(count=2))

    def fewer() -> Iterator[Content]:
        yield from list(source.contents())[:-1]

    with pytest.raises(DataError, match="gave 5 of its 6 pictures"):
        survey(replace(source, contents=fewer), QUIET, 2)
