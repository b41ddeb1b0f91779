"""Errors whose message is meant for the person at the keyboard: what is wrong, and what to do about it."""


class UserError(Exception):
    """A problem that the user can solve. Commands print its message alone, without a traceback, and exit with 2."""


class MissingFilesError(UserError):
    """A data set or weight file is not on disk. The message says where it was looked for and where it comes from."""


class CorruptFileError(UserError):
    """A file is there but cannot be read as what it should be. The message names the file."""
