"""Writes the bytecode of all modules once: in a fresh checkout, each process of pytest-xdist would do it for itself."""

import compileall
import multiprocessing
from pathlib import Path

import pytest

try:  # these names are pytest's own: where they are gone, each process does what it needs
    from _pytest.assertion.rewrite import PYC_TAIL, _rewrite_test, _write_pyc, assertstate_key, get_cache_dir
except ImportError:
    PYC_TAIL = ""

ROOT = Path(__file__).parents[1]
_configs: list[pytest.Config] = []  # it cannot be sent to a process, but is there in one that is forked


def write_bytecode(config: pytest.Config) -> None:
    """As Python's imports write it, for the processes that tests start, and as pytest's do, with asserts rewritten."""
    if not PYC_TAIL or "fork" not in multiprocessing.get_all_start_methods():
        return
    # Those of the package too, since pytest rewrites its plugins. What has once been written, pytest itself checks.
    paths = [path for folder in ("aps_async", "tests") for path in (ROOT / folder).rglob("*.py")]
    missing = [path for path in paths if not _bytecode_of(path).exists()]
    if len(missing) > 20:  # not for a few new modules
        _configs.append(config)
        with multiprocessing.get_context("fork").Pool(2) as processes:
            processes.map(_write, missing, chunksize=8)


def _bytecode_of(path: Path) -> Path:
    return get_cache_dir(path) / (path.stem + PYC_TAIL)


def _write(path: Path) -> None:
    [config] = _configs
    compileall.compile_file(path, quiet=2)
    source, code = _rewrite_test(path, config)
    _write_pyc(config.stash[assertstate_key], code, source, _bytecode_of(path))
