# SPDX-License-Identifier: Apache-2.0
"""The picture of which kind of devices accepts which.

grid.py says what it shows, in words, layout.py where, and sheet.py draws it
with matplotlib. svg.py adds the reasons, fonts.py the letters, and page.py
makes a page of it. formats.py puts these together.

All but grid.py need the extra "picture": import them when a picture is wanted.
"""
