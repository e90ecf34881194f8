"""The ledger of a folder: what a run has done, kept so that the next one goes on where it ended, however it ended.

`Ledger` is what `export_many` takes; `ledger_status` looks into one.
"""

from aps_async.ledger.book import Ledger
from aps_async.ledger.lock import refuse_if_in_use
from aps_async.ledger.schema import LEDGER_NAME
from aps_async.ledger.summary import LedgerStatus, ledger_status

__all__ = ["LEDGER_NAME", "Ledger", "LedgerStatus", "ledger_status", "refuse_if_in_use"]
