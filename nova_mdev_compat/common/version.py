# SPDX-License-Identifier: Apache-2.0
"""The installed version."""

import importlib.metadata


def string() -> str:
    return importlib.metadata.version('nova-mdev-compat')
