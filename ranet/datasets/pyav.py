"""PyAV, the optional extra ``ranet[video]``, loaded when a video file is met."""

from types import ModuleType

from ranet.errors import RANetError


def import_av() -> ModuleType:
    """The package ``av``.

    Raises:
        RANetError: it is not installed, or cannot be loaded.
    """
    try:
        import av
    except ImportError as error:
        raise RANetError(
            f"Video files need PyAV, which cannot be imported ({error}). Install it with "
            "`pip install av`, or give a folder of images in place of the video."
        ) from error
    return av
