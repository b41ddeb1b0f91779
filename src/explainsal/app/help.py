"""Format the help of a command on one screen, and suggest the nearest option for an unknown one."""

from __future__ import annotations

import difflib
import re
import shlex
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from hydra.errors import OverrideParseException

_WIDTH = 110
_EXTRA = ("experiment", "sweep", "debug")  # groups outside the defaults lists: +experiment=NAME
_INTERNAL = ("paths", "hydra", "table", "launcher")


def asks_for_help(arguments: Sequence[str]) -> bool:
    """Return whether a command line contains ``-h`` or ``--help``."""
    return any(argument in ("-h", "--help") for argument in arguments)


def format_help(command: str, summary: str, examples: Sequence[str], conf: Path) -> str:
    """Format the help of a command: purpose, examples, groups of options, where to read more.

    Args:
        summary: The command's purpose in one sentence.
        examples: Arguments of example calls.
    """
    lines = [f"usage: python -m explainsal.{command} [GROUP=NAME] [KEY=VALUE] ...", "", summary, "", "Examples:"]
    lines += [f"  python -m explainsal.{command} {example}" for example in examples]
    if groups := list_groups(command, conf):
        lines += ["", "Groups (GROUP=NAME selects one):"]
    for group, names in groups.items():
        label = f"  {f'+{group}' if group in _EXTRA else group:<12} "
        lines += textwrap.wrap(" ".join(names), _WIDTH, initial_indent=label, subsequent_indent=" " * len(label))
    lines += [
        "",
        "All options with their values: --cfg job        Those of one group: --cfg job --package data",
        "Several runs: -m KEY=A,B                        Hydra's own options: --hydra-help",
        f"Options are explained in {conf / f'{command}.yaml'}; those of a group in the",
        "folder of its name beside that file.",
    ]
    return "\n".join(lines)


def list_groups(command: str, conf: Path) -> dict[str, list[str]]:
    """Return the groups of a command's options, each with its choices."""
    text = (conf / f"{command}.yaml").read_text()
    defaults = text.split("defaults:", 1)[-1].split("\n\n", 1)[0]
    named = re.findall(r"^\s+- (\w+): ", defaults, flags=re.MULTILINE)
    extra = _EXTRA if command == "train" else _EXTRA[:2] if command in ("evaluate", "explain") else ()
    groups = [group for group in dict.fromkeys((*named, *extra)) if group not in _INTERNAL]
    return {group: sorted(path.stem for path in (conf / group).glob("*.yaml")) for group in groups}


def find_nearest(wrong: str, known: Iterable[str]) -> str | None:
    """Return the known name that is most like a wrong one; names in other groups count as well.

    Example:
        >>> find_nearest("trainer.max_epoch", ["trainer.max_epochs", "trainer.devices"])
        'trainer.max_epochs'
        >>> find_nearest("max_epochs", ["trainer.max_epochs", "seed"])
        'trainer.max_epochs'
    """
    names = list(known)
    if close := _closest(wrong, names):
        return close
    leaves = {name.rpartition(".")[2]: name for name in reversed(names)}
    close = _closest(wrong.rpartition(".")[2], leaves)
    return leaves[close] if close else None


def _closest(wrong: str, names: Iterable[str]) -> str | None:
    close = difflib.get_close_matches(wrong, names, n=3, cutoff=0.75)
    swapped = [name for name in close if sorted(name) == sorted(wrong)]  # letters in another order
    return next(iter([*swapped, *close]), None)


def explain_wrong_option(error: BaseException, command: str, arguments: Sequence[str], conf: Path) -> str:
    """Turn Hydra's error about an option into one message that names the nearest option.

    Args:
        error: The error of Hydra or OmegaConf.
    """
    text = str(error)
    if isinstance(error, OverrideParseException):
        if "=" not in error.override:
            return f"{error.override}: options are written KEY=VALUE; see the examples in --help"
        if advice := explain_quoting(error.override):
            return advice
    if found := re.search(r"Ambiguous value for argument '(.*)'$", text, re.MULTILINE):
        key, _, values = found[1].partition("=")
        quoted = _quote(found[1])
        one = f" One value with a comma needs two kinds of quotes: {quoted}." if quoted else ""
        return f"{found[1]}: several values. Add -m to run once per value, or write a list as {key}=[{values}].{one}"
    if text.startswith("Config group override must be"):
        given = next(a for a in arguments if a.endswith("=null") and (conf / a.split("=")[0]).is_dir())
        names = sorted(path.stem for path in (conf / given.split("=")[0]).glob("*.yaml"))
        return f"{given}: this command needs one of {', '.join(names)}."
    if found := re.search(r"Could not (?:override|delete from config:?) '?([\w.@/]+)'?", text):
        wrong = found[1]
        nearest = find_nearest(wrong, list_options(command, arguments, wrong, conf))
        hint = f" Did you mean {nearest}?" if nearest else ""
        return f"there is no option {wrong!r}.{hint} All options: --cfg job. Add new keys with +{wrong}=value."
    if found := re.search(r"Could not find '(\w+(?:/\w+)*)/([^/']+)'", text):
        group, wrong = found[1], found[2]
        names = sorted(path.stem for path in (conf / group).glob("*.yaml"))
        nearest = find_nearest(wrong, names)
        hint = f" Did you mean {group}={nearest}?" if nearest else ""
        return f"{group}={wrong} does not exist.{hint} Choose one of {', '.join(names)}."
    return f"{text}\nThe options are in `--help`. Add new keys with +key=value."


def explain_dashes(arguments: Sequence[str], command: str, conf: Path) -> str | None:
    """Return how to write an option that was given in the form ``--key value``, or None if there is none."""
    known = set(re.findall(r"^(?:  - )?(\w+):", (conf / f"{command}.yaml").read_text(), flags=re.MULTILINE)) - {"hydra"}
    for position, argument in enumerate(arguments):
        key, _, value = argument.removeprefix("--").partition("=")
        if argument.startswith("--") and key.split(".")[0] in known:
            value = value or next(iter(arguments[position + 1 :]), "VALUE")
            return f"{argument}: options are written without dashes: {key}={value}"
    return None


def explain_quoting(argument: str) -> str | None:
    """Return how to quote a value that Hydra cannot parse, such as a path with a space, or None if it is quoted.

    Args:
        argument: A word of the command line, as Hydra received it.

    Example:
        >>> print(explain_quoting("image=a (1).jpg"))
        image=a (1).jpg: a value with brackets, accents, quotes or = needs two kinds of quotes: "image='a (1).jpg'"
    """
    quoted = _quote(argument)
    needs = "a value with brackets, accents, quotes or = needs two kinds of quotes"
    return f"{argument}: {needs}: {quoted}" if quoted else None


def _quote(argument: str) -> str | None:
    """Quote an argument for the shell so that Hydra reads the value literally; None if it has no unquoted value."""
    key, _, value = argument.partition("=")
    if not value or not re.fullmatch(r"\+{0,2}[\w./@]+", key) or value[0] in "'\"":
        return None
    escaped = re.sub(r"(\\*)'", r"\1\1\\'", value)  # between Hydra's quotes, a backslash only escapes a quote
    word = f"{key}='{escaped}'"
    return shlex.quote(word) if re.search(r'[$`"!\\]', word) else f'"{word}"'


def explain_wrong_number(command: str, arguments: Sequence[str], conf: Path) -> str | None:
    """Describe an option with text instead of a number, a fraction instead of a whole number, or one value of a list.

    Such a value can cause later errors of any kind, whose own messages do not name the option.

    Returns:
        The message, or None if no option has such a value.
    """
    for line, value, known in _given_values(command, [a for a in arguments if ".devices=" not in a], conf):
        if isinstance(known, list) and not isinstance(value, list):
            return f"{line}: this option is a list, by default {known}"
        if isinstance(known, bool) or not isinstance(known, int | float):
            continue
        if isinstance(value, str) or (isinstance(known, int) and isinstance(value, float)):
            kind = "a whole number" if isinstance(known, int) else "a number"
            return f"{line}: this option is {kind}, by default {known}"
    return None


def explain_null(command: str, arguments: Sequence[str], conf: Path) -> str | None:
    """Describe an option that is null on the command line but has a default value, if any."""
    for line, value, known in _given_values(command, arguments, conf):
        if value is not None or known is None:
            continue
        if isinstance(known, dict):
            return f"{line}: this is a group of options; give single ones ({', '.join(map(str, known))})"
        empty = "; [] is the empty list" if isinstance(known, list) else ""
        return f"{line}: this option needs a value, by default {known}{empty}"
    return None


def _given_values(command: str, arguments: Sequence[str], conf: Path) -> Iterator[tuple[str, Any, Any]]:
    """Yield each argument that sets an option, its value, and the option's default value."""
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from omegaconf import OmegaConf

    given = [a for a in arguments if "=" in a and a[:1] not in "-~" and "${" not in a]
    if not given:
        return
    defaults = _compose(command, given, conf)
    for override in OverridesParser.create().parse_overrides(given):
        known = OmegaConf.select(defaults, override.key_or_group, throw_on_resolution_failure=False)
        plain = OmegaConf.to_container(known) if OmegaConf.is_config(known) else known
        yield override.input_line or "", override.value(), plain


def list_options(command: str, arguments: Sequence[str], wrong: str, conf: Path) -> list[str]:
    """List every option of a command, composed without the wrong one."""
    from omegaconf import OmegaConf

    kept = [a for a in arguments if "=" in a and not a.startswith("-") and not a.lstrip("+~").startswith(wrong)]
    return _list_keys(OmegaConf.to_container(_compose(command, kept, conf), resolve=False), "")


def _compose(command: str, arguments: Sequence[str], conf: Path) -> Any:
    """Compose the options of a command with the groups that its arguments choose, and default values."""
    from hydra import compose, initialize_config_dir
    from hydra.core.global_hydra import GlobalHydra

    chosen = r"\+?[\w/@.]+=\w+"
    groups = [a for a in arguments if re.fullmatch(chosen, a) and (conf / a.lstrip("+").split("=")[0]).is_dir()]
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(conf), version_base="1.3"):
        try:
            return compose(command, overrides=groups)
        except Exception:  # another override is wrong as well; it is reported once this one is corrected
            return compose(command)


def _list_keys(node: Any, prefix: str) -> list[str]:
    if not isinstance(node, dict):
        return []
    return [name for key, child in node.items() for name in (f"{prefix}{key}", *_list_keys(child, f"{prefix}{key}."))]
