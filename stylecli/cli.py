"""The command line: finds the commands, runs one, and turns errors into a line, a hint and an exit code."""

import ast
import os
import pkgutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import typer
from typer.core import TyperGroup

from stylecli import __version__
from stylecli.batch.failures import explain
from stylecli.errors import ExitCode, StyleCliError, UsageError
from stylecli.settings.values import nearest

if TYPE_CHECKING:
    from typer._click import Command, Context, Parameter

T = TypeVar("T")
PANELS = ("Methods", "Training", "Tools")


def run(args: Sequence[str] | None = None) -> int:
    """Runs one command line; every error becomes a line and a hint on stderr.

    Args:
        args: Words behind the program's name; `sys.argv` when left out.

    Returns:
        The exit code, see `errors.ExitCode`. With `--traceback` errors leave as they are.
    """
    words = list(sys.argv[1:] if args is None else args) or ["--help"]
    traceback = "--traceback" in words[: words.index("--") if "--" in words else None]
    try:
        code = typer.main.get_command(_app()).main(words, prog_name="stylecli", standalone_mode=False)
        if sys.stdout:
            sys.stdout.flush()
    except BrokenPipeError:
        # Whoever read us has seen enough.
        _forget_streams()
        return ExitCode.SOME_FAILED
    except (KeyboardInterrupt, typer.Abort):
        code = ExitCode.INTERRUPTED
    except Exception as error:
        if traceback and not hasattr(error, "format_message"):
            raise
        from stylecli.commands._report import complain

        told = _usage(error) or explain(error)
        try:
            complain(told.message, told.hint)
            sys.stdout.flush()
        except OSError:  # the disk behind stdout is full, or nobody listens
            _forget_streams()
        return told.exit_code
    if code == ExitCode.INTERRUPTED:
        print("interrupted: finished files stay", file=sys.stderr)
    return int(code or 0)


def _forget_streams() -> None:
    """Lets Python's own flush at exit have nothing to complain of."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _usage(error: Exception) -> StyleCliError | None:
    """What the parser found wrong with the command line, in our words; its classes moved between versions of Typer."""
    if not hasattr(error, "format_message"):
        return None
    context, name = getattr(error, "ctx", None), getattr(error, "option_name", None)
    if type(error).__name__ == "NoSuchOption" and context:
        options = [word for each in context.command.params for word in each.opts if word.startswith("--")]
        hint = nearest(str(name), options)
        return UsageError(f"{name}: no such option", hint if "mean" in hint else f"see {context.command_path} --help")
    text = error.format_message().rstrip(".")
    return UsageError(f"{text[:1].lower()}{text[1:]}", f"see {context.command_path} --help" if context else "")


def commands(group: TyperGroup | None = None, words: str = "") -> "Iterator[tuple[str, Command]]":
    """(words, command) of each command in the order of the help, groups such as `train` before what is in them."""
    group = group or typer.main.get_command(_app())  # type: ignore[assignment]
    assert isinstance(group, TyperGroup)
    context = typer.Context(group)
    for name in group.list_commands(context):
        command = group.resolve_command(context, [name])[1]
        assert command
        path = f"{words} {name}".strip()
        yield path, command
        if isinstance(command, TyperGroup):
            yield from commands(command, path)


def lazy(package: str) -> type[TyperGroup]:
    """A group whose commands are the modules of a package; a module is imported when its command runs.

    A command is a module with a `command` function or a Typer `app`, or a package of more of them, or a module that
    makes them: `command_of` any name in its `COMMANDS`. Help shows the first line of its docstring under the heading
    `PANEL`, both read without importing it.
    """

    class Commands(TyperGroup):
        def list_commands(self, ctx: "Context") -> list[str]:
            return sorted(_names(package), key=lambda name: (PANELS.index(_about(package, name)[1]), name))

        def get_command(self, ctx: "Context", cmd_name: str) -> "Command | None":
            if cmd_name not in _names(package):
                return None
            line, panel = _about(package, cmd_name)
            return typer.core.TyperCommand(cmd_name, help=line, rich_help_panel=panel)

        def get_params(self, ctx: "Context") -> "list[Parameter]":
            params = super().get_params(ctx)
            for each in params:
                each.default = each.default or False
                _take_as_typed(each)
            return params

        def resolve_command(self, ctx: "Context", args: list[str]) -> "tuple[str | None, Command | None, list[str]]":
            names = _names(package)
            if args[0] in names:
                return args[0], _load(package, args[0]), args[1:]
            if not args[0].startswith("-") and not ctx.resilient_parsing:
                raise UsageError(f"{args[0]}: no such command", nearest(args[0], names))
            return super().resolve_command(ctx, args)

    return Commands


def _names(package: str) -> list[str]:
    module = import_module(package)
    if hasattr(module, "COMMANDS"):
        return list(module.COMMANDS)
    found = [each.name for each in pkgutil.iter_modules(module.__path__)]
    return [name.replace("_", "-") for name in found if not name.startswith("_")]


@cache
def _about(package: str, name: str) -> tuple[str, str]:
    """The help line and the panel of a command, from the text of its module."""
    module = import_module(package)
    if hasattr(module, "COMMANDS"):
        return module.COMMANDS[name].line, module.PANEL
    (found,) = (each for each in pkgutil.iter_modules(module.__path__) if each.name == name.replace("-", "_"))
    spec = found.module_finder.find_spec(found.name, None)
    tree = ast.parse(spec.loader.get_source(found.name))  # type: ignore[union-attr]
    panels = [
        ast.literal_eval(line.value)
        for line in tree.body
        if isinstance(line, ast.Assign) and isinstance(line.targets[0], ast.Name) and line.targets[0].id == "PANEL"
    ]
    return (ast.get_docstring(tree) or "").partition("\n")[0], *(panels or PANELS)[:1]


def _load(package: str, name: str) -> "Command":
    """The command itself, built from its imported module."""
    made = getattr(import_module(package), "command_of", None)
    module = import_module(package if made else f"{package}.{name.replace('-', '_')}")
    if hasattr(module, "app"):
        group = module.app
    elif not made and (hasattr(module, "__path__") or hasattr(module, "COMMANDS")):
        group = typer.Typer(cls=lazy(module.__name__), callback=lambda: None, help=module.__doc__)
    else:
        group = typer.Typer()
        group.command(name)(made(name) if made else module.command)
    group._add_completion = False
    group.rich_markup_mode = _markup()
    built = typer.main.get_command(group)
    built.name = name
    for command in [built, *getattr(built, "commands", {}).values()]:
        _plain(command)
    if _markup():
        # Rich takes brackets for markup and drops them; `\b`, which keeps line ends in plain help, it prints.
        built.help = (built.help or "").replace("\b\n", "")
        params: list[Any] = built.params
        for each in params:
            each.help = (each.help or "").replace("[", r"\[")
    return built


class _AsTyped:
    """Takes words as they were typed: Typer loads Pydantic (0.1 s) to make text of text."""

    def coerce(self, value: object, param: "Parameter", ctx: object) -> object:
        if param.multiple or param.nargs == -1:
            return list(value) if isinstance(value, Sequence) else ()
        return value


def _plain(command: "Command") -> None:
    for each in command.params:
        _take_as_typed(each)
    help_option = command.get_help_option
    command.get_help_option = lambda ctx: _take_as_typed(help_option(ctx))  # type: ignore[method-assign]


def _take_as_typed(param: T) -> T:
    kind = getattr(getattr(param, "type_descriptor", None), "annotation", None)
    if kind in (str, bool, list[str]) and hasattr(param, "_runtime_param"):
        param._runtime_param = _AsTyped()
    return param


def _markup() -> Literal["rich"] | None:
    """Help with panels and colors on a terminal; plain text, in half the time, where a program reads it."""
    return "rich" if sys.stdout.isatty() else None


def _version(wanted: bool) -> None:
    if wanted:
        print(f"stylecli {__version__}")
        raise typer.Exit


def _help_all(wanted: bool) -> None:
    if wanted:
        for words, command in commands():
            print(
                f"# stylecli {words}\n",
                command.get_help(typer.Context(command, info_name=f"stylecli {words}")),
                sep="\n",
            )
        raise typer.Exit


def _top(
    version: bool = typer.Option(
        False, "--version", callback=_version, is_eager=True, metavar="", help="Show the version."
    ),
    help_all: bool = typer.Option(
        False, "--help-all", callback=_help_all, is_eager=True, metavar="", help="Show the help of every command."
    ),
    traceback: bool = typer.Option(False, "--traceback", metavar="", help="Show where an error comes from."),
) -> None:
    pass


def _app() -> typer.Typer:
    return typer.Typer(
        cls=lazy("stylecli.commands"),
        callback=_top,
        context_settings={"help_option_names": ["-h", "--help"]},
        help="Style transfer for pictures and sound.",
        epilog="`stylecli COMMAND --help` shows the options of a command, with examples.",
        rich_markup_mode=_markup(),
    )
