"""The pure core: who gets which text, in which calls, and how the outcome of a call affects the rest.

It imports no Airflow, opens no socket, reads no clock, uses no randomness, starts no thread and writes no log.
Such things are passed in as arguments.
"""
