"""List the domains that a network knows."""

import json

from stylecli.commands._options import from_settings
from stylecli.errors import ExitCode
from stylecli.settings.shared import Telling
from stylecli.settings.stargan import StarganDomainsSettings


@from_settings
def command(settings: StarganDomainsSettings, telling: Telling) -> ExitCode:
    """List the domains that --domain takes, in the order of their numbers.

    \b
      stylecli stargan domains
      stylecli stargan domains --weights 100000_nets_ema.ckpt --domains cat,dog,wild
    """
    from stylecli.backends.stargan import names

    for index, name in enumerate(names(settings)):
        print(json.dumps({"index": index, "domain": name}) if telling.json else name)
    return ExitCode.DONE
