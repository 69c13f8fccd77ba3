"""Segmenting videos: crops, objects to labels, the stepwise segmenter, whole splits."""
