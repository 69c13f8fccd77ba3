"""Training RANet: losses, schedule, loop, checkpoints, log."""
