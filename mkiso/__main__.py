"""`python -m mkiso`."""

import sys

from mkiso.cli.main import main

sys.exit(main())
