"""Ledgers that outlive the process that sends."""
