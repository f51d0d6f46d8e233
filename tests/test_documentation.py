"""README and documentation: every command that they show is accepted, page by page, and links lead somewhere."""

import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest
from conftest import Result

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs/pages").glob("*.md"))]
AS_THEY_ARE = {"weights", "doctor"}
"""Commands that do no jobs; so do lists, of any command."""
TINY_TRAINING = ("--steps", "1", "--crop", "64", "--batch", "1", "--device", "cpu")


def lines(page: Path) -> Iterator[str]:
    """The lines of all blocks that are marked as shell."""
    for block in re.findall(r"^```sh\n(.*?)^```", page.read_text(), re.DOTALL | re.MULTILINE):
        yield from block.splitlines()


def words(line: str) -> list[str]:
    """The words behind `stylecli`, up to what is the shell's; of `<(cat a)` and `>(cat > a)` the file."""
    plain = re.sub(r"[<>]\(cat (?:> )?(\S+)\)", r"\1", line)
    found = shlex.split(plain[re.search(r"\bstylecli (?=[a-z]+ )", plain).end() :])  # type: ignore[union-attr]
    ends = [index for index, word in enumerate(found) if word in ("|", "<", ">", "&&", "||")]
    return found[: min(ends, default=None)]


def shown(page: Path) -> list[str]:
    """The lines that run stylecli, or make what it takes."""
    return [line for line in lines(page) if re.search(r"\bstylecli [a-z]+ |^python -c", line)]


@pytest.mark.parametrize("page", [page for page in PAGES if shown(page)], ids=lambda page: page.stem)
def test_commands_are_accepted(page: Path, cli: Callable[..., Result], tmp_path: Path):
    for folder in ("photos", "stylecli/examples"):
        (tmp_path / folder).mkdir(parents=True)
    examples = ROOT / "stylecli/examples"
    for name in ("harbor.jpg", "brushwork.jpg", "photos/harbor.jpg"):
        shutil.copy(examples / Path(name).name, tmp_path / name)
        shutil.copy(examples / Path(name).name, tmp_path / "stylecli/examples")
    photo = Path("harbor.jpg").read_bytes()
    for name in ("photo.jpg", "painting.jpg"):
        Path(name).write_bytes(photo)
    replayed = {words(line)[1] for line in shown(page) if "stylecli replay" in line}

    for line in shown(page):
        if line.startswith("python -c"):
            subprocess.run([sys.executable, *shlex.split(line)[1:]], check=True)
            continue
        command = words(line)
        if command[-1].endswith(".onnx") and not find_spec("onnxscript"):
            continue
        output = Path(command[command.index("-o") + 1]) if "-o" in command else None
        if command[0] == "train":
            command += TINY_TRAINING
        elif output and str(output) in replayed:
            command += ["--size", "32", "--steps", "2"]
        elif command[0] not in AS_THEY_ARE and not {"--list", "--list-styles", "domains"} & {*command}:
            command = [word for word in command if word != "--watch"] + ["--dry-run"]
        done = cli(*command, stdin=photo)
        assert done.exit_code == 0, (line, done.stderr)
        if output and output.suffix in (".jpg", ".png") and not output.exists():
            # What a later line may take as its input.
            output.write_bytes(photo)


def test_links_lead_somewhere():
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", page.read_text()):
            # The rest is there once the site is built.
            if "://" not in target and not target.startswith("commands/") and target != "pictures/table.svg":
                assert (page.parent / target).exists(), (page.name, target)
