"""Mark objects in a browser, watch them being followed, and take the masks away.

* :mod:`.session` is all that there is to it, without a browser;
* :mod:`.server` shows a session to the browser of the same machine;
* ``page/`` is what the browser runs.
"""
