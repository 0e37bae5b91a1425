from types import SimpleNamespace

from installation import write_installation

from viecomrec.service.console.own_service import own_service


def visit(installation, server):
    worker = SimpleNamespace(installation=installation)
    return SimpleNamespace(
        console=SimpleNamespace(worker=worker), request=SimpleNamespace(scope={"server": server})
    )


def test_visits_share_one_client_since_making_one_is_dear(tmp_path):
    installation = write_installation(tmp_path)
    clients = {own_service(visit(installation, ("127.0.0.1", 8000))) for _ in range(3)}
    assert len(clients) == 1


def test_each_address_has_its_own_client(tmp_path):
    installation = write_installation(tmp_path)
    urls = [own_service(visit(installation, at)).url for at in (("127.0.0.1", 80), ("::1", 81))]
    assert urls == ["http://127.0.0.1:80", "http://[::1]:81"]
