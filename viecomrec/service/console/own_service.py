"""The service as a client sees it: health and deployment prove themselves over HTTP."""

from functools import lru_cache

from viecomrec.adapters.service_client import ServiceClient
from viecomrec.service.console.frame import Visit


def own_service(here: Visit) -> ServiceClient:
    """A client of the address at which this request arrived, never of a header's claim."""
    worker = here.console.worker
    host, port = here.request.scope["server"]
    return _client(
        f"http://{f'[{host}]' if ':' in host else host}:{port}",
        worker.installation.admin_token.ensure(),
        worker.installation.settings.service.timeout_seconds,
    )


@lru_cache(maxsize=4)
def _client(url: str, token: str, timeout_seconds: float) -> ServiceClient:
    """One client for all visits: making one reads the certificates of the system anew."""
    return ServiceClient(url, token=token, timeout_seconds=timeout_seconds)
