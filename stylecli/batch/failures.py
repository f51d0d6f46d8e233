"""What any exception means to the user."""

import sys

from stylecli.errors import InputError, MemoryLimitError, StyleCliError, WeightsError

SAID = ("can't allocate memory", "not enough memory", "out of memory", "ALLOC_FAILED")
"""By PyTorch on CPUs, on MPS and CUDA, by cuBLAS and cuDNN, where memory ran out."""

NUMERIC = {"_LinAlgError", "LinAlgError", "FloatingPointError"}
"""What PyTorch and NumPy raise where numbers are none."""

HINT = "`stylecli --traceback COMMAND ...` shows where it comes from"


def explain(error: Exception, settings: object = None) -> StyleCliError:
    """The line, hint and exit code for an exception; what is not ours and not the system's is an internal error.

    Where numbers went wrong, the weights that `settings` name are looked at: it costs too much to do so before.
    """
    if settings is not None and (type(error).__name__ in NUMERIC or "not finite" in str(error)):
        return _blamed(settings) or explain(error)
    if isinstance(error, StyleCliError):
        return error
    if out_of_memory(error):
        return MemoryLimitError("out of memory", "smaller pictures (--size), shorter sounds, fewer --threads help")
    if isinstance(error, OSError) and error.strerror:
        return InputError(f"{error.filename or 'system'}: {error.strerror.lower()}")
    text = " ".join(str(error).split())
    return StyleCliError(f"internal error: {type(error).__name__}{': ' * bool(text)}{text}", HINT)


def _blamed(settings: object) -> WeightsError | None:
    """Weights that hold what is no number."""
    from stylecli.checkpoints.load import check_whole
    from stylecli.checkpoints.store import resolve

    for name in filter(None, (getattr(settings, field, None) for field in ("weights", "vgg"))):
        try:
            check_whole(resolve(name))
        except WeightsError as error:  # noqa: PERF203 - two
            return error
    return None


def out_of_memory(error: Exception) -> bool:
    """Whether memory ran out, on whatever device."""
    if isinstance(error, MemoryError):
        return True
    # PyTorch is asked only if something has imported it: nothing else raises its error.
    torch = sys.modules.get("torch")
    if torch is None or not isinstance(error, RuntimeError):
        return False
    return isinstance(error, torch.OutOfMemoryError) or any(words in str(error) for words in SAID)
