"""Doors: flags in, one JSON object and an exit code out."""
