"""Errors whose message is meant for the person at the keyboard: what is wrong, and what to do about it."""


def printable(text: str) -> str:
    r"""The text as it can be printed and written down: what a file name has that is not UTF-8 becomes ``\udcXX``.

    Example:
        >>> print(printable("caf\udce9.jpg"))
        caf\udce9.jpg
    """
    return text.encode(errors="backslashreplace").decode()


class UserError(Exception):
    """A problem that the user can solve. Commands print its message alone, without a traceback, and exit with 2.

    A DataLoader worker hands its error to the main process as one text with the traceback in it, from which PyTorch
    makes a new error of the same class; the message is taken out of that text again.

    Example:
        >>> text = "Caught UserError in DataLoader worker process 0.\\nOriginal Traceback (most recent call last):\\n"
        >>> str(UserError(text + "explainsal.errors.UserError: a.jpg is damaged\\n"))
        'a.jpg is damaged'
    """

    def __init__(self, message: str = "") -> None:
        name = f"{type(self).__module__}.{type(self).__qualname__}: "
        handed_over = message.startswith("Caught ") and "Original Traceback" in message
        super().__init__(printable(message.rsplit(name, 1)[-1].strip() if handed_over else message))


class MissingFilesError(UserError):
    """A data set or weight file is not on disk. The message says where it was looked for and where it comes from."""


class MissingEntryError(MissingFilesError):
    """One image has no entry in the file of all images."""


class CorruptFileError(UserError):
    """A file is there but cannot be read as what it should be. The message names the file."""


class ModelError(UserError, ValueError):
    """A network does not take or return what a saliency model must. The message says what, and how to wrap it."""
