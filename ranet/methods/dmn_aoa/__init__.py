"""DMN-AOA-style: dynamic memory networks and adaptive object alignment (Liang et al., ICCV 2021).

The authors' supplement is all that this is built from, and DMM-Net's released matching layer, which
it uses; what neither says is our choice, and marked so.
"""
