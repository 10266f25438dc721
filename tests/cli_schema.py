"""Where the checkout is, and the schema of the report."""

import json
from pathlib import Path

import mkiso.core

CHECKOUT = Path(mkiso.core.__file__).parents[2]
SCHEMA = json.loads((Path(mkiso.core.__file__).parent / "report_schema.json").read_text("utf-8"))
