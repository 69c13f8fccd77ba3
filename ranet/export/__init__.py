"""The step from frame to frame as graphs that run without this project, and without torch."""
