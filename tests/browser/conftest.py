"""Drive Debian's Chromium with Playwright, on the inbox of a sandbox that the tests fill."""

import http.client
import os
from contextlib import closing
from importlib.util import find_spec
from urllib.parse import urlencode

import pytest

from airflow_provider_ismart.sandbox.gateway import PATH

#: Only the environment of `make test-browser` has Playwright.
collect_ignore_glob = [] if find_spec("playwright") else ["test_*.py"]
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="session")
def chromium():
    from playwright.sync_api import expect, sync_playwright

    expect.set_options(timeout=10_000)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=os.environ.get("CHROMIUM", "/usr/bin/chromium"), args=FLAGS
        )
        yield browser
        browser.close()


@pytest.fixture
def new_page(chromium):
    """Open a page in its own browser; any message in its console fails the test."""
    complaints, contexts = [], []

    def make(url, **options):
        contexts.append(chromium.new_context(**{"viewport": {"width": 1200, "height": 800}} | options))
        page = contexts[-1].new_page()
        page.set_default_timeout(10_000)
        page.on("console", lambda line: complaints.append(line.text) if line.type == "error" else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(url)
        return page

    make.complaints = complaints
    yield make
    for context in contexts:
        context.close()
    assert complaints == []


@pytest.fixture
def page(new_page, ismart_sandbox):
    """Return the inbox of an empty sandbox."""
    page = new_page(ismart_sandbox.url)
    page.locator("#live.on").wait_for()
    return page


@pytest.fixture
def send(ismart_sandbox):
    """Make calls over one connection, as Airflow would; return the return code as text."""
    with closing(http.client.HTTPConnection("127.0.0.1", ismart_sandbox.port, timeout=10)) as connection:

        def call(message="Your order is ready.", msisdn="96890000001", **changes):
            parameters = {
                "UserId": ismart_sandbox.user,
                "Password": ismart_sandbox.password,
                "MobileNo": msisdn,
                "Message": message,
                "Lang": "0",
                "FLashSMS": "N",
            }
            connection.request("GET", f"{PATH}?{urlencode(parameters | changes)}")
            return connection.getresponse().read().decode()

        yield call
