import socket
import threading

import pytest

from viecomrec.adapters.ticking import TickingScheduler, notify_systemd


def test_the_loop_ticks_at_once_and_again_until_it_is_shut_down():
    ticks = []

    def tick():
        ticks.append(1)
        if len(ticks) == 3:
            loop.shutdown(wait=False)

    loop = TickingScheduler(tick, 0.01)
    loop.start()
    assert len(ticks) == 3


def test_a_wakeup_makes_the_next_tick_come_at_once():
    woken = threading.Event()

    def tick():
        if woken.is_set():
            loop.shutdown(wait=False)
        else:
            woken.set()
            threading.Timer(0.05, loop.wakeup).start()

    loop = TickingScheduler(tick, 3600)
    loop.start()
    assert woken.is_set()


@pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="systemd needs UNIX sockets")
@pytest.mark.parametrize("prefix", ["", "@"])
def test_systemd_hears_what_it_is_told(tmp_path, prefix):
    address = f"{tmp_path}/notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(f"\0{address}" if prefix else address)
        listener.settimeout(5)
        notify_systemd(f"{prefix}{address}", "WATCHDOG=1")
        assert listener.recv(100) == b"WATCHDOG=1"


def test_without_systemd_nothing_is_told():
    notify_systemd(None, "READY=1")
