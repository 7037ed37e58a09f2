"""Those whose signature under a document counts here: the owner, and who else is known as one.

It must not know what a document says: whoever reads it judges that.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from mqcam.errors import DocumentRefused

if TYPE_CHECKING:
    from collections.abc import Collection

Document = TypeVar("Document")
Document_co = TypeVar("Document_co", covariant=True)


class Read(Protocol[Document_co]):
    """Return what one signer says in a text; raise DocumentRefused."""

    def __call__(self, text: str, *, owner: str, namespace: str) -> Document_co:
        """Return it."""


class Known(Protocol):
    """A file that may name authorities."""

    @property
    def authorities(self) -> Collection[str]:
        """Their keys, which may change."""


class Signers(Generic[Document]):
    """Read documents of one kind, and remember ``good_max`` whose signature was found good.

    A full memory forgets all.
    """

    def __init__(
        self,
        read: Read[Document],
        *,
        namespace: str,
        owner: str | None,
        known: Known,
        good_max: int,
    ) -> None:
        self._read = read
        self._namespace = namespace
        self._owner = owner
        self._known = known
        self._good_max = good_max
        self._good: dict[tuple[str, str], Document] = {}

    @property
    def keys(self) -> tuple[str, ...]:
        """Return whose signatures count at this moment, the owner's first."""
        return (*filter(None, (self._owner,)), *self._known.authorities)

    def read(self, text: str) -> Document:
        """Return what the first says who signed ``text``; raise DocumentRefused if none did."""
        refused = DocumentRefused("not-signed", "nobody's signature counts here")
        for signer in self.keys:
            found = self._good.get((signer, text))
            if found is not None:
                return found
            try:
                found = self._read(text, owner=signer, namespace=self._namespace)
            except DocumentRefused as error:
                refused = error
                continue
            if len(self._good) >= self._good_max:
                self._good.clear()
            self._good[signer, text] = found
            return found
        raise refused
