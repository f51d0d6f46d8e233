"""Settings of `serve`: where it listens, and what it takes."""

from dataclasses import dataclass

from stylecli.errors import UsageError
from stylecli.settings.fields import option
from stylecli.settings.shared import Machine
from stylecli.settings.values import check


@dataclass(frozen=True)
class Serving:
    """Every option of `serve` that is not of the machine."""

    host: str = option("127.0.0.1", "address to listen at; any but this machine's own is open to the network")
    port: int = option(8765, "port; 0 takes any that is free", minimum=0, maximum=65535)
    allow_host: tuple[str, ...] = option((), "a name that it may be asked by, such as the one of a proxy", unit="name")
    no_token: bool = option(False, "ask for no token; only on this machine, where all its users may then use it")
    open: bool = option(False, "open the page in the browser")
    max_upload: str = option("64M", "bytes of a picture", unit="size", panel="Limits")
    max_pixels: int = option(50_000_000, "pixels of a picture that comes in or goes out", minimum=1, panel="Limits")
    max_pictures: int = option(
        64, "pictures that are held; the one not used for longest goes", minimum=2, panel="Limits"
    )
    queue: int = option(8, "jobs that may wait; more are refused until some are done", minimum=1, panel="Limits")

    def __post_init__(self) -> None:
        """Refuses values out of range, and to be open to the network without a token."""
        check(self)
        _ = self.upload
        if self.no_token and not self.local:
            raise UsageError(
                f"--no-token: not with --host {self.host}", "without a token it listens to 127.0.0.1 alone"
            )

    @property
    def upload(self) -> int:
        """`max_upload` in bytes."""
        try:
            return Machine(max_memory=self.max_upload).max_bytes or 0
        except UsageError as error:
            raise UsageError(error.message.replace("--max-memory", "--max-upload"), error.hint) from None

    @property
    def local(self) -> bool:
        """Whether nothing but this machine can reach it."""
        return self.host in ("127.0.0.1", "::1", "localhost")
