"""From files on disk to training samples."""
