"""The table of all fixations: what is inside an image, and selections."""

import numpy as np
import pytest

from explainsal.data.fixation_table import FixationTable
from explainsal.errors import CorruptFileError


def table(*images: list) -> FixationTable:
    """One observer per point."""
    observers = [[np.array([p], dtype=np.float64) for p in image] for image in images]
    return FixationTable.from_observers([f"i{k}" for k in range(len(images))], [(4, 6)] * len(images), observers)


@pytest.mark.parametrize(
    ("point", "inside"),
    [((0, 0), True), ((5.999, 3.999), True), ((6, 1), False), ((1, 4), False), ((-1e-9, 1), False), ((1, -1), False),
     ((np.nan, 1), False), ((1, np.inf), False)],
    ids=str,
)  # fmt: skip
def test_an_image_is_half_open(point, inside):
    full = table([(1, 1), point], [], [point])
    if inside:
        assert full.inside("error", "set") is full
        return
    with pytest.warns(UserWarning, match="set: 2 of 3 fixations"):
        kept = full.inside("drop", "set")
    assert kept.counts.tolist() == [1, 0, 0]
    assert kept.points(0).tolist() == [[1, 1]]
    assert kept.observer.tolist() == [0]
    with pytest.raises(CorruptFileError, match="i0"):
        full.inside("error", "set")


def test_selection_keeps_points_with_their_images():
    full = table([(0, 1), (1, 1)], [], [(2, 2)], [(3, 3), (4, 3), (5, 3)])
    part = full.select([3, 1, 0])
    assert part.ids == ("i3", "i1", "i0")
    assert [part.points(k).tolist() for k in range(3)] == [[[3, 3], [4, 3], [5, 3]], [], [[0, 1], [1, 1]]]
    assert part.observer.tolist() == [0, 1, 2, 0, 1]
    assert len(full.select([])) == 0


def test_points_are_a_copy():
    full = table([(0, 1)])
    full.points(0)[:] = 9
    assert full.points(0).tolist() == [[0, 1]]


def test_wrong_option():
    with pytest.raises(ValueError, match="outside"):
        table([(0, 0)]).inside("clip", "set")
