# SPDX-License-Identifier: Apache-2.0
"""What the filter and the guard do with their answers, in options' words."""

ENFORCING = 'enforcing'
PERMISSIVE = 'permissive'
OFF = 'off'

REJECT = 'reject'
ALLOW = 'allow'
