"""A DMVOS-style network: matching that tells instances apart (Wen et al., ACM MM 2020).

Built from the supplement alone, as the paper is not at hand: what it says is followed, all else is
our choice and marked as such. It is no reproduction.
"""
