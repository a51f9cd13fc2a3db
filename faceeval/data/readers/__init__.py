# SPDX-License-Identifier: MIT
"""One file for each dataset, with the same three functions: `find_files`, `load` and `check`.

``find_files(root)`` says where the parts of a copy lie, or raises `MissingFileError`; ``load(root, split, opening)``
returns a `FaceSet`; ``check(manifest, root, progress)`` holds the copy against its manifest. Every reader takes the
folder of a copy or the folder above it, and never downloads.
"""
