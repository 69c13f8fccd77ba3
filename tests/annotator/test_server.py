"""What the server answers, and to whom it does not."""

import json

import cv2
import numpy as np
import pytest
from annotated_squares import FRAMES, SIZE, wait_until
from starlette.testclient import TestClient

from ranet.annotator.server import LARGEST_BODY, TOKEN_HEADER, AnnotatorServer, application
from ranet.errors import OutputError

BOX = {"frame": 0, "object": 1, "kind": "box", "box": [2, 4, 22, 24]}
HOST = "127.0.0.1:8000"


@pytest.fixture
def client(session):
    """What a page does."""
    return TestClient(
        application(session, "right", 8000),
        base_url=f"http://{HOST}",
        headers={TOKEN_HEADER: "right", "Content-Type": "application/json"},
    )


def state(response):
    assert response.status_code == 200, response.text
    return response.json()


def test_the_page_needs_no_token_and_loads_nothing_from_elsewhere(client):
    for path in ("/", "/page.css", "/main.js", "/api.js", "/stage.js"):
        response = client.get(path, headers={TOKEN_HEADER: ""})
        assert response.status_code == 200
        assert "default-src 'none'" in response.headers["Content-Security-Policy"]
        assert "//cdn" not in response.text
        assert "https://" not in response.text


def test_a_session_by_http(client, session, squares, tmp_path):
    assert state(client.get("/api/state"))["frames"] == FRAMES
    assert state(client.post("/api/edit", json=BOX))["marked"] == [0]
    assert state(client.post("/api/add_object", json={"frame": 3}))["select"] == 2
    client.post("/api/remove_object", json={"frame": 3, "object": 2})
    assert state(client.post("/api/step", json={"by": -1}))["show"] == 3
    assert state(client.post("/api/step", json={"by": 1}))["show"] == 3

    frame = client.get("/api/frame/1")
    assert frame.headers["Content-Type"] == "image/jpeg"
    frame = cv2.imdecode(np.frombuffer(frame.content, np.uint8), cv2.IMREAD_COLOR)[..., ::-1]
    assert np.abs(frame.astype(int) - squares[1][0]).mean() < 5
    layer = np.frombuffer(client.get("/api/layer/0").content, np.uint8)
    layer = cv2.imdecode(layer, cv2.IMREAD_UNCHANGED)
    assert layer.shape == (*SIZE, 4)
    assert ((layer[..., 3] > 0) == (session.labels(0) > 0)).all()
    assert layer[12, 14].tolist() == [0, 0, 128, 140]  # blue, green, red, alpha: dark red

    client.post("/api/segment", json={})
    wait_until(lambda: state(client.get("/api/state"))["complete"])
    client.post("/api/export", json={"overlay": False, "coco": True})
    wait_until(lambda: state(client.get("/api/state"))["exported"])
    assert len(json.loads((tmp_path / "out" / "masks.json").read_text())["images"]) == FRAMES
    assert state(client.post("/api/stop", json={}))["job"]["state"] == "done"


@pytest.mark.parametrize("token", ["", "wrong", "rightly"])
def test_without_the_token_nothing_is_told_or_done(client, session, token):
    headers = {TOKEN_HEADER: token}
    assert client.get("/api/state", headers=headers).status_code == 403
    assert client.get("/api/frame/0", headers=headers).status_code == 403
    refused = client.post("/api/edit", json=BOX, headers=headers)
    assert refused.status_code == 403
    assert "token" in refused.json()["error"]
    assert not session.journal.now.labels()


@pytest.mark.parametrize("path", ["/", "/api/state"])
def test_other_names_and_other_pages_are_refused(client, path):
    for headers in (
        {"Host": "evil.example:8000"},
        {"Host": "127.0.0.1"},
        {"Origin": "http://evil.example"},
        {"Origin": "http://127.0.0.1:8001"},
        {"Origin": "null"},
    ):
        assert client.get(path, headers=headers).status_code == 403
    for headers in ({"Origin": f"http://{HOST}"}, {"Host": "localhost:8000"}):
        assert client.get(path, headers=headers).status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/../session.py", 404),
        ("GET", "/%2e%2e/session.py", 404),
        ("GET", "//etc/passwd", 404),
        ("GET", "/api/nope", 404),
        ("POST", "/api/close", 404),
        ("POST", "/api/state", 404),
        ("GET", "/api/frame/-1", 404),
        ("GET", "/api/frame/99", 400),
        ("DELETE", "/api/state", 405),
        ("POST", "/", 405),
    ],
)
def test_there_is_nothing_else(client, method, path, status):
    response = client.request(method, path, content=b"{}" if method == "POST" else None)
    assert (response.status_code, list(response.json())) == (status, ["error"])
    assert response.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize(
    ("path", "body", "status", "word"),
    [
        ("edit", b"{", 400, "JSON"),
        ("edit", b"[]", 400, "object"),
        ("edit", b"{}", 400, "frame"),
        ("edit", {**BOX, "colour": 3}, 400, "colour"),
        ("edit", {**BOX, "kind": "__init__"}, 400, "kind"),
        ("edit", {**BOX, "frame": FRAMES}, 400, "frame 6"),
        ("edit", b" " * (LARGEST_BODY + 1), 413, "bytes"),
        ("step", {"by": -1}, 400, "undo"),
        ("step", {"by": 2}, 400, "by"),
        ("segment", {}, 400, "mark"),
        ("export", {"cut_out": "gif"}, 400, "cut_out"),
        ("add_object", {"frame": -1}, 400, "frame"),
    ],
)
def test_a_wrong_request_is_told_what_is_wrong(client, path, body, status, word):
    content = body if isinstance(body, bytes) else json.dumps(body)
    response = client.post(f"/api/{path}", content=content)
    assert response.status_code == status
    assert word in response.json()["error"]


def test_bodies_are_json_of_known_length(client):
    plain = {"Content-Type": "text/plain"}
    assert client.post("/api/stop", content=b"{}", headers=plain).status_code == 415
    assert client.post("/api/stop", content=iter([b"{}"])).status_code == 411  # in chunks


def test_a_mistake_of_the_program_is_told(client, session, monkeypatch, caplog):
    def broken():
        raise ZeroDivisionError("oh")

    monkeypatch.setattr(session, "stop", broken)
    response = client.post("/api/stop", json={})
    assert response.status_code == 500
    assert "ZeroDivisionError: oh" in response.json()["error"]
    assert "Traceback" in caplog.text


def test_every_server_has_its_own_port_and_token(session):
    one, other = AnnotatorServer(session), AnnotatorServer(session)
    assert one.url.startswith(f"http://127.0.0.1:{one.port}/#")
    tokens = [server.url.partition("#")[2] for server in (one, other)]
    assert tokens[0] != tokens[1]
    assert min(map(len, tokens)) >= 32
    with pytest.raises(OutputError, match=str(one.port)):
        AnnotatorServer(session, one.port)
