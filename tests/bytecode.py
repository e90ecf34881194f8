"""Writes the bytecode of all modules once: in a fresh checkout, each process of pytest-xdist would do it for itself."""

import compileall
from contextlib import suppress
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def write_bytecode(config: pytest.Config) -> None:
    """Bytecode of the package, and of the tests as pytest's import hook writes it, with its asserts rewritten."""
    for package in ("aps_async", "benchmarks"):
        compileall.compile_dir(ROOT / package, quiet=2)
    with suppress(ImportError):  # these names are pytest's own: without them, each process does what it needs
        from _pytest.assertion import assertstate_key
        from _pytest.assertion.rewrite import PYC_TAIL, _rewrite_test, _write_pyc, get_cache_dir

        for path in (ROOT / "tests").rglob("test_*.py"):
            written = get_cache_dir(path) / (path.stem + PYC_TAIL)
            if not written.exists():  # pytest itself finds out whether one that is there still agrees
                written.parent.mkdir(parents=True, exist_ok=True)
                source, code = _rewrite_test(path, config)
                _write_pyc(config.stash[assertstate_key], code, source, written)
