"""Simulate the gateway, which records independently what it accepted, from which call, and when."""

from threading import Event
from typing import ClassVar
from urllib.parse import parse_qs

from tenacity.nap import sleep_using_event

from airflow_provider_ismart.gateway.client import GatewayClient
from airflow_provider_ismart.gateway.transport import MaybeSent, NotSent, Reply

GOOD_PASSWORD = "right-secret"

#: Faults of one call: what is done in place of answering as the gateway's state says.
NO_CONNECTION = "no connection"
LOST_ANSWER = "accepted, no answer"
LOST_CALL = "lost on its way, no answer"
LATE_ANSWER = "accepted after the time-out"
SLOW_ANSWER = "slow answer"
FORBIDDEN = "HTTP 403"
TOO_MANY = "HTTP 429"
BUSY = "HTTP 503 with Retry-After"
BROKEN_AFTER = "HTTP 500, accepted"
BROKEN_BEFORE = "HTTP 500, not accepted"
UNKNOWN_ERROR_AFTER = "code 11, accepted"
UNKNOWN_ERROR_BEFORE = "code 11, not accepted"
GARBAGE = "an answer without a code, accepted"
BAD_REQUEST = "code 15"
STRANGE_CODE = "code 77"
ACCOUNT = "code 7"
CREDIT = "code 4"
LOGIN = "code 3"

FAULTS = (
    NO_CONNECTION, LOST_ANSWER, LOST_CALL, LATE_ANSWER, SLOW_ANSWER, FORBIDDEN, TOO_MANY, BUSY, BROKEN_AFTER,
    BROKEN_BEFORE, UNKNOWN_ERROR_AFTER, UNKNOWN_ERROR_BEFORE, GARBAGE, BAD_REQUEST, STRANGE_CODE, ACCOUNT, CREDIT,
    LOGIN,
)  # fmt: skip

_STATUS = {FORBIDDEN: 403, TOO_MANY: 429, BUSY: 503, BROKEN_AFTER: 500, BROKEN_BEFORE: 500}
_CODE = {
    UNKNOWN_ERROR_AFTER: 11, UNKNOWN_ERROR_BEFORE: 11, BAD_REQUEST: 15, STRANGE_CODE: 77, ACCOUNT: 7, CREDIT: 4,
    LOGIN: 3,
}  # fmt: skip
_TAKES_ALL_THE_SAME = {LOST_ANSWER, LATE_ANSWER, BROKEN_AFTER, UNKNOWN_ERROR_AFTER, GARBAGE, SLOW_ANSWER}


class Call:
    """One call, for the checker."""

    def __init__(self, number, attempt, numbers, text, password, push_at, started):
        self.number = number
        #: The send that made it.
        self.attempt = attempt
        self.numbers = numbers
        self.text = text
        self.password = password
        self.push_at = push_at
        #: Ticks: when it began, when the gateway took it, when its sender had the answer.
        self.started = started
        self.started_at = None
        self.taken = None
        self.answered = None
        self.answered_at = None
        #: What the sender received: a code, "HTTP 403", "no connection", or nothing.
        self.answer = None
        #: Whether it has not reached the gateway yet, which nobody can know before.
        self.is_arriving = False
        #: What is on its way to the sender.
        self.underway = None
        self.response = None
        self.ticket = []

    @property
    def is_clear(self):
        """Whether the sender knows the outcome."""
        return self.answered is not None and self.answer not in {None, 11, "HTTP 500", "garbage"}


class Gateway:
    """The account, its faults, and all requests."""

    def __init__(self, world, *, faults, bad_numbers, opted_out, bad_texts, credit):
        self._world = world
        #: By fault, how likely it is, and from when until when.
        self.faults = faults
        self.bad_numbers = bad_numbers
        self.opted_out = opted_out
        #: By text, the code it is refused with.
        self.bad_texts = bad_texts
        self.credit = credit
        self.credit_code = world.random.choice([4, 13, 14])
        self.password = GOOD_PASSWORD
        self.wrong_logins = 0
        self.calls = []

    def heal(self):
        """End all faults; invalid numbers and texts stay invalid."""
        self.faults = {}
        self.credit = None
        self.password = GOOD_PASSWORD

    def _fault(self):
        now, dice = self._world.now, self._world.random
        for fault, (chance, start, end) in self.faults.items():
            if start <= now < end and dice.random() < chance:
                return fault
        return None

    def call(self, process, query, timeout):
        """Make a call; return the answer, ``NO_CONNECTION``, or ``None`` if no answer came in time."""
        world, dice = self._world, self._world.random
        fields = parse_qs(query, keep_blank_values=True)
        call = Call(
            len(self.calls) + 1,
            process.attempt,
            tuple(fields["MobileNo"][0].split(",")),
            fields["Message"][0],
            fields["Password"][0],
            fields.get("PushDateTime", [None])[0],
            world.tick(),
        )
        call.started_at = world.now
        self.calls.append(call)
        world.note(process.name, f"call {call.number} to {', '.join(n[-4:] for n in call.numbers)}: {call.text}")
        process.step("before a call reaches the gateway", dice.uniform(0.001, 0.02))
        fault = self._fault()
        if fault:
            world.count("gateway", fault)
        if fault == NO_CONNECTION:
            return self._answered(call, NO_CONNECTION, NO_CONNECTION)
        if fault in {FORBIDDEN, TOO_MANY, BUSY}:
            headers = {"Retry-After": str(dice.randint(0, 3))} if fault is not FORBIDDEN else {}
            process.step("a call is turned away", dice.uniform(0.01, 0.2))
            return self._answered(
                call, f"HTTP {_STATUS[fault]}", Reply(status=_STATUS[fault], headers=headers, body=b"")
            )
        up, down = dice.uniform(0.01, 0.2), dice.uniform(0.01, 0.2)
        if fault == LATE_ANSWER:
            up = timeout + dice.uniform(0.5, 20)
        elif fault == SLOW_ANSWER:
            down = timeout * dice.uniform(0.3, 0.9)
        call.is_arriving = True
        world.at(up, lambda: self._arrive(call, fault, down))
        came = process.wait(lambda: call.response is not None, call.ticket, timeout)
        if came:
            process.step("after a call was answered", dice.uniform(0.0001, 0.002))
        return self._answered(call, call.underway if came else None, call.response if came else None)

    def _answered(self, call, answer, response):
        call.answer = answer
        call.answered = self._world.tick()
        call.answered_at = self._world.now
        self._world.note("gateway", f"call {call.number} answered: {call.answer}")
        return response

    def _arrive(self, call, fault, down):
        call.is_arriving = False
        if fault == LOST_CALL:
            return
        code = self._code(call, fault)
        takes = code == 1 and fault not in {BROKEN_BEFORE, UNKNOWN_ERROR_BEFORE}
        if takes:
            call.taken = self._world.tick()
            self._world.note("gateway", f"takes call {call.number}")
            if self.credit is not None:
                self.credit -= len(call.numbers)
        if fault in {LOST_ANSWER, LATE_ANSWER}:
            return
        if code == 1 and fault in _CODE:
            code = _CODE[fault]
        self._world.at(down, lambda: self._reply(call, fault, code))

    def _reply(self, call, fault, code):
        if fault in {BROKEN_AFTER, BROKEN_BEFORE}:
            call.underway, call.response = "HTTP 500", Reply(status=500, headers={}, body=b"")
        elif fault == GARBAGE:
            call.underway, call.response = "garbage", Reply(status=200, headers={}, body=b"<html>")
        else:
            call.underway, call.response = code, Reply(status=200, headers={}, body=f"{code}".encode())
        self._world.count("answer", call.underway)
        for ticket in call.ticket:
            ticket.wake()

    def _code(self, call, fault):  # noqa: PLR0911  # the order in which a gateway looks at things
        """Return the code for the account, the text and the numbers."""
        if call.password != self.password:
            self.wrong_logins += 1
            return 3 if self.wrong_logins <= 5 else 12
        if self.credit is not None and self.credit < len(call.numbers):
            return self.credit_code
        if call.text in self.bad_texts:
            return self.bad_texts[call.text]
        if self.bad_numbers & set(call.numbers):
            return 9
        if self.opted_out & set(call.numbers):
            return 23
        if fault in {BAD_REQUEST, STRANGE_CODE, ACCOUNT, CREDIT, LOGIN}:
            return _CODE[fault]
        return 1


class SimulatedTransport:
    """A transport that calls the simulated gateway."""

    def __init__(self, process, gateway, read_timeout):
        self._process = process
        self._gateway = gateway
        self._read_timeout = read_timeout

    def get(self, query):
        """Make a call, like the real transport."""
        reply = self._gateway.call(self._process, query, self._read_timeout)
        if reply is None:
            raise MaybeSent("no answer came: TimeoutError")
        if reply == NO_CONNECTION:
            raise NotSent("no connection could be made: ConnectionRefusedError")
        return reply


class SimulatedClient(GatewayClient):
    """The real client with a simulated transport."""

    #: By settings, a client to make others from: real connections, which nobody uses here, take long to set up.
    _models: ClassVar[dict] = {}

    def __init__(self, settings, *, halted, process, gateway):
        if settings not in self._models:
            self._models[settings] = GatewayClient(settings)
        self.__dict__ |= self._models[settings].__dict__
        self.halted, self.paused = halted, Event()
        self._transport = SimulatedTransport(process, gateway, settings.read_timeout)
        self._renew_retrying()

    def _renew_retrying(self):
        self._retrying = self._retrying.copy(retry=self._may_try_again, sleep=sleep_using_event(self.halted))

    def close(self):
        """Do nothing: all clients share the connections."""

    def submit(self, batch, *, flash, push_at, now):
        """Make the call; retries are counted per call, because each call has its own thread."""
        client = SimulatedClient.__new__(SimulatedClient)
        client.__dict__ |= self.__dict__
        client._renew_retrying()
        return super(SimulatedClient, client).submit(batch, flash=flash, push_at=push_at, now=now)
