import pytest
from annotated_squares import FRAMES, SIZE
from moving_squares import moving
from tiny_ranet import tiny_ranet

from ranet import InferenceConfig, VideoSegmenter
from ranet.annotator.journal import Journal
from ranet.annotator.marks import Marks
from ranet.annotator.session import Session
from ranet.datasets.image_io import write_image
from ranet.datasets.video_io import open_frames


@pytest.fixture(scope="session")
def network():
    return tiny_ranet("multi")


@pytest.fixture
def squares(tmp_path):
    """A video of objects 1 and 2, frames and labels; it lies in the folder ``frames``."""
    video = moving(SIZE, FRAMES, {1: (4, 6), 2: (24, 50)}, step=(1, 2), side=16)
    for number, (frame, _) in enumerate(video):
        write_image(tmp_path / "frames" / f"{number:02d}.png", frame)
    return video


@pytest.fixture
def make_session(squares, network, tmp_path):
    """Makes a session of the squares, or of another ``source``; it is closed at the end."""
    made = []

    def make(out="out", source=None, size=SIZE, beginning=None, title="squares"):
        work = tmp_path / f"work{len(made)}"
        work.mkdir()
        source = source or open_frames(tmp_path / "frames")
        config = InferenceConfig(input_size=size, frame_size=size, device="cpu")
        identity = {"size": list(source.size)}
        journal = Journal(tmp_path / f"{out}.journal", identity, beginning or Marks())
        segmenter = VideoSegmenter(network, config)
        made.append(Session(title, source, segmenter, journal, out=tmp_path / out, work=work))
        return made[-1]

    yield make
    for session in made:
        session.close()


@pytest.fixture
def session(make_session):
    return make_session()
