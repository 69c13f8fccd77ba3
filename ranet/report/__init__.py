"""One page about results, to be looked at in a browser: :func:`ranet.report.write.write_report`."""
