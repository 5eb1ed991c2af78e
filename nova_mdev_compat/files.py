# SPDX-License-Identifier: Apache-2.0
"""Files that others read while they are written."""

import os
import pathlib
import tempfile


def replace(path: pathlib.Path, text: str) -> None:
    """Write a file, whole or not at all, even if the power fails.

    :raises OSError: it cannot be written; what was there is there
    """
    handle, temporary = tempfile.mkstemp(dir=path.parent,
                                         prefix=f'.{path.name}.')
    try:
        with os.fdopen(handle, 'w') as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
