"""Ledgers that survive the process that sends."""
