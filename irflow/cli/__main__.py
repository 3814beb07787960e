"""`python -m irflow.cli`: the same as the command `irflow`."""

import sys

from irflow.cli import main

if __name__ == "__main__":
    sys.exit(main())
