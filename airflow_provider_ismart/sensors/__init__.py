"""Provide the sensor."""
