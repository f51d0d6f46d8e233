"""Translate a picture with the style of a reference."""

from dataclasses import replace

from stylecli.commands._live import play
from stylecli.commands._options import from_settings
from stylecli.commands._report import Reporter
from stylecli.commands._run import run, run_jobs
from stylecli.commands.stargan.domains import names
from stylecli.errors import ExitCode
from stylecli.settings.live import Live
from stylecli.settings.shared import Compute, Contents, Reporting
from stylecli.settings.stargan import ReferenceOutputs, References, StarganRefSettings

FRAMES = 24


@from_settings
def command(
    contents: Contents,
    references: References,
    grid: tuple[StarganRefSettings, ...],
    live: Live,
    outputs: ReferenceOutputs,
    compute: Compute,
    reporting: Reporting,
) -> ExitCode:
    """Translate CONTENT to the domain of --reference, in its style (StarGAN v2, Choi et al. 2020).

    Several contents and references are all combined; --grid puts them on one table as the paper does, or a sweep on a
    labelled sheet for each content; --animate goes from the style of each reference to that of the next.

    \b
      stylecli stargan ref photo.jpg --reference ukiyoe.jpg
      stylecli stargan ref photo.jpg --reference a.jpg --reference b.jpg --blend --alpha 0:1:5 -o sweep/
      stylecli stargan ref photos/ --reference Ukiyo_e/ --grid -o table.png
      stylecli stargan ref photo.jpg --reference a.jpg --reference b.jpg --domain Cubism --animate morph.webp
      stylecli stargan ref cat.jpg --weights stargan-afhq --reference dog.jpg --domain dog --fit stretch
    """
    from stylecli.batch.sheets import plan_morphs, wants_singles
    from stylecli.plans import plan_files

    still = tuple(replace(one, frames=None) for one in grid)
    if live.live:
        return play("stargan ref", contents, references, still, outputs, compute, reporting, domains=names(grid[0]))
    if contents.watch:
        return run("stargan ref", contents, references, still, outputs, compute, reporting)
    jobs = plan_files("stargan ref", contents, references, still, outputs, say=Reporter(reporting).say)
    clips = []
    if outputs.animate:
        clips = plan_morphs(jobs, replace(grid[0], frames=grid[0].frames or FRAMES), outputs)
    if not (wants_singles(outputs) or outputs.grid):
        jobs = []
    return run_jobs([*jobs, *clips], replace(outputs, animate=None), compute, reporting)
