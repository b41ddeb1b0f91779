"""Define errors with messages for the user, which state what is wrong and what to do."""


def printable(text: str) -> str:
    r"""Return a printable text, in which undecodable bytes of file names appear as ``\udcXX``.

    Example:
        >>> print(printable("caf\udce9.jpg"))
        caf\udce9.jpg
    """
    return text.encode(errors="backslashreplace").decode()


class UserError(Exception):
    """Problem that the user can solve. Commands print only its message, without a traceback, and exit with 2.

    A DataLoader worker sends its error to the main process as one text with the traceback, from which PyTorch builds a
    new error of the same class. The message is extracted from that text.

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
    """Missing data set or weight file. The message names the searched folders and the source."""


class MissingEntryError(MissingFilesError):
    """Missing entry of one image in a file with entries of all images."""


class CorruptFileError(UserError):
    """File that exists but cannot be read in its expected format. The message names the file."""


class ModelError(UserError, ValueError):
    """Network whose inputs or outputs are not those of a saliency model. The message says how to wrap it."""
