import re
import sys

import pytest

from viecomrec.adapters.object_store import ObjectStore, _remedy
from viecomrec.errors import ConfigurationError

URL = "s3://shop/live"


def answer(code):
    return f"Server returned non-2xx status code: 403 Forbidden: <Error><Code>{code}</Code></Error>"


@pytest.mark.parametrize(
    ("text", "what_to_do"),
    [
        (answer("RequestTimeTooSkewed"), "clock.*time synchronisation"),
        (answer("SignatureDoesNotMatch"), "AWS_SECRET_ACCESS_KEY"),
        (answer("ExpiredToken"), "AWS_SESSION_TOKEN"),
        (answer("AccessDenied"), "s3:PutObject"),
        (answer("AuthorizationHeaderMalformed"), "AWS_REGION"),
        (answer("NoSuchBucket"), "Create it, or correct ARTIFACT_URL"),
        ("HEAD http://x: 403 Forbidden", "s3:ListBucket"),
        ("error sending request for url (http://169.254.169.254/latest)", "No credentials"),
        ("error sending request\n\nDebug source: ...", "AWS_ENDPOINT_URL, then run it again"),
    ],
)
def test_what_a_store_says_becomes_what_a_person_can_do(text, what_to_do):
    message = _remedy(text, URL)
    assert URL in message
    assert re.search(what_to_do, message), message
    assert "Debug source" not in message


@pytest.mark.parametrize(
    "url",
    ["s3://", "gs://shop/live", "https://shop/live", "shop/live", "s3://me:secret@shop/x", ""],
)
def test_a_wrong_address_is_refused_without_repeating_a_password(url):
    with pytest.raises(ConfigurationError, match="s3://bucket/prefix") as refused:
        ObjectStore(url, timeout_seconds=1, retry_seconds=0)
    assert "secret" not in str(refused.value)


def test_without_the_extra_the_setting_says_what_to_install(monkeypatch):
    for module in ("obstore", "obstore.store", "obstore.exceptions"):
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ConfigurationError, match=r'pip install "viecomrec\[s3\]"') as refused:
        ObjectStore(URL, timeout_seconds=1, retry_seconds=0)
    assert refused.value.exit_code == 2
