"""The DAVIS measures J, F, recall and decay; numpy and OpenCV, no torch."""
