# SPDX-License-Identifier: Apache-2.0
"""The fonts of a picture as CSS, so that it looks the same everywhere.

Its text is laid out for a certain font, which few machines have. So it takes
along the letters that it uses.
"""

import base64
from collections.abc import Mapping
import io
import pathlib

from fontTools import subset  # type: ignore[import-untyped]

#: Of the same widths, nearly, where what is taken along is not understood.
CSS = """\
{faces}
svg text {{
  font-family: "mdev matrix", "DejaVu Sans", Verdana, sans-serif !important;
}}
"""
FACE = """\
@font-face {{
  font-family: "mdev matrix"; font-weight: {weight};
  src: url("data:font/woff;base64,{data}") format("woff");
}}"""


def css(files: Mapping[str, pathlib.Path], letters: str) -> str:
    """Return CSS that brings letters.

    :param files: of fonts, by weight
    """
    return CSS.format(
        faces='\n'.join(
            FACE.format(weight=weight, data=_embedded(path, letters))
            for weight, path in files.items()
        )
    )


def _embedded(path: pathlib.Path, letters: str) -> str:
    options = subset.Options(
        flavor='woff',
        layout_features=['kern'],
        hinting=False,
        notdef_outline=True,
    )
    subsetter = subset.Subsetter(options)
    subsetter.populate(text=letters)
    output = io.BytesIO()
    with subset.load_font(path, options) as font:
        subsetter.subset(font)
        subset.save_font(font, output, options)
    return base64.b64encode(output.getvalue()).decode()
