"""The console in a real browser: every page, both languages, both themes, hands on keyboard."""

import re

import pytest
from installation import NEW_MODEL, OLD_MODEL

PAGES = (
    "/",
    "/jobs",
    "/jobs/data_refresh",
    "/runs",
    "/models",
    f"/models/confirm?model_id={OLD_MODEL}",
    "/data",
    "/try?user=u0&q=sua",
    "/alerts",
)
NARROW = 320


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("language", ["vi", "en"])
def test_every_page_opens_without_a_complaint_of_the_browser(visit, url, language, theme):
    page = visit(language=language, theme=theme)
    for path in PAGES:
        answer = page.goto(f"{url}{path}")
        assert answer.status == 200, path
        assert page.locator("html").get_attribute("lang") == language
        assert page.locator("html").get_attribute("data-theme") == theme
        assert page.locator("main h1").count() == 1, path


def test_no_page_is_wider_than_a_small_phone(visit, url):
    page = visit(width=NARROW)
    for path in PAGES:
        page.goto(f"{url}{path}")
        width = page.evaluate("document.documentElement.scrollWidth")
        assert width <= NARROW, path


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_no_serious_fault_of_accessibility(visit, url, theme):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    page = visit(theme=theme)
    for path in PAGES:
        page.goto(f"{url}{path}")
        found = axe.run(page).response["violations"]
        serious = [
            (path, one["id"], node["html"][:120])
            for one in found
            if one["impact"] in {"serious", "critical"}
            for node in one["nodes"]
        ]
        assert serious == []


def test_the_first_stop_of_the_keyboard_skips_to_the_content(visit):
    page = visit("/jobs")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "content"


def test_a_wrong_token_is_said_and_lets_nobody_in(browser, url):
    page = browser.new_page()
    page.goto(f"{url}/jobs")
    assert page.url == f"{url}/sign-in"
    page.fill("#token", "wrong")
    page.keyboard.press("Enter")
    page.wait_for_selector("[role=alert]")
    page.goto(f"{url}/")
    assert page.url == f"{url}/sign-in"
    page.close()


def test_language_and_theme_change_by_choosing_them(visit, url):
    page = visit("/models")
    page.select_option("#language", "en")
    page.wait_for_selector("h1:has-text('Models')")
    page.select_option("#theme", "dark")
    page.wait_for_selector("html[data-theme=dark]")
    assert page.url == f"{url}/models"


@pytest.mark.parametrize("path", ["/runs", "/alerts"])
def test_a_script_in_a_stored_text_is_shown_and_never_run(visit, path):
    page = visit(path)
    assert "<script>window.wasRun" in page.locator("main").inner_text()
    assert page.evaluate("window.wasRun") is None
    assert page.locator("main img, main script").count() == 0


def test_a_job_runs_and_its_end_appears_without_loading_the_page_again(visit):
    page = visit("/jobs", language="en")
    row = page.locator("tr", has_text="Health check")
    assert "never" in row.inner_text()
    row.get_by_role("button", name="Run now").click()
    page.wait_for_url("**/jobs/health_check")
    page.locator("[data-log]", has_text="run ended").wait_for()
    page.goto(page.url.replace("/jobs/health_check", "/jobs"))
    page.locator("tr", has_text="Health check").filter(has_not_text="never").wait_for()


def test_a_job_is_paused_and_resumed(visit):
    page = visit("/jobs", language="en")
    row = page.locator("tr", has_text="Cleanup")
    row.get_by_role("button", name="Pause").click()
    row.get_by_role("button", name="Resume").wait_for()
    assert "Paused" in row.inner_text()
    row.get_by_role("button", name="Resume").click()
    row.get_by_role("button", name="Pause").wait_for()
    assert "Paused" not in row.inner_text()


def test_the_next_times_follow_the_fields_as_they_are_typed(visit):
    page = visit("/jobs/data_refresh", language="en")
    page.fill("#hour", "4")
    page.locator("#preview li", has_text="04:00").first.wait_for()
    assert page.locator("#preview li").count() == 5
    page.fill("#hour", "25")
    page.locator("#preview", has_text="25").wait_for()
    assert page.locator("#preview li").count() == 0
    page.fill("#hour", "2")
    page.click("form[data-preview] button")
    page.wait_for_url("**/jobs/data_refresh")


def test_another_model_is_deployed_and_rolled_back(visit, url):
    page = visit("/models", language="en")

    def answering():
        service = url.removesuffix("/console")
        answer = page.request.post(f"{service}/recommend", data={"user_id": "u0"})
        return answer.json()["model_id"]

    assert answering() == NEW_MODEL
    page.locator("section", has_text=OLD_MODEL).get_by_role("link", name="Deploy").first.click()
    assert f"{OLD_MODEL} will replace {NEW_MODEL}" in page.locator("main").inner_text()
    page.get_by_role("button", name=f"Yes, deploy {OLD_MODEL}").click()
    page.wait_for_selector("[role=status]")
    assert answering() == OLD_MODEL
    page.goto(f"{url}/models")
    page.get_by_role("link", name=re.compile("Roll back")).click()
    page.get_by_role("button", name=re.compile("Yes")).click()
    page.wait_for_selector("[role=status]")
    assert answering() == NEW_MODEL


def test_a_basket_is_filled_by_search_and_changes_what_is_recommended(visit):
    page = visit("/try?q=sua rua mat", language="en")
    page.locator(".found button").first.click()
    page.wait_for_selector("h2:has-text('Basket')")
    assert page.locator(".items li").count() > 3
    page.get_by_role("button", name="Remove").click()
    page.locator(".items").wait_for(state="detached")
