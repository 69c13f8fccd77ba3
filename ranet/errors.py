"""The errors a user can cause, and so must be able to read.

Every message says what was expected, what was found, where, and what to do. A script prints the
message alone and ends with status 1 (:mod:`ranet.cli`); a notebook sees an ordinary exception.
Mistakes in this package itself are not wrapped: they keep their traceback.
"""


class RANetError(Exception):
    """Base of all errors below; catching it catches every mistake in the input."""


class ConfigError(RANetError):
    """A configuration file or an override is not valid."""


class DataError(RANetError):
    """Images, masks, videos or folders are missing, corrupt, or do not fit together."""


class CheckpointError(RANetError):
    """A file is not a checkpoint, or not one of this network."""


class OutputError(RANetError):
    """A result cannot be written: no permission, no space left, or a file in the way."""


class TrainingError(RANetError):
    """A training run cannot go on, e.g. because a loss is no longer finite."""


class BenchmarkError(RANetError):
    """What is to be timed is not installed, does not fit the settings, or was killed."""
