"""Mark objects in a browser, watch them being followed, and take the masks away.

* :mod:`.marks` is what a person draws, :mod:`.journal` keeps it on the disk;
* :mod:`.session` is all that there is to it, without a browser;
* :mod:`.server` shows a session to the browser of the same machine: ``page/`` is what that runs.
"""
