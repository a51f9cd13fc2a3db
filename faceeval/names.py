# SPDX-License-Identifier: MIT
"""Attribute names: CelebA's forty, and the forms people type for them."""

from __future__ import annotations

from collections.abc import Iterable

from faceeval.errors import unknown_name

# the order of the official label file
CELEBA_ATTRIBUTES: tuple[str, ...] = (
    "5_o_Clock_Shadow", "Arched_Eyebrows", "Attractive", "Bags_Under_Eyes", "Bald", "Bangs", "Big_Lips", "Big_Nose",
    "Black_Hair", "Blond_Hair", "Blurry", "Brown_Hair", "Bushy_Eyebrows", "Chubby", "Double_Chin", "Eyeglasses",
    "Goatee", "Gray_Hair", "Heavy_Makeup", "High_Cheekbones", "Male", "Mouth_Slightly_Open", "Mustache",
    "Narrow_Eyes", "No_Beard", "Oval_Face", "Pale_Skin", "Pointy_Nose", "Receding_Hairline", "Rosy_Cheeks",
    "Sideburns", "Smiling", "Straight_Hair", "Wavy_Hair", "Wearing_Earrings", "Wearing_Hat", "Wearing_Lipstick",
    "Wearing_Necklace", "Wearing_Necktie", "Young",
)  # fmt: skip

# what people type -> CelebA's name, for forms that are more than case and separators
ALIASES: dict[str, str] = {
    "mouth_open": "Mouth_Slightly_Open",
    "mouth": "Mouth_Slightly_Open",
    "glasses": "Eyeglasses",
    "beard": "No_Beard",
    "smile": "Smiling",
    "age": "Young",
    "gender": "Male",
    "hat": "Wearing_Hat",
    "lipstick": "Wearing_Lipstick",
    "makeup": "Heavy_Makeup",
    "grey_hair": "Gray_Hair",
    "blonde_hair": "Blond_Hair",
}


def _plain(name: str) -> str:
    return name.strip().lower().replace("-", "_").replace(" ", "_")


def canonical_attribute(name: str, known: Iterable[str] = CELEBA_ATTRIBUTES) -> str:
    """Turns what a person types into CelebA's attribute name.

    Args:
        name: Any case, with hyphens, spaces or underscores, or a common short form.
        known: The names to choose from; CelebA's forty by default.

    Returns:
        The name as it stands in ``known``.

    Raises:
        UnknownNameError: No such attribute; the message lists near matches.

    Example:
        >>> canonical_attribute("mouth-open"), canonical_attribute("YOUNG")
        ('Mouth_Slightly_Open', 'Young')
    """
    names = list(known)
    by_plain = {_plain(entry): entry for entry in names}
    plain = _plain(name)
    wanted = ALIASES.get(plain, "") if plain not in by_plain else by_plain[plain]
    if wanted in names:
        return wanted
    raise unknown_name("attribute", name, names)
