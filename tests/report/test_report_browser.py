"""The page in a real browser: what it shows, and that all of it can be worked by keyboard."""

import pytest
from headless_chromium import console_errors
from result_folders import FRAMES, ODD

from ranet.report.write import write_report


@pytest.fixture(scope="module")
def path(copied, scored, tmp_path_factory):
    """A comparison of two runs of two sequences."""
    return write_report([copied, scored], tmp_path_factory.mktemp("page")).page


@pytest.fixture
def page(browser, path):
    """The page, opened from the disk; in the end it must not have complained."""
    browser.get(path.as_uri())
    yield browser
    assert console_errors(browser) == []


def all_of(page, selector):
    return page.find_elements("css selector", selector)


def only(page, selector):
    (found,) = all_of(page, selector)
    return found


def press(page, key):
    from selenium.webdriver import ActionChains

    ActionChains(page).send_keys(key).perform()


def keys():
    from selenium.webdriver.common.keys import Keys

    return Keys


def frame_of(page):
    """The frame that the curves' cursor is at."""
    return int(only(page, "details[open] .chart").get_attribute("aria-valuenow"))


def pictures_of(page):
    """What the pictures of the player are said to show."""
    return [image.get_attribute("alt") for image in all_of(page, ".player .stack img:first-child")]


def click(page, action):
    only(page, f"details[open] [data-action={action}]").click()


def test_nothing_is_fetched(page):
    entries = page.execute_script(
        "return performance.getEntriesByType('resource').map((entry) => entry.name)"
    )
    assert [entry for entry in entries if not entry.startswith("data:")] == []


def test_names_are_shown_as_they_are(page):
    assert all_of(page, "b, i") == []
    links = [link.text for link in all_of(page, ".bars a")]
    assert sorted(links) == sorted(["plain", ODD])
    assert any(ODD in summary.text for summary in all_of(page, "summary"))


def test_all_pictures_can_be_seen_and_are_described(page):
    loaded = "return [...document.images].every((image) => image.complete && image.naturalWidth)"
    assert page.execute_script(loaded)
    for image in all_of(page, ".stack img:first-child"):
        assert "frame 0000" in image.get_attribute("alt")
    assert {image.get_attribute("alt") for image in all_of(page, ".stack img + img")} == {""}


def test_the_worst_frames_stand_beside_the_truth(page):
    first = all_of(page, "#worst > li")[0]
    captions = [one.text for one in first.find_elements("css selector", "figcaption")]
    assert [caption.split(":")[0] for caption in captions] == ["copied", "scored", "truth"]
    scores = [float(title.text.rpartition(" ")[2]) for title in all_of(page, "#worst h3")]
    assert scores == sorted(scores)


def test_from_a_worst_frame_to_its_place_in_time(page):
    bad = all_of(page, "#worst > li")[-1]
    title = bad.find_element("css selector", "h3").text
    bad.find_element("css selector", "button").click()
    name, frame = title.rpartition(":")[0].rsplit(", frame ", 1)
    opened = next(one for one in all_of(page, "details[open]") if one.text.startswith(name))
    chart = opened.find_element("css selector", ".chart")
    assert chart.get_attribute("aria-valuenow") == str(int(frame))


def test_the_buttons_step_through_the_pictures(page):
    click(page, "first")
    assert frame_of(page) == 0
    click(page, "next")
    second = frame_of(page)
    assert second > 0
    assert all(f"frame {second:05d}" in text for text in pictures_of(page))
    assert len(pictures_of(page)) == 3
    click(page, "back")
    assert frame_of(page) == 0
    click(page, "last")
    assert frame_of(page) == FRAMES - 1


def test_playing_ends_at_the_last_picture(page):
    from selenium.webdriver.support.ui import WebDriverWait

    click(page, "first")
    click(page, "play")
    WebDriverWait(page, 20).until(lambda page: frame_of(page) == FRAMES - 1)
    assert only(page, "details[open] [data-action=play]").text == "Play"


def test_the_slider_moves_the_player(page):
    slider = only(page, "details[open] input[type=range]")
    page.execute_script("arguments[0].focus()", slider)
    press(page, keys().END)
    assert frame_of(page) == FRAMES - 1
    press(page, keys().HOME)
    assert frame_of(page) == 0


def test_arrow_keys_step_while_a_button_has_the_focus(page):
    click(page, "first")
    press(page, keys().ARROW_RIGHT)
    stepped = frame_of(page)
    assert stepped > 0
    press(page, keys().ARROW_LEFT)
    assert frame_of(page) == 0


def test_the_curves_are_worked_by_keyboard(page):
    chart = only(page, "details[open] .chart")
    page.execute_script("arguments[0].focus()", chart)
    press(page, keys().HOME)
    press(page, keys().ARROW_RIGHT)
    press(page, keys().ARROW_RIGHT)
    assert frame_of(page) == 2  # every frame, whether or not there is a picture
    said = chart.get_attribute("aria-valuetext")
    assert said.startswith("frame 00002: copied J ")
    assert "scored J" in said
    press(page, keys().PAGE_UP)
    assert frame_of(page) == FRAMES - 1
    assert "not scored" in chart.get_attribute("aria-valuetext")


def test_pointing_at_the_curves_shows_the_frame(page):
    from selenium.webdriver import ActionChains

    before = frame_of(page)
    chart = only(page, "details[open] .chart")
    tooltip = only(page, "details[open] .tooltip")
    assert not tooltip.is_displayed()
    page.execute_script("arguments[0].scrollIntoView({block: 'center'})", chart)
    ActionChains(page).move_to_element(chart).perform()
    assert tooltip.is_displayed()
    assert f"frame {FRAMES // 2:05d}" in tooltip.text
    assert "copied: J" in tooltip.text
    assert len(tooltip.find_elements("css selector", ".stack")) == 2
    assert frame_of(page) == before
    ActionChains(page).click().perform()
    assert frame_of(page) == FRAMES // 2


def test_both_runs_are_in_one_plot_and_measures_can_be_left_out(page):
    assert len(all_of(page, "details[open] .curve")) == 4
    colours = {curve.get_attribute("stroke") for curve in all_of(page, "details[open] .curve")}
    assert colours == {"var(--run-0)", "var(--run-1)"}
    all_of(page, "details[open] .options input[type=checkbox]")[0].click()
    assert len(all_of(page, "details[open] .curve")) == 2


def test_objects_can_be_looked_at_one_by_one(page):
    from selenium.webdriver.support.ui import Select, WebDriverWait

    for summary in all_of(page, "details:not([open]) summary"):
        summary.click()
    # One of the videos has two objects.
    menus = WebDriverWait(page, 20).until(lambda page: all_of(page, ".options select"))
    chart = (
        menus[0].find_element("xpath", "./ancestor::details").find_element("css selector", ".chart")
    )
    said = []
    for choice in ("mean of all", "1", "2"):
        Select(menus[0]).select_by_visible_text(choice)
        said.append(chart.get_attribute("aria-valuetext"))
    assert len(set(said)) > 1


def test_a_link_of_the_bars_opens_its_sequence(page):
    from selenium.webdriver.support.ui import WebDriverWait

    assert len(all_of(page, "details[open]")) == 1
    all_of(page, ".bars a")[1].click()
    charts = WebDriverWait(page, 20).until(lambda page: all_of(page, "#sequence-1[open] .chart"))
    assert charts[0].is_displayed()


def test_views_can_be_hidden(page):
    boxes = all_of(page, "details[open] .player .options input")
    boxes[0].click()
    assert [text.split(", ")[2].split(":")[0] for text in pictures_of(page)] == ["scored", "truth"]
    boxes[-1].click()  # masks
    assert all_of(page, "details[open] .player .stack img + img") == []


def test_all_that_can_be_worked_is_reached_with_tab(page):
    reached = set()
    for _ in range(80):
        press(page, keys().TAB)
        reached.add(page.execute_script("return document.activeElement.outerHTML.slice(0, 60)"))
    for part in ('class="skip"', "#sequence-0", "<summary>", 'class="chart"', 'type="range"'):
        assert any(part in html for html in reached), part


def contrast(page, selector):
    """Between the text and the page behind it, as WCAG computes it."""
    script = """
        const channel = (c) => c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
        const light = (colour) => colour.match(/[\\d.]+/g).slice(0, 3).map((c) => channel(c / 255))
            .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
        const text = light(getComputedStyle(document.querySelector(arguments[0])).color);
        const paper = light(getComputedStyle(document.body).backgroundColor);
        return (Math.max(text, paper) + 0.05) / (Math.min(text, paper) + 0.05);
    """
    return page.execute_script(script, selector)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_is_readable_in_light_and_dark(page, scheme):
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    paper = page.execute_script("return getComputedStyle(document.body).backgroundColor")
    for selector in ("h1", "td", "caption", ".soft", "nav a", "figcaption"):
        assert contrast(page, selector) >= 4.5, selector
    page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
    assert (paper == "rgb(255, 255, 255)") == (scheme == "light")


def test_a_narrow_screen_scrolls_in_one_direction_only(page):
    size = {"width": 390, "height": 800, "deviceScaleFactor": 1, "mobile": False}
    page.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    width = page.execute_script("return document.documentElement.scrollWidth")
    page.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    assert width <= 390


def test_a_report_without_pictures_still_has_its_curves(browser, scored, tmp_path):
    browser.get(write_report([scored], tmp_path, pictures=None).page.as_uri())
    assert len(all_of(browser, "details[open] .curve")) == 2
    assert all_of(browser, "img, .player") == []
    chart = only(browser, "details[open] .chart")
    browser.execute_script("arguments[0].focus()", chart)
    press(browser, keys().ARROW_RIGHT)
    assert frame_of(browser) == 2
    assert console_errors(browser) == []


def test_names_of_sequences_stay_whole_where_there_is_room(page):
    names = all_of(page, ".bars tbody th, .differences tbody th")
    assert len(names) == 4
    assert {name.value_of_css_property("white-space") for name in names} == {"nowrap"}
    page.set_window_size(600, 900)
    assert {name.value_of_css_property("white-space") for name in names} == {"normal"}
