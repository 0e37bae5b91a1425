"""An S3 bucket: small documents with conditional replacement, and immutable files.

Credentials, region and endpoint come from the standard AWS_* variables, which the library reads.
"""

import hashlib
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from viecomrec.errors import ArtifactStoreError, ConfigurationError, StoreChangedError

if TYPE_CHECKING:
    from obstore.store import S3Store

_CODE = re.compile(r"<Code>(\w+)</Code>")


@dataclass(frozen=True)
class Document:
    """A small object and the tag of this very version of it."""

    content: bytes
    tag: str


@dataclass(frozen=True)
class Listed:
    """An object in a listing."""

    key: str
    n_bytes: int
    modified_at: datetime


class ObjectStore:
    """The objects below one address `s3://bucket/prefix`.

    Every method raises ArtifactStoreError, with what to do, where the store refuses or does not
    answer.
    """

    def __init__(self, url: str, *, timeout_seconds: float, retry_seconds: float) -> None:
        bucket, prefix = _parsed(url)
        self.url = url.rstrip("/")
        self._store = _connected(bucket, prefix, timeout_seconds, retry_seconds)

    def read(self, key: str) -> Document | None:
        """The whole object; None where there is none."""
        return self._get(key, {})

    def read_if_changed(self, key: str, tag: str) -> Document | None:
        """The object unless it is still the version of `tag`; NotModifiedError becomes `tag`."""
        from obstore.exceptions import NotModifiedError

        try:
            return self._get(key, {"if_none_match": tag})
        except NotModifiedError:
            return Document(b"", tag)

    def create(self, key: str, content: bytes) -> str:
        """Write an object that does not exist yet and return its tag, else StoreChangedError."""
        return self._put(key, content, "create")

    def replace(self, key: str, content: bytes, tag: str) -> str:
        """Replace exactly the version of `tag` and return the new tag, else StoreChangedError."""
        return self._put(key, content, {"e_tag": tag})

    def upload(self, key: str, file: Path) -> None:
        import obstore

        with self._explained("write", key):
            obstore.put(self._store, key, file)

    def download(self, key: str, file: Path) -> str | None:
        """Write the object to `file` and return its SHA-256; None where there is no object."""
        import obstore

        digest = hashlib.sha256()
        with self._explained("read", key):
            try:
                found = obstore.get(self._store, key)
            except FileNotFoundError as error:
                _require_bucket(error, self.url)
                return None
            with file.open("wb") as target:
                for chunk in found.stream():
                    digest.update(chunk)
                    target.write(chunk)
        return digest.hexdigest()

    def listing(self, prefix: str) -> list[Listed]:
        """All objects whose key begins with the folder `prefix`."""
        import obstore

        with self._explained("list", prefix):
            return [
                Listed(one["path"], one["size"], one["last_modified"])
                for batch in obstore.list(self._store, prefix)
                for one in batch
            ]

    def delete(self, keys: list[str]) -> None:
        """Delete objects; those that are gone already are no error."""
        import obstore

        for key in keys:
            with self._explained("delete", key):
                try:
                    obstore.delete(self._store, key)
                except FileNotFoundError as error:
                    _require_bucket(error, self.url)

    def _get(self, key: str, options: dict[str, Any]) -> Document | None:
        import obstore

        with self._explained("read", key):
            try:
                found = obstore.get(self._store, key, options=options)  # type: ignore[arg-type]
                return Document(bytes(found.bytes()), str(found.meta["e_tag"]))
            except FileNotFoundError as error:
                _require_bucket(error, self.url)
                return None

    def _put(self, key: str, content: bytes, mode: Any) -> str:
        import obstore
        from obstore.exceptions import AlreadyExistsError, PreconditionError

        with self._explained("write", key):
            try:
                done = obstore.put(self._store, key, content, mode=mode, use_multipart=False)
            except (AlreadyExistsError, PreconditionError) as error:
                _require_bucket(error, self.url)
                raise StoreChangedError(
                    f"{self.url}/{key} was changed by another host meanwhile; run it again."
                ) from error
        return str(done["e_tag"])

    @contextmanager
    def _explained(self, action: str, key: str) -> Iterator[None]:
        from obstore.exceptions import BaseError, NotModifiedError

        try:
            yield
        except NotModifiedError:
            raise
        except (BaseError, FileNotFoundError) as error:
            raise ArtifactStoreError(f"{_remedy(str(error), self.url)} ({action} {key})") from error


def _parsed(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    if parts.scheme != "s3" or not parts.netloc or parts.query or "@" in parts.netloc:
        raise ConfigurationError(
            f"ARTIFACT_URL is {_without_password(url)!r}. It must look like "
            "s3://bucket/prefix; credentials belong into AWS_ACCESS_KEY_ID and "
            "AWS_SECRET_ACCESS_KEY, another endpoint into AWS_ENDPOINT_URL."
        )
    return parts.netloc, parts.path.strip("/")


def _without_password(url: str) -> str:
    return re.sub(r"//[^/]*@", "//...@", url)


def _connected(bucket: str, prefix: str, timeout_seconds: float, retry_seconds: float) -> "S3Store":
    try:
        from obstore.exceptions import BaseError
        from obstore.store import S3Store
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            'ARTIFACT_URL names an object store; install what reads it: pip install "viecomrec[s3]"'
        ) from error
    try:
        return S3Store(
            bucket,
            prefix=prefix or None,
            # Whether a connection is encrypted is said by the endpoint: https:// unless it is set.
            client_options={
                "allow_http": True,
                "timeout": f"{timeout_seconds}s",
                "connect_timeout": f"{min(timeout_seconds, 5)}s",
            },
            retry_config={"max_retries": 10, "retry_timeout": timedelta(seconds=retry_seconds)},
        )
    except (BaseError, ValueError) as error:
        raise ConfigurationError(
            f"The object store of ARTIFACT_URL cannot be set up: {_first_line(str(error))}. "
            "Check the AWS_* variables."
        ) from error


def _require_bucket(error: Exception, url: str) -> None:
    if "NoSuchBucket" in str(error):
        raise ArtifactStoreError(_remedy(str(error), url)) from error


_REMEDIES = {
    "NoSuchBucket": "The bucket of {url} does not exist. Create it, or correct ARTIFACT_URL.",
    "RequestTimeTooSkewed": (
        "{url} refuses this machine's clock. Set it right (time synchronisation)."
    ),
    "AccessDenied": (
        "{url} refuses access. The credentials need s3:GetObject, s3:PutObject, s3:DeleteObject "
        "and s3:ListBucket there."
    ),
    "PermanentRedirect": (
        "{url} lies in another region. Set AWS_REGION to the region of the bucket."
    ),
    "InvalidAccessKeyId": (
        "{url} does not accept the credentials. Check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY "
        "and AWS_SESSION_TOKEN."
    ),
    "NoCredentials": (
        "No credentials for {url}. Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or give this "
        "machine a role."
    ),
}
_ALIKE = {
    "SignatureDoesNotMatch": "InvalidAccessKeyId",
    "ExpiredToken": "InvalidAccessKeyId",
    "InvalidToken": "InvalidAccessKeyId",
    "AuthorizationHeaderMalformed": "PermanentRedirect",
}


def _remedy(text: str, url: str) -> str:
    """What the store said and what to do about it; never a credential."""
    found = _CODE.search(text)
    code = _ALIKE.get(found[1], found[1]) if found else _code_without_body(text)
    if code in _REMEDIES:
        return _REMEDIES[code].format(url=url)
    return (
        f"{url} does not answer as an object store should: {_first_line(text)}. No pointer was "
        "moved. Check the network and AWS_ENDPOINT_URL, then run it again."
    )


def _code_without_body(text: str) -> str:
    if "169.254.169.254" in text:  # the last place where credentials are looked for
        return "NoCredentials"
    is_refusal = "401 Unauthorized" in text or "403 Forbidden" in text
    return "AccessDenied" if is_refusal else ""


def _first_line(text: str) -> str:
    return text.strip().splitlines()[0].rstrip(" -.") if text.strip() else "no reason given"
