# SPDX-License-Identifier: Apache-2.0
"""Files, plugins and time limits. The only I/O that every layer may do."""
