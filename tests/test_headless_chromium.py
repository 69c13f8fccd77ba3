"""The browser of the tests itself: what it reports of a page."""

from urllib.parse import quote

from headless_chromium import console_errors


def page(script):
    html = f"<title>page</title><p id=text>before</p><script>{script}</script>"
    return f"data:text/html,{quote(html)}"


def test_scripts_run_and_leave_no_errors(browser):
    browser.get(page("document.getElementById('text').textContent = 'after'"))
    assert browser.find_element("id", "text").text == "after"
    assert console_errors(browser) == []


def test_errors_of_a_page_are_told(browser):
    browser.get(page("nobody.knows()"))
    assert any("nobody is not defined" in error for error in console_errors(browser))


def test_a_test_meets_no_errors_of_the_one_before(browser):
    assert browser.title == ""
    assert console_errors(browser) == []
