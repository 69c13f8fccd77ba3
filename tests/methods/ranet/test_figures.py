import numpy as np

from ranet.methods.ranet.figures import _video
from ranet.visual.contact_sheet import Strip


def strip(name, label):
    frame = np.full((70, 140, 3), 120, np.uint8)
    labels = np.zeros((70, 140), np.uint8)
    labels[10:40, 20:60] = label
    return Strip(name, (0, 7), (frame, frame), (labels, labels))


def test_networks_that_are_compared_have_a_row_each():
    one, other = strip("one", 1), strip("other", 2)
    rows = np.split(_video([one, other]), 2)
    np.testing.assert_array_equal(rows[0], _video([one]))
    np.testing.assert_array_equal(rows[1], _video([other]))
