"""RANet: ranking attention (Wang et al., ICCV 2019)."""
