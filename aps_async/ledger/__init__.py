"""The ledger of a folder: what a run has done, kept so that the next one goes on where it ended, however it ended.

`Ledger` is what `export_many` takes; `ledger_status` looks into one. The order in which things reach the disk:

1. the request, before it is started (it may be lost in a power cut: then it is simply entered again);
2. the reference, before the first question about the job, and for good, power cut included: what has one is never
   started again. A stop between the service's answer and this repeats the start; at most
   `Settings.max_concurrent_starts` are between the two;
3. size and SHA-256, before the file gets its final name: whoever stops the run between this and the next step, the
   next run knows the file for what it is;
4. the outcome, when the file has its name, and for good.

The next run compares size and SHA-256 of every file in threads, about 1.5 GiB/s, and asks for nothing that is there.

What a million sheets mean:

- quota: 100 starts a minute are 10,000 minutes, 6.9 days, for one client id, however many machines; everything below
  is small against it;
- database: 545 bytes a sheet (version URN, name and reference of usual length), 545 MB in all;
- time in the ledger's thread: 70 us to enter a sheet and 40 us for its three further writes when they come together,
  2 minutes of the 6.9 days; 20 us to find it again, 20 s for the next run to begin with; and that run reads every
  file once, 3 minutes for 200 kB each where the disk keeps up with four threads;
- memory: the ledger holds nothing of a sheet (5 MiB in all while 100,000 go through); but half a gigabyte for a list
  of so many requests, so hand in an iterator instead: at most `Settings.max_pending_exports` are held then.

`python -m benchmarks ledger` measures this for 100,000, `python -m benchmarks kills` what fifty kills cost.
"""

from aps_async.ledger.book import Ledger
from aps_async.ledger.lock import refuse_if_in_use
from aps_async.ledger.schema import LEDGER_NAME
from aps_async.ledger.summary import LedgerStatus, ledger_status

__all__ = ["LEDGER_NAME", "Ledger", "LedgerStatus", "ledger_status", "refuse_if_in_use"]
__dir__: object = __all__.copy
