import numpy as np

from ranet.visual.contact_sheet import Strip
from ranet.visual.panels import video_sheet


def strip(name, label):
    frame = np.full((70, 140, 3), 120, np.uint8)
    labels = np.zeros((70, 140), np.uint8)
    labels[10:40, 20:60] = label
    return Strip(name, (0, 7), (frame, frame), (labels, labels))


def test_networks_that_are_compared_have_a_row_each():
    one, other = strip("one", 1), strip("other", 2)
    rows = np.split(video_sheet([one, other]), 2)
    np.testing.assert_array_equal(rows[0], video_sheet([one]))
    np.testing.assert_array_equal(rows[1], video_sheet([other]))
