import http.server
import json
import threading

import pytest
from playwright.sync_api import expect

from airflow_provider_ismart.sandbox import Sandbox


@pytest.fixture
def website():
    """Serve an empty page on another local port, and yield its address."""

    class Empty(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(b"<!doctype html><link rel=icon href=data:,><title>Another</title>")

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Empty) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_another_website_can_neither_change_nor_read_anything(website, new_page, ismart_sandbox, send, host):
    send()
    page = new_page(f"http://{host}:{website}/")
    request = """([url, method, mode]) =>
        fetch(url, {method, mode, body: method === "GET" ? undefined : "{}"}).then(
            answer => answer.type === "opaque" ? "opaque" : answer.text(),
            error => error.name
        )"""
    for path, method in [("reset", "POST"), ("faults", "POST"), ("messages", "GET"), ("inbox/signals", "GET")]:
        for mode in ("cors", "no-cors"):
            url = f"{ismart_sandbox.url}/_sandbox/{path}"
            assert page.evaluate(request, [url, method, mode]) in {"TypeError", "opaque"}
    assert len(ismart_sandbox.messages) == 1
    assert (
        page.evaluate(
            """url => new Promise(done => {
            const script = document.createElement("script");
            script.onload = () => done("loaded");
            script.onerror = () => done("refused");
            script.src = url;
            document.head.append(script);
        })""",
            f"{ismart_sandbox.url}/_sandbox/messages",
        )
        == "refused"
    )
    new_page.complaints.clear()  # the browser's own lines about what was refused


def test_another_website_cannot_frame_the_page_but_can_link_to_it(website, new_page, ismart_sandbox):
    page = new_page(f"http://localhost:{website}/")
    page.evaluate(
        """url => new Promise(done => {
            const frame = document.createElement("iframe");
            frame.onload = done;
            frame.src = url;
            document.body.append(frame);
        })""",
        ismart_sandbox.url,
    )
    assert all(frame.locator("#live").count() == 0 for frame in page.frames)
    page.evaluate("url => { location.href = url; }", ismart_sandbox.url)
    expect(page.locator("#live")).to_have_text("Live")
    new_page.complaints.clear()  # the browser's own line about the frame


def test_with_a_token_the_page_works_and_its_url_does_not_show_the_token(new_page):
    with Sandbox(host="0.0.0.0") as sandbox:
        page = new_page(sandbox.control_url())
        expect(page.locator("#live")).to_have_text("Live")
        assert sandbox.token not in page.url
        page.goto(f"{sandbox.url}/#account")
        page.get_by_label("Credit (parts left)").fill("3")
        page.get_by_role("button", name="Save").click()
        expect(page.locator("#count-credit")).to_have_text("3")
        assert sandbox.account.credit == 3
        page.close()
        stranger = new_page("about:blank")
        assert stranger.goto(sandbox.url).status == 401
        assert "token" in json.loads(stranger.locator("body").text_content())["error"]
    new_page.complaints.clear()  # the browser's own lines about status 401 and the end of the sandbox
