"""The page in a real browser: what it shows, and that it can be worked by keyboard."""

import pytest
from headless_chromium import console_errors
from result_folders import FRAMES, ODD

from ranet.report.page import write_report


def all_of(page, selector):
    return page.find_elements("css selector", selector)


def only(page, selector):
    (found,) = all_of(page, selector)
    return found


def frame_of(page):
    """The frame that the curves' cursor is at."""
    return int(only(page, "#sequence-0 .chart").get_attribute("aria-valuenow"))


def pictures_of(page):
    """What the pictures of the player are said to show."""
    images = all_of(page, "#sequence-0 .player .stack img:first-child")
    return [image.get_attribute("alt") for image in images]


@pytest.mark.slow
def test_a_comparison_opens_from_the_disk_and_can_be_worked(browser, copied, scored, tmp_path):
    from selenium.webdriver import ActionChains
    from selenium.webdriver.common.keys import Keys
    from selenium.webdriver.support.ui import WebDriverWait

    def press(*keys):
        for key in keys:
            ActionChains(page).send_keys(key).perform()

    def click(action):
        only(page, f"#sequence-0 [data-action={action}]").click()

    page = browser
    page.get(write_report([copied, scored], tmp_path).page.as_uri())

    # All is inside the page, and names are text.
    fetched = "return performance.getEntriesByType('resource').map((entry) => entry.name)"
    assert [entry for entry in page.execute_script(fetched) if not entry.startswith("data:")] == []
    loaded = "return [...document.images].every((image) => image.complete && image.naturalWidth)"
    assert page.execute_script(loaded)
    assert all_of(page, "b, i") == []
    assert sorted(link.text for link in all_of(page, ".bars a")) == sorted(["plain", ODD])

    # The worst frames beside the truth.
    first = all_of(page, "#worst > li")[0]
    captions = [one.text for one in first.find_elements("css selector", "figcaption")]
    assert [caption.split(":")[0] for caption in captions] == ["copied", "scored", "truth"]
    scores = [float(title.text.rpartition(" ")[2]) for title in all_of(page, "#worst h3")]
    assert scores == sorted(scores)

    # The player.
    click("first")
    assert frame_of(page) == 0
    click("next")
    second = frame_of(page)
    assert second > 0
    assert len(pictures_of(page)) == 3
    assert all(f"frame {second:05d}" in text for text in pictures_of(page))
    press(Keys.ARROW_LEFT)
    assert frame_of(page) == 0
    click("play")
    WebDriverWait(page, 20).until(lambda page: frame_of(page) == FRAMES - 1)
    page.execute_script("arguments[0].focus()", only(page, "#sequence-0 input[type=range]"))
    press(Keys.HOME)
    assert frame_of(page) == 0
    boxes = all_of(page, "#sequence-0 .player .options input")
    boxes[0].click()
    assert [text.split(", ")[2].split(":")[0] for text in pictures_of(page)] == ["scored", "truth"]
    boxes[-1].click()  # masks
    assert all_of(page, "#sequence-0 .player .stack img + img") == []

    # The curves, by keyboard and by pointing.
    chart = only(page, "#sequence-0 .chart")
    page.execute_script("arguments[0].focus()", chart)
    press(Keys.HOME, Keys.ARROW_RIGHT, Keys.ARROW_RIGHT)
    assert frame_of(page) == 2
    assert chart.get_attribute("aria-valuetext").startswith("frame 00002: copied J ")
    press(Keys.PAGE_UP)
    assert "not scored" in chart.get_attribute("aria-valuetext")
    colours = [curve.get_attribute("stroke") for curve in all_of(page, "#sequence-0 .curve")]
    assert sorted(colours) == sorted(2 * ["var(--run-0)", "var(--run-1)"])
    page.execute_script("arguments[0].scrollIntoView({block: 'center'})", chart)
    ActionChains(page).move_to_element(chart).perform()
    tooltip = only(page, "#sequence-0 .tooltip")
    assert f"frame {FRAMES // 2:05d}" in tooltip.text
    assert len(tooltip.find_elements("css selector", ".stack")) == 2
    ActionChains(page).click().perform()
    assert frame_of(page) == FRAMES // 2
    all_of(page, "#sequence-0 .options input[type=checkbox]")[0].click()
    assert len(all_of(page, "#sequence-0 .curve")) == 2

    # Links lead to a sequence, also where the screen is narrow.
    size = {"width": 390, "height": 800, "deviceScaleFactor": 1, "mobile": False}
    page.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    assert page.execute_script("return document.documentElement.scrollWidth") <= 390
    page.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    all_of(page, ".bars a")[1].click()
    charts = WebDriverWait(page, 20).until(lambda page: all_of(page, "#sequence-1[open] .chart"))
    assert charts[0].is_displayed()
    assert console_errors(page) == []
