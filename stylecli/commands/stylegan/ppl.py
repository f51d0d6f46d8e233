"""Perceptual path length: how smoothly pictures change with w."""

import dataclasses
import json

from stylecli.commands._options import from_settings
from stylecli.commands._report import Reporter
from stylecli.errors import ExitCode
from stylecli.settings.shared import Machine, Reporting
from stylecli.settings.stylegan import StyleganPplSettings


@from_settings
def command(settings: StyleganPplSettings, compute: Machine, reporting: Reporting) -> ExitCode:
    """Perceptual path length (Karras et al. 2019, section 4.1), by LPIPS or, without its weights, by the encoder.

    \b
      stylecli stylegan ppl --samples 1000
      stylecli stylegan ppl --weights ffhq.pkl --crop --ends --json
    """
    if reporting.dry_run:
        planned = {"method": "stylegan ppl", "settings": dataclasses.asdict(settings)}
        print(json.dumps(planned) if reporting.json else f"ppl of {settings.weights} from {settings.samples} paths")
        return ExitCode.DONE
    from stylecli import api

    reporter = Reporter(reporting)
    try:
        found = api.stylegan(
            "ppl",
            settings=settings,
            device=compute.device,
            precision=compute.precision,
            threads=compute.threads,
            max_memory=compute.max_memory,
            listener=reporter.bar_for("ppl"),
        )
    finally:
        reporter.clear()
    for note in found.notes:
        reporter.say(note)
    value = found.losses["ppl"]
    print(json.dumps({"ppl": value, "notes": found.notes}) if reporting.json else f"{value:.4g}")
    return ExitCode.DONE
