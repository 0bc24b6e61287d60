"""Run one send: its options, threads, log, errors and files."""
