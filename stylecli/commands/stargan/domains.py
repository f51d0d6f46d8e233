"""List the domains that a network knows."""

import json
from collections.abc import Sequence

from stylecli.commands._options import from_settings
from stylecli.errors import ExitCode, printable
from stylecli.settings.shared import Reporting
from stylecli.settings.stargan import Named, StarganDomainsSettings


@from_settings
def command(settings: StarganDomainsSettings, reporting: Reporting) -> ExitCode:
    """List the domains that --domain takes, in the order of their numbers.

    \b
      stylecli stargan domains
      stylecli stargan domains --weights 100000_nets_ema.ckpt --domains cat,dog,wild
    """
    for index, name in enumerate(names(settings)):
        print(json.dumps({"index": index, "domain": name}) if reporting.json else printable(name))
    return ExitCode.DONE


def names(settings: Named) -> Sequence[str]:
    """What the domains of a network are called, in their order.

    Raises:
        WeightsError: It is missing, of another family, or unsafe.
    """
    from stylecli.checkpoints.header import domains_of
    from stylecli.checkpoints.store import resolve

    path = resolve(settings.weights)
    said = settings.domains or path.with_name(f"{path.name}.domains").exists()
    if not said and (found := domains_of(path)) is not None:
        return found
    # Only PyTorch can open what others wrote, and tell whether names fit it.
    from stylecli.backends import stargan

    return stargan.names(settings)
