"""The core: what is to be said to whom, in which calls, and what became of it.

Nothing here knows Airflow, opens a socket, reads a clock, rolls dice or writes a log; time, the call itself
and the threads that make it come in as arguments.
"""
