"""A real browser on a real service; skipped with a word where there is no Chromium."""

from pathlib import Path

import pytest
from chromium import find_chromium
from installation import NEW_MODEL, OLD_MODEL, TOKEN, write_installation
from server import running_service

SCRIPT = "<script>window.wasRun = true</script><img src=x onerror='window.wasRun = true'>"


def pytest_collection_modifyitems(items):
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="session")
def browser():
    api = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
    path = find_chromium()
    if path is None:
        pytest.skip("the browser tests need Chromium: apt-get install chromium")
    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def installation(tmp_path_factory):
    """Two models, of which one is live, a failed run and an alert with a script in their texts."""
    installation = write_installation(tmp_path_factory.mktemp("shop"))
    installation.registry.update(lambda one: one.confirm(OLD_MODEL).confirm(NEW_MODEL))
    installation.ledger.fail_run(installation.ledger.start_run("model_training"), SCRIPT)
    installation.alerts.send("model_training", "error", SCRIPT)
    return installation


@pytest.fixture(scope="session")
def url(browser, installation):
    with running_service(installation.paths.root) as client:
        yield str(client.base_url).rstrip("/") + "/console"


@pytest.fixture
def visit(browser, url):
    """Opens signed-in pages; at the end no page may have said an error or a broken policy."""
    contexts, complaints = [], []

    def open_page(path="/", *, language="vi", theme="light", width=1200):
        context = browser.new_context(viewport={"width": width, "height": 900})
        contexts.append(context)
        page = context.new_page()
        page.on(
            "console",
            lambda message: (
                complaints.append(message.text) if message.type in {"error", "warning"} else None
            ),
        )
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("dialog", lambda dialog: complaints.append(dialog.message))
        page.goto(f"{url}/sign-in")
        page.fill("#token", TOKEN)
        page.click("main button")
        page.wait_for_url(f"{url}/")
        page.goto(f"{url}/preferences?language={language}&theme={theme}&back=/console{path}")
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert complaints == []
