"""The network: every layer of the paper, one file per noun; torch and torchvision only."""
