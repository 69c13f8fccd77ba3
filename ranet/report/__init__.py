"""One page about results, to be looked at in a browser: :func:`write_report`."""

from ranet.report.pictures import Pictures
from ranet.report.write import Written, write_report

__all__ = ["Pictures", "Written", "write_report"]
