"""Imports that the guide promises; no logic lives here."""
