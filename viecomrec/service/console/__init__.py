"""The console: see and steer an installation in a browser."""
