import http.client
import json
from html.parser import HTMLParser
from pathlib import Path

import pytest

import airflow_provider_ismart.sandbox as package
from airflow_provider_ismart.sandbox import Code, Sandbox, faults
from airflow_provider_ismart.sandbox.meanings import MEANINGS

PAGE = Path(package.__file__).parent / "page"
FILES = ["/", "/_sandbox/inbox.css", "/_sandbox/inbox.js"]
READ = ["/", "/_sandbox/messages", "/_sandbox/account", "/_sandbox/inbox/phones", "/_sandbox/inbox.js"]
CHANGE = [("PATCH", "account"), ("POST", "faults"), ("DELETE", "faults"), ("POST", "reset")]


@pytest.fixture
def ask(ismart_sandbox):
    """Make a request with exactly these headers; return the status, headers and body."""

    def request(path, method="GET", body=None, *, sandbox=ismart_sandbox, **headers):
        connection = http.client.HTTPConnection("127.0.0.1", sandbox.port, timeout=10)
        try:
            connection.putrequest(method, path, skip_host=True)
            fields = {"Host": f"127.0.0.1:{sandbox.port}"} | {
                name.replace("_", "-"): value for name, value in headers.items()
            }
            if body is not None:
                fields["Content-Length"] = str(len(body))
            for name, value in fields.items():
                if value is not None:
                    connection.putheader(name, value)
            connection.endheaders(body)
            response = connection.getresponse()
            return response.status, response.headers, response.read().decode()
        finally:
            connection.close()

    return request


@pytest.mark.parametrize("path", FILES)
def test_the_page_is_served_with_headers_that_keep_strangers_out(ask, path):
    status, headers, body = ask(path)
    assert status == 200
    assert body
    policy = headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self';" in policy
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert "Access-Control-Allow-Origin" not in headers


def test_the_page_is_three_short_files_that_load_nothing_else():
    files = {path.name: path.read_text(encoding="utf-8") for path in PAGE.iterdir()}
    assert files.keys() == {"index.html", "inbox.css", "inbox.js"}
    assert sum(len(text.splitlines()) for text in files.values()) < 900
    assert "url(" not in files["inbox.css"]
    assert "@import" not in files["inbox.css"]
    assert not [
        word for word in ("innerHTML", "outerHTML", "insertAdjacentHTML", "import ") if word in files["inbox.js"]
    ]
    loaded = []
    parser = HTMLParser()
    parser.handle_starttag = lambda tag, attributes: loaded.extend(
        value for name, value in attributes if name in {"src", "href"} and not value.startswith(("#", "data:"))
    )
    parser.feed(files["index.html"])
    assert sorted(loaded) == FILES[1:]


def test_every_return_code_has_a_meaning():
    assert MEANINGS.keys() == set(Code)


@pytest.mark.parametrize(
    ("fault", "answered", "meaning"),
    [
        (faults.Latency(seconds=0), 1, "pushed successfully"),
        (faults.ReturnCode(code=14), 14, "Credit expired"),
        (faults.ReturnCode(code=99), 99, "does not list"),
        (faults.Garbage(), None, None),
    ],
)
def test_a_call_shows_the_answer_that_its_client_got(ask, ismart_sandbox, target, fault, answered, meaning):
    ismart_sandbox.fail(fault)
    ask(target())
    [call] = json.loads(ask("/_sandbox/inbox/calls")[2])["calls"]
    assert call["answered"] == ismart_sandbox.calls[0].answered == answered
    assert call["meaning"] is None if meaning is None else meaning in call["meaning"]
    assert call["fault_meaning"] == type(fault).__doc__
    troubled = json.loads(ask("/_sandbox/inbox/calls?trouble=1")[2])
    assert troubled["total"] == (0 if answered == 1 else 1)


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:80", "127.0.0.1.evil.example", "192.168.1.10", "", None]
)
@pytest.mark.parametrize("path", READ)
def test_another_host_name_is_refused(ask, path, host):
    status, _, body = ask(path, Host=host)
    assert status in {400, 403}
    assert "messages" not in body


@pytest.mark.parametrize("host", ["localhost:{}", "127.0.0.1:{}", "127.0.0.2:{}", "[::1]:{}", "LOCALHOST"])
def test_every_loopback_host_name_is_allowed(ask, ismart_sandbox, host):
    assert ask("/_sandbox/messages", Host=host.format(ismart_sandbox.port))[0] == 200


@pytest.mark.parametrize(("method", "name"), CHANGE)
@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://localhost:3000"},
        {"Origin": "http://127.0.0.1"},
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site"},
    ],
)
def test_another_website_cannot_change_anything(ask, ismart_sandbox, send, method, name, headers):
    send()
    before = ismart_sandbox.account
    ismart_sandbox.fail(faults.Hang())
    assert ask(f"/_sandbox/{name}", method, b'{"credit": 0, "fault": "hang"}', **headers)[0] == 403
    assert (ismart_sandbox.account, len(ismart_sandbox.messages)) == (before, 1)
    assert ismart_sandbox._state.faults == [faults.Hang()]


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_another_website_can_link_to_the_page_and_read_nothing_else(ask, site):
    assert ask("/", Sec_Fetch_Site=site)[0] == 200
    assert ask("/_sandbox/messages", Sec_Fetch_Site=site)[0] == 403


def test_the_page_itself_can_change_things(ask, ismart_sandbox):
    own = {"Origin": f"http://127.0.0.1:{ismart_sandbox.port}", "Sec_Fetch_Site": "same-origin"}
    assert ask("/_sandbox/account", "PATCH", b'{"credit": 7}', **own)[0] == 200
    assert ismart_sandbox.account.credit == 7


def test_the_gateways_path_accepts_any_host_name(ask, target):
    assert ask(target(), Host="gateway.example")[2] == "1"


@pytest.mark.parametrize(
    ("site", "host"),
    [
        ("cross-site", "127.0.0.1:{}"),
        ("same-site", "127.0.0.1:{}"),
        ("same-origin", "evil.example:{}"),  # DNS rebinding
    ],
)
def test_another_website_cannot_make_a_call(ask, target, ismart_sandbox, site, host):
    assert ask(target(), Sec_Fetch_Site=site, Host=host.format(ismart_sandbox.port))[0] == 403
    assert (ismart_sandbox.messages, ismart_sandbox.calls) == ([], [])


def test_a_person_can_make_a_call_in_the_address_bar(ask, target):
    assert ask(target(), Sec_Fetch_Site="none")[2] == "1"


def test_a_limit_that_is_no_usual_number_is_the_default(ask, send):
    send()
    for limit in ("", "-1", "many", "9" * 5000):
        assert len(json.loads(ask(f"/_sandbox/inbox/phones?limit={limit}")[2])["phones"]) == 1


class TestToken:
    @pytest.fixture
    def open_sandbox(self):
        with Sandbox(host="0.0.0.0") as sandbox:
            yield sandbox

    @pytest.mark.parametrize("path", READ)
    @pytest.mark.parametrize("token", ["", "?token=", "?token=wrong", "?token=%FF"])
    def test_nothing_is_shown_without_the_token(self, ask, open_sandbox, path, token):
        status, _, body = ask(path + token, sandbox=open_sandbox)
        assert status == 401
        assert "the URL that the sandbox printed" in json.loads(body)["error"]

    @pytest.mark.parametrize(("method", "name"), CHANGE)
    def test_nothing_is_changed_without_the_token_or_by_another_website(self, ask, open_sandbox, method, name):
        path = f"/_sandbox/{name}"
        assert ask(path, method, b"{}", sandbox=open_sandbox)[0] == 401
        path += f"?token={open_sandbox.token}"
        assert ask(path, method, b"{}", sandbox=open_sandbox, Origin="http://evil.example")[0] == 403

    def test_the_token_allows_everything_with_any_host_name(self, ask, open_sandbox):
        path = f"/_sandbox/account?token={open_sandbox.token}"
        assert ask(path, "PATCH", b'{"credit": 7}', sandbox=open_sandbox, Host="sandbox:8025")[0] == 200
        assert open_sandbox.account.credit == 7
        assert open_sandbox.control_url("/_sandbox/account") == open_sandbox.url + path

    def test_the_page_keeps_the_token_in_a_cookie_that_scripts_cannot_read(self, ask, open_sandbox):
        status, headers, _ = ask(f"/?token={open_sandbox.token}", sandbox=open_sandbox)
        assert (status, headers["Location"]) == (303, "/")
        cookie, *flags = headers["Set-Cookie"].split("; ")
        assert {"HttpOnly", "SameSite=strict"} <= set(flags)
        assert ask("/_sandbox/messages", sandbox=open_sandbox, Cookie=cookie)[0] == 200

    def test_the_gateways_path_needs_no_token(self, ask, open_sandbox, target):
        assert ask(target(), sandbox=open_sandbox)[2] == "1"

    def test_each_sandbox_has_its_own_token(self, open_sandbox):
        assert Sandbox(host="0.0.0.0").token != open_sandbox.token
        assert Sandbox().token is None
