import socket

import pytest

from viecomrec.adapters.listening import is_loopback, require_free
from viecomrec.errors import ConfigurationError


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "::1", "localhost"])
def test_loopback_is_known_in_all_its_forms(host):
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.4", "shop.example", ""])
def test_everything_else_is_open_to_others(host):
    assert not is_loopback(host)


def test_a_port_where_somebody_listens_is_not_free():
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(ConfigurationError, match=f"Cannot listen on 127.0.0.1:{port}"):
            require_free("127.0.0.1", port)
    require_free("127.0.0.1", port)


@pytest.mark.parametrize("port", [70_000, -1])
def test_a_port_that_does_not_exist_is_refused(port):
    with pytest.raises(ConfigurationError, match="Cannot listen"):
        require_free("127.0.0.1", port)
