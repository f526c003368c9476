"""A store in a container of Azure Blob Storage, or of Azurite.

A version is the blob's ETag. Every write carries an id of its own in the blob's metadata: when an answer is lost, the
client sends the request again and is then refused because of its own first write (409 or 412). Such a refusal is
checked once: a blob that carries our id is our success.

A request is tried three times, some ten seconds in all when the service does not answer. One that never reaches the
service, because nobody listens there, is tried for about as long: a service that is being started again answers by
then. After that the caller decides. The container is made by the first `create` that misses it.
"""

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

from azure.core import MatchConditions
from azure.core.credentials import TokenCredential
from azure.core.exceptions import AzureError, HttpResponseError
from azure.storage.blob import BlobClient, ContainerClient, LinearRetry

from engine.errors import AlreadyExists, NotFound, StoreError, StoreUnavailable, VersionConflict
from engine.ports import Held

ATTEMPTS = 3
ANSWER_WITHIN_S = 2.5
BACKOFF_S = 1
"""Three silences and two pauses, each pause 0 to 2 s by chance: 7.5 to 11.5 s."""

REFUSALS = 7
"""A connection that is refused costs no time but the pause after it: seven pauses are 7 s, hardly ever less than 4."""

SLOWEST_BYTES_PER_S = 1_000_000
"""How fast a body must at least go out; a large one is given that much longer. Our choice."""

LARGEST_BYTES = 256 * 2**20
"""What is sent and fetched whole. Put Blob takes 5,000 MiB; nothing of ours comes near a twentieth of that.

Source: Azure Storage, "Scalability and performance targets for Blob storage".
"""

_WRITE_ID = "write"
"""The metadata word that says which write made the blob."""


class BlobStore:
    """A `Store` whose keys are the names of blobs in one container."""

    def __init__(self, container: ContainerClient) -> None:
        self._container = container
        logging.getLogger("azure").setLevel(logging.WARNING)  # below it, every request is several lines

    @classmethod
    def from_connection_string(cls, connection_string: str, container: str) -> "BlobStore":
        """A store reached by account key: for Azurite."""
        return cls(ContainerClient.from_connection_string(connection_string, container, **_options()))

    @classmethod
    def from_account_url(cls, account_url: str, container: str, credential: TokenCredential) -> "BlobStore":
        """A store reached by identity."""
        return cls(ContainerClient(account_url, container, credential=credential, **_options()))

    def read(self, key: str) -> Held | None:
        """What key holds, None if nothing."""
        try:
            with _translated(key):
                blob = self._container.download_blob(key)
                return Held(blob.readall(), str(blob.properties.etag))
        except NotFound:
            return None

    def create(self, key: str, body: bytes) -> str:
        """Put body under a key that holds nothing yet; its version. Raises AlreadyExists."""
        try:
            return self._write(key, body, overwrite=False)
        except NotFound:  # the container: a blob that is not there is what a create expects
            self._make_container(key)
            return self._write(key, body, overwrite=False)

    def replace(self, key: str, body: bytes, version: str) -> str:
        """Put body in place of exactly that version; the new one. Raises VersionConflict, also when key is gone."""
        try:
            return self._write(key, body, overwrite=True, etag=version, match_condition=MatchConditions.IfNotModified)
        except NotFound as error:
            raise VersionConflict(key, "it is gone") from error

    def delete(self, key: str) -> None:
        """Make key hold nothing, whatever it held."""
        try:
            with _translated(key):
                self._container.delete_blob(key)
        except NotFound:
            return

    def keys(self, prefix: str) -> Iterator[str]:
        """The keys that begin with prefix, sorted."""
        try:
            with _translated(prefix):
                return iter(sorted(self._container.list_blob_names(name_starts_with=prefix)))
        except NotFound:
            return iter(())

    def _write(self, key: str, body: bytes, **condition: Any) -> str:
        """The version of a conditional write, also when only its first answer was lost."""
        blob, write_id = self._container.get_blob_client(key), uuid4().hex
        within_s = ANSWER_WITHIN_S + len(body) / SLOWEST_BYTES_PER_S
        try:
            with _translated(key):
                written = blob.upload_blob(
                    body,
                    metadata={_WRITE_ID: write_id},
                    connection_timeout=within_s,  # the client sends under this one
                    read_timeout=within_s,
                    **condition,
                )
                return str(written["etag"])
        except (AlreadyExists, VersionConflict):
            version = _version_of(blob, write_id)
            if version is None:
                raise
            return version

    def _make_container(self, key: str) -> None:
        try:
            with _translated(key):
                self._container.create_container()
        except AlreadyExists:  # somebody else needed it, too
            return


def retries(backoff_s: int) -> LinearRetry:
    """How often a request is tried again, with pauses of 0 to 2 backoff_s seconds."""
    return LinearRetry(
        backoff=backoff_s,
        random_jitter_range=backoff_s,
        retry_total=REFUSALS,
        retry_connect=REFUSALS,
        retry_read=ATTEMPTS - 1,
        retry_status=ATTEMPTS - 1,
    )


def _version_of(blob: BlobClient, write_id: str) -> str | None:
    """The version of the blob if that write made it, None if another did or it is gone."""
    try:
        with _translated(blob.blob_name):
            found = blob.get_blob_properties()
    except NotFound:
        return None
    return str(found.etag) if (found.metadata or {}).get(_WRITE_ID) == write_id else None


def _options() -> dict[str, Any]:
    """The client's options: how long it tries, and every body in one request.

    A body sent in blocks would not be one write: the blocks of two racing writers share their names.
    """
    return {
        "retry_policy": retries(BACKOFF_S),
        "connection_timeout": ANSWER_WITHIN_S,
        "read_timeout": ANSWER_WITHIN_S,
        "max_single_put_size": LARGEST_BYTES,
        "max_single_get_size": LARGEST_BYTES,
    }


@contextmanager
def _translated(key: str) -> Iterator[None]:
    """What azure raises inside, as a StoreError about key, the cause kept.

    The detail is the status and the service's own code, or the kind of exception: never its text, in which the
    address of a request, and with it a signature, may stand.
    Source: Blob service REST API, "Blob service error codes"; "Common REST API error codes".
    """
    try:
        yield
    except HttpResponseError as error:
        code = _service_code(error)
        kind = NotFound if error.status_code == 404 else _KINDS.get(code, StoreUnavailable)
        raise kind(key, f"{error.status_code} {code}".rstrip()) from error
    except AzureError as error:
        raise StoreUnavailable(key, type(error).__name__) from error


_KINDS: Mapping[str, type[StoreError]] = {
    "BlobAlreadyExists": AlreadyExists,
    "ContainerAlreadyExists": AlreadyExists,
    "ConditionNotMet": VersionConflict,
}


def _service_code(error: HttpResponseError) -> str:
    """The service's word for what is wrong, "" when it gave none; the storage client adds it, as an enum or a text."""
    code = getattr(error, "error_code", None) or ""
    return str(getattr(code, "value", code))
