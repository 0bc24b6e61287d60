"""What holds of every ledger, whatever it is kept in."""

import pytest
from conftest import batch, numbers, outcome, states

from airflow_provider_ismart.sms.calls import Fate
from airflow_provider_ismart.sms.ledger import LedgerConflictError

ONE, TWO, THREE = numbers(3)


def opened(backing, **options):
    ledger = backing.open(**options)
    ledger.take_over()
    return ledger
