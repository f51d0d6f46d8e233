"""Give a sound the style of another: seconds to minutes, any length."""

from stylecli.commands._options import from_settings
from stylecli.commands._run import run
from stylecli.errors import ExitCode, UsageError
from stylecli.settings.audio import AudioSettings, SoundFiles
from stylecli.settings.shared import Compute, Contents, Reporting, Styles


@from_settings
def command(
    contents: Contents,
    styles: Styles,
    grid: tuple[AudioSettings, ...],
    outputs: SoundFiles,
    compute: Compute,
    reporting: Reporting,
) -> ExitCode:
    """Give CONTENT the sound of --style (Ulyanov, Lebedev 2016), in the content's rate and channels.

    Options marked … may be given several times, numbers also as first:last:count; every combination is a job.

    \b
      stylecli audio speech.wav --style rain.flac
      stylecli audio song.mp3 --style choir.wav --alpha 0:1:5 -o sweep/
      stylecli audio song.wav --style rain.wav --content-weight 0 --report rain.png
      stylecli audio - --style choir.wav --format flac -o - < song.wav > out.flac
    """
    if styles.mask:
        raise UsageError("--mask: for pictures", "--blend mixes the styles of sounds")
    return run("audio", contents, styles, grid, outputs, compute, reporting)
