# SPDX-License-Identifier: MIT
"""What this release is called."""

import re

from system import ROOT


def version() -> str:
    """The version in configure.ac, the only place where it is decided."""
    found = re.search(
        r"^AC_INIT\(\[buzon\], \[([^]]+)\]",
        (ROOT / "configure.ac").read_text(),
        re.MULTILINE,
    )
    assert found, "configure.ac has no AC_INIT([buzon], [VERSION]"
    return found[1]


APP_IMAGE = f"buzon:{version()}"
ADMINER_IMAGE = f"buzon-adminer:{version()}"
