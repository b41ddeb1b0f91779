"""The table of all fixations: what is inside an image, and selections."""

import numpy as np
import pytest

from explainsal.data.fixation_table import FixationTable, Scanpath
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


def test_clipping_moves_points_to_the_edge_and_leaves_out_what_is_no_number():
    full = table([(1, 1), (-3, 2)], [(7, 4), (np.nan, 1)])
    with pytest.warns(UserWarning, match="3 of 4 fixations.*moved"):
        clipped = full.inside("clip", "set")
    assert clipped.counts.tolist() == [2, 1]
    assert clipped.points(0).tolist() == [[1, 1], [0, 2]]
    assert np.floor(clipped.points(1)).tolist() == [[5, 3]]
    assert clipped.inside("error", "set") is clipped


def test_times_and_durations_stay_with_their_fixations(tmp_path):
    paths = [Scanpath(np.array([[0.0, 0], [9, 9], [1, 1]]), 7, np.arange(3.0), np.arange(3.0) / 10)]
    full = FixationTable.from_observers(["a", "b"], [(4, 6), (4, 6)], [[], paths])
    with pytest.warns(UserWarning, match="1 of 3"):
        kept = full.inside("drop", "set").select([1])
    kept.save(tmp_path / "table.npz")
    for each in (kept, FixationTable.load(tmp_path / "table.npz")):
        assert (each.ids, each.t.tolist(), each.observer.tolist()) == (("b",), [0, 2], [7, 7])
        np.testing.assert_allclose(each.duration, [0, 0.2], rtol=1e-6)
    mixed = FixationTable.from_observers(["a"], [(4, 6)], [[*paths, np.zeros((1, 2))]])
    np.testing.assert_array_equal(mixed.t, [0, 1, 2, np.nan])  # an observer without times does not lose the others'
    np.testing.assert_array_equal(mixed.duration, np.float32([0, 0.1, 0.2, np.nan]))


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
        table([(0, 0)]).inside("ignore", "set")
