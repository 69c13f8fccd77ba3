"""The report as one HTML file: everything that it needs is inside it."""

import json
from collections.abc import Sequence
from importlib import resources
from string import Template
from typing import Any

from ranet.metrics import VideoResult
from ranet.report import tables
from ranet.report.markup import Markup, element, joined
from ranet.report.pictures import Picture
from ranet.report.runs import Run
from ranet.report.worst import BadFrame
from ranet.visual.plots import COLOURS
from ranet.wording import count

_SCRIPTS = ("elements.js", "sequence.js", "curves.js", "player.js", "page.js")

_ON_DARK = ("#4aa8e8", "#ff8a3d", "#2cc79a", "#e07bd0", "#e0b93a", "#9fd3ff")
"""The colours of the runs on a dark page, as many as `COLOURS`."""


def page(
    runs: Sequence[Run],
    names: Sequence[str],
    worst: Sequence[BadFrame],
    pictures: dict[str, list[Picture]] | None,
) -> str:
    """The whole page.

    Args:
        runs: what is reported; several are compared.
        names: of the sequences, in the order shown.
        worst: the worst frames, each of which is among the pictures, with contours.
        pictures: of each sequence, in order; None for a report without pictures.
    """
    parts = _parts(runs, names, with_pictures=pictures is not None)
    links = [element("li", element("a", title, href=f"#{key}")) for key, title, _ in parts]
    sections = [
        element(
            "section",
            element("h2", title, id=f"{key}-title"),
            content,
            id=key,
            aria_labelledby=f"{key}-title",
        )
        for key, title, content in parts
    ]
    return Template(_file("template.html")).substitute(
        title=joined(_title(runs)),
        subtitle=joined(_subtitle(runs)),
        navigation=element("ul", *links),
        sections=joined(*sections),
        style=_colour_rules() + _file("report.css"),
        data=_embedded(_data(runs, names, worst, pictures)),
        script="\n".join(_file(name) for name in _SCRIPTS),
    )


def _parts(
    runs: Sequence[Run], names: Sequence[str], *, with_pictures: bool
) -> list[tuple[str, str, Markup]]:
    """Key, title and content of the parts."""
    parts = [
        ("numbers", "Numbers", joined(_notes(tables.caveats(runs)), tables.measures_table(runs)))
    ]
    if len(runs) > 1:
        told = element("p", tables.wins(runs, names))
        parts.append(
            ("comparison", "Who wins where", joined(told, tables.differences_table(runs, names)))
        )
    parts.append(("sequences", "Sequences", tables.sequences_table(runs, names)))
    if with_pictures:
        parts.append(("worst-frames", "Worst frames", _worst_frames(runs)))
    parts.append(("over-time", "Over time", _over_time()))
    parts.append(("time", "Time", tables.times_table(runs)))
    parts.append(("configuration", "Configuration and revision", tables.facts_table(runs)))
    return parts


def _worst_frames(runs: Sequence[Run]) -> Markup:
    of = "of the run that is worst there" if len(runs) > 1 else "of the frame"
    told = (
        f"By the J&F {of}, worst first, and none beside another of the same sequence. The lines "
        "are the borders of the predicted masks and of the true one."
    )
    return joined(element("p", told, class_="soft"), element("ol", class_="worst", id="worst"))


def _over_time() -> Markup:
    told = (
        "Open a sequence. Point at a curve to see that frame, click to move the player there. With "
        "the keyboard: Tab to a curve or to the player, then the arrow keys; Home, End, Page Up "
        "and Page Down in a curve."
    )
    return joined(element("p", told, class_="soft"), element("div", id="folded"))


def _notes(notes: Sequence[str]) -> Markup:
    if not notes:
        return Markup("")
    return element("div", element("ul", *(element("li", note) for note in notes)), class_="note")


def _title(runs: Sequence[Run]) -> str:
    what = f"DAVIS-{runs[0].scores.year} {runs[0].set_name}"
    return f"{what}: {' against '.join(run.name for run in runs)}"


def _subtitle(runs: Sequence[Run]) -> str:
    scores = runs[0].scores
    return (
        f"{count(scores.videos, 'sequence')}, {count(scores.objects, 'object')}, "
        f"{count(scores.scored_frames, 'scored frame')}; revision "
        f"{' and '.join(dict.fromkeys(run.facts.get('revision', 'unknown') for run in runs))}"
    )


def _colour_rules() -> str:
    light, dark = (
        "".join(f"--run-{index}:{colour};" for index, colour in enumerate(colours))
        for colours in (COLOURS, _ON_DARK)
    )
    return f":root{{{light}}}\n@media (prefers-color-scheme:dark){{:root{{{dark}}}}}\n"


def _data(
    runs: Sequence[Run],
    names: Sequence[str],
    worst: Sequence[BadFrame],
    pictures: dict[str, list[Picture]] | None,
) -> dict[str, Any]:
    """What the scripts show."""
    kept = pictures or {}
    return {
        "runs": [run.name for run in runs],
        "sequences": [_sequence(runs, name, kept.get(name, [])) for name in names],
        "worst": [_bad_frame(bad, names, kept[bad.sequence]) for bad in worst] if pictures else [],
    }


def _sequence(runs: Sequence[Run], name: str, pictures: Sequence[Picture]) -> dict[str, Any]:
    videos = [run.scores.videos.get(name) for run in runs]
    video = next(video for video in videos if video)
    return {
        "name": name,
        "frames": video.frames,
        "objects": [str(label) for label in video.objects],
        "overall": [run.overall(name) for run in runs],
        "scores": [_scores(run, video, name) for run, video in zip(runs, videos, strict=True)],
        "pictures": [{"frame": p.frame, "image": p.image, "layers": p.layers} for p in pictures],
    }


def _scores(run: Run, video: VideoResult | None, name: str) -> dict[str, Any] | None:
    if video is None:
        return None
    objects = video.objects.values()
    steps = run.step_ms.get(name, ())
    # Of videos of which only some frames are annotated, the steps cannot be told apart here.
    timed = len(steps) == len(video.frames) - 1 and any(steps)  # copying takes no step
    return {
        "J": [[_rounded(value) for value in one.J.per_frame] for one in objects],
        "F": [[_rounded(value) for value in one.F.per_frame] for one in objects],
        "ms": [None, *map(_rounded, steps)] if timed else None,
    }


def _bad_frame(bad: BadFrame, names: Sequence[str], pictures: Sequence[Picture]) -> dict[str, Any]:
    picture = next(picture for picture in pictures if picture.frame == bad.frame)
    return {
        "sequence": names.index(bad.sequence),
        "frame": bad.frame,
        "score": _rounded(bad.score),
        "contours": picture.contours,
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)


def _embedded(data: dict[str, Any]) -> str:
    """JSON that no text in it can end: a browser looks for ``</script``, whatever is around it."""
    return json.dumps(data, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")


def _file(name: str) -> str:
    return resources.files(__package__).joinpath(name).read_text(encoding="utf-8")
