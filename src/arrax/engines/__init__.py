"""Engines evaluate and compile programs on devices."""
