"""Pictures of seeds or saved latents, one by one or on a sheet."""

from dataclasses import replace
from pathlib import Path

from stylecli.commands._options import from_settings
from stylecli.commands.stylegan._run import run
from stylecli.errors import ExitCode
from stylecli.settings import lists
from stylecli.settings.shared import Compute, Files, Reporting
from stylecli.settings.stylegan import StyleganSampleSettings


@from_settings
def command(settings: StyleganSampleSettings, outputs: Files, compute: Compute, reporting: Reporting) -> ExitCode:
    """Pictures of seeds or saved latents, one by one or on a sheet.

    \b
      stylecli stylegan sample --seeds 0-15 --grid
      stylecli stylegan sample --weights ffhq.pkl --seeds 85,100-105 --psi 0.7 -o faces/
      stylecli stylegan sample --seeds 3 --psi 0:1:6 --grid -o psi.png
      stylecli stylegan sample --seeds face.safetensors --noise random
    """
    wanted = [("stylegan_sheet", settings)] if settings.grid else _singles(settings)
    return run("sample", wanted, outputs, compute, reporting)


def _singles(settings: StyleganSampleSettings) -> list[tuple[str, StyleganSampleSettings]]:
    """A picture for each seed or latent, class and psi."""
    from stylecli.batch.generated import latent_rows

    words: list[tuple[str, str]] = []
    for source in lists.sources(settings.seeds, "--seeds"):
        if isinstance(source, int):
            words.append((f"seed{source}", str(source)))
            continue
        path, row = source
        count = latent_rows(path)
        rows = range(count) if row is None else [row]
        words += [(Path(path).stem + (f"-{i}" if count > 1 else ""), f"{path}[{i}]") for i in rows]
    psis = lists.numbers(settings.psi, "--psi")
    classes = lists.words(settings.class_, "--class")
    return [
        (
            f"stylegan_{name}" + f"_{kind}" * (len(classes) > 1) + f"_psi{psi:g}" * (len(psis) > 1),
            replace(settings, seeds=word, class_=kind, psi=f"{psi:g}" if len(psis) > 1 else settings.psi),
        )
        for name, word in words
        for kind in classes
        for psi in psis
    ]
