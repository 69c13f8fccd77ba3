import threading

import pytest
from annotated_squares import FRAMES, SIZE
from annotator_client import Client
from moving_squares import moving
from tiny_ranet import tiny_ranet

from ranet.annotator.server import AnnotatorServer
from ranet.annotator.session import Session
from ranet.config import InferenceConfig
from ranet.datasets.image_io import write_image
from ranet.datasets.video_io import open_frames
from ranet.inference.segmenter import VideoSegmenter


@pytest.fixture(scope="session")
def network():
    return tiny_ranet("multi")


@pytest.fixture
def segmenter(network):
    config = InferenceConfig(input_size=SIZE, frame_size=SIZE, device="cpu")
    return VideoSegmenter(network, config)


@pytest.fixture
def squares(tmp_path):
    """A video of objects 1 and 2, frames and labels; it lies in the folder ``frames``."""
    video = moving(SIZE, FRAMES, {1: (4, 6), 2: (24, 50)}, step=(1, 2), side=16)
    for number, (frame, _) in enumerate(video):
        write_image(tmp_path / "frames" / f"{number:02d}.png", frame)
    return video


@pytest.fixture
def make_session(squares, segmenter, tmp_path):
    """Makes a session of the squares; it is closed at the end."""
    made = []

    def make(**options):
        work = tmp_path / f"work{len(made)}"
        work.mkdir()
        source = options.pop("source", None) or open_frames(tmp_path / "frames")
        given = {"out": tmp_path / "out", "work": work, **options}
        made.append(Session("squares", source, segmenter, **given))
        return made[-1]

    yield make
    for session in made:
        session.close()


@pytest.fixture
def session(make_session):
    return make_session()


@pytest.fixture
def server(session):
    with AnnotatorServer(session) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def client(server):
    return Client(server)
