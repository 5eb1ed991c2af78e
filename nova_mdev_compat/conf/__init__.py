# SPDX-License-Identifier: Apache-2.0
"""Options, one module for each group; nothing here reads or holds values."""
