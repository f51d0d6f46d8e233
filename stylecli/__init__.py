"""Style transfer for pictures and sound, from the command line and from Python (`stylecli.api`)."""

__version__ = "0.2.0"
