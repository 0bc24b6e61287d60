"""Notify people of what happens to tasks and DAGs."""
