"""The pure core: who gets which text, in which calls, and what the outcome of each call means for the rest.

It imports no Airflow, opens no socket, reads no clock, has no randomness, starts no thread and writes no log.
What it needs of those comes in as an argument.
"""
