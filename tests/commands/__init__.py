# SPDX-License-Identifier: Apache-2.0
"""One pass of each command, in whatever environment it is installed.

tools/bounds.sh runs them, with commands of environments that have old
libraries.
"""
