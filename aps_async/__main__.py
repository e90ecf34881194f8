"""`python -m aps_async`: the same as `aps-async`."""

import sys

from aps_async.cli import main

if __name__ == "__main__":
    sys.exit(main())
