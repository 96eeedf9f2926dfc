"""The colours of a page, light and dark, and which of them lie on each other: a test computes their contrast."""

from collections.abc import Mapping

LIGHT: Mapping[str, str] = {
    "page": "#ffffff",
    "card": "#f5f7fa",
    "text": "#1b222c",
    "quiet": "#525d6b",
    "line": "#cdd5df",
    "link": "#0b57b0",
    "ok": "#146c37",
    "warn": "#855200",
    "unknown": "#7433a8",
    "crit": "#b3201a",
    "ok-card": "#e3f4e8",
    "warn-card": "#fdf0d3",
    "unknown-card": "#f2e6fb",
    "crit-card": "#fde5e3",
    "half": "#0b57b0",
    "slowest": "#6b84a5",
    "gap": "#c2352c",
    "stops": "#b06a00",
    "down": "#5c6672",
    "starts": "#2b74cc",
    "catches": "#7f4fb0",
    "synced": "#2f8f57",
    "partly": "#b87a00",
    "out": "#c2352c",
    "unseen": "#e2e7ee",
    "band": "#eef1f6",
}
DARK: Mapping[str, str] = {
    "page": "#0f151c",
    "card": "#18212b",
    "text": "#e7edf4",
    "quiet": "#a3b0bf",
    "line": "#36424f",
    "link": "#86b7f5",
    "ok": "#5fce90",
    "warn": "#e8b548",
    "unknown": "#cfa4f7",
    "crit": "#ff978c",
    "ok-card": "#12301f",
    "warn-card": "#33270b",
    "unknown-card": "#2b1c3b",
    "crit-card": "#3c1715",
    "half": "#86b7f5",
    "slowest": "#5f7a98",
    "gap": "#f0685c",
    "stops": "#dd9a2f",
    "down": "#8894a2",
    "starts": "#5c9fee",
    "catches": "#b48ae0",
    "synced": "#43a86f",
    "partly": "#d79a2a",
    "out": "#f0685c",
    "unseen": "#2a3542",
    "band": "#1a232e",
}
TEXTS = (
    *((ink, ground) for ink in ("text", "quiet", "link") for ground in ("page", "card")),
    *(
        (ink, ground)
        for ink in ("ok", "warn", "unknown", "crit")
        for ground in ("page", "card", f"{ink}-card")
    ),
    *(("text", f"{ground}-card") for ground in ("ok", "warn", "unknown", "crit")),
    *(("quiet", f"{ground}-card") for ground in ("ok", "warn", "unknown", "crit")),
    ("quiet", "band"),
)
"""Text and what it lies on: WCAG 2.2 AA asks for 4.5 (1.4.3)."""
MARKS = (
    *((ink, ground) for ink in ("half", "slowest", "gap") for ground in ("page", "band")),
    *((ink, "page") for ink in ("stops", "down", "starts", "catches", "synced", "partly", "out")),
)
"""Parts of charts and what they lie on: WCAG 2.2 AA asks for 3 (1.4.11)."""


def contrast(one: str, other: str) -> float:
    """Return the contrast of two colours, such as ``#0b57b0``, by WCAG 2.2: from 1 to 21."""
    lighter, darker = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def variables(colours: Mapping[str, str]) -> str:
    """Return the colours as custom properties of CSS."""
    return "".join(f"--{name}:{colour};" for name, colour in colours.items())


def _luminance(colour: str) -> float:
    shares = (int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5))
    red, green, blue = (
        share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4 for share in shares
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
