# SPDX-License-Identifier: MIT
"""procfaces in the roles of the papers' datasets: the images a protocol needs, and which of them it holds together.

One module per role, named in `faceeval.data.dialects.table.DIALECTS` and opened as ``procfaces:lfw`` and so on. A split
holds people of the standard set's split of the same name and nobody else, so whoever is in a ``"test"`` split was never
seen by an embedding that was trained on the standard set's ``"train"`` split, or on any dialect's.

The rules (pairs, gallery and queries, halves, triplets) take any `faceeval.data.faces.FaceSet` that knows the people.
"""
