from datetime import datetime

import pytest
from playwright.sync_api import expect

from airflow_provider_ismart.sandbox import faults


@pytest.fixture
def go(page):
    def to(view):
        page.get_by_role("navigation").get_by_role("link", name=view).click()

    return to


def save(page):
    page.get_by_role("button", name="Save").click()
    expect(page.locator("#saved")).to_contain_text("Saved")


def test_a_refused_call_is_explained(page, go, send, ismart_sandbox):
    ismart_sandbox.configure(opted_out=["96890000002"])
    send()
    send(msisdn="96890000001,96890000002")
    go("Calls")
    rows = page.locator("#call-rows tr")
    expect(rows).to_have_count(2)
    cells = rows.first.locator("td")
    assert cells.nth(2).text_content() == "23"
    assert cells.nth(3).text_content() == "2"
    expect(cells.last).to_contain_text("opted out by the customer")
    page.get_by_label("Only refused or failed").check()
    expect(rows).to_have_count(1)
    send(Lang="7")
    expect(rows).to_have_count(2)
    expect(rows.first).to_contain_text("Invalid language")


def test_a_call_links_to_its_messages(page, go, send):
    send("Mine", "96890000001,96890000002")
    send("Another", "96890000003")
    go("Calls")
    page.get_by_role("link", name="1", exact=True).click()
    expect(page.locator("#phones .number")).to_have_text(["96890000002", "96890000001"])


def test_more_calls_are_listed_on_demand(page, go, send):
    for _ in range(60):
        send()
    go("Calls")
    expect(page.locator("#call-rows tr")).to_have_count(50)
    page.get_by_role("button", name="Show earlier calls").click()
    expect(page.locator("#call-rows tr")).to_have_count(60)


def test_a_fault_can_be_added_applied_and_cleared(page, go, send, ismart_sandbox):
    go("Faults")
    expect(page.locator("#no-faults")).to_be_visible()
    page.get_by_label("Fault", exact=True).select_option("code")
    page.get_by_label("code", exact=True).fill("13")
    page.get_by_label("times").fill("2")
    page.get_by_role("button", name="Add fault").click()
    expect(page.locator("#pending li")).to_have_text(["code accept=false times=2 code=13"])
    assert ismart_sandbox._state.faults == [faults.ReturnCode(code=13, times=2)]
    assert send() == "13"
    expect(page.locator("#pending li")).to_contain_text("times=1")
    page.get_by_role("button", name="Clear all faults").click()
    expect(page.locator("#pending li")).to_have_count(0)
    assert send() == "1"
    go("Calls")
    cells = page.locator("#call-rows tr").last.locator("td")
    expect(cells.nth(2)).to_have_text("13")
    expect(cells.last).to_contain_text(f"Fault code: {faults.ReturnCode.__doc__}")
    expect(cells.last).to_contain_text("Account expired")


def test_every_fault_can_be_added(page, go, ismart_sandbox):
    go("Faults")
    kind = page.get_by_label("Fault", exact=True)
    expect(kind.locator("option")).to_have_count(len(faults.KINDS) + 1)
    for n, name in enumerate(faults.KINDS, start=1):
        kind.select_option(name)
        for field, value in (("seconds", "0.5"), ("status", "503"), ("code", "4")):
            box = page.locator(f"#fault-fields [name={field}]")
            if box.count():
                box.fill(value)
        page.get_by_role("button", name="Add fault").click()
        expect(page.locator("#pending li")).to_have_count(n)
    kind.select_option("none")
    page.get_by_role("button", name="Add fault").click()
    expect(page.locator("#pending li").last).to_have_text("none")
    assert [fault and fault.kind for fault in ismart_sandbox._state.faults] == [*faults.KINDS, None]


def test_an_invalid_fault_is_refused_with_the_reason(page, go, new_page):
    go("Faults")
    page.get_by_label("Fault", exact=True).select_option("latency")
    page.get_by_role("button", name="Add fault").click()
    expect(page.get_by_role("alert")).to_contain_text("seconds")
    new_page.complaints.clear()  # the browser's own line about status 400


def test_the_account_can_be_changed_on_the_page(page, go, send, ismart_sandbox):
    go("Account")
    page.get_by_label("Credit (parts left)").fill("3")
    page.get_by_label("Account expires").fill("2099-12-31T07:30:00")
    page.get_by_label("Registered sender ids").fill("MyCompany\nOther\n")
    page.get_by_label("Opted-out numbers").fill("96890000002")
    save(page)
    account = ismart_sandbox.account
    assert (account.credit, account.headers, account.opted_out) == (3, {"MyCompany", "Other"}, {"96890000002"})
    assert account.expires_at == datetime.fromisoformat("2099-12-31T07:30:00+04:00")
    assert account.credit_expires_at is None
    page.get_by_label("Locked").check()
    save(page)
    assert send() == "12"
    page.get_by_label("Account expires").fill("")
    page.get_by_label("Locked").uncheck()
    save(page)
    assert ismart_sandbox.account.expires_at is None
    page.get_by_text("More settings").click()
    page.get_by_label("max_query_length").fill("100")
    page.get_by_label("ip_allowed").uncheck()
    save(page)
    assert (ismart_sandbox.account.max_query_length, ismart_sandbox.account.ip_allowed) == (100, False)


def test_a_field_being_edited_keeps_its_content(page, go, send, ismart_sandbox):
    ismart_sandbox.configure(credit=10)
    go("Account")
    page.get_by_label("Opted-out numbers").fill("96890000009")
    send()
    expect(page.get_by_label("Credit (parts left)")).to_have_value("9")
    expect(page.locator("#count-credit")).to_have_text("9")
    expect(page.get_by_label("Opted-out numbers")).to_have_value("96890000009")


def test_an_invalid_setting_is_refused_with_the_reason(page, go, ismart_sandbox, new_page):
    go("Account")
    page.get_by_label("Credit (parts left)").fill("")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("alert")).to_contain_text("whole number")
    assert ismart_sandbox.account.credit == 1_000_000
    new_page.complaints.clear()  # the browser's own line about status 400


def test_reset_asks_for_confirmation_and_empties_the_page(page, send):
    send()
    expect(page.locator("#phones button")).to_have_count(1)
    page.once("dialog", lambda dialog: dialog.dismiss())
    page.get_by_role("button", name="Reset").click()
    expect(page.locator("#phones button")).to_have_count(1)
    page.once("dialog", lambda dialog: dialog.accept())
    page.get_by_role("button", name="Reset").click()
    expect(page.locator("#phones button")).to_have_count(0)
    expect(page.locator("#count-calls")).to_have_text("0")
    send("Afterwards")
    expect(page.locator("#phones button")).to_contain_text("Afterwards")


def test_the_page_reconnects_to_a_restarted_sandbox(page, send, ismart_sandbox, new_page):
    with ismart_sandbox.pause():
        expect(page.locator("#live")).to_have_text("Disconnected")
    expect(page.locator("#live")).to_have_text("Live")
    new_page.complaints.clear()  # the browser's own lines about refused connections
