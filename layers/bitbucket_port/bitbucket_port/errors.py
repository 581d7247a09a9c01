"""What can go wrong, classified once, by type.

A caller decides by the class alone: ``TransientError`` is tried again later, ``PermanentError`` is recorded and
acknowledged. Error texts never contain a credential or the body of an answer from an outside system.
"""

from __future__ import annotations


class BitbucketPortError(Exception):
    """Root of all errors this package raises on purpose."""


class SettingsError(BitbucketPortError):
    """The configuration cannot work; the text names every setting that is wrong and how to mend it."""


class TransientError(BitbucketPortError):
    """May succeed later without anybody's help: network, 5xx, 429, a held lease.

    ``retry_after`` is the number of seconds after which trying again makes sense; ``None`` leaves it to the caller.
    """

    means_limit = True
    """Whether naming a time says that we ask too often, and not that something is broken."""

    def __init__(self, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after

    @property
    def is_limit(self) -> bool:
        """Whether this says that we ask too often: trying again then costs patience, but none of its tries."""
        return self.means_limit and self.retry_after is not None


class BusyError(TransientError):
    """Another writer holds the lease of this object or is deleting this entity."""

    means_limit = False


class StillThereError(TransientError):
    """The first of two looks that are needed before something missing counts as gone."""

    means_limit = False


class CredentialsRefusedError(TransientError):
    """An outside system refused the credentials (401).

    Transient, because a new secret mends it; nothing is sent with the same secret until then.
    """

    means_limit = False


class PermanentError(BitbucketPortError):
    """Will fail in the same way every time; recorded with its reason and acknowledged."""


class NotFoundError(BitbucketPortError):
    """Bitbucket or Port answered 404 or 410 for exactly the thing asked for."""


class ForbiddenError(PermanentError):
    """The credentials are good but may not see this thing (403): says nothing about whether it exists."""
