"""The ledger of a folder: a record of what a run has done, so that the next run continues where it stopped.

`export_many` takes a `Ledger`; `ledger_status` reads one. The order of writes:

1. the request, before its job is started (if a power cut loses it, the next run enters it again);
2. the reference, before the first status call, and durably: an export with a reference is not started again. If the
   run stops between the service's response and this write, the start is repeated; that can happen to at most
   `Settings.max_concurrent_starts` exports;
3. size and SHA-256, before the file gets its final name: if the run stops between this and the next write, the next
   run recognizes the file;
4. the outcome, after the file has its final name, and durably.

Only the process that holds the lock of the folder (`lock.py`) writes to the ledger, in one thread (`store.py`), which
SQLite's write-ahead log protects from a kill at any moment. The next run compares size and SHA-256 of every file in
threads, at about 1.5 GiB/s, and does not export again what is there.

What a million sheets take:

- quota: at 100 starts a minute for one client id, 10,000 minutes (6.9 days), on any number of machines; everything
  below is small compared to that;
- database: 545 bytes a sheet (with a version URN, name and reference of usual length), 545 MB in total;
- time in the ledger's thread: 70 us to enter a sheet and 40 us for its three further writes if they are batched, 2
  minutes of the 6.9 days; 20 us to find it again, 20 s at the start of the next run, which also reads every file once:
  3 minutes for files of 200 kB if the disk keeps up with four threads;
- memory: the ledger keeps none for a sheet (5 MiB in total while 100,000 go through), but a list of a million
  requests takes half a gigabyte. Pass an iterator instead: at most `Settings.max_pending_exports` are held then.

`python -m benchmarks ledger` measures this for 100,000 sheets, `python -m benchmarks kills` the cost of fifty kills.
"""

from aps_async.ledger.book import Ledger
from aps_async.ledger.lock import refuse_if_in_use
from aps_async.ledger.schema import LEDGER_NAME
from aps_async.ledger.summary import LedgerStatus, ledger_status

__all__ = ["LEDGER_NAME", "Ledger", "LedgerStatus", "ledger_status", "refuse_if_in_use"]
__dir__: object = __all__.copy
