"""What commands there are, and which script each of them is, too."""

GROUPS = {
    "Segment": ("segment", "annotate", "explain"),
    "Measure": (
        "eval-davis",
        "evaluate",
        "report",
        "benchmark",
        "compare-precision",
        "online-curve",
        "reproduce",
    ),
    "Train": ("train", "show-samples"),
    "Data": ("check-data", "make-synthetic"),
    "Networks": (
        "export-checkpoint",
        "export-onnx",
        "convert-released-weights",
        "check-released-parity",
    ),
    "Try": ("demo",),
}
"""In the order of the help."""

NAMES = tuple(name for group in GROUPS.values() for name in group)


def file_name(command: str) -> str:
    """Of its module and of its script: ``check_data.py`` for ``check-data``."""
    return f"{command.replace('-', '_')}.py"
