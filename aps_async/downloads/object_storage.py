"""Object storage as a place for verified files; needs the extra `s3`.

On obstore (Rust's object_store with typed asyncio bindings and no dependencies of its own): one `put` uploads any size
in parts, and the object appears as a whole or not at all. The same lines serve S3 and its kin, Google's and Azure's.
"""

import shutil
import tempfile
import weakref
from contextlib import suppress
from pathlib import Path

from aps_async.downloads.filenames import checked_relative
from aps_async.errors import InputError, TargetError
from aps_async.extras import needed

__all__ = ["ObjectStorage"]
__dir__: object = __all__.copy


class ObjectStorage:
    """`s3://bucket/prefix`; credentials, region and endpoint come from the `AWS_*` variables, or from `options`.

    Files are verified on this machine's disk before they are uploaded.

    Args:
        url: bucket, and what all names begin with.
        allow_http: let the endpoint be one without encryption, for a server on this machine; or `AWS_ALLOW_HTTP`.
        options: obstore's configuration, such as `endpoint="http://127.0.0.1:9000"`.

    Raises:
        InputError: the address cannot be used, or obstore is not installed.
    """

    def __init__(self, url: str, *, allow_http: bool = False, **options: str) -> None:
        make = needed("obstore.store", "s3", "object storage").from_url
        self._url = url.rstrip("/")
        try:
            client = {"allow_http": True} if allow_http else None
            self._store = make(self._url, config=options or None, client_options=client)
        except Exception as problem:  # noqa: BLE001 - its errors have no root of their own
            raise InputError(f"{self._url} cannot be used as a storage: {problem}") from None
        self._staging = Path(tempfile.mkdtemp(prefix="aps-async-"))
        weakref.finalize(self, shutil.rmtree, self._staging, ignore_errors=True)

    async def stage(self, stem: str) -> Path:
        """See `Storage`."""
        return self._staging / stem

    async def put(self, file: Path, name: str) -> str:
        """See `Storage`."""
        import obstore

        name = "/".join(checked_relative(name))
        try:
            await obstore.put_async(self._store, name, file)
        except Exception as problem:  # noqa: BLE001 - the same
            location = f"{self._url}/{name}"
            raise TargetError(f"cannot store {location}: {_first_line(problem)}", path=file) from None
        return f"{self._url}/{name}"

    def discard(self, file: Path) -> None:
        """See `Storage`."""
        with suppress(OSError):
            file.unlink(missing_ok=True)


def _first_line(problem: BaseException) -> str:
    return (str(problem).strip() or type(problem).__name__).splitlines()[0][:300]
