"""A store in a bucket of S3, or of any server that speaks its protocol.

An object is written by one PUT, so it is whole or absent. `If-None-Match` lets one of several
creators win. There are no renames, and nothing depends on a clock.
"""

import io
import os
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Literal, cast
from uuid import uuid4

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError
from obstore.store import S3Store

from covertype.atomic import naming_disk
from covertype.storage.leases import leased
from covertype.storage.store import LOCK_SECONDS, Store, Unavailable

if TYPE_CHECKING:
    from obstore import ListResult, ObjectMeta
    from obstore.store import S3Config

_MADE_FROM = "made-from"
"""Metadata of an object: the ETag of the object that it was made from."""

_CREATED_BY = "created-by"
"""Metadata of an object that was created, not replaced: the call that did so."""

_RETRIES = 5
_PAUSE_SECONDS = 0.2
_RETRY_SECONDS = 20
_CONNECT_SECONDS = 5
_REQUEST_SECONDS = 120


@dataclass(frozen=True)
class Bucket:
    """A folder of a bucket; see `Store`."""

    client: S3Store
    hasty: S3Store
    """For what is of no use later: it gives up soon."""
    process: int
    bucket: str
    folder: str

    @classmethod
    def from_environment(cls, bucket: str, prefix: str) -> "Bucket":
        """Return a store whose keys, region and endpoint come from AWS's variables."""
        client = _client(bucket, _REQUEST_SECONDS, _RETRIES)
        hasty = _client(bucket, _CONNECT_SECONDS, retries=0)
        return cls(client, hasty, os.getpid(), bucket, prefix)

    @property
    def url(self) -> str:
        return f"s3://{self.bucket}/{self.folder}".rstrip("/")

    def at(self, folder: str) -> "Bucket":
        return replace(self, folder=self._key(folder))

    def names(self) -> Iterator[str]:
        yield from (name for name in self.sizes() if not name.startswith("."))

    def folders(self) -> list[str]:
        names = map(_last_part, self._list()["common_prefixes"])
        return sorted(name for name in names if not name.startswith("."))

    def sizes(self) -> dict[str, int]:
        return {_last_part(one["path"]): one["size"] for one in self._list()["objects"]}

    def exists(self, name: str) -> bool:
        try:
            self._head(name)
        except FileNotFoundError:
            return False
        return True

    def read(self, name: str) -> bytes:
        with self._naming():
            return bytes(obstore.get(self.client, self._key(name)).bytes())

    def open(self, name: str) -> BinaryIO:
        # Whole: parts that are asked for one by one could be of different versions.
        return io.BytesIO(self.read(name))

    @contextmanager
    def replacing(self, name: str, made_from: str | None = None) -> Iterator[Path]:
        # Before it is read: a source that is replaced meanwhile is another one.
        marks = {_MADE_FROM: self._etag(made_from)} if made_from else None
        with tempfile.TemporaryDirectory() as folder, naming_disk(Path(folder)):
            path = Path(folder) / name
            yield path
            with path.open("rb") as content:
                self._put(name, content, marks)

    def is_made_from(self, name: str, source: str) -> bool:
        mark = self._mark(name, _MADE_FROM)
        return bool(mark) and mark == self._etag(source)

    def create(self, name: str, content: bytes) -> bool:
        # A PUT that is repeated, as its answer was lost, finds what it wrote itself.
        by = uuid4().hex
        for _ in range(_RETRIES):
            try:
                self._put(name, content, {_CREATED_BY: by}, mode="create")
            except AlreadyExistsError:
                # Also said while another PUT is under way, which may yet fail.
                if self.exists(name):
                    return self._mark(name, _CREATED_BY) == by
                time.sleep(_PAUSE_SECONDS)
            else:
                return True
        raise Unavailable(f"{self.url}/{name} can't be created, though it does not exist")

    @contextmanager
    def appending(self, name: str) -> Iterator[BinaryIO]:
        file = io.BytesIO()
        with suppress(FileNotFoundError):
            file.write(self.read(name))
        yield file
        self._put(name, file.getvalue())

    def move(self, name: str, to: Store) -> None:
        if not isinstance(to, Bucket) or to.bucket != self.bucket:
            raise TypeError(f"{name} can't be moved from {self.url} to {to.url}")
        with self._naming():
            obstore.copy(self.client, self._key(name), to._key(name))
        self.remove(name)

    def remove(self, name: str) -> None:
        with suppress(FileNotFoundError), self._naming():
            obstore.delete(self.client, self._key(name))

    def remove_unfinished(self, name: str) -> None:
        """Do nothing: a killed writer leaves no object."""

    def locked(self, name: str, seconds: float = LOCK_SECONDS) -> AbstractContextManager[None]:
        return leased(self, name, seconds)

    def etags(self) -> dict[str, str]:
        """Return the ETag of each object right in this folder: it changes with the content."""
        return {_last_part(one["path"]): one["e_tag"] or "" for one in self._list()["objects"]}

    def write_soon(self, name: str, content: bytes) -> None:
        """Write a small object in the place of the former one, or fail in a few seconds."""
        with self._naming():
            obstore.put(self.hasty, self._key(name), content, use_multipart=False)

    def _list(self) -> "ListResult[Sequence[ObjectMeta]]":
        with self._naming():
            return obstore.list_with_delimiter(self.client, self.folder or None)

    def _key(self, name: str) -> str:
        return f"{self.folder}/{name}" if self.folder else name

    def _head(self, name: str) -> "ObjectMeta":
        with self._naming():
            return obstore.head(self.client, self._key(name))

    def _etag(self, name: str) -> str:
        try:
            return self._head(name)["e_tag"] or ""
        except FileNotFoundError:
            return ""

    def _mark(self, name: str, key: str) -> str:
        """Return an object's metadata of a key; empty without them."""
        try:
            with self._naming():
                found = obstore.get(self.client, self._key(name), options={"head": True})
        except FileNotFoundError:
            return ""
        return str(found.attributes.get(key, ""))

    def _put(
        self,
        name: str,
        content: bytes | BinaryIO,
        marks: Mapping[str, str] | None = None,
        mode: Literal["create", "overwrite"] = "overwrite",
    ) -> None:
        with self._naming():
            obstore.put(
                self.client,
                self._key(name),
                content,
                attributes=dict(marks or {}),
                mode=mode,
                use_multipart=False,
            )

    @contextmanager
    def _naming(self) -> Iterator[None]:
        """Raise `Unavailable` for what the library raises, without its pages of details."""
        if os.getpid() != self.process:
            # The library's threads are not in a fork: it would wait for ever.
            raise Unavailable(f"{self.url} was used before this process was forked from its parent")
        try:
            yield
        except AlreadyExistsError:
            raise
        except FileNotFoundError as error:
            if "NoSuchBucket" in str(error):
                raise Unavailable(
                    f"there is no bucket {self.bucket}: create it, then try again"
                ) from None
            raise FileNotFoundError(f"{self.url} has no such file") from None
        except BaseError as error:
            cause = str(error).partition("\n")[0]
            raise Unavailable(
                f"{self.url} can't be used: {cause}: see that the server runs, and that "
                "AWS_ENDPOINT_URL and the keys are right; what it holds is whole"
            ) from None


def _client(bucket: str, seconds: int, retries: int) -> S3Store:
    return S3Store(
        bucket,
        client_options={
            # The endpoint says http or https.
            "allow_http": True,
            "connect_timeout": timedelta(seconds=_CONNECT_SECONDS),
            "timeout": timedelta(seconds=seconds),
        },
        retry_config={
            "max_retries": retries,
            "retry_timeout": timedelta(seconds=_RETRY_SECONDS),
        },
        config=_config(),
    )


def _config() -> "S3Config":
    variables = {
        "endpoint": "AWS_ENDPOINT_URL",
        "access_key_id": "AWS_ACCESS_KEY_ID",
        "secret_access_key": "AWS_SECRET_ACCESS_KEY",
        "session_token": "AWS_SESSION_TOKEN",
        "region": "AWS_DEFAULT_REGION",
    }
    found = {name: os.environ.get(variable) for name, variable in variables.items()}
    # An empty variable, as Compose sets it, means the same as a missing one.
    return cast("S3Config", {name: value for name, value in found.items() if value})


def _last_part(path: str) -> str:
    return path.rstrip("/").rpartition("/")[2]
