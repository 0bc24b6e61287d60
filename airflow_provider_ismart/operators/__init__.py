"""Provide the operator."""
