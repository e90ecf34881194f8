"""`aps-async.toml`: named jobs, each one command with its options. It contains no secrets: a job names a profile."""

import tomllib
from collections.abc import Callable, Iterable, Mapping
from difflib import get_close_matches
from inspect import signature
from pathlib import Path
from typing import Any, NoReturn, get_args, get_origin

from attrs import frozen
from typer.models import OptionInfo

from aps_async.cli.exit_codes import UsageProblem
from aps_async.filesystem import at_home
from aps_async.lazy import regex
from aps_async.narrowing import is_list, is_object
from aps_async.text import decoded, did_you_mean, nearest, why_unreadable

FILE = "aps-async.toml"
COMMANDS = ("sync", "export")
"""What a job may be; the first one is meant by a job that does not name its command."""
_PATHS = ("DIR", "FILE")
"""What the help calls a path."""
_LARGEST = 1 << 20
_SECRET = regex(r"secret|passw|passphrase|\bpass\b|pwd|token|credential|key\b|private|bearer|\bauth")
_ADVICE = (
    "secrets do not belong in this file: remove it, and name a profile (profile = ..., see 'aps-async login') or set "
    "the environment variables of the app (APS_CLIENT_ID and APS_CLIENT_SECRET)"
)


@frozen(kw_only=True)
class Job:
    """One job, checked as far as that is possible without its command."""

    name: str
    file: Path
    command: str
    profile: str | None
    values: Mapping[str, Any]
    """The other keys, with dashes."""

    @property
    def label(self) -> str:
        """The file and the job, as errors begin."""
        return f"{self.file}: job {self.name!r}"


def read_jobs(file: Path) -> dict[str, Job]:
    """The jobs of a file, by their names.

    Raises:
        UsageProblem: the file cannot be read, or has an invalid key; the message names file, job and key.
    """
    try:
        with file.open("rb") as opened:
            plain = tomllib.loads(decoded(opened.read(_LARGEST)))
    except FileNotFoundError:
        raise UsageProblem(
            f"there is no {file}: write it ('aps-async guide manager' has an example), or name another with --file"
        ) from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as problem:
        words = why_unreadable(problem)
        words += ": write paths with / or in 'single quotes'" if "\\" in words else ""
        raise UsageProblem(f"{file} cannot be read: {words}") from None
    for key in plain:
        if key != "jobs":
            _refuse(f"{file}", key, ("jobs",), "a job is a table such as [jobs.nightly]")
    tables = plain.get("jobs", {})
    if not is_object(tables) or not all(isinstance(each, dict) for each in tables.values()):
        raise UsageProblem(f"{file}: jobs must be tables such as [jobs.nightly]")
    return {name: _job(name, file, table) for name, table in tables.items()}


def find_job(file: Path, name: str) -> Job:
    """One job.

    Raises:
        UsageProblem: there is none of that name; or as `read_jobs`.
    """
    jobs = read_jobs(file)
    if name not in jobs:
        raise UsageProblem(f"{file}: no job {name!r}; {did_you_mean(name, jobs)}")
    return jobs[name]


def _job(name: str, file: Path, table: Mapping[str, Any]) -> Job:
    label = f"{file}: job {name!r}"
    values: dict[str, Any] = {}
    for key, value in table.items():
        if (word := key.replace("_", "-")) in values:
            raise UsageProblem(f"{label}: {key!r} is there twice, once with a dash and once with an underscore")
        values[word] = value
    command, profile = values.pop("command", COMMANDS[0]), values.pop("profile", None)
    if command not in COMMANDS:
        raise UsageProblem(f"{label}: command must be {' or '.join(COMMANDS)}, not {_shown(command)}")
    if profile is not None and not isinstance(profile, str):
        raise UsageProblem(f"{label}: profile must be text in quotation marks: the name of a profile")
    return Job(name=name, file=file, command=command, profile=profile, values=values)


def _refuse(label: str, key: str, known: Iterable[str], otherwise: str) -> NoReturn:
    """Refuses an unknown key, whose value is not shown.

    Raises:
        UsageProblem: always.
    """
    if _SECRET.search(key.lower().replace("_", "-")):
        raise UsageProblem(f"{label}: {key!r}: {_ADVICE}")
    word, keys = key.replace("_", "-"), list(known)
    near = get_close_matches(word, keys, 1, 0.7) or nearest(word, keys, 1)
    words = f"did you mean {near[0]!r}?" if near else otherwise
    raise UsageProblem(f"{label}: {key!r} is not a valid key: {words}")


@frozen(kw_only=True)
class Key:
    """What a job may say under one key: an option by its long name, or a command's argument."""

    option: str | None
    """None: the argument."""
    is_flag: bool
    is_several: bool
    is_path: bool


def keys_of(command: Callable[..., Any]) -> dict[str, Key]:
    """The keys for a command, from the options that it declares."""
    found: dict[str, Key] = {}
    for name, parameter in signature(command).parameters.items():
        kind, info = get_args(parameter.annotation)[:2]
        is_option = isinstance(info, OptionInfo)
        given = (info.default, *(info.param_decls or ()))  # in an annotation, the first name takes the default's place
        words = [each for each in given if isinstance(each, str) and each.startswith("--")]
        words = words or [f"--{name.replace('_', '-')}"]
        key = Key(
            option=words[0] if is_option else None,
            is_flag=kind is bool,
            is_several=any(get_origin(each) is list for each in (kind, *get_args(kind))),
            is_path=info.metavar in _PATHS,
        )
        for word in words if is_option else [name]:
            found[word.removeprefix("--")] = key
        if not is_option and key.is_several:
            found[f"{name}s"] = key
    return found


def arguments(job: Job, commands: Mapping[str, Callable[..., Any]]) -> list[str]:
    """A job as the command line of its command, with paths relative to the file.

    Raises:
        UsageProblem: a key or the kind of a value is not valid.
    """
    known = keys_of(commands[job.command])
    options: list[str] = []
    others: list[str] = []
    for word, value in job.values.items():
        key = known.get(word)
        if key is None:
            for other in COMMANDS:
                if (found := keys_of(commands[other]).get(word)) is not None and found.option is not None:
                    raise UsageProblem(f"{job.label}: {word!r} is for jobs with command = {other!r}")
            valid = sorted({"command", "profile", *known})
            _refuse(job.label, word, valid, f"valid keys: {', '.join(valid)}")
        if key.is_flag:
            if not isinstance(value, bool):
                raise UsageProblem(f"{job.label}: {word} must be true or false, not {_shown(value)}")
            options += [f"{key.option}"] if value else []
            continue
        texts = _texts(f"{job.label}: {word}", value, is_several=key.is_several)
        if key.is_path:
            texts = [_from(job.file, each) for each in texts]
        if key.option is None:
            others += texts
        else:
            options += [f"{key.option}={each}" for each in texts]
    return [*options, "--", *others]


def _texts(label: str, value: Any, *, is_several: bool) -> list[str]:
    """A value as words of a command line."""
    values: list[Any] = value if is_list(value) and is_several else [value]
    if any(isinstance(each, bool | list | dict) for each in values):
        kind = "text, or a list of texts" if is_several else "one text or number"
        raise UsageProblem(f"{label} must be {kind}, not {_shown(value)}")
    return [str(each) for each in values]


def _shown(value: Any) -> str:
    """A value for an error; what is inside a list or table may be secret."""
    return "a table" if isinstance(value, dict) else "a list" if isinstance(value, list) else repr(value)


def _from(file: Path, text: str) -> str:
    """A path, relative to the file's folder. Addresses and empty text are left for the command to judge."""
    if not text.strip() or "://" in text:
        return text
    return str(file.absolute().parent / at_home(text))
