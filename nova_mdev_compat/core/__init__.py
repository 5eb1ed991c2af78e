# SPDX-License-Identifier: Apache-2.0
"""The vocabulary that every other package uses. No I/O, no configuration."""
