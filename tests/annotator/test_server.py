"""What the server answers, and to whom it does not."""

import json
import socket

import cv2
import numpy as np
import pytest
from annotated_squares import FRAMES, SIZE
from annotator_client import Client, wait_until

from ranet.annotator.server import LARGEST_BODY, LOOPBACK, TOKEN_HEADER, AnnotatorServer
from ranet.errors import OutputError

BOX = {"frame": 0, "edit": {"kind": "box", "object": 1, "box": [2, 4, 22, 24]}}


def test_only_this_machine_can_connect(server):
    assert server.server_address[0] == LOOPBACK
    assert server.url == f"http://127.0.0.1:{server.server_port}/#{server.token}"


def test_the_page_and_its_files_load_nothing_from_elsewhere(client):
    for path in client.server.files:
        status, headers, body = client.ask(path, **{TOKEN_HEADER: "none"})
        assert status == 200
        assert headers["Content-Type"].startswith("text/")
        assert "default-src 'none'" in headers["Content-Security-Policy"]
        assert b"//cdn" not in body
        assert b"https://" not in body
    assert set(client.server.files) >= {"/", "/page.css", "/main.js", "/stage.js"}


def test_a_session_by_http(client, squares, tmp_path):
    assert client.get("/api/state")["frames"] == FRAMES
    told = client.get("/api/edit", BOX)
    assert told["marked"] == [0]
    assert client.get("/api/object", {"frame": 3})["select"] == 2
    assert client.get("/api/object/remove", {"frame": 3, "object": 2})["select"] is None
    assert client.get("/api/undo", {})["show"] == 3
    assert client.get("/api/redo", {})["show"] == 3
    client.get("/api/segment", {"backward": False})
    wait_until(lambda: client.get("/api/state")["complete"])
    client.get("/api/export", {"overlay": False, "coco": True})
    wait_until(lambda: client.get("/api/state")["exported"])
    assert len(json.loads((tmp_path / "out" / "masks.json").read_text())["images"]) == FRAMES
    assert client.get("/api/stop", {})["job"]["state"] == "done"


def test_pictures_have_the_video_s_size(client, squares):
    client.get("/api/edit", BOX)
    status, headers, body = client.ask("/api/frame?n=1")
    assert (status, headers["Content-Type"]) == (200, "image/jpeg")
    frame = cv2.imdecode(np.frombuffer(body, np.uint8), cv2.IMREAD_COLOR)[..., ::-1]
    assert np.abs(frame.astype(int) - squares[1][0]).mean() < 5
    _, headers, body = client.ask("/api/layer?n=0")
    layer = cv2.imdecode(np.frombuffer(body, np.uint8), cv2.IMREAD_UNCHANGED)
    assert layer.shape == (*SIZE, 4)
    assert ((layer[..., 3] > 0) == (client.server.session.labels(0) > 0)).all()
    assert layer[12, 14].tolist() == [0, 0, 128, 140]  # blue, green, red, alpha: dark red


def test_without_the_token_nothing_is_told_or_done(client):
    for path, body in (("/api/state", None), ("/api/frame?n=0", None), ("/api/edit", BOX)):
        for token in ("", "wrong", "ü"):
            status, message = client.refused(path, body, **{TOKEN_HEADER: token})
            assert status == 403
            assert "token is missing or wrong" in message
    assert client.get("/api/state")["marked"] == []


def test_other_names_and_other_pages_are_refused(client):
    port = client.server.server_port
    for headers in (
        {"Host": f"evil.example:{port}"},
        {"Host": LOOPBACK},
        {"Origin": "http://evil.example"},
        {"Origin": f"http://127.0.0.1:{port + 1}"},
        {"Origin": "null"},
    ):
        for path in ("/", "/api/state"):
            status, message = client.refused(path, **headers)
            assert status == 403
            assert "This server answers to" in message
    assert client.get("/api/state", Origin=f"http://127.0.0.1:{port}")
    assert client.get("/api/state", Host=f"localhost:{port}")


@pytest.mark.parametrize(
    "path",
    [
        "/../session.py",
        "/%2e%2e/session.py",
        "//etc/passwd",
        "/page/page.html",
        "/api",
        "/api/nope",
    ],
)
def test_there_is_nothing_else(client, path):
    status, message = client.refused(path)
    assert status == 404
    assert "There is nothing at" in message


def test_every_path_has_its_method(client):
    assert client.refused("/api/edit")[0] == 405
    assert client.refused("/api/state", {}) == (405, "/api/state takes no POST.")


@pytest.mark.parametrize(
    ("path", "body", "status", "message"),
    [
        ("/api/edit", b"{", 400, "Expected JSON"),
        ("/api/edit", b"[]", 400, "Expected a JSON object"),
        ("/api/edit", {}, 400, "frame"),
        ("/api/edit", {**BOX, "colour": 3}, 400, "colour"),
        ("/api/edit", {**BOX, "frame": FRAMES}, 400, "no frame 6"),
        ("/api/undo", {}, 400, "nothing to undo"),
        ("/api/segment", {}, 400, "No frame is annotated"),
        ("/api/export", {"cut_out": "gif"}, 400, "cut_out"),
        ("/api/object", {"frame": -1}, 400, "frame"),
        ("/api/nowhere", {}, 404, "nothing at"),
        ("/api/frame?n=99", None, 400, "no frame 99"),
        ("/api/frame?n=-1", None, 400, "Expected the number of a frame"),
        ("/api/layer", None, 400, "Expected the number of a frame"),
    ],
)
def test_a_wrong_request_is_told_what_is_wrong(client, path, body, status, message):
    found, said = client.refused(path, body)
    assert found == status
    assert message in said


def test_other_methods_are_refused(client):
    import http.client

    connection = http.client.HTTPConnection(LOOPBACK, client.server.server_port, timeout=30)
    connection.request("DELETE", "/api/state", headers=client.headers)
    response = connection.getresponse()
    assert response.status == 501
    assert "DELETE" in json.loads(response.read())["error"]
    connection.close()


def test_only_json_is_taken(client):
    status, message = client.refused("/api/undo", b"{}", **{"Content-Type": "text/plain"})
    assert (status, message) == (415, "Expected application/json.")


@pytest.mark.parametrize(
    ("length", "status"), [(f"{LARGEST_BODY + 1}", 413), ("-1", 411), ("many", 411), (None, 411)]
)
def test_a_body_that_is_too_long_is_not_read(client, length, status):
    port = client.server.server_port
    lines = [
        "POST /api/edit HTTP/1.1",
        f"Host: 127.0.0.1:{port}",
        f"{TOKEN_HEADER}: {client.server.token}",
        "Content-Type: application/json",
        *([f"Content-Length: {length}"] if length else []),
    ]
    with socket.create_connection((LOOPBACK, port), timeout=30) as connection:
        connection.sendall("\r\n".join([*lines, "", ""]).encode())
        answer = connection.makefile("rb").read()  # to the end: the server hangs up
    assert answer.startswith(f"HTTP/1.1 {status} ".encode())


def test_a_second_thing_at_a_time_is_refused(client, monkeypatch):
    session = client.server.session
    client.get("/api/edit", BOX)

    class Running:
        running, doing = True, "segmenting"

        def as_json(self):
            return {}

    monkeypatch.setattr(session, "job", Running())
    assert client.refused("/api/segment", {}) == (
        409,
        "Still segmenting: wait until it has ended, or stop it.",
    )
    monkeypatch.setattr(session, "job", None)


def test_a_mistake_of_the_program_is_told(client, monkeypatch, caplog):
    def broken():
        raise ZeroDivisionError("oh")

    monkeypatch.setattr(client.server.session, "undo", broken)
    status, message = client.refused("/api/undo", {})
    assert status == 500
    assert "ZeroDivisionError: oh" in message
    assert "Traceback" in caplog.text


def test_every_server_has_its_own_token(server, make_session, tmp_path):
    with AnnotatorServer(make_session()) as other:
        assert other.token != server.token
        assert len(other.token) >= 32


def test_a_port_that_is_taken_is_told(server):
    with pytest.raises(OutputError, match=f"Cannot listen on port {server.server_port}"):
        AnnotatorServer(server.session, server.server_port)


def test_requests_share_a_connection(server):
    import http.client

    connection = http.client.HTTPConnection(LOOPBACK, server.server_port, timeout=30)
    headers = Client(server).headers
    for _ in range(3):
        connection.request("GET", "/api/state", headers=headers)
        response = connection.getresponse()
        assert response.status == 200
        response.read()
        assert connection.sock is not None
    connection.close()
