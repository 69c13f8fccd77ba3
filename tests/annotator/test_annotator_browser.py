"""The page in a real browser, worked as a person does: through its own buttons, mouse and keys."""

import threading

import numpy as np
import pytest
from annotated_squares import wait_until
from headless_chromium import console_errors
from moving_squares import iou

from ranet.annotator.server import AnnotatorServer
from ranet.datasets.image_io import read_labels
from ranet.datasets.synthetic import write_synthetic_davis
from ranet.datasets.video_io import open_frames

SIZE = (96, 160)
FRAMES = 5
TITLE = "A <b>synthetic</b> video"


@pytest.fixture(scope="module")
def video(tmp_path_factory):
    """Folders of the frames and the masks of a synthetic video."""
    root = tmp_path_factory.mktemp("annotator") / "DAVIS"
    write_synthetic_davis(
        root, train=0, val=1, frames=FRAMES, size=SIZE, seed=5, max_objects=1, clutter=0
    )
    (frames,) = (root / "JPEGImages").glob("*/val-0000")
    (masks,) = (root / "Annotations").glob("*/val-0000")
    return frames, masks


@pytest.fixture
def page(browser, video, make_session):
    """The page of a running server; in the end it must not have complained."""
    session = make_session(source=open_frames(video[0]), size=SIZE, title=TITLE)
    server = AnnotatorServer(session)
    thread = threading.Thread(target=server.run)
    thread.start()
    browser.get(server.url)
    page = Page(browser, session)
    page.wait("facts.textContent.includes('160×96')")
    page.wait_for_pictures()
    yield page
    found = console_errors(browser)
    server.should_exit = True
    thread.join()
    assert found == []


class Page:
    """What a person sees and does."""

    def __init__(self, driver, session):
        self.driver, self.session = driver, session

    def ask(self, expression):
        """The value of a JavaScript expression, in which elements have the names of their ids."""
        return self.driver.execute_script(f"return {expression}")

    def wait(self, expression):
        wait_until(lambda: self.ask(expression))

    def wait_for_pictures(self):
        self.wait("document.getElementById('hint').textContent.includes('object')")
        self.wait(f"{pixels('picture')}.some((value) => value > 60 && value < 255)")

    def click(self, selector):
        self.driver.find_element("css selector", selector).click()

    def text(self, selector):
        return self.driver.find_element("css selector", selector).text

    def keys(self, *keys):
        from selenium.webdriver import ActionChains

        actions = ActionChains(self.driver)
        for key in keys:
            actions.send_keys(key)
        actions.perform()

    def place(self, x, y):
        """Of a point of the video in the window."""
        left, top, width, height = self.ask(
            "(({left, top, width, height}) => [left, top, width, height])"
            "(draft.getBoundingClientRect())"
        )
        return round(left + x / SIZE[1] * width), round(top + y / SIZE[0] * height)

    def drag(self, *points):
        from selenium.webdriver import ActionChains

        actions = ActionChains(self.driver, duration=20).w3c_actions
        mouse = actions.pointer_action
        mouse.move_to_location(*self.place(*points[0])).pointer_down()
        for point in points[1:]:
            mouse.move_to_location(*self.place(*point))
        mouse.pointer_up()
        actions.perform()

    def click_at(self, *points):
        for point in points:
            self.drag(point)

    def marked(self, number=0, label=1):
        return self.session.journal.now.labels().get(number, np.zeros(SIZE, np.uint8)) == label

    def wait_until_idle(self):
        self.wait("!hint.textContent.includes('Working') && work.hidden")


def pixels(canvas):
    """JavaScript for all values of a canvas's pixels, read from a copy."""
    copy = "new OffscreenCanvas(160, 96).getContext('2d')"
    draw = f"copy.drawImage({canvas}, 0, 0); return [...copy.getImageData(0, 0, 160, 96).data]"
    return f"((copy) => {{ {draw} }})({copy})"


def box_around(mask, margin=3):
    """left, top, right, bottom."""
    rows, columns = np.nonzero(mask)
    return (
        *(max(1, columns.min() - margin), max(1, rows.min() - margin)),
        *(min(SIZE[1] - 1, columns.max() + margin), min(SIZE[0] - 1, rows.max() + margin)),
    )


def test_from_a_box_to_files(page, video, tmp_path, monkeypatch):
    """The whole way: a box, GrabCut, Segment, the masks arrive, Stop, Go on, Export."""
    session, truth = page.session, read_labels(sorted(video[1].iterdir())[0]) == 1
    left, top, right, bottom = box_around(truth)
    assert not page.driver.find_element("id", "segment").is_enabled()
    page.drag((left, top), (right, bottom))
    wait_until(lambda: session.journal.can_step(-1))
    page.wait_until_idle()  # drawn, then refined
    assert page.text(".object .where") == "frame 0"
    box_alone = np.zeros(SIZE, bool)
    box_alone[top:bottom, left:right] = True
    assert iou(page.marked(), truth) > max(0.6, iou(box_alone, truth))
    assert page.ask(f"{pixels('layer')}.some((value) => value > 0)")

    step, seen, opened = session._segmenter.step, threading.Event(), threading.Event()

    def held(frame):
        seen.set()
        assert opened.wait(60)
        return step(frame)

    monkeypatch.setattr(session._segmenter, "step", held)
    page.keys("s")
    assert seen.wait(60)
    page.wait("document.getElementById('progress-text').textContent.includes('segmenting: 1 of 5')")
    assert not page.driver.find_element("id", "segment").is_enabled()
    page.click("#stop")
    page.wait("document.getElementById('progress-text').textContent === 'stopping …'")
    opened.set()
    page.wait("segment.textContent === 'Go on'")
    page.click("#segment")
    page.wait("segment.textContent === 'Segment again'")
    assert session.as_json()["found"] == [(0, FRAMES - 1)]
    page.wait(f"number.value === '{FRAMES - 1}'")  # the last one is shown

    page.click("#coco")
    page.click("#cut-out option[value=png]")
    page.click("#export")
    page.wait("!told.hidden")
    assert page.text("#told p") == f"Written to {tmp_path / 'out'}"
    out = tmp_path / "out"
    assert sorted(path.name for path in out.iterdir()) == [
        *("annotations", "cut_out", "masks", "masks.json", "overlay.mp4"),
    ]
    names = [f"{number:05d}.png" for number in range(FRAMES)]
    assert sorted(path.name for path in (out / "masks").iterdir()) == names
    assert len(list(open_frames(out / "overlay.mp4"))) == FRAMES


def test_two_objects_with_all_tools_and_the_way_back(page):
    page.click("#at-once")
    page.drag((20, 20), (50, 50))
    wait_until(lambda: 900 <= page.marked().sum() <= 32 * 32)

    page.click("#add-object")
    page.wait("document.querySelectorAll('.object').length === 2")
    page.keys("p")
    page.click_at((80, 20), (120, 20), (120, 60))
    assert "Click the first corner again" in page.text("#hint")
    page.click_at((80, 20))
    wait_until(lambda: 600 < page.marked(label=2).sum() < 1000)

    page.keys("d")
    page.drag((80, 80), (100, 80), (120, 80))
    wait_until(lambda: page.marked(label=2)[80, 85:116].all())
    page.wait_until_idle()

    page.keys("1", "e")
    page.drag((35, 35), (36, 35))
    wait_until(lambda: not page.marked()[35, 35])
    page.wait_until_idle()
    assert page.marked(label=2)[80, 100]

    page.click("#undo")
    wait_until(lambda: page.marked()[35, 35])
    page.click("#redo")
    wait_until(lambda: not page.marked()[35, 35])
    page.keys(keys().DELETE)
    wait_until(lambda: not page.marked().any())
    page.wait_until_idle()
    page.click("[aria-label='Remove object 2']")
    page.wait("document.querySelectorAll('.object').length === 1")


def test_the_view_follows_slider_keys_and_zoom(page):
    page.click("#at-once")
    page.keys(keys().ARROW_RIGHT)
    page.wait("number.value === '1'")
    page.driver.find_element("id", "frame").send_keys(keys().END)
    page.wait("number.value === '4'")
    number = page.driver.find_element("id", "number")
    number.clear()
    number.send_keys("2", keys().ENTER)
    page.wait("document.getElementById('frame').value === '2'")
    number.send_keys(keys().TAB)

    before = page.ask("sheet.clientWidth")
    page.click("#zoom-in")
    page.wait("zoom.textContent === '150 %'")
    assert page.ask("sheet.clientWidth") > 1.4 * before
    page.drag((60, 40), (100, 60))
    wait_until(lambda: page.marked(2).any())
    rows, columns = np.nonzero(page.marked(2))
    assert abs(np.array([rows.min(), columns.min()]) - (40, 60)).max() <= 1
    assert abs(np.array([rows.max(), columns.max()]) - (60, 100)).max() <= 1
    page.wait_until_idle()
    page.click("#play")
    page.wait("number.value === '4' && play.textContent === '▶'")

    for width, height in ((1280, 800), (600, 900)):
        page.driver.set_window_size(width, height)
        page.wait(f"innerWidth <= {width}")
        assert page.ask("document.documentElement.scrollWidth <= innerWidth")
    bottom = "document.querySelector('main').getBoundingClientRect().bottom"
    assert page.ask(f"document.querySelector('aside').getBoundingClientRect().top >= {bottom}")


def test_what_the_page_says(page):
    assert page.text("#title") == f"{TITLE} – RANet annotator"  # no HTML
    names = page.ask("performance.getEntriesByType('resource').map((entry) => entry.name)")
    assert names
    assert all(name.startswith(page.ask("location.origin")) for name in names)
    nameless = page.ask(
        "[...document.querySelectorAll('button, input, select')].filter((each) => "
        "!each.textContent.trim() && !each.labels?.length && !each.getAttribute('aria-label'))"
        ".map((each) => each.outerHTML)"
    )
    assert nameless == []

    page.keys("?")
    page.wait("document.getElementById('help-dialog').open")
    page.keys("s", keys().ESCAPE)  # no key works behind it
    page.wait("!document.getElementById('help-dialog').open")
    page.keys("g")
    page.wait("!error.hidden")
    assert "not marked in this frame" in page.text("#error p")
    page.click("#error button")
    page.wait("error.hidden")
    (refused,) = console_errors(page.driver)  # the browser itself tells of every status of 400
    assert "400" in refused

    page.session.journal.resumed = True
    page.driver.refresh()
    page.wait("!document.getElementById('told').hidden")
    assert "--fresh" in page.text("#told p")
    page.ask("void (window.fetch = () => Promise.reject(new TypeError('Failed to fetch')))")
    page.keys("n")
    page.wait("!error.hidden")
    assert "The annotator does not answer" in page.text("#error p")


def keys():
    from selenium.webdriver.common.keys import Keys

    return Keys
