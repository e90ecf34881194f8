"""Runs a page as a reader would: its blocks in their order, in one folder and one shell, with no character changed.

`sh` blocks are run. A block with a title is the content of a file of that name. `python` blocks without one are
programs. `text` is what the block before it prints: every line must be among its lines, whatever the numbers; `…` is
anything. `aps-async simulate` runs in a terminal of its own, and the lines that it prints are copied, as it asks for.
Of a line that makes an environment, the last command is run, if it is one of ours; `.ci/run` runs all of it.
"""

import fnmatch
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import sysconfig
import time
import tomllib
import venv
from collections.abc import Callable
from pathlib import Path
from threading import Thread

from tests.cli.support import clean_environment, exported, pdf_with
from tests.docs.markdown import README, ROOT, Block, blocks

_SECONDS = 120.0
_SCRIPT = "#!{python}\nimport sys\nfrom {module} import {function}\nsys.exit({function}())\n"
_HIDING = "APS_HIDDEN_PACKAGES"
_PACKAGES = {
    "pdf": ["pikepdf"], "s3": ["obstore"], "workers": ["asyncpg", "pgqueuer"], "otel": ["opentelemetry"],
    "keyring": ["keyring"], "speed": ["orjson", "uvloop"], "testing": ["pytest", "pytest_asyncio"],
}  # fmt: skip
"""What is not there before an extra is installed; `cli` and `simulator` always are."""
EXTRAS = {"manager": ["pdf"], "developer": ["testing"], "operator": ["workers"]}
"""What a page has its reader install besides."""
_NOTEBOOK = """\
import ast, asyncio
code = compile({0!r}, "notebook", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
async def main(): await eval(code, globals())
asyncio.run(main())
"""
_PORTS = re.compile(r"127\.0\.0\.1:(\d+)")


def make_environment(folder: Path) -> None:
    """A virtual environment, with the packages of this one, and with what an installation of ours would have made."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    venv.create(folder, symlinks=True)
    site = Path(sysconfig.get_path("purelib", vars={"base": str(folder), "platbase": str(folder)}))
    (site / "shared.pth").write_text(
        f"import os, site, sys; site.addsitedir({sysconfig.get_path('purelib')!r}); "
        f"sys.modules.update(dict.fromkeys(filter(None, os.environ.get({_HIDING!r}, '').split(','))))\n"
    )
    metadata = site / f"aps_async-{project['version']}.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.4\nName: aps-async\nVersion: {project['version']}\n")
    groups = {"console_scripts": project["scripts"], **project["entry-points"]}
    entries = ["\n".join([f"[{group}]", *map(" = ".join, names.items())]) for group, names in groups.items()]
    (metadata / "entry_points.txt").write_text("\n".join(entries))
    for name, place in {**project["scripts"], "pytest": "pytest:main"}.items():
        module, _, function = place.partition(":")
        script = folder / "bin" / name
        script.write_text(_SCRIPT.format(python=folder / "bin" / "python", module=module, function=function))
        script.chmod(0o755)


def run_page(page: Path, environment: Path, folder: Path, variables: dict[str, str] | None = None) -> None:
    """Runs a page in an empty folder. Variables may be what only the reader can know, such as an address."""
    # The README activates its environment itself; the guides begin where aps-async is installed.
    path = {} if page == README else {"PATH": f"{environment / 'bin'}:{os.environ['PATH']}"}
    hidden = {name for extra in _PACKAGES.keys() - EXTRAS.get(page.stem, []) for name in _PACKAGES[extra]}
    story = Story(folder, environment, {**path, _HIDING: ",".join(sorted(hidden)), **(variables or {})})
    try:
        story.tell(blocks(page))
    finally:
        story.close()


class Story:
    """One page on its way."""

    def __init__(self, folder: Path, environment: Path, variables: dict[str, str]) -> None:
        self.folder = folder
        (folder / ".venv").symlink_to(environment)
        (folder / "plans.pdf").write_bytes(pdf_with("one", "two"))  # the reader's own plan set
        home = folder / "home"
        home.mkdir()
        variables = clean_environment(
            {
                "HOME": str(home),
                "XDG_CONFIG_HOME": str(home / "config"),
                "XDG_DATA_HOME": str(home / "data"),
                "XDG_STATE_HOME": str(home / "state"),
                "BROWSER": f"{sys.executable} -m tests.auth.browser %s",
                "PYTHONPATH": str(ROOT),  # for that browser
                "PYTHONWARNINGS": "error",
                "PYTEST_ADDOPTS": "-p no:looptime_plugin",  # which readers do not have; from 3.12 on, it warns
                "COLUMNS": "160",
                **variables,
            }
        )
        self._state = home / "state-of-the-shell"
        self._state.write_text("")
        self._export(variables)
        self._terminals: list[tuple[subprocess.Popen[str], Thread]] = []
        self._printed = ""

    def tell(self, blocks: list[Block]) -> None:
        """All of it."""
        for block in blocks:
            try:
                self._steps()[block.language](block)
            except AssertionError as error:
                error.add_note(f"in the block of line {block.line}")
                raise

    def close(self) -> None:
        """Ends what still runs, with Ctrl-C."""
        for process, reader in self._terminals:
            process.send_signal(signal.SIGINT)
            process.wait(timeout=20)
            reader.join(timeout=20)
            assert process.stdout is not None
            process.stdout.close()

    def _steps(self) -> dict[str, Callable[[Block], None]]:
        file = self._write
        return {
            "sh": self._shell, "python": self._python, "text": self._compare,
            "toml": file, "json": file, "yaml": file, "ini": file,
            "powershell": lambda _: None,  # compared with the block before it by another test
        }  # fmt: skip

    def _write(self, block: Block) -> None:
        assert block.title, "a file needs a title"
        assert Path(block.title).name == block.title
        (self.folder / block.title).write_text(block.text, "utf-8")

    def _python(self, block: Block) -> None:
        if block.title:
            self._write(block)
        else:
            program = (
                _NOTEBOOK.format(block.text) if re.search(r"^(\w+ = )?await ", block.text, re.MULTILINE) else block.text
            )
            self._printed = self._run(f".venv/bin/python -c {shlex.quote(program)}")

    def _shell(self, block: Block) -> None:
        text = block.text
        if text.split()[0].endswith("aps-async") and text.split()[1] == "simulate":
            self._open_terminal(text)
            return
        if "-m venv" in text:  # the README's set-up lines, all of which `.ci/run` runs
            text = text.rpartition("&& ")[2]
            if "aps-async" not in text:
                return
        for port in [8765] if "login" in text else map(int, _PORTS.findall(text)):
            _wait_until_free(port)
        self._printed = self._run(f"{text}export -p >{shlex.quote(str(self._state))}\n")

    def _run(self, script: str) -> str:
        ran = subprocess.run(  # noqa: S603
            self._in_shell(f"set -e\n{script}"),
            capture_output=True, text=True, cwd=self.folder, env={}, check=False, timeout=_SECONDS,
        )  # fmt: skip
        assert ran.returncode == 0, ran.stdout + ran.stderr
        return ran.stdout + ran.stderr

    def _in_shell(self, script: str) -> list[str]:
        return ["bash", "-c", f". {shlex.quote(str(self._state))}\n{script}"]

    def _export(self, variables: dict[str, str]) -> None:
        with self._state.open("a") as state:
            state.writelines(f"export {name}={shlex.quote(value)}\n" for name, value in variables.items())

    def _compare(self, block: Block) -> None:
        lines = [_plain(line) for line in self._printed.splitlines()]
        wrong = [
            line
            for line in block.text.splitlines()
            if not fnmatch.filter(lines, re.sub(r"([\[?])", r"[\1]", _plain(line)).replace("…", "*"))
        ]
        assert not wrong, f"not printed: {wrong}\n{self._printed}"

    def _open_terminal(self, line: str) -> None:
        process = subprocess.Popen(  # noqa: S603
            self._in_shell(f". .venv/bin/activate; exec {line}"),
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=self.folder, env={},
        )  # fmt: skip
        assert process.stdout is not None
        lines: list[str] = []
        for each in process.stdout:
            lines.append(each.rstrip("\n"))
            if each.startswith("Press Ctrl-C"):
                break
        reader = Thread(target=process.stdout.read)
        reader.start()
        self._terminals.append((process, reader))
        variables = exported(lines)
        assert variables, "\n".join(lines)
        self._export(variables)  # the lines to copy


def _plain(line: str) -> str:
    """A line without what differs from run to run."""
    return re.sub(r"\d+", "0", " ".join(line.split()))


def _wait_until_free(port: int) -> None:
    """Another run of these tests on the same machine may use the same fixed port; it soon ends.

    Raises:
        TimeoutError: it does not.
    """
    ends = time.monotonic() + _SECONDS
    while time.monotonic() < ends:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                time.sleep(0.2)
            else:
                return
    raise TimeoutError(f"port {port} is in use")
