"""Addresses to listen on: whether they are open to others, and whether they are free."""

import ipaddress
import os
import socket

from viecomrec.errors import ConfigurationError


def is_loopback(host: str) -> bool:
    """Whether only this machine can connect to `host`; a name other than localhost is not."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def require_free(host: str, port: int) -> None:
    """Raise ConfigurationError where another program listens; port 0 is always free."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        if os.name != "nt":  # there the option would allow two servers on one port
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except (OSError, OverflowError) as error:
            raise ConfigurationError(
                f"Cannot listen on {host}:{port} ({error}). Stop the program that does, or choose "
                "another address with --host and --port."
            ) from error
