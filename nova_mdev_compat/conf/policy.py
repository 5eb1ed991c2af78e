# SPDX-License-Identifier: Apache-2.0
"""Values of ``mode`` and ``unknown``, of the filter and of the guard."""

ENFORCING = 'enforcing'
PERMISSIVE = 'permissive'
OFF = 'off'
MODES = (ENFORCING, PERMISSIVE, OFF)

REJECT = 'reject'
ALLOW = 'allow'
