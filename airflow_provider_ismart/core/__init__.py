"""Decide who gets which text, in which calls, and how the outcome of a call affects the rest: the pure core.

It imports no Airflow, opens no socket, reads no clock, uses no randomness, starts no thread and writes no log.
Whatever it needs of these is an argument.
"""
