"""Pictures: overlays, contact sheets, plots, and a look inside the network."""

from typing import TYPE_CHECKING, Any

from ranet.visual.overlay import overlay

if TYPE_CHECKING:
    from ranet.inference.explain import explain

__all__ = ["explain", "overlay"]


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def __getattr__(name: str) -> Any:
    if name == "explain":  # it runs the network, which those who only draw should not load
        from ranet.inference.explain import explain

        return explain
    raise AttributeError(f"module 'ranet.visual' has no attribute {name!r}")
