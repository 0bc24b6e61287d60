"""Provide the SQL transfer."""
