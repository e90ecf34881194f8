"""Random histories of a project: after every sync, no file is stale or missing without being named."""

import asyncio
import random
from collections.abc import Iterator
from contextlib import aclosing
from pathlib import Path

import pytest

from aps_async import Session
from aps_async.simulator import Simulator
from aps_async.sync.outcomes import SheetState, SyncOutcome
from aps_async.sync.project import sync_project
from aps_async.sync.run import SyncOptions
