"""Pictures of seeds or saved latents, one by one or on a sheet."""

from dataclasses import replace
from pathlib import Path

from stylecli.batch.inputs import expand
from stylecli.commands._live import play
from stylecli.commands._options import from_settings
from stylecli.commands._run import run
from stylecli.errors import ExitCode
from stylecli.settings import lists
from stylecli.settings.live import Live
from stylecli.settings.shared import Compute, Files, Reporting
from stylecli.settings.stylegan import StyleganSampleSettings


@from_settings
def command(
    settings: StyleganSampleSettings, live: Live, outputs: Files, compute: Compute, reporting: Reporting
) -> ExitCode:
    """Pictures of seeds or saved latents, one by one or on a sheet.

    \b
      stylecli stylegan sample --seeds 0-15 --grid
      stylecli stylegan sample --weights ffhq.pkl --seeds 85,100-105 --psi 0.7 -o faces/
      stylecli stylegan sample --seeds 3 --psi 0:1:6 --grid -o psi.png
      stylecli stylegan sample --seeds face.safetensors --noise random
    """
    if live.live:
        return play("stylegan sample", None, None, [_first(settings)], outputs, compute, reporting)
    wanted = [("stylegan_sheet", settings)] if settings.grid else _singles(settings)
    stems, grid = zip(*wanted, strict=True)
    return run("stylegan sample", None, None, grid, outputs, compute, reporting, stems=stems)


def _first(settings: StyleganSampleSettings) -> StyleganSampleSettings:
    """Of the first picture alone."""
    return replace(_singles(settings)[0][1], grid=False)


def _singles(settings: StyleganSampleSettings) -> list[tuple[str, StyleganSampleSettings]]:
    """Stem and settings of a picture for each seed or latent, class and psi."""
    from stylecli.checkpoints.header import latent_rows

    words: list[tuple[str, str]] = []
    for source in lists.sources(settings.seeds, "--seeds"):
        if isinstance(source, int):
            words.append((f"seed{source}", str(source)))
            continue
        path, row = source
        count = latent_rows(expand([(path, 1.0)])[0].path)
        rows = range(count) if row is None else [row]
        words += [(Path(path).stem + (f"-{i}" if count > 1 else ""), f"{path}[{i}]") for i in rows]
    classes, psis = lists.words(settings.class_, "--class"), settings.psi
    return [
        (
            f"stylegan_{name}" + f"_{kind}" * (len(classes) > 1) + f"_psi{psi:.12g}" * (len(psis) > 1),
            replace(settings, seeds=word, class_=kind, psi=(psi,)),
        )
        for name, word in words
        for kind in classes
        for psi in psis
    ]
