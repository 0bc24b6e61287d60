"""Telling people what happens to tasks and DAGs."""
