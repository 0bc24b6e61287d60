"""Answer calls as a test says, with an executor that makes each call immediately."""

from concurrent.futures import Executor, Future
from threading import Event, Lock

from airflow_provider_ismart.core.batching import CallLimits
from airflow_provider_ismart.core.dispatch import Submission
from airflow_provider_ismart.core.ledger import MemoryLedger
from airflow_provider_ismart.core.outcomes import CallOutcome, Fate
from airflow_provider_ismart.core.plan import plan
from airflow_provider_ismart.core.return_codes import return_code
from airflow_provider_ismart.core.validation import Content, Reading
from airflow_provider_ismart.sending.executor import submit_all

ACCEPTED = CallOutcome(fate=Fate.ACCEPTED, code=1)
UNCERTAIN = CallOutcome(fate=Fate.UNCERTAIN, detail="no answer came")
NOT_SENT = CallOutcome(fate=Fate.NOT_SENT, detail="no connection could be made")
NOT_FOUND = CallOutcome(fate=Fate.NOT_SENT, http_status=404, detail="HTTP 404")


def refused(code):
    return CallOutcome(fate=Fate.REFUSED, code=code, detail=f"return code {code}")


class ScriptedGateway:
    """Answer each batch with the result of ``answer``, and remember the batches."""

    def __init__(self, answer=lambda batch: ACCEPTED):
        self._answer = answer
        self._lock = Lock()
        self.batches = []
        #: By number, the texts that it took or may have taken.
        self.handed = {}

    @classmethod
    def saying(cls, *outcomes, then=ACCEPTED):
        left = list(outcomes)
        return cls(lambda batch: left.pop(0) if left else then)

    @classmethod
    def refusing(cls, guilty, code=9):
        return cls(lambda batch: refused(code) if guilty & set(batch.msisdns) else ACCEPTED)

    def __call__(self, batch):
        with self._lock:
            self.batches.append(batch)
            outcome = self._answer(batch)
            if outcome.fate in {Fate.ACCEPTED, Fate.UNCERTAIN}:
                self.take(batch)
        return outcome

    def take(self, batch):
        for msisdn in batch.msisdns:
            self.handed.setdefault(msisdn, []).append(batch.message.text)

    @property
    def sizes(self):
        return [len(batch.rows) for batch in self.batches]


class SynchronousExecutor(Executor):
    def submit(self, fn, /, *args, **kwargs):
        future = Future()
        future.set_running_or_notify_cancel()
        try:
            future.set_result(fn(*args, **kwargs))
        except BaseException as error:  # noqa: BLE001  # a future keeps whatever was raised
            future.set_exception(error)
        return future


def numbers(count, start=0):
    return [f"9689000{number:04d}" for number in range(start, start + count)]


def plan_of(recipients, message="Hello", *, deduplicate=True, **content):
    return plan(recipients, Reading(content=Content(message=message, **content)), deduplicate=deduplicate)


def plan_of_rows(rows, *, deduplicate=True):
    """Return the plan of (number, text) pairs."""
    return plan(columns_of(rows), Reading(content=Content(message_column="text")), deduplicate=deduplicate)


def columns_of(rows):
    """Return the table of (number, text) pairs."""
    return {"msisdn": [number for number, _ in rows], "text": [text for _, text in rows]}


def limits(batch_size=50, max_query_length=2048, overhead=100):
    return CallLimits(batch_size=batch_size, max_query_length=max_query_length, overhead=overhead)


def send(planned, gateway, *, ledger=None, batch_size=50, at_once=4, executor=None, halted=None, **options):
    """Send a plan; return its submission."""
    ledger = MemoryLedger() if ledger is None else ledger
    submission = Submission(planned, ledger, limits(batch_size), **options)
    run(submission, gateway, executor=executor, at_once=at_once, halted=halted)
    return submission


def run(submission, gateway, *, executor=None, at_once=4, halted=None):
    submit_all(
        submission,
        gateway,
        executor or SynchronousExecutor(),
        max_in_flight=at_once,
        halted=halted or Event(),
        paused=Event(),
    )


def counts(submission_or_plan):
    """Count the rows by outcome, without zeros."""
    found = submission_or_plan.outcomes.counts()
    return {outcome.value: count for outcome, count in found.items() if count}


def describe(code):
    return return_code(code).description
