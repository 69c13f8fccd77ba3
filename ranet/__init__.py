"""RANet: Ranking Attention Network for video object segmentation."""
