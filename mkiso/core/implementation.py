"""How mkiso names itself in files and associations (PS3.7 D.3.3.2, PS3.10 7.1)."""

from __future__ import annotations

#: Implementation Class UID: a UUID-derived UID (PS3.5 B.2), the same for all versions.
IMPLEMENTATION_CLASS_UID = "2.25.92220478226349905122065540162552942076"
#: Implementation Version Name, at most 16 characters. Without the version of mkiso: it stands in
#: the file meta, and the same instances must be the same disc after an update, too.
IMPLEMENTATION_VERSION_NAME = "MKISO"
