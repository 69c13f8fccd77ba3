import numpy as np

from ranet.visual.cut_out import cut_out


def test_objects_stay_and_nothing_else():
    image = np.full((4, 5, 3), (200, 100, 50), np.uint8)
    labels = np.zeros((4, 5), np.uint8)
    labels[1:3, 2] = 1
    labels[3, 4] = 9
    cut = cut_out(image, labels)
    assert (cut.shape, cut.dtype) == ((4, 5, 4), np.uint8)
    assert (cut[labels > 0] == (200, 100, 50, 255)).all()
    assert (cut[labels == 0] == 0).all()  # not only unseen: gone
    assert (image == (200, 100, 50)).all()
