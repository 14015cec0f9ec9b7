"""Where python -m benchmarks begins.

The processes that growth starts import this file too: it must not load more than they need.
"""

import sys

if __name__ == "__main__":
    from benchmarks.cli import main

    sys.exit(main())
