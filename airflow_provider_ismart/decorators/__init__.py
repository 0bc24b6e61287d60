"""Provide the TaskFlow decorator."""
