# SPDX-License-Identifier: Apache-2.0
"""Files, plugins and time limits, for all layers above."""
