"""What any exception means to the user."""

import sys

from stylecli.errors import InputError, MemoryLimitError, StyleCliError

SAID = ("can't allocate memory", "not enough memory", "out of memory", "ALLOC_FAILED")
"""By PyTorch on CPUs, on MPS and CUDA, by cuBLAS and cuDNN, where memory ran out."""

HINT = "run again with --traceback to see where it comes from"


def explain(error: Exception) -> StyleCliError:
    """The line, hint and exit code for an exception; what is not ours and not the system's is an internal error."""
    if isinstance(error, StyleCliError):
        return error
    if out_of_memory(error):
        return MemoryLimitError("out of memory", "smaller pictures (--size), shorter sounds, fewer --threads help")
    if isinstance(error, OSError) and error.strerror:
        return InputError(f"{error.filename or 'system'}: {error.strerror.lower()}")
    text = " ".join(str(error).split())
    return StyleCliError(f"internal error: {type(error).__name__}{': ' * bool(text)}{text}", HINT)


def out_of_memory(error: Exception) -> bool:
    """Whether memory ran out, on whatever device."""
    if isinstance(error, MemoryError):
        return True
    # PyTorch is asked only if something has imported it: nothing else raises its error.
    torch = sys.modules.get("torch")
    if torch is None or not isinstance(error, RuntimeError):
        return False
    return isinstance(error, torch.OutOfMemoryError) or any(words in str(error) for words in SAID)
