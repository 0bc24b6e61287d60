"""Check the screenshot in the README and in the sandbox's chapter; PICTURE=1 updates it."""

import os
from pathlib import Path

from playwright.sync_api import expect

PICTURE = Path(__file__).parents[2] / "docs" / "inbox.png"
ARABIC = "عزيزنا {name}، فاتورتك بمبلغ {amount} ر.ع. مستحقة في 31/01/2030. شكراً لك."
ENGLISH = "Dear {name}, your bill of OMR {amount} is due on 31/01/2030. Thank you."
LONG = (
    "The office in Ruwi is closed on Thursday and Friday. You can pay in the app, at any branch of your bank, "
    "or at the counter in Al Khuwair, which is open from 8:00 to 14:00 on both days. "
    "Please have your account number ready."
)


def test_the_screenshot_of_the_documentation_shows_the_inbox(new_page, ismart_sandbox, send, tmp_path):
    send(ENGLISH.format(name="Salim", amount="12.500"), "96890000001")
    send(ENGLISH.format(name="Ravi", amount="103.000"), "96890000003")
    send(ARABIC.format(name="خالد", amount="18.750"), "96890000004", Lang="64")
    send(ARABIC.format(name="مريم", amount="7.250"), "96890000002", Lang="64")
    send("Your code is 4711.", "96890000002", FLashSMS="Y")
    send(LONG, "96890000002", PushDateTime="01/30/2030 08:00:00", Header="MyCompany")
    page = new_page(f"{ismart_sandbox.url}/#messages?msisdn=96890000002", viewport={"width": 1000, "height": 620})
    expect(page.locator("#live")).to_have_text("Live")
    expect(page.locator("#count-messages")).to_have_text("6")
    expect(page.locator("#texts li")).to_have_count(3)
    page.locator(".facts > span:first-child").evaluate_all(
        "times => times.forEach(time => { time.textContent = '2 Jan 2030, 10:15:00'; })"
    )
    taken = page.screenshot(path=PICTURE if os.environ.get("PICTURE") else tmp_path / "inbox.png")
    assert abs(len(taken) - PICTURE.stat().st_size) < PICTURE.stat().st_size / 2
