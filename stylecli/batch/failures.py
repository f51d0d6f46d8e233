"""What any exception means to the user."""

import sys

from stylecli.errors import InputError, MemoryLimitError, StyleCliError

HINT = "run again with --traceback to see where it comes from"


def explain(error: Exception) -> StyleCliError:
    """The line, hint and exit code for an exception; what is not ours and not the system's is an internal error."""
    if isinstance(error, StyleCliError):
        return error
    if isinstance(error, MemoryError) or _out_of_memory(error):
        return MemoryLimitError("out of memory", "a smaller --size or fewer --threads needs less; so does --device cpu")
    if isinstance(error, OSError) and error.strerror:
        return InputError(f"{error.filename or 'system'}: {error.strerror.lower()}")
    text = " ".join(str(error).split())
    return StyleCliError(f"internal error: {type(error).__name__}{': ' * bool(text)}{text}", HINT)


def _out_of_memory(error: Exception) -> bool:
    # PyTorch is asked only if something has imported it: nothing else raises its error.
    torch = sys.modules.get("torch")
    if torch is None or not isinstance(error, RuntimeError):
        return False
    return isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in str(error)
