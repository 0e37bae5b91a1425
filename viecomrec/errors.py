"""All that can go wrong here: reading this file tells it.

Each error carries a message that a person can act on. Doors turn `exit_code` into the
exit code of the process: 1 the work failed, 2 the arguments or the configuration are wrong.
"""

import errno


class VieComRecError(Exception):
    """The base of every error that this project raises on purpose."""

    exit_code = 1


class ConfigurationError(VieComRecError):
    """A setting, a configuration file or a combination of flags is wrong."""

    exit_code = 2


class NotBuiltYetError(VieComRecError):
    """A door or flag of the guide whose work does not exist yet; it never pretends."""

    exit_code = 2


class InputError(VieComRecError):
    """A shop's file cannot be used; the message names file, line or column and the remedy."""


class UnknownProductError(VieComRecError):
    """The shop's catalogue has no product of this id."""


class SnapshotError(VieComRecError):
    """A snapshot is missing, incomplete or altered."""


class ArtifactError(VieComRecError):
    """A model, an embedding file or another artifact is missing, altered or of a wrong shape."""


class ArtifactStoreError(VieComRecError):
    """The object store of ARTIFACT_URL refuses, does not answer, or lacks what was there."""


class StoreChangedError(ArtifactStoreError):
    """Another host changed a shared document between reading and writing."""


class RegistryError(VieComRecError):
    """The model registry cannot be read or does not know what was asked for."""


class TrainingError(VieComRecError):
    """A model cannot be trained on this data."""


class ServiceError(VieComRecError):
    """The recommendation service answered, and the answer means failure."""


class ServiceOfflineError(ServiceError):
    """Nobody answers at the service's address."""


class ServiceReplyLostError(ServiceError):
    """The request left and no reply came back: it may or may not have been carried out."""


class LedgerError(VieComRecError):
    """The run database cannot be used."""


class DatabaseAwayError(LedgerError):
    """The database server does not answer just now; what was asked may be asked again."""


class LeaseLostError(LedgerError):
    """Another host took over what this process was doing; it must write nothing more."""


class AlertError(VieComRecError):
    """An alert could not be handed over to any channel."""


class DoorError(VieComRecError):
    """A door called as a process did not give its one JSON object."""


class DemoError(VieComRecError):
    """A step of the demo failed; the message names it."""


class CleanupError(VieComRecError):
    """Something that cleanup was led to lies outside the trees it may delete in."""


class BackupError(VieComRecError):
    """A backup cannot be made, or an archive cannot be trusted or put in place."""


class EngineError(VieComRecError):
    """A compute engine outside this process, such as Spark, failed in the middle of the work."""


DISK_FULL = (
    "The disk is full ({}). What was in force stays in force. Make room (python -m "
    "automation.cleanup) and run this again."
)


def disk_full(error: BaseException) -> str | None:
    """What to say where an error means that no room was left, whoever raised it; else None."""
    is_full = isinstance(error, OSError) and error.errno in {errno.ENOSPC, errno.EDQUOT}
    # Polars reports it as an error of its own, with the words of the system.
    return DISK_FULL.format(error) if is_full or "No space left on device" in str(error) else None
