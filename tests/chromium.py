"""The system's Chromium."""

import shutil


def find_chromium() -> str | None:
    """The path of an installed Chromium or Chrome; None without one."""
    names = ("chromium", "chromium-browser", "google-chrome", "chrome")
    return next(filter(None, map(shutil.which, names)), None)
