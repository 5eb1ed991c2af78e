# SPDX-License-Identifier: Apache-2.0
"""Files, plugins and time limits: the I/O that every layer above may do."""
